using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// What a router must know of its fleet, whatever language it is told in: whom it speaks to, what each may say, and
/// which of it may leave.
/// </summary>
internal sealed class RouterFacts
{
    private const int NearestPreference = 100;

    /// <summary>RFC 6890 and its like: never a route of the internet.</summary>
    private static readonly Prefix[] AlwaysMartians =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
            "::/8", "64:ff9b:1::/48", "100::/64", "fc00::/7", "fe80::/10", "ff00::/8",
        }.Select(Prefix.Parse),
    ];

    /// <summary>RFC 5737, RFC 3849: martians too, unless the fleet itself is an exercise that lives there.</summary>
    private static readonly Prefix[] Documentation =
        [.. new[] { "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32" }.Select(Prefix.Parse)];

    /// <summary>ArgumentException when the fleet has no such pop or router, or speaks no BGP.</summary>
    public RouterFacts(FleetSpec fleet, string popName, string routerName)
    {
        Fleet = fleet;
        Pop = fleet.Pop(popName) ?? throw new ArgumentException($"the fleet has no pop '{popName}'");
        Router = Pop.Router(routerName)
            ?? throw new ArgumentException($"pop '{popName}' has no router '{routerName}'");
        FleetAsn = fleet.Asn ?? throw new ArgumentException("the fleet has no asn: it speaks no BGP");
        if (Router.IsGateway)
            throw new ArgumentException($"router '{routerName}' is only known as the nodes' gateway: to configure or "
                + "audit it, give it \"addresses\" in a copy of the fleet file");
        if (Router.Password is { } password && password.AsSpan().IndexOfAny("\"\r\n ") >= 0)
            throw new ArgumentException(
                $"router '{routerName}': no router's file can carry a quote, a space or a line end in a password");
    }

    public FleetSpec Fleet { get; }

    public PopSpec Pop { get; }

    public RouterSpec Router { get; }

    /// <summary>What the file is for, in one line.</summary>
    public string Title => $"{Fleet.Name}: router {Router.Name} of {Pop.Name}, AS{Asn}";

    /// <summary>The origin that the world sees.</summary>
    public Asn FleetAsn { get; }

    public Asn Asn => Router.Asn ?? FleetAsn;

    /// <summary>The origin that must still be added on the way out; null: the router's AS is the fleet's.</summary>
    public Asn? AddedOrigin => Asn == FleetAsn ? null : FleetAsn;

    /// <summary>The families that have anycast addresses: one without has no guard and no session.</summary>
    public IEnumerable<RouterFamily> Families =>
        new[] { RouterFamily.V4, RouterFamily.V6 }.Where(family => Fleet.AnycastSubnets.Any(family.Holds));

    /// <summary>The router's IPv4 address. A router without one gets a number that is stable over its name.</summary>
    public IPAddress RouterId
    {
        get
        {
            if (Router.Address(AddressFamily.InterNetwork) is { } address) return address;
            uint hash = 2166136261;
            foreach (char c in Router.Name) hash = (hash ^ c) * 16777619;
            // 1.0.0.0 to 126.255.255.255, so it reads as an address and is never zero (RFC 6286 §2.1).
            return new IPAddress([(byte)(1 + (hash >> 24) % 126), (byte)(hash >> 16), (byte)(hash >> 8), (byte)hash]);
        }
    }

    /// <summary>RFC 4271 §4.2: the hold time is zero or at least three seconds.</summary>
    public int HoldSeconds => Math.Max(3, (int)Math.Ceiling(Router.HoldTime.TotalSeconds));

    public Prefix[] Subnets(RouterFamily family) => family.Of(Fleet.AnycastSubnets);

    public Prefix[] Aggregates(RouterFamily family) => family.Of(Fleet.Aggregates);

    public Prefix[] OwnNetworks(RouterFamily family) => family.Of(Pop.Networks);

    public Prefix[] OtherNetworks(RouterFamily family) =>
        family.Of(Fleet.Pops.Where(pop => pop != Pop).SelectMany(pop => pop.Networks));

    public Prefix[] AllNetworks(RouterFamily family) => family.Of(Fleet.Pops.SelectMany(pop => pop.Networks));

    public Prefix[] Martians(RouterFamily family)
    {
        Prefix[] used = [.. Fleet.AnycastSubnets, .. Fleet.Pops.SelectMany(pop => pop.Networks)];
        bool isExercise = used.Any(prefix => Documentation.Any(range => range.Contains(prefix)));
        return family.Of(isExercise ? AlwaysMartians : AlwaysMartians.Concat(Documentation));
    }

    public IEnumerable<NodeSession> Nodes(RouterFamily family) =>
        from node in Pop.Nodes
        let ours = family.Of(Router.Addresses)
        let theirs = family.Of(node.Addresses)
        where ours is not null && theirs is not null
        select new NodeSession(node.Name, ours, theirs, node.Asn ?? FleetAsn, (node.Asn ?? FleetAsn) == Asn);

    /// <summary>The nearer the other pop, the better are its routes.</summary>
    public IEnumerable<BackboneSession> Backbone(RouterFamily family)
    {
        List<PopSpec> byDistance = [.. Fleet.Pops.OrderBy(Pop.DistanceTo)];
        foreach (string neighbour in Router.Backbone.Keys)
        {
            int rank = byDistance.FindIndex(other => other.Router(neighbour) is not null);
            // The fleet's own check reports a name that no pop has; here it has no address to speak to.
            if (rank < 0) continue;
            RouterSpec other = byDistance[rank].Router(neighbour)!;
            IPAddress? ours = family.Of(Router.Backbone[other.Name]);
            IPAddress? theirs = other.Backbone.TryGetValue(Router.Name, out var far) ? family.Of(far) : null;
            if (ours is null || theirs is null) continue;
            Asn asn = other.Asn ?? FleetAsn;
            yield return new BackboneSession(other.Name, ours, theirs, asn, asn == Asn, NearestPreference - rank);
        }
    }

    public IEnumerable<UpstreamSession> Upstreams(RouterFamily family) =>
        from upstream in Router.Upstreams
        let theirs = family.Of(upstream.Addresses)
        where theirs is not null
        select new UpstreamSession(upstream.Name, theirs, upstream.Asn, upstream.Bfd);
}

/// <summary>What differs between the families in the text.</summary>
internal sealed record RouterFamily(string Digit, AddressFamily Addresses, int HostLength)
{
    public static readonly RouterFamily V4 = new("4", AddressFamily.InterNetwork, 32);
    public static readonly RouterFamily V6 = new("6", AddressFamily.InterNetworkV6, 128);

    public int InternetLengthMax => Guard.InternetLengthMax(Addresses == AddressFamily.InterNetwork);

    public bool Holds(Prefix prefix) => prefix.Family == Addresses;

    public IPAddress? Of(IEnumerable<IPAddress> addresses) =>
        addresses.FirstOrDefault(address => address.AddressFamily == Addresses);

    /// <summary>Those of this family, each once, in order.</summary>
    public Prefix[] Of(IEnumerable<Prefix> prefixes) => [.. prefixes.Where(Holds).Distinct().Order()];
}

internal sealed record NodeSession(string Node, IPAddress Ours, IPAddress Theirs, Asn Asn, bool IsInternal);

internal sealed record BackboneSession(
    string Router, IPAddress Ours, IPAddress Theirs, Asn Asn, bool IsInternal, int Preference);

internal sealed record UpstreamSession(string Upstream, IPAddress Theirs, Asn Asn, BfdSpec? Bfd);
