using System.Collections.Immutable;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Announcing;

/// <summary>One announcement that is wanted.</summary>
public sealed record Route
{
    public required Prefix Prefix { get; init; }

    /// <summary>Null: our own address on the session. A named one may be any host the peer can reach.</summary>
    public IPAddress? NextHop { get; init; }

    public uint? Med { get; init; }

    /// <summary>How many times our AS stands in the path beyond the one that belongs there. Ignored on iBGP.</summary>
    public int Prepend { get; init; }

    public ImmutableArray<uint> Communities { get; init; } = [];

    /// <summary>The names of the peers that get it; empty: all.</summary>
    public ImmutableArray<string> OnlyPeers { get; init; } = [];
}

/// <summary>
/// Everything that is to be announced: the speaker's input, always whole. A prefix may stand several times with
/// different OnlyPeers; of those that concern one peer, the first counts.
/// </summary>
public sealed record RouteSet(long Generation, ImmutableArray<Route> Routes)
{
    public static readonly RouteSet Empty = new(0, []);
}
