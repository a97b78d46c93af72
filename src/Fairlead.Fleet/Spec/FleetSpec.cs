using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Health;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Spec;

/// <summary>Everything one fleet file declares. What can be derived (VIPs, prefixes' owners) is derived here.</summary>
public sealed record FleetSpec
{
    public required string Name { get; init; }

    /// <summary>The origin AS of every aggregate. Null: the fleet speaks no BGP.</summary>
    public Asn? Asn { get; init; }

    /// <summary>The reserved addresses: nothing outside them is ever announced (I1).</summary>
    public ImmutableArray<Prefix> AnycastSubnets { get; init; } = [];

    /// <summary>The prefixes that every pop announces.</summary>
    public ImmutableArray<Prefix> Cover { get; init; } = [];

    public StoreSpec Store { get; init; } = new();

    public BalancerSpec? Balancer { get; init; }

    public RpkiSpec? Rpki { get; init; }

    public GeoSpec Geo { get; init; } = new();

    public SafetySpec Safety { get; init; } = new();

    public DnsSpec Dns { get; init; } = new();

    public ImmutableArray<PopSpec> Pops { get; init; } = [];

    public ImmutableArray<ServiceSpec> Services { get; init; } = [];

    public ImmutableArray<ZoneSpec> Zones { get; init; } = [];

    /// <summary>Every master file in it is a zone too; relative to the fleet file.</summary>
    public string? ZoneFolder { get; init; }

    public PopSpec? Pop(string name) => Pops.FirstOrDefault(pop => pop.Name == name);

    public ServiceSpec? Service(string name) => Services.FirstOrDefault(service => service.Name == name);

    /// <summary>Every aggregate: the covers and all regional prefixes.</summary>
    public IEnumerable<Prefix> Aggregates => Cover.Concat(Pops.SelectMany(pop => pop.Regional)).Distinct();

    /// <summary>The service's address in each cover prefix, and those it names: a /32 or /128 each.</summary>
    public IEnumerable<Prefix> AnycastVips(ServiceSpec service) =>
        Vips(Cover, service).Concat(service.Vips.Select(Prefix.Host)).Distinct();

    /// <summary>The service's address in each of the pop's regional prefixes.</summary>
    public static IEnumerable<Prefix> RegionalVips(ServiceSpec service, PopSpec pop) => Vips(pop.Regional, service);

    /// <summary>All of the service's addresses, sorted: every pop serves all of them.</summary>
    public ImmutableArray<Prefix> AllVips(ServiceSpec service) =>
        [.. AnycastVips(service).Concat(Pops.SelectMany(pop => RegionalVips(service, pop))).Distinct().Order()];

    private static IEnumerable<Prefix> Vips(IEnumerable<Prefix> prefixes, ServiceSpec service) =>
        prefixes.Where(prefix => service.Host.FitsInto(prefix)).Select(prefix => service.Host.In(prefix));
}

/// <summary>The part of an address that all addresses of a service share ("::53"); its low bits serve IPv4.</summary>
public readonly record struct HostPart(UInt128 Value)
{
    public bool FitsInto(Prefix prefix) =>
        prefix.LengthMapped < 128 && Value != 0 && Value < (UInt128.One << (128 - prefix.LengthMapped));

    public Prefix In(Prefix prefix) => Prefix.OfMapped(prefix.Bits | Value, 128);

    public override string ToString() => Prefix.OfMapped(Value, 128).Address.ToString();
}

public sealed record PlaceSpec(string City, double Latitude, double Longitude)
{
    /// <summary>The angle between two places on the globe, in radians (haversine); only ever compared.</summary>
    public static double Distance(double latitude, double longitude, double otherLatitude, double otherLongitude)
    {
        (double phi, double otherPhi) = (double.DegreesToRadians(latitude), double.DegreesToRadians(otherLatitude));
        double half = Math.Sin((otherPhi - phi) / 2);
        double side = Math.Sin(double.DegreesToRadians(otherLongitude - longitude) / 2);
        return 2 * Math.Asin(
            Math.Min(1, Math.Sqrt((half * half) + (Math.Cos(phi) * Math.Cos(otherPhi) * side * side))));
    }
}

/// <summary>A site.</summary>
public sealed record PopSpec
{
    public required string Name { get; init; }

    public PlaceSpec? Place { get; init; }

    /// <summary>The more-specifics inside the cover that belong to this pop.</summary>
    public ImmutableArray<Prefix> Regional { get; init; } = [];

