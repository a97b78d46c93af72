using System.Net;
using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The guard for Junos, as set commands. No test of ours loads it.
/// Aggregates are gated by their next hop, a service address: BGP resolves it by host routes alone, since the
/// resolution policy leaves out the aggregates and the default route.
/// </summary>
public static class JunosConfig
{
    /// <summary>The configuration of one router. ArgumentException as RouterFacts.</summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        var facts = new RouterFacts(fleet, popName, routerName);
        var text = new StringBuilder();
        text.Append($"""
            # {facts.Title}. For Junos.
            # Written by `fairlead router-config junos`; change the fleet file and write it again.
            set routing-options router-id {facts.RouterId}
            set routing-options autonomous-system {facts.Asn}
            set policy-options community fl-gshut members 65535:0
            set policy-options community fl-own members large:{facts.FleetAsn}:0:1
            set policy-options community fl-any members *:*
            set policy-options community fl-any-large members large:*:*:*
            set policy-options as-path fl-internal "()"
            set policy-options policy-statement fl-last term gshut from community fl-gshut
            set policy-options policy-statement fl-last term gshut then local-preference 0
            set policy-options policy-statement fl-last term rest then accept
            set policy-options policy-statement fl-nothing then reject

            """);
        foreach (Asn asn in facts.Families.SelectMany(facts.Nodes).Select(node => node.Asn).Distinct())
            text.Append($"set policy-options as-path fl-as{asn} \"{asn}+\"\n");
        foreach (RouterFamily family in facts.Families)
        {
            Lists(text, facts, family);
            foreach (NodeSession node in facts.Nodes(family)) Node(text, facts, node, family);
            foreach (BackboneSession other in facts.Backbone(family)) Backbone(text, facts, other, family);
            foreach (UpstreamSession up in facts.Upstreams(family)) Upstream(text, facts, up, family);
        }

