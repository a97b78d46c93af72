using System.Collections.Immutable;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Announcing;

/// <summary>
/// What is done to every route on its way to one peer. RFC 8212 §2: an external peer without one is told nothing.
/// </summary>
public sealed record ExportPolicy
{
    /// <summary>Every route as it stands.</summary>
    public static readonly ExportPolicy Plain = new();

    /// <summary>Added to the route's own.</summary>
    public int Prepend { get; init; }

    /// <summary>For routes that name none.</summary>
    public uint? Med { get; init; }

    /// <summary>For routes that name none; only towards internal peers.</summary>
    public uint? LocalPref { get; init; }

    /// <summary>Added to the route's own.</summary>
    public ImmutableArray<uint> Communities { get; init; } = [];

    public ImmutableArray<ulong> ExtendedCommunities { get; init; } = [];

    public ImmutableArray<LargeCommunity> LargeCommunities { get; init; } = [];

    /// <summary>RFC 8326 §4.2: the session is about to go; all routes on it are marked.</summary>
    public bool GracefulShutdown { get; init; }

    /// <summary>
    /// The peer is the internet: nothing longer than its filters let through is told, and all of it by way of us.
    /// </summary>
    public bool ToInternet { get; init; }

    /// <summary>The peer does not know BLACKHOLE (RFC 7999): it would bring us what it should throw away.</summary>
    public bool WithoutBlackholes { get; init; }

    /// <summary>Every fault, in words without the peer's name.</summary>
    public IEnumerable<string> Problems()
    {
        if (Prepend is < 0 or > Route.PrependMax) yield return $"prepend must be 0 to {Route.PrependMax}";
        if (AttributeBytes.Of(Communities, ExtendedCommunities, LargeCommunities) > AttributeBytes.Max)
            yield return $"the communities take more than {AttributeBytes.Max} octets";
    }

    public bool Equals(ExportPolicy? other) =>
        other is not null
        && (Prepend, Med, LocalPref) == (other.Prepend, other.Med, other.LocalPref)
        && (GracefulShutdown, ToInternet, WithoutBlackholes) ==
            (other.GracefulShutdown, other.ToInternet, other.WithoutBlackholes)
        && Communities.AsSpan().SequenceEqual(other.Communities.AsSpan())
        && ExtendedCommunities.AsSpan().SequenceEqual(other.ExtendedCommunities.AsSpan())
        && LargeCommunities.AsSpan().SequenceEqual(other.LargeCommunities.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Prepend, Med, LocalPref, Communities.Length);
}

/// <summary>
/// Which of the peer's routes count. RFC 8212 §2: those of an external peer without one are shown and never chosen.
/// Nothing is ever installed or passed on: what counts, counts for the looking glass and for who asks it.
/// </summary>
public sealed record ImportPolicy
{
    /// <summary>Every route as it comes.</summary>
    public static readonly ImportPolicy Plain = new();

    /// <summary>Only routes inside one of these; empty: any.</summary>
    public ImmutableArray<Prefix> Within { get; init; } = [];

    /// <summary>The preference of routes that bring none; RFC 8326 §4.1 sets those in graceful shutdown to 0.</summary>
    public uint LocalPref { get; init; } = 100;

    public bool Accepts(Prefix prefix) => Within.IsEmpty || Within.Any(within => within.Contains(prefix));

    public bool Equals(ImportPolicy? other) =>
        other is not null && LocalPref == other.LocalPref && Within.AsSpan().SequenceEqual(other.Within.AsSpan());

    public override int GetHashCode() => HashCode.Combine(LocalPref, Within.Length);
}