    /// <summary>The pop's own unicast networks, carried on the backbone and never upstream.</summary>
    public ImmutableArray<Prefix> Networks { get; init; } = [];

    /// <summary>None: its backends are checked from the other pops' nodes.</summary>
    public ImmutableArray<NodeSpec> Nodes { get; init; } = [];

    public ImmutableArray<RouterSpec> Routers { get; init; } = [];

    public NodeSpec? Node(string name) => Nodes.FirstOrDefault(node => node.Name == name);

    public RouterSpec? Router(string name) => Routers.FirstOrDefault(router => router.Name == name);

    /// <summary>The great circle, as PlaceSpec.Distance; a pop without a place is the farthest.</summary>
    public double DistanceTo(PopSpec other) => other == this ? -1
        : Place is { } here && other.Place is { } there ? PlaceSpec.Distance(
            here.Latitude, here.Longitude, there.Latitude, there.Longitude)
        : double.MaxValue;
}

/// <summary>A machine of a pop that runs Fairlead. Asn is what it speaks BGP as; null: the fleet's (iBGP).</summary>
public sealed record NodeSpec
{
    public required string Name { get; init; }

    public Asn? Asn { get; init; }

    public ImmutableArray<IPAddress> Addresses { get; init; } = [];

    /// <summary>Where the balancer takes clients' packets in; empty: where the fleet's says.</summary>
    public ImmutableArray<string> Devices { get; init; } = [];

    public IPAddress? Address(AddressFamily family) => Addresses.FirstOrDefault(a => a.AddressFamily == family);
}

/// <summary>What a node speaks BGP to.</summary>
public sealed record RouterSpec
{
    public required string Name { get; init; }

    /// <summary>Null: the fleet's.</summary>
    public Asn? Asn { get; init; }

    public ImmutableArray<IPAddress> Addresses { get; init; } = [];

    /// <summary>It is each node's default gateway, in the families of the node's addresses: it has none here.</summary>
    public bool IsGateway { get; init; }

    public BfdSpec? Bfd { get; init; }

    public TimeSpan HoldTime { get; init; } = TimeSpan.FromSeconds(9);

    /// <summary>
    /// How long it keeps a node's routes whose process is gone (RFC 4724), of families where the kernel serves every
    /// VIP without it; null: no time.
    /// </summary>
    public TimeSpan? Restart { get; init; }

    /// <summary>It is not ours: host routes are kept from it, and what it is told leads to the node.</summary>
    public bool IsInternet { get; init; }

    /// <summary>It throws packets away to what is told with BLACKHOLE (RFC 7999).</summary>
    public bool TakesBlackholes { get; init; }

    /// <summary>TCP MD5 (RFC 2385) between node and router.</summary>
    public string? Password { get; init; }

    /// <summary>GTSM (RFC 5082) between node and router.</summary>
    public bool TtlSecurity { get; init; }

    /// <summary>
    /// Links to other pops' routers: the neighbour's name, and this router's own addresses on that link.
    /// </summary>
    public ImmutableSortedDictionary<string, ImmutableArray<IPAddress>> Backbone { get; init; } =
        ImmutableSortedDictionary<string, ImmutableArray<IPAddress>>.Empty;

    public ImmutableArray<UpstreamSpec> Upstreams { get; init; } = [];

    public IPAddress? Address(AddressFamily family) => Addresses.FirstOrDefault(a => a.AddressFamily == family);
}

public sealed record BfdSpec(TimeSpan Interval, int Multiplier)
{
    /// <summary>
    /// No BGP session before BFD is Up: what BFD does not watch yet carries nothing. Not for routers that begin BFD
    /// with the BGP session alone: both would wait.
    /// </summary>
    public bool IsStrict { get; init; }
}

/// <summary>A neighbour that sells transit, and its addresses on the link.</summary>
public sealed record UpstreamSpec
{
    public required string Name { get; init; }

    public required Asn Asn { get; init; }

    public ImmutableArray<IPAddress> Addresses { get; init; } = [];

    public BfdSpec? Bfd { get; init; }
}

public enum PortProtocol
{
    Tcp,
    Udp,
}

public readonly record struct PortSpec(PortProtocol Protocol, int Port)
{
    public override string ToString() => $"{(Protocol == PortProtocol.Tcp ? "tcp" : "udp")}/{Port}";
}

public enum BackendPick
{
    All,

