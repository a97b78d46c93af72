using System.Collections.Immutable;
using System.Net;
using Fairlead.Health;
using Fairlead.Net.Addresses;
using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>
/// The fleet file's declaration: each key once, with its shape and its sentence. The schema comes from here.
/// </summary>
internal static class FleetShapes
{
    private static readonly ListOf<Prefix> Prefixes = new(Scalars.Prefix);
    private static readonly ListOf<IPAddress> Addresses = new(Address);

    private static readonly ListOrWord<(ImmutableArray<IPAddress> Addresses, bool IsGateway)> RouterAddresses = new(
        new MadeOf<ImmutableArray<IPAddress>, (ImmutableArray<IPAddress>, bool)>(Addresses, list => (list, false)),
        "gateway", ([], true));

    private static readonly ObjectOf<BfdSpec> Bfd = new("bfd", BfdAt);

    private static readonly ObjectOf<BfdSpec> NodesBfd = new("bfd", f => BfdAt(f) with
    {
        IsStrict = f.Optional("strict", Switch, false,
            "no BGP session before BFD is up; not for routers that begin BFD with the session alone"),
    });

    private static BfdSpec BfdAt(Fields f) => new(
        f.Optional("interval", Duration, TimeSpan.FromMilliseconds(300), "how often a packet is sent"),
        f.Optional("multiplier", Number(1, 255), 3, "how many may be missed"));

    private static readonly ObjectOf<PlaceSpec> Place = new("a place", f => new PlaceSpec(
        f.Optional("city", Text, "", "the city, for people"),
        f.Required("latitude", Degrees(90), "degrees north"),
        f.Required("longitude", Degrees(180), "degrees east")));

    private static readonly ObjectOf<NodeSpec> Node = new("a node", f => new NodeSpec
    {
        Name = "",
        Asn =
            f.Optional<Asn?>("asn", Nullable(Scalars.Asn), null, "the AS it speaks BGP as; default the fleet's (iBGP)"),
        Addresses = f.Required("addresses", Addresses, "its own unicast addresses, at most one a family"),
        Devices = f.Optional("devices", BalanceShapes.Devices, [], "where the balancer takes clients' packets in")
            is { IsDefault: false } devices ? devices : [],
    });

    private static readonly ObjectOf<UpstreamSpec> Upstream = new("an upstream", f => new UpstreamSpec
    {
        Name = "",
        Asn = f.Required("asn", Scalars.Asn, "the neighbour's AS number"),
        Addresses = f.Required("addresses", Addresses, "the neighbour's addresses on the link"),
        Bfd = f.Optional<BfdSpec?>("bfd", Bfd!, null, "BFD with the neighbour"),
    });

    private static readonly ObjectOf<RouterSpec> Router = new("a router", f => RouterAt(
        f.Required("addresses", RouterAddresses,
            "where nodes reach it, at most one a family; or the word gateway: each node's default gateway"), f));

    private static RouterSpec RouterAt((ImmutableArray<IPAddress> Addresses, bool IsGateway) at, Fields f) => new()
    {
        Name = "",
        Asn = f.Optional<Asn?>("asn", Nullable(Scalars.Asn), null, "its AS number; default the fleet's"),
        Addresses = at.Addresses.IsDefault ? [] : at.Addresses,
        IsGateway = at.IsGateway,
        Bfd = f.Optional<BfdSpec?>("bfd", NodesBfd!, null, "BFD between nodes and this router"),
        HoldTime = f.Optional("holdTime", Duration, TimeSpan.FromSeconds(9), "BGP hold time"),
        Restart = f.Optional<TimeSpan?>("restart", Nullable(Duration), null,
            "how long it keeps the routes of a node whose process is gone while the balancer goes on (RFC 4724)"),
        IsInternet = f.Optional("scope", new OneOf<bool>(("internal", false), ("internet", true)), false,
            "internal: it takes host routes; internet: nothing longer than /24 or /48 is told to it"),
        TakesBlackholes = f.Optional("blackhole", Switch, false,
            "it throws packets away to what it is told with the community BLACKHOLE (RFC 7999)"),
        Password = f.Optional<string?>("password", Text!, null, "TCP MD5 between nodes and this router"),
        TtlSecurity = f.Optional("ttlSecurity", Switch, false, "GTSM (RFC 5082) between nodes and this router"),
        Backbone = Dictionary(f.Optional("backbone", new MapOf<ImmutableArray<IPAddress>>(Name, Addresses), [],
            "links to other pops' routers: neighbour's name, own addresses on the link")),
        Upstreams = Named(
            f.Optional("upstreams", new MapOf<UpstreamSpec>(Name, Upstream), [], "neighbours that sell transit"),
            (name, upstream) => upstream with { Name = name }),
    };

