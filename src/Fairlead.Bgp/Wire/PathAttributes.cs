using System.Collections.Immutable;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// RFC 4271 §5, RFC 1997, RFC 4456 §8, RFC 4760, RFC 4360, RFC 6793, RFC 5701, RFC 7311, RFC 8092, RFC 9234.
/// </summary>
public enum AttributeType : byte
{
    Origin = 1,
    AsPath = 2,
    NextHop = 3,
    Med = 4,
    LocalPref = 5,
    AtomicAggregate = 6,
    Aggregator = 7,
    Communities = 8,
    OriginatorId = 9,
    ClusterList = 10,
    MpReach = 14,
    MpUnreach = 15,
    ExtendedCommunities = 16,
    As4Path = 17,
    As4Aggregator = 18,
    IPv6ExtendedCommunities = 25,
    Aigp = 26,
    LargeCommunities = 32,
    OnlyToCustomer = 35,
}

/// <summary>
/// The attributes of a route that we announce; routes with equal ones share an UPDATE. Equality goes by value, the
/// AS path's and the communities' too.
/// </summary>
public sealed record PathAttributes
{
    public required IPAddress NextHop { get; init; }

    /// <summary>RFC 2545 §3: the second, link-local next hop of an IPv6 route, when the peer shares our link.</summary>
    public IPAddress? LinkLocalNextHop { get; init; }

    /// <summary>The AS_PATH, nearest AS first: one AS_SEQUENCE. Empty towards an internal peer.</summary>
    public ImmutableArray<Asn> AsPath { get; init; } = [];

    public uint? Med { get; init; }

    /// <summary>Only towards internal peers (RFC 4271 §5.1.5).</summary>
    public uint? LocalPref { get; init; }

    public ImmutableArray<uint> Communities { get; init; } = [];

    public ImmutableArray<ulong> ExtendedCommunities { get; init; } = [];

    public ImmutableArray<LargeCommunity> LargeCommunities { get; init; } = [];

    /// <summary>RFC 9234 §5: towards a customer, a peer or a route server's client.</summary>
    public Asn? OnlyToCustomer { get; init; }

    public bool Equals(PathAttributes? other) =>
        other is not null
        && NextHop.Equals(other.NextHop)
        && Equals(LinkLocalNextHop, other.LinkLocalNextHop)
        && Med == other.Med
        && LocalPref == other.LocalPref
        && AsPath.AsSpan().SequenceEqual(other.AsPath.AsSpan())
        && OnlyToCustomer == other.OnlyToCustomer
        && Communities.AsSpan().SequenceEqual(other.Communities.AsSpan())
        && ExtendedCommunities.AsSpan().SequenceEqual(other.ExtendedCommunities.AsSpan())
        && LargeCommunities.AsSpan().SequenceEqual(other.LargeCommunities.AsSpan());

    public override int GetHashCode() => HashCode.Combine(NextHop, Med, LocalPref, AsPath.Length, Communities.Length);
}