    /// <summary>The first healthy one in the order of the file: the others stand by.</summary>
    First,
    One,
}

/// <summary>What users come for.</summary>
public sealed record ServiceSpec
{
    public required string Name { get; init; }

    /// <summary>Zero: none. A service without VIPs has names that are answered with its backends.</summary>
    public HostPart Host { get; init; }

    /// <summary>Anycast addresses that no host part makes, each inside an anycast subnet.</summary>
    public ImmutableArray<IPAddress> Vips { get; init; } = [];

    public bool HasVips => Host.Value != 0 || !Vips.IsEmpty;

    public ImmutableArray<PortSpec> Ports { get; init; } = [];

    public CheckSpec Check { get; init; } = new();

    /// <summary>The port a check goes to; null: it says none, and the service has none of its protocol.</summary>
    public int? PortOf(CheckSpec check)
    {
        PortProtocol protocol = check.Kind is CheckKind.Dns or CheckKind.Udp ? PortProtocol.Udp : PortProtocol.Tcp;
        return check.Port
            ?? Ports.Where(port => port.Protocol == protocol).Select(port => (int?)port.Port).FirstOrDefault();
    }

    /// <summary>The check of one backend, a composite's parts with it ("web/nyc/192.0.2.5#disk").</summary>
    public Check CheckOf(string id, IPAddress backend) => CheckOf(id, backend, Check);

    private Check CheckOf(string id, IPAddress backend, CheckSpec spec) =>
        new(id, new IPEndPoint(spec.Address ?? backend, PortOf(spec) ?? 0), spec)
        {
            Parts = [.. spec.Parts.Select(part => CheckOf($"{id}#{part.Name}", backend, part.Spec))],
        };

    /// <summary>The nodes themselves serve it (the DNS server): each node checks its own addresses.</summary>
    public bool OnNodes { get; init; }

    /// <summary>Each pop's backends.</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<IPAddress>> Backends { get; init; } =
        ImmutableSortedDictionary<string, ImmutableArray<IPAddress>>.Empty;

    /// <summary>Which of a pop's healthy backends a name with Answer Backends is answered with.</summary>
    public BackendPick Pick { get; init; }

    /// <summary>For Pick One and for Balance; a backend that is not in it weighs 1.</summary>
    public ImmutableDictionary<IPAddress, int> Weights { get; init; } = ImmutableDictionary<IPAddress, int>.Empty;

    /// <summary>Of a family's backends in a pop: so many must be healthy, or the pop does not serve it.</summary>
    public Quota MinHealthy { get; init; } = new(1);

    public AnnounceSpec Announce { get; init; } = new();

    /// <summary>Null: the kernel's own routes lead to its backends.</summary>
    public BalanceSpec? Balance { get; init; }

    /// <summary>The backends that a node of this pop checks and serves from.</summary>
    public ImmutableArray<IPAddress> PoolOf(PopSpec pop, NodeSpec node) =>
        OnNodes ? node.Addresses : Backends.GetValueOrDefault(pop.Name, []);

    /// <summary>The family of the backends that serve VIPs of this one.</summary>
    public AddressFamily Behind(AddressFamily vips) => Balance?.Over ?? vips;

    /// <summary>The families of the VIPs that backends of this one serve.</summary>
    public IEnumerable<AddressFamily> InFrontOf(AddressFamily backends) =>
        new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 }.Where(vips => Behind(vips) == backends);

    /// <summary>How many backends of a family all of the pop's nodes together see.</summary>
    public int PoolSizeIn(PopSpec pop, AddressFamily family) =>
        (OnNodes ? pop.Nodes.SelectMany(node => node.Addresses) : Backends.GetValueOrDefault(pop.Name, []))
            .Count(address => address.AddressFamily == family);
}

/// <summary>
/// An RPKI cache (RFC 8210), and whether what it calls invalid is kept back, or only complained of.
/// </summary>
public sealed record RpkiSpec(IPEndPoint Cache, bool Refuses);

/// <summary>Where pops learn each other's state. No endpoint: files in the node's own state folder.</summary>
public sealed record StoreSpec
{
    public ImmutableArray<Uri> Etcd { get; init; } = [];

    /// <summary>How often a node publishes its report.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>The waiting times of Decide.</summary>
public sealed record SafetySpec
{
    /// <summary>A pop whose nodes have all been silent for this long, while the store lives, is dead.</summary>
    public TimeSpan DeadAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a route must stand before something that leans on it may change.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(3);
}
