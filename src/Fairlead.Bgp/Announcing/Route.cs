using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Announcing;

/// <summary>One announcement that is wanted.</summary>
public sealed record Route
{
    /// <summary>More of our own AS in a path than this helps nobody, and some networks drop the route.</summary>
    public const int PrependMax = 64;

    public required Prefix Prefix { get; init; }

    /// <summary>Null: our own address on the session. A named one may be any host the peer can reach.</summary>
    public IPAddress? NextHop { get; init; }

    public uint? Med { get; init; }

    /// <summary>Only towards internal peers (RFC 4271 §5.1.5); null: 100.</summary>
    public uint? LocalPref { get; init; }

    /// <summary>How many times our AS stands in the path beyond the one that belongs there. Ignored on iBGP.</summary>
    public int Prepend { get; init; }

    public ImmutableArray<uint> Communities { get; init; } = [];

    public ImmutableArray<ulong> ExtendedCommunities { get; init; } = [];

    public ImmutableArray<LargeCommunity> LargeCommunities { get; init; } = [];

    /// <summary>RFC 8326: the route is about to go; it carries GRACEFUL_SHUTDOWN, and preference 0 inside.</summary>
    public bool GracefulShutdown { get; init; }

    /// <summary>
    /// RFC 7999: packets to the prefix are to be thrown away. It carries BLACKHOLE, and NO_EXPORT so that it stays
    /// with the neighbor (RFC 7999 §3.2).
    /// </summary>
    public bool Blackhole { get; init; }

    /// <summary>The names of the peers that get it; empty: all.</summary>
    public ImmutableArray<string> OnlyPeers { get; init; } = [];

    /// <summary>Every fault of the route that no peer's policy can mend, in words.</summary>
    public IEnumerable<string> Problems()
    {
        if (Prepend is < 0 or > PrependMax) yield return $"{Prefix}: prepend must be 0 to {PrependMax}";
        if (Blackhole && GracefulShutdown) yield return $"{Prefix}: a blackhole cannot be shut down gracefully";
        if (NextHop is { } nextHop && nextHop.Equals(Prefix.Address) && Prefix.IsHost)
            yield return $"{Prefix}: the next hop is the prefix itself, which no router can resolve";
        if (AttributeBytes.Of(this) > AttributeBytes.Max)
            yield return $"{Prefix}: the communities take more than {AttributeBytes.Max} octets";
    }
}

/// <summary>What communities take in a message: bounded, so that attributes always leave room for routes.</summary>
public static class AttributeBytes
{
    public const int Max = 1024;

    public static int Of(Route route) => Of(route.Communities, route.ExtendedCommunities, route.LargeCommunities);

    public static int Of(
        ImmutableArray<uint> communities, ImmutableArray<ulong> extended, ImmutableArray<LargeCommunity> large) =>
        (communities.Length * 4) + (extended.Length * 8) + (large.Length * LargeCommunity.Size);
}

/// <summary>
/// Everything that is to be announced: the speaker's input, always whole. A prefix may stand several times with
/// different OnlyPeers; of those that concern one peer, the first counts.
/// </summary>
public sealed record RouteSet(long Generation, ImmutableArray<Route> Routes)
{
    public static readonly RouteSet Empty = new(0, []);

    /// <summary>
    /// How old the oldest observation is that the set rests on, as a timestamp of the speaker's TimeProvider. After the
    /// process has stood still, the speaker tells nobody of a set that rests on older ones, and waits for a fresh one.
    /// Null: the set does not say, and is told whatever has happened.
    /// </summary>
    public long? AsOf { get; init; }
}