        return text.ToString();
    }

    private static void Lists(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit, inet = Inet(family);
        string none = family == RouterFamily.V4 ? "0.0.0.0/0" : "::/0";
        IEnumerable<Prefix> notFromUpstream = facts.Subnets(family).Concat(facts.Martians(family))
            .Concat(facts.AllNetworks(family)).Distinct().Order();
        foreach ((string name, IEnumerable<Prefix> prefixes) in new[]
        {
            ("aggregates", facts.Aggregates(family)), ("networks", facts.OwnNetworks(family)),
            ("other-networks", facts.OtherNetworks(family)), ("not-from-upstream", notFromUpstream),
        })
        {
            foreach (Prefix prefix in prefixes) text.Append($"set policy-options prefix-list fl-{name}{f} {prefix}\n");
        }

        string resolve = $"set policy-options policy-statement fl-resolve{f} term";
        string rib = family == RouterFamily.V4 ? "inet.0" : "inet6.0";
        string ribs = family == RouterFamily.V4 ? "" : "rib inet6.0 ";
        text.Append($"""
            {resolve} default from route-filter {none} exact
            {resolve} default then reject
            {resolve} aggregates from prefix-list fl-aggregates{f}
            {resolve} aggregates then reject
            {resolve} rest then accept
            set routing-options resolution rib {rib} import fl-resolve{f}

            """);
        // An aggregate ends here: what no host route takes must not follow a route back out.
        foreach (Prefix aggregate in facts.Aggregates(family))
            text.Append($"set routing-options {ribs}static route {aggregate} reject preference 250\n");
        string toBackbone = $"set policy-options policy-statement fl-backbone-v{f}-out term";
        string toUpstream = $"set policy-options policy-statement fl-upstream-v{f}-out term";
        string fromUpstream = $"set policy-options policy-statement fl-upstream-v{f}-in term";
        text.Append($"""
            {toBackbone} hosts from family {inet}
            {toBackbone} hosts from protocol bgp
            {toBackbone} hosts from community fl-own
            {Hosts(facts, family, $"{toBackbone} hosts")}
            {toBackbone} hosts then next-hop self
            {toBackbone} hosts then accept
            {toBackbone} networks from protocol direct
            {toBackbone} networks from prefix-list fl-networks{f}
            {toBackbone} networks then accept
            {toBackbone} rest then reject
            {toUpstream} aggregates from protocol bgp
            {toUpstream} aggregates from community fl-own
            {toUpstream} aggregates from prefix-list fl-aggregates{f}
            {toUpstream} aggregates then community delete fl-any
            {toUpstream} aggregates then community delete fl-any-large
            {toUpstream} aggregates then next-hop self
            {toUpstream} aggregates then accept
            {toUpstream} rest then reject{(facts.AddedOrigin is { } origin
                ? $"\n{toUpstream} aggregates then as-path-prepend {origin}"
                : "")}
            {fromUpstream} never from prefix-list-filter fl-not-from-upstream{f} orlonger
            {fromUpstream} never then reject
            {fromUpstream} default from route-filter {none} exact
            {fromUpstream} default then reject
            {fromUpstream} rest then accept

            """);
    }

    private static void Node(StringBuilder text, RouterFacts facts, NodeSession node, RouterFamily family)
    {
        string policy = $"fl-node-{node.Node}-v{family.Digit}-in";
        string term = $"set policy-options policy-statement {policy} term";
        string path = node.IsInternal ? "fl-internal" : $"fl-as{node.Asn}";
        text.Append($"""
            {Hosts(facts, family, $"{term} hosts")}
            {term} hosts from as-path {path}
            {term} hosts then local-preference 200
            {term} hosts then community add fl-own
            {term} hosts then next-hop peer-address
            {term} hosts then next policy

            """);
        foreach ((Prefix aggregate, int index) in facts.Aggregates(family).Select((prefix, index) => (prefix, index)))
        {
            // Its next hop is one of the services' addresses inside it.
            string name = $"{term} aggregate-{index}";
            text.Append($"{name} from route-filter {aggregate} exact\n{name} from as-path {path}\n");
            IEnumerable<Prefix> vips = facts.Fleet.Services.SelectMany(service => facts.Fleet.AllVips(service));
            foreach (Prefix vip in vips.Where(aggregate.Contains))
                text.Append($"{name} from next-hop {vip.Address}\n");
            text.Append($"""
                {name} then local-preference 200
                {name} then community add fl-own
                {name} then next policy

                """);
        }

        string group = $"fl-nodes-v{family.Digit}{(node.IsInternal ? "-internal" : "")}";
        string neighbor = Neighbor(text, facts, group, node.Theirs, node.Asn, node.IsInternal, facts.Router.Bfd);
        text.Append($"""
            {term} rest then reject
            {neighbor} description "node {node.Node}"
            {neighbor} local-address {node.Ours}
            {neighbor} import [ {policy} fl-last ]
            {neighbor} export fl-nothing
            {neighbor} family {Inet(family)} unicast prefix-limit maximum {RouterConfig.NodeRoutesMax}
            {neighbor} family {Inet(family)} unicast prefix-limit teardown 100 idle-timeout 1

            """);
        if (node.IsInternal) text.Append($"set protocols bgp group {group} cluster {facts.RouterId}\n");
        else text.Append($"{neighbor} accept-remote-nexthop\n");
        if (facts.Router.Password is { } password) text.Append($"{neighbor} authentication-key \"{password}\"\n");
        // The node drops what does not come from its link (RFC 5082). What comes from the node is to be held to the
        // same by a filter on lo0.
        if (facts.Router.TtlSecurity) text.Append($"{neighbor} ttl 255\n");
    }

    private static void Backbone(StringBuilder text, RouterFacts facts, BackboneSession other, RouterFamily family)
    {
        string f = family.Digit, policy = $"fl-pop-{other.Router}-v{f}-in";
        string term = $"set policy-options policy-statement {policy} term";
        string group = $"fl-backbone-v{f}{(other.IsInternal ? "-internal" : "")}";
        string neighbor = Neighbor(text, facts, group, other.Theirs, other.Asn, other.IsInternal, facts.Router.Bfd);
        text.Append($"""
            {Hosts(facts, family, $"{term} hosts")}
            {term} hosts then local-preference {other.Preference}
            {term} hosts then community delete fl-own
            {term} hosts then next policy
            {term} networks from prefix-list fl-other-networks{f}
            {term} networks then local-preference {other.Preference}
            {term} networks then next policy
            {term} rest then reject
            {neighbor} description "backbone to {other.Router}"
            {neighbor} local-address {other.Ours}
            {neighbor} import [ {policy} fl-last ]
            {neighbor} export fl-backbone-v{f}-out

            """);
    }

    private static void Upstream(StringBuilder text, RouterFacts facts, UpstreamSession up, RouterFamily family)
    {
        string f = family.Digit;
        string neighbor = Neighbor(text, facts, $"fl-upstreams-v{f}", up.Theirs, up.Asn, false, up.Bfd);
        text.Append($"""
            {neighbor} description "upstream {up.Upstream}"
            {neighbor} import fl-upstream-v{f}-in
            {neighbor} export fl-upstream-v{f}-out
            {neighbor} remove-private all

            """);
    }

    private static string Neighbor(
        StringBuilder text, RouterFacts facts, string group, IPAddress address, Asn asn, bool isInternal, BfdSpec? bfd)
    {
        string all = $"set protocols bgp group {group}", one = $"{all} neighbor {address}";
        text.Append($"""
            {all} type {(isInternal ? "internal" : "external")}
            {all} graceful-restart disable
            {all} multipath multiple-as
            {one} hold-time {facts.HoldSeconds}

            """);
        if (!isInternal) text.Append($"{one} peer-as {asn}\n");
        if (bfd is not null)
        {
            text.Append($"""
                {one} bfd-liveness-detection minimum-interval {(int)bfd.Interval.TotalMilliseconds}
                {one} bfd-liveness-detection multiplier {bfd.Multiplier}

                """);
        }

        return one;
    }

    private static string Hosts(RouterFacts facts, RouterFamily family, string term) => string.Join('\n',
        facts.Subnets(family).Select(subnet =>
            $"{term} from route-filter {subnet} prefix-length-range /{family.HostLength}-/{family.HostLength}"));

    private static string Inet(RouterFamily family) => family == RouterFamily.V4 ? "inet" : "inet6";
}
