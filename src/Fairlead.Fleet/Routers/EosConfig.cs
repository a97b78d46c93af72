using System.Net;
using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The guard for Arista EOS (4.28 and later). No test of ours loads it into a
/// router. Aggregates are gated by their next hop, a service address, which only a node's host route makes reachable.
/// </summary>
public static class EosConfig
{
    /// <summary>The configuration of one router. ArgumentException as RouterFacts.</summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        var facts = new RouterFacts(fleet, popName, routerName);
        var text = new StringBuilder();
        text.Append($"""
            ! {facts.Title}. For Arista EOS.
            ! Written by `fairlead router-config eos`; change the fleet file and write it again.
            ip as-path access-list fl-internal permit ^$ any
            ip community-list fl-gshut permit GSHUT
            ip large-community-list fl-own permit {facts.FleetAsn}:0:1
            route-map fl-nothing deny 10

            """);
        foreach (Asn asn in facts.Families.SelectMany(facts.Nodes).Select(node => node.Asn).Distinct())
            text.Append($"ip as-path access-list fl-as{asn} permit ^{asn}(_{asn})*$ any\n");
        foreach (RouterFamily family in facts.Families) Filters(text, facts, family);
        text.Append($"""
            router bgp {facts.Asn}
               router-id {facts.RouterId}
               no bgp default ipv4-unicast
               no graceful-restart
               no graceful-restart-helper
               maximum-paths 16

            """);
        foreach (RouterFamily family in facts.Families) Neighbors(text, facts, family);
        foreach (RouterFamily family in facts.Families) Activate(text, facts, family);
        return text.ToString();
    }

    private static void Filters(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit, none = family == RouterFamily.V4 ? "0.0.0.0/0" : "::/0";
        List(text, family, $"fl-hosts{f}", facts.Subnets(family).Select(p => $"permit {p} ge {family.HostLength}"));
        List(text, family, $"fl-aggregates{f}", facts.Aggregates(family).Select(p => $"permit {p}"));
        List(text, family, $"fl-networks{f}", facts.OwnNetworks(family).Select(p => $"permit {p}"));
        List(text, family, $"fl-other-networks{f}", facts.OtherNetworks(family).Select(p => $"permit {p}"));
        List(text, family, $"fl-from-upstream{f}",
        [
            .. facts.Subnets(family).Concat(facts.Martians(family)).Concat(facts.AllNetworks(family)).Distinct().Order()
                .Select(p => $"deny {p} le {family.HostLength}"),
            $"permit {none} ge 1",
        ]);
        foreach (NodeSession node in facts.Nodes(family)) FromNode(text, facts, node, family);
        foreach (BackboneSession other in facts.Backbone(family)) FromBackbone(text, other, family);
        Outward(text, facts, family);
    }

    private static void FromNode(StringBuilder text, RouterFacts facts, NodeSession node, RouterFamily family)
    {
        string f = family.Digit, ip = Ip(family);
        string map = $"route-map fl-node-{node.Node}-v{f}-in";
        string path = $"match as-path {(node.IsInternal ? "fl-internal" : $"fl-as{node.Asn}")}";
        text.Append($"""
            {map} permit 10
               match {ip} address prefix-list fl-hosts{f}
               {path}
               set local-preference 200
               set {ip} next-hop peer-address
               set large-community {facts.FleetAsn}:0:1 additive
               continue 900

            """);
        int number = 10;
        foreach (Prefix aggregate in facts.Aggregates(family))
        {
            number += 10;
            string name = $"fl-{number}-v{f}";
            List(text, family, $"{name}-is", [$"permit {aggregate}"]);
            List(text, family, $"{name}-within", [$"permit {aggregate} ge {family.HostLength}"]);
            text.Append($"""
                {map} permit {number}
                   match {ip} address prefix-list {name}-is
                   match {ip} next-hop prefix-list {name}-within
                   {path}
                   set local-preference 200
                   set large-community {facts.FleetAsn}:0:1 additive
                   continue 900

                """);
        }

        text.Append($"{map} deny 890\n").Append(Last(map));
    }

    private static void FromBackbone(StringBuilder text, BackboneSession other, RouterFamily family)
    {
        string f = family.Digit, ip = Ip(family);
        string map = $"route-map fl-pop-{other.Router}-v{f}-in";
        text.Append($"""
            {map} permit 10
               match {ip} address prefix-list fl-hosts{f}
               set local-preference {other.Preference}
               set large-community large-community-list fl-own delete
               continue 900
            {map} permit 20
               match {ip} address prefix-list fl-other-networks{f}
               set local-preference {other.Preference}
               continue 900
            {map} deny 890

            """).Append(Last(map));
    }

    private static void Outward(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit, ip = Ip(family);
        text.Append($"""
            route-map fl-backbone-v{f}-out permit 10
               match {ip} address prefix-list fl-hosts{f}
               match large-community fl-own
            route-map fl-backbone-v{f}-out permit 20
               match {ip} address prefix-list fl-networks{f}
            route-map fl-upstream-v{f}-in permit 10
               match {ip} address prefix-list fl-from-upstream{f}
            route-map fl-upstream-v{f}-out permit 10
               match {ip} address prefix-list fl-aggregates{f}
               match large-community fl-own
               set community none
               set large-community none{(facts.AddedOrigin is { } o ? $"\n   set as-path prepend {o}" : "")}

            """);
    }

    private static void Neighbors(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        foreach (NodeSession node in facts.Nodes(family))
        {
            string neighbor = Neighbor(text, facts, node.Theirs, node.Asn, $"node {node.Node}", facts.Router.Bfd);
            text.Append($"{neighbor} maximum-routes {RouterConfig.NodeRoutesMax}\n{neighbor} idle-restart-timer 60\n");
            if (node.IsInternal) text.Append($"{neighbor} route-reflector-client\n");
            if (facts.Router.Password is { } password) text.Append($"{neighbor} password 0 {password}\n");
            if (facts.Router.TtlSecurity) text.Append($"{neighbor} ttl maximum-hops 1\n");
        }

        foreach (BackboneSession other in facts.Backbone(family))
        {
            string neighbor = Neighbor(
                text, facts, other.Theirs, other.Asn, $"backbone to {other.Router}", facts.Router.Bfd);
            text.Append($"{neighbor} next-hop-self\n{neighbor} send-community\n");
        }

        foreach (UpstreamSession up in facts.Upstreams(family))
        {
            string neighbor = Neighbor(text, facts, up.Theirs, up.Asn, $"upstream {up.Upstream}", up.Bfd);
            text.Append($"{neighbor} next-hop-self\n{neighbor} remove-private-as all\n");
        }
    }

    private static string Neighbor(
        StringBuilder text, RouterFacts facts, IPAddress address, Asn asn, string description, BfdSpec? bfd)
    {
        string start = $"   neighbor {address}";
        text.Append($"""
            {start} remote-as {asn}
            {start} description {description}
            {start} timers {facts.HoldSeconds / 3} {facts.HoldSeconds}

            """);
        if (bfd is not null)
        {
            int milliseconds = (int)bfd.Interval.TotalMilliseconds;
            text.Append($"{start} bfd interval {milliseconds} min-rx {milliseconds} multiplier {bfd.Multiplier}\n");
        }

        return start;
    }

    private static void Activate(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($"   address-family ipv{f}\n");
        foreach (Prefix network in facts.OwnNetworks(family)) text.Append($"      network {network}\n");
        IEnumerable<(IPAddress Peer, string In, string Out)> all =
        [
            .. facts.Nodes(family).Select(n => (n.Theirs, $"fl-node-{n.Node}-v{f}-in", "fl-nothing")),
            .. facts.Backbone(family).Select(b => (b.Theirs, $"fl-pop-{b.Router}-v{f}-in", $"fl-backbone-v{f}-out")),
            .. facts.Upstreams(family).Select(u => (u.Theirs, $"fl-upstream-v{f}-in", $"fl-upstream-v{f}-out")),
        ];
        foreach ((IPAddress peer, string map, string outMap) in all)
        {
            text.Append($"""
                      neighbor {peer} activate
                      neighbor {peer} route-map {map} in
                      neighbor {peer} route-map {outMap} out

                """);
        }
    }

    // RFC 8326 §4: a route that is about to go is the last choice.
    private static string Last(string map) => $"""
        {map} permit 900
           match community fl-gshut
           set local-preference 0
        {map} permit 910

        """;

    // IPv4 lists are lines of their own, IPv6 lists a block.
    private static void List(StringBuilder text, RouterFamily family, string name, IEnumerable<string> lines)
    {
        if (family == RouterFamily.V6) text.Append($"ipv6 prefix-list {name}\n");
        int number = 0;
        foreach (string line in lines.DefaultIfEmpty(family == RouterFamily.V4 ? "deny 0.0.0.0/0" : "deny ::/0"))
        {
            number += 10;
            text.Append(family == RouterFamily.V4
                ? $"ip prefix-list {name} seq {number} {line}\n"
                : $"   seq {number} {line}\n");
        }
    }

    private static string Ip(RouterFamily family) => family == RouterFamily.V4 ? "ip" : "ipv6";
}