    private static readonly ObjectOf<PopSpec> Pop = new("a pop", f => new PopSpec
    {
        Name = "",
        Place = f.Optional<PlaceSpec?>("place", Place!, null, "where it is: steering by distance needs it"),
        Regional = f.Optional("regional", Prefixes, [], "the more-specifics inside the cover that belong to this pop"),
        Networks =
            f.Optional("networks", Prefixes, [], "own unicast networks, carried on the backbone, never upstream"),
        Nodes = Named(
            f.Optional("nodes", new MapOf<NodeSpec>(Name, Node), [],
                "its machines that run Fairlead; none: others check it"),
            (name, node) => node with { Name = name }),
        Routers = Named(f.Optional("routers", new MapOf<RouterSpec>(Name, Router), [], "what its nodes speak BGP to"),
            (name, router) => router with { Name = name }),
    });

    private static readonly ObjectOf<ServiceSpec> Service = new("a service", f => new ServiceSpec
    {
        Name = "",
        Host = f.Optional("host", Scalars.Host, default, "the host part of all its VIPs; its low bits serve IPv4"),
        Vips = f.Optional("vips", Addresses, [],
            "anycast addresses of its own, inside the anycast subnets: for those that no host part makes"),
        Ports = f.Required("ports", new ListOf<PortSpec>(Port, mayBeEmpty: true), "where it is reached"),
        Check = f.Optional("check", CheckShapes.Check, new CheckSpec(), "what is asked of each backend"),
        OnNodes = f.Optional("onNodes", Switch, false, "the nodes themselves serve it, as the DNS server"),
        Backends = Dictionary(f.Optional("backends", new MapOf<ImmutableArray<IPAddress>>(Name, Addresses), [],
            "each pop's servers")),
        Pick = f.Optional("pick", new OneOf<BackendPick>(
            ("all", BackendPick.All), ("first", BackendPick.First), ("one", BackendPick.One)), BackendPick.All,
            "answer backends: all healthy ones, the first of them, or one of them, as often as its weight says"),
        Weights = f.Optional("weights", new MapOf<int>(AddressText, Number(0, 10_000)), [],
            "each backend's weight for pick one and for the balancer; there 0 lets its connections end")
            is { IsDefaultOrEmpty: false } weights
                ? weights.ToImmutableDictionary(pair => IPAddress.Parse(pair.Key), pair => pair.Value)
                : ImmutableDictionary<IPAddress, int>.Empty,
        MinHealthy = f.Optional(
            "minHealthy", Scalars.Quota, new Quota(1), "healthy backends a pop needs to serve it: a count or a share"),
        Announce = f.Optional("announce", AnnounceShapes.Announce, new AnnounceSpec(), "how its routes are told"),
        Balance = f.Optional<BalanceSpec?>("balance", BalanceShapes.Balance!, null,
            "the balancer in the kernel takes it; none: the kernel's routes do"),
    });

    private static readonly ObjectOf<(ImmutableArray<Prefix> Subnets, ImmutableArray<Prefix> Cover)> Anycast = new(
        "anycast", f => (
            f.Required("subnets", Prefixes, "the reserved addresses: nothing outside them is ever announced"),
            f.Optional("cover", new ListOf<Prefix>(Scalars.Prefix, mayBeEmpty: true), [],
                "the prefixes that every pop announces; none: host routes alone")));

