using System.Net;
using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The guard for FRR (8.4 and later), one file for all its daemons.
///
/// How an aggregate is gated: its next hop is a service address inside it, and next-hop tracking looks that up in the
/// RIB. Only host routes of nodes can answer there: the aggregates themselves stay out of it (8.4 else takes an IPv6
/// next hop for reachable through the very route that it belongs to), and the static ones that end in "unreachable" do
/// not count. When the last host route of that address goes, the aggregate has no valid next hop and is withdrawn
/// upstream.
/// </summary>
public static class FrrConfig
{
    /// <summary>The configuration of one router. ArgumentException as RouterFacts.</summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        var facts = new RouterFacts(fleet, popName, routerName);
        var text = new StringBuilder();
        text.Append($"""
            ! {facts.Title}. For FRR 8.4 and later.
            ! Written by `fairlead router-config frr`; change the fleet file and write it again.
            frr defaults traditional
            hostname {facts.Router.Name}
            log syslog informational
            !
            route-map fl-nothing deny 10
            !
            ! A next hop counts only where a host route leads to it.
            route-map fl-nexthop deny 10
             match source-protocol static
            route-map fl-nexthop permit 20
            !

            """);
        foreach (RouterFamily family in facts.Families) Filters(text, facts, family);
        AsPaths(text, facts);
        Bgp(text, facts);
        Bfd(text, facts);
        return text.ToString();
    }

    private static void Filters(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        List(text, family, "hosts", facts.Subnets(family).Select(p => $"permit {p}{Host(p, family)}"));
        List(text, family, "aggregates", facts.Aggregates(family).Select(p => $"permit {p}"));
        List(text, family, "networks", facts.OwnNetworks(family).Select(p => $"permit {p}"));
        List(text, family, "other-networks", facts.OtherNetworks(family).Select(p => $"permit {p}"));
        List(text, family, "from-upstream",
        [
            .. facts.Subnets(family).Concat(facts.Martians(family)).Concat(facts.AllNetworks(family))
                .Select(p => $"deny {p}{OrLonger(p, family)}"),
            $"permit {(family == RouterFamily.V4 ? "0.0.0.0/0" : "::/0")} ge 1",
        ]);
        foreach (NodeSession node in facts.Nodes(family)) FromNode(text, facts, node, family);
        foreach (BackboneSession other in facts.Backbone(family)) FromBackbone(text, other, family);
        Outward(text, facts, family);
    }

    private static void FromNode(StringBuilder text, RouterFacts facts, NodeSession node, RouterFamily family)
    {
        string f = family.Digit, ip = Ip(family), map = $"route-map fl-node-{node.Node}-v{f}-in";
        string path = $"match as-path {(node.IsInternal ? "fl-internal" : $"fl-as{node.Asn}")}";
        int number = 10;
        text.Append($"""
            ! Host routes inside the anycast subnets, by way of the node that tells them.
            {map} permit {number}
             match {ip} address prefix-list fl-hosts{f}
             {path}
             set local-preference 200
             set {ip} next-hop peer-address
             set large-community {facts.FleetAsn}:0:1 additive
             on-match goto 900
            !

            """);
        foreach (Prefix aggregate in facts.Aggregates(family))
        {
            number += 10;
            string within = $"fl-within-{number}-v{f}";
            text.Append($"""
                ! {aggregate}, with a next hop inside itself.
                {ip} prefix-list {within} seq 5 permit {aggregate}{Host(aggregate, family)}
                {ip} prefix-list {within}-is seq 5 permit {aggregate}
                {map} permit {number}
                 match {ip} address prefix-list {within}-is
                 match {ip} next-hop prefix-list {within}
                 {path}
                 set local-preference 200
                 set large-community {facts.FleetAsn}:0:1 additive
                 on-match goto 900
                !

                """);
        }

        text.Append($"{map} deny 890\n!\n").Append(Last(map));
    }

    private static void FromBackbone(StringBuilder text, BackboneSession other, RouterFamily family)
    {
        string f = family.Digit, ip = Ip(family), map = $"route-map fl-pop-{other.Router}-v{f}-in";
        text.Append($"""
            {map} permit 10
             match {ip} address prefix-list fl-hosts{f}
             set local-preference {other.Preference}
             set large-comm-list fl-own delete
             on-match goto 900
            {map} permit 20
             match {ip} address prefix-list fl-other-networks{f}
             set local-preference {other.Preference}
             on-match goto 900
            {map} deny 890
            !

            """).Append(Last(map));
    }

    private static void Outward(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit, ip = Ip(family);
        text.Append($"""
            ! An aggregate ends here: what no host route takes must not follow a route back out.
            {string.Join('\n', facts.Aggregates(family).Select(p => $"{ip} route {p} reject 250"))}
            route-map fl-kernel{f} deny 10
             match {ip} address prefix-list fl-aggregates{f}
            route-map fl-kernel{f} permit 20
            !
            {ip} protocol bgp route-map fl-kernel{f}
            {ip} nht bgp route-map fl-nexthop
            !
            ! Only what this router's own nodes and networks hold: never what another router has told.
            route-map fl-backbone-v{f}-out permit 10
             match {ip} address prefix-list fl-hosts{f}
             match large-community fl-own
            route-map fl-backbone-v{f}-out permit 20
             match {ip} address prefix-list fl-networks{f}
            !
            route-map fl-upstream-v{f}-in permit 10
             match {ip} address prefix-list fl-from-upstream{f}
            !
            ! A named aggregate, told by a node of this router.
            route-map fl-upstream-v{f}-out permit 10
             match {ip} address prefix-list fl-aggregates{f}
             match large-community fl-own
             set community none
             set large-community none{(facts.AddedOrigin is { } origin ? $"\n set as-path prepend {origin}" : "")}
            !

            """);
    }

    // RFC 8326 §4: a route that is about to go is the last choice.
    private static string Last(string map) => $"""
        {map} permit 900
         match community fl-gshut
         set local-preference 0
        {map} permit 910
        !

        """;

    private static void AsPaths(StringBuilder text, RouterFacts facts)
    {
        text.Append($"""
            bgp as-path access-list fl-internal seq 5 permit ^$
            bgp community-list standard fl-gshut seq 5 permit graceful-shutdown
            bgp large-community-list standard fl-own seq 5 permit {facts.FleetAsn}:0:1

            """);
        foreach (Asn asn in facts.Families.SelectMany(facts.Nodes).Select(node => node.Asn).Distinct())
            text.Append($"bgp as-path access-list fl-as{asn} seq 5 permit ^{asn}(_{asn})*$\n");
        text.Append("!\n");
    }

    private static void Bgp(StringBuilder text, RouterFacts facts)
    {
        // Graceful restart off: a helper that keeps a dead announcer's routes for two minutes is the worst thing that
        // can happen to an anycast address, and it is FRR's default. Nodes whose kernel serves on ask for it.
        text.Append($"""
            router bgp {facts.Asn}
             bgp router-id {facts.RouterId}
             no bgp default ipv4-unicast
             bgp graceful-restart-disable
             bgp bestpath as-path multipath-relax
             bgp bestpath compare-routerid

            """);
        foreach (RouterFamily family in facts.Families)
        {
            foreach (NodeSession node in facts.Nodes(family))
            {
                Neighbor(text, facts, node.Theirs, node.Asn, $"node {node.Node}", BfdProfile(facts.Router.Bfd));
                // A next hop that is a service address is not on the link: it is looked up.
                text.Append($" neighbor {node.Theirs} disable-connected-check\n");
                if (facts.Router.Restart is not null)
                    text.Append($" neighbor {node.Theirs} graceful-restart-helper\n");
                if (facts.Router.Password is { } password)
                    text.Append($" neighbor {node.Theirs} password {password}\n");
                if (facts.Router.TtlSecurity && !node.IsInternal)
                    text.Append($" neighbor {node.Theirs} ttl-security hops 1\n");
            }

            foreach (BackboneSession other in facts.Backbone(family))
            {
                Neighbor(
                    text, facts, other.Theirs, other.Asn, $"backbone to {other.Router}", BfdProfile(facts.Router.Bfd));
            }

            foreach (UpstreamSession up in facts.Upstreams(family))
                Neighbor(text, facts, up.Theirs, up.Asn, $"upstream {up.Upstream}", BfdProfile(up.Bfd));
        }

        foreach (RouterFamily family in facts.Families) AddressFamily(text, facts, family);
        text.Append("exit\n!\n");
    }

    private static void Neighbor(
        StringBuilder text, RouterFacts facts, IPAddress address, Asn asn, string description, string? bfd)
    {
        text.Append($"""
             neighbor {address} remote-as {asn}
             neighbor {address} description {description}
             neighbor {address} timers {facts.HoldSeconds / 3} {facts.HoldSeconds}
             neighbor {address} timers connect 5
             neighbor {address} advertisement-interval 0

            """);
        if (bfd is not null) text.Append($" neighbor {address} bfd\n neighbor {address} bfd profile {bfd}\n");
    }

    private static void AddressFamily(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($" !\n address-family ipv{f} unicast\n  maximum-paths 16\n  maximum-paths ibgp 16\n");
        foreach (Prefix network in facts.OwnNetworks(family)) text.Append($"  network {network}\n");
        foreach (NodeSession node in facts.Nodes(family))
        {
            text.Append($"""
                  neighbor {node.Theirs} activate
                  neighbor {node.Theirs} maximum-prefix {RouterConfig.NodeRoutesMax} restart 1
                  neighbor {node.Theirs} route-map fl-node-{node.Node}-v{f}-in in
                  neighbor {node.Theirs} route-map fl-nothing out
                """).Append('\n');
            if (node.IsInternal) text.Append($"  neighbor {node.Theirs} route-reflector-client\n");
        }

        foreach (BackboneSession other in facts.Backbone(family))
        {
            text.Append($"""
                  neighbor {other.Theirs} activate
                  neighbor {other.Theirs} next-hop-self force
                  neighbor {other.Theirs} send-community all
                  neighbor {other.Theirs} route-map fl-pop-{other.Router}-v{f}-in in
                  neighbor {other.Theirs} route-map fl-backbone-v{f}-out out
                """).Append('\n');
        }

        foreach (UpstreamSession up in facts.Upstreams(family))
        {
            // The world sees the fleet's AS as the origin, not the node's.
            text.Append($"""
                  neighbor {up.Theirs} activate
                  neighbor {up.Theirs} next-hop-self force
                  neighbor {up.Theirs} remove-private-AS all
                  neighbor {up.Theirs} route-map fl-upstream-v{f}-in in
                  neighbor {up.Theirs} route-map fl-upstream-v{f}-out out
                """).Append('\n');
        }

        text.Append(" exit-address-family\n");
    }

    private static void Bfd(StringBuilder text, RouterFacts facts)
    {
        BfdSpec[] all =
        [
            .. new[] { facts.Router.Bfd }.Concat(facts.Router.Upstreams.Select(up => up.Bfd)).OfType<BfdSpec>()
                .Distinct(),
        ];
        if (all.Length == 0) return;
        text.Append("bfd\n");
        foreach (BfdSpec bfd in all)
        {
            text.Append($"""
                 profile {BfdProfile(bfd)}
                  detect-multiplier {bfd.Multiplier}
                  receive-interval {(int)bfd.Interval.TotalMilliseconds}
                  transmit-interval {(int)bfd.Interval.TotalMilliseconds}
                 exit
                """).Append('\n');
        }

        text.Append("exit\n!\n");
    }

    private static string? BfdProfile(BfdSpec? bfd) =>
        bfd is null ? null : $"fl-{(int)bfd.Interval.TotalMilliseconds}ms-{bfd.Multiplier}";

    private static string Ip(RouterFamily family) => family == RouterFamily.V4 ? "ip" : "ipv6";

    // FRR wants "ge" to be more than the prefix's own length.
    private static string Host(Prefix prefix, RouterFamily family) =>
        prefix.Length == family.HostLength ? "" : $" ge {family.HostLength}";

    private static string OrLonger(Prefix prefix, RouterFamily family) =>
        prefix.Length == family.HostLength ? "" : $" le {family.HostLength}";

    private static void List(StringBuilder text, RouterFamily family, string name, IEnumerable<string> lines)
    {
        string list = $"{Ip(family)} prefix-list fl-{name}{family.Digit}";
        int number = 0;
        foreach (string line in lines.DefaultIfEmpty("deny any")) text.Append($"{list} seq {number += 5} {line}\n");
        text.Append("!\n");
    }
}
