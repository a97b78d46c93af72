using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Receiving;

/// <summary>The attributes that came with routes of the peer; routes of one UPDATE share them. Immutable.</summary>
public sealed record ReceivedAttributes
{
    // What the object itself, its next hops and its arrays' heads take, rounded up.
    private const int OwnBytes = 320;

    public required DateTimeOffset At { get; init; }

    public byte Origin { get; init; }

    public ImmutableArray<Asn> AsPath { get; init; } = [];

    public IPAddress? NextHop { get; init; }

    public IPAddress? LinkLocalNextHop { get; init; }

    public uint? Med { get; init; }

    public uint? LocalPref { get; init; }

    public ImmutableArray<uint> Communities { get; init; } = [];

    public ImmutableArray<ulong> ExtendedCommunities { get; init; } = [];

    public ImmutableArray<LargeCommunity> LargeCommunities { get; init; } = [];

    public uint? OriginatorId { get; init; }

    public ImmutableArray<uint> ClusterList { get; init; } = [];

    public (Asn As, uint RouterId)? Aggregator { get; init; }

    public bool AtomicAggregate { get; init; }

    public Asn? OnlyToCustomer { get; init; }

    /// <summary>About what it takes in memory.</summary>
    public int Bytes => OwnBytes + (AsPath.Length * 4) + (ClusterList.Length * 4)
        + AttributeBytes.Of(Communities, ExtendedCommunities, LargeCommunities);

    /// <summary>Of the routes in the NLRI field, or of those in MP_REACH_NLRI.</summary>
    public static ReceivedAttributes Of(UpdateContent content, bool field, DateTimeOffset at) => new()
    {
        At = at,
        Origin = content.Origin ?? 2,
        AsPath = [.. content.AsPath],
        NextHop = AddressOf(field ? content.NextHop : content.MultiprotocolNextHop),
        LinkLocalNextHop = field ? null : AddressOf(content.LinkLocalNextHop),
        Med = content.Med,
        LocalPref = content.LocalPref,
        Communities = [.. content.Communities],
        ExtendedCommunities = [.. content.ExtendedCommunities],
        LargeCommunities = [.. content.LargeCommunities],
        OriginatorId = content.OriginatorId,
        ClusterList = [.. content.ClusterList],
        Aggregator = content.Aggregator,
        AtomicAggregate = content.AtomicAggregate,
        OnlyToCustomer = content.OnlyToCustomer,
    };

    private static IPAddress? AddressOf(UInt128? bits) =>
        bits is { } address ? Prefix.OfMapped(address, 128).Address : null;
}