    private static readonly ObjectOf<StoreSpec> Store = new("store", f => new StoreSpec
    {
        Etcd = f.Optional("etcd", new ListOf<Uri>(HttpUri), [], "etcd's endpoints; none: files on this node"),
        Heartbeat = f.Optional("heartbeat", Duration, TimeSpan.FromSeconds(1), "how often a node publishes its report"),
    });

    private static readonly ObjectOf<RpkiSpec> Rpki = new("rpki", f => new RpkiSpec(
        f.Required("cache", Scalars.EndPoint, "the cache's address and port, as routinator's or stayrtr's"),
        f.Optional("invalid", new OneOf<bool>(("warn", false), ("refuse", true)), false,
            "an aggregate that the RPKI denies to the fleet's AS: warn in the log, or refuse to announce it")));

    private static readonly ObjectOf<SafetySpec> Safety = new("safety", f => new SafetySpec
    {
        DeadAfter =
            f.Optional("deadAfter", Duration, TimeSpan.FromSeconds(3), "silence after which a pop counts as dead"),
        Settle =
            f.Optional("settle", Duration, TimeSpan.FromSeconds(3), "time a route must stand before others lean on it"),
    });

    public static readonly ObjectOf<FleetSpec> Fleet = new("a fleet", f =>
    {
        string name = f.Required("fleet", Name, "the fleet's name");
        Asn? asn = f.Optional<Asn?>("asn", Nullable(Scalars.Asn), null, "the origin AS of its prefixes; none: no BGP");
        (ImmutableArray<Prefix> subnets, ImmutableArray<Prefix> cover) =
            f.Optional("anycast", Anycast, ([], []), "the reserved addresses and the prefixes announced everywhere");
        (string? folder, ImmutableArray<ZoneSpec> zones) =
            f.Optional("zones", SteerShapes.Zones, (null, []), "the DNS zones it answers");
        return new FleetSpec
        {
            Name = name,
            Asn = asn,
            AnycastSubnets = subnets.IsDefault ? [] : subnets,
            Cover = cover.IsDefault ? [] : cover,
            Store = f.Optional("store", Store, new StoreSpec(), "where pops learn each other's state"),
            Balancer =
                f.Optional<BalancerSpec?>("balancer", BalanceShapes.Balancer!, null, "the balancer in the kernel"),
            Rpki = f.Optional<RpkiSpec?>("rpki", Rpki!, null, "where the validity of our own announcements is learnt"),
            Geo = f.Optional("geo", SteerShapes.Geo, new GeoSpec(), "where clients are"),
            Safety = f.Optional("safety", Safety, new SafetySpec(), "waiting times"),
            Dns = f.Optional("dns", DnsShapes.Dns, new DnsSpec(), "the DNS server"),
            Pops = Named(
                f.Required("pops", new MapOf<PopSpec>(Name, Pop), "the sites"), (n, pop) => pop with { Name = n }),
            Services = Named(f.Optional("services", new MapOf<ServiceSpec>(Name, Service), [], "what users come for"),
                (n, service) => service with { Name = n }),
            Zones = zones,
            ZoneFolder = folder,
        };
    });

    public static ImmutableArray<T> Named<T>(ImmutableArray<KeyValuePair<string, T>> map, Func<string, T, T> name) =>
        map.IsDefaultOrEmpty ? [] : [.. map.Select(pair => name(pair.Key, pair.Value))];

    public static ImmutableSortedDictionary<string, T> Dictionary<T>(ImmutableArray<KeyValuePair<string, T>> map) =>
        map.IsDefaultOrEmpty
            ? ImmutableSortedDictionary<string, T>.Empty
            : map.ToImmutableSortedDictionary(StringComparer.Ordinal);

    public static NullableOf<T> Nullable<T>(Shape<T> shape)
        where T : struct => new(shape);
}
