using System.Collections.Immutable;
using System.Net;
using Fairlead.Balancer.Maps;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer;

/// <summary>Where a VIP's packets go: to the machine itself (Local), or to the backends.</summary>
public sealed record VipEntry(Prefix Vip, bool Local, ImmutableArray<IPAddress> Backends)
{
    public bool Equals(VipEntry? other) =>
        other is not null && Vip == other.Vip && Local == other.Local && Backends.SequenceEqual(other.Backends);

    public override int GetHashCode() => Vip.GetHashCode();
}

/// <summary>
/// The balancer's input table: one entry a VIP for the kernel's own forwarding, and the services for the XDP balancer.
/// </summary>
public sealed record VipTable(long Generation, ImmutableArray<VipEntry> Entries)
{
    public static readonly VipTable Empty = new(0, []);

    public ImmutableArray<ServiceEntry> Services { get; init; } = [];

    /// <summary>
    /// Balancers elsewhere that may send on here what is for these VIPs. Tunnels of no others are opened.
    /// </summary>
    public ImmutableArray<IPAddress> Spillers { get; init; } = [];

    /// <summary>Of Spillers there may be so many.</summary>
    public const int SpillersMax = Layout.Spillers / 4;
}

/// <summary>How a packet reaches a backend.</summary>
public enum DeliveryMode : byte
{
    /// <summary>The frame's addresses alone are changed: the backend is on the same link.</summary>
    L2 = 0,

    /// <summary>In an IP packet to the backend (RFC 2003, RFC 2473).</summary>
    Ip = 1,

    /// <summary>In UDP and GUE: a flow has its own source port, and a second chance during changes.</summary>
    Gue = 2,
}

/// <summary>What clients send to. Protocol is 6 (TCP) or 17 (UDP); port 0 is any port.</summary>
public readonly record struct VipPort(IPAddress Address, byte Protocol, ushort Port)
{
    public override string ToString() =>
        $"{new IPEndPoint(Address, Port)}/{(Protocol == 6 ? "tcp" : Protocol == 17 ? "udp" : $"{Protocol}")}";
}

/// <summary>
/// A backend of a service. With weight 0 it takes no new flow and keeps those that it has; one that is not in the table
/// any more gets nothing.
/// </summary>
public sealed record BackendEntry(IPAddress Address, int Weight = 1)
{
    /// <summary>
    /// No backend, but a balancer elsewhere that the service spills to: in GUE, whatever the service's mode.
    /// </summary>
    public bool IsElsewhere { get; init; }
}

/// <summary>
/// By which sets of backends another balancer has carried a service's flows, the oldest first; the last one is that of
/// now.
/// </summary>
public sealed record OtherBalancer(ImmutableArray<ImmutableArray<BackendEntry>> Sets)
{
    public bool Equals(OtherBalancer? other) => other is not null
        && Sets.AsSpan().SequenceEqual(other.Sets.AsSpan(), SameSet);

    public override int GetHashCode() => Sets.Length;

    private static readonly EqualityComparer<ImmutableArray<BackendEntry>> SameSet =
        EqualityComparer<ImmutableArray<BackendEntry>>.Create(
            (one, other) => one.AsSpan().SequenceEqual(other.AsSpan()));
}

/// <summary>A set of backends that a service's flows were spread over, and how long ago that ended.</summary>
public sealed record FormerSet(ImmutableArray<BackendEntry> Backends, int AgeSeconds);

/// <summary>
/// A service that has carried flows here, with the sets that it had within its transition time before the one of now,
/// the newest first: what another balancer must know to take them over.
/// </summary>
public sealed record CarriedService(string Service, ImmutableArray<FormerSet> Former);

/// <summary>One service: its VIPs, its backends and how packets reach them.</summary>
public sealed record ServiceEntry
{
    public required string Name { get; init; }

    public required ImmutableArray<VipPort> Vips { get; init; }

    public required ImmutableArray<BackendEntry> Backends { get; init; }

    /// <summary>
    /// Those of the service that are down. Who comes up soon after the first packet was mostly up before: a balancer
    /// that starts finds out one after the other, and must not have other slots in change than one that found them all
    /// at once.
    /// </summary>
    public ImmutableArray<BackendEntry> Down { get; init; } = [];

    /// <summary>
    /// What other balancers of these VIPs have carried flows by, and may hand over to this one: the one that knows most
    /// first. While no packet has come here, the table is made as the first of them made it; later, those whom they
    /// sent flows to are named for a second chance.
    /// </summary>
    public ImmutableArray<OtherBalancer> Others { get; init; } = [];

    /// <summary>How its backends write themselves into QUIC connection ids. Empty: UDP is UDP.</summary>
    public ImmutableArray<QuicConfig> Quic { get; init; } = [];

    public DeliveryMode Mode { get; init; }

    /// <summary>
    /// Prime. Set once: another size moves every flow, and all balancers of a VIP need the same. A hundred a backend
    /// spread well and move little.
    /// </summary>
    public int Slots { get; init; } = 16381;

    /// <summary>All flows of a client go to one backend.</summary>
    public bool IsSticky { get; init; }

    /// <summary>Fragments without ports follow the first one of their packet.</summary>
    public bool FollowsFragments { get; init; } = true;

    /// <summary>
    /// How long slots that changed their owner keep flows with the former one that are not remembered.
    /// </summary>
    public TimeSpan Transition { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>The same in all that it says; arrays by what is in them.</summary>
    public bool Equals(ServiceEntry? other) => other is not null && Name == other.Name && Mode == other.Mode
        && Slots == other.Slots && IsSticky == other.IsSticky && FollowsFragments == other.FollowsFragments
        && Transition == other.Transition && AreSame(Vips, other.Vips) && AreSame(Backends, other.Backends)
        && AreSame(Others, other.Others) && AreSame(Down, other.Down) && AreSame(Quic, other.Quic);

    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    private static bool AreSame<T>(ImmutableArray<T> one, ImmutableArray<T> other) where T : IEquatable<T> =>
        one == other || one.AsSpan().SequenceEqual(other.AsSpan());
}
