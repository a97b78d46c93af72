using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The guard for OpenBGPD (7.7 and later). Aggregates are gated where bgpd resolves next hops by BGP routes
/// (`nexthop qualify via bgp`, OpenBSD); its portable edition on Linux keeps no kernel routes, so that there it is a
/// route server and not a router. OpenBGPD has no BFD: the hold time is what sees a silent node.
/// </summary>
public static class OpenBgpdConfig
{
    /// <summary>The configuration of one router. ArgumentException as RouterFacts.</summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        var facts = new RouterFacts(fleet, popName, routerName);
        if (!facts.Router.Upstreams.IsEmpty
            && facts.Families.SelectMany(facts.Nodes).FirstOrDefault(node => !node.IsInternal) is { } other)
            throw new ArgumentException(
                $"router '{routerName}': OpenBGPD cannot take AS{other.Asn} of node {other.Node} out of the paths that "
                    + "it tells upstreams: let the nodes speak iBGP (leave out their asn)");
        if (!facts.Router.Upstreams.IsEmpty && facts.AddedOrigin is { } origin)
            throw new ArgumentException(
                $"router '{routerName}': OpenBGPD cannot make AS{origin} the origin of what AS{facts.Asn} tells: "
                    + "give the router the fleet's asn");
        var text = new StringBuilder();
        text.Append($"""
            # {facts.Title}. For OpenBGPD 7.7 and later.
            # Written by `fairlead router-config openbgpd`; change the fleet file and write it again.
            AS {facts.Asn}
            router-id {facts.RouterId}
            holdtime {facts.HoldSeconds}
            holdtime min 3
            nexthop qualify via bgp
            log updates


            """);
        foreach (RouterFamily family in facts.Families) Sets(text, facts, family);
        foreach (RouterFamily family in facts.Families)
        {
            foreach (Prefix network in facts.OwnNetworks(family)) text.Append($"network {network}\n");
        }

        foreach (RouterFamily family in facts.Families) Neighbors(text, facts, family);
        text.Append("\n# Nothing passes that is not named below. The last rule that matches counts.\n"
            + "deny from any\ndeny to any\n");
        foreach (RouterFamily family in facts.Families) Filters(text, facts, family);
        // RFC 8326 §4: a route that is about to go is the last choice.
        text.Append("\nmatch from any community GRACEFUL_SHUTDOWN set { localpref 0 }\n");
        return text.ToString();
    }

    private static void Sets(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        Set(text, $"hosts{f}", facts.Subnets(family).Select(p => $"{p} prefixlen = {family.HostLength}"));
        Set(text, $"aggregates{f}", facts.Aggregates(family).Select(p => $"{p}"));
        Set(text, $"networks{f}", facts.OwnNetworks(family).Select(p => $"{p}"));
        Set(text, $"other-networks{f}", facts.OtherNetworks(family).Select(p => $"{p}"));
        Set(text, $"not-from-upstream{f}", facts.Subnets(family).Concat(facts.Martians(family))
            .Concat(facts.AllNetworks(family)).Distinct().Order().Select(p => $"{p} or-longer"));
    }

    private static void Set(StringBuilder text, string name, IEnumerable<string> members)
    {
        text.Append($"prefix-set \"{name}\" {{\n");
        foreach (string member in members) text.Append($"\t{member}\n");
        text.Append("}\n");
    }

    private static void Neighbors(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string none = family == RouterFamily.V4 ? "IPv6" : "IPv4", own = $"IPv{family.Digit}";
        string families = $"\tannounce {own} unicast\n\tannounce {none} none\n\tannounce restart no\n";
        foreach (NodeSession node in facts.Nodes(family))
        {
            text.Append($"""

                neighbor {node.Theirs} {"{"}
                	descr "node {node.Node}"
                	remote-as {node.Asn}
                	local-address {node.Ours}
                	enforce neighbor-as yes
                	max-prefix {RouterConfig.NodeRoutesMax} restart 1

                """);
            if (node.IsInternal) text.Append("\troute-reflector\n");
            if (facts.Router.Password is { } password) text.Append($"\ttcp md5sig password {password}\n");
            if (facts.Router.TtlSecurity) text.Append("\tttl-security yes\n");
            text.Append(families).Append("}\n");
        }

        foreach (BackboneSession other in facts.Backbone(family))
        {
            text.Append($"""

                neighbor {other.Theirs} {"{"}
                	descr "backbone to {other.Router}"
                	remote-as {other.Asn}
                	local-address {other.Ours}
                	set nexthop self
                {families}{"}"}

                """);
        }

        foreach (UpstreamSession up in facts.Upstreams(family))
        {
            text.Append($"""

                neighbor {up.Theirs} {"{"}
                	descr "upstream {up.Upstream}"
                	remote-as {up.Asn}
                {families}{"}"}

                """);
        }
    }

    private static void Filters(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        // `enforce neighbor-as` holds the first AS of the path to the node's, source-as the last.
        foreach (NodeSession node in facts.Nodes(family))
        {
            string from = $"allow from {node.Theirs}";
            string path = node.IsInternal ? "" : $" source-as {node.Asn}";
            string own = $"localpref 200 large-community {Own(facts)}";
            text.Append($"""

                # node {node.Node}: host routes inside the anycast subnets by way of itself, and the named aggregates.
                {from} prefix-set "hosts{f}"{path} set {"{"} nexthop {node.Theirs} {own} {"}"}
                {from} prefix-set "aggregates{f}"{path} set {"{"} {own} {"}"}

                """);
        }

        foreach (BackboneSession other in facts.Backbone(family))
        {
            string from = $"allow from {other.Theirs}", to = $"allow to {other.Theirs}";
            string preference = $"localpref {other.Preference}";
            text.Append($"""

                # backbone to {other.Router}: never what another router has told.
                {from} prefix-set "hosts{f}" set {"{"} {preference} large-community delete {Own(facts)} {"}"}
                {from} prefix-set "other-networks{f}" set {"{"} {preference} {"}"}
                {to} prefix-set "hosts{f}" large-community {Own(facts)}
                {to} prefix-set "networks{f}"

                """);
        }

        const string bare = "{ nexthop self community delete *:* large-community delete *:*:* }";
        foreach (UpstreamSession up in facts.Upstreams(family))
        {
            text.Append($"""

                # upstream {up.Upstream}: it is told the aggregates, without what nodes have marked them with.
                allow from {up.Theirs}
                deny from {up.Theirs} prefix-set "not-from-upstream{f}"
                deny from {up.Theirs} prefix {(family == RouterFamily.V4 ? "0.0.0.0/0" : "::/0")} prefixlen = 0
                allow to {up.Theirs} prefix-set "aggregates{f}" large-community {Own(facts)} set {bare}

                """);
        }
    }

    private static string Own(RouterFacts facts) => $"{facts.FleetAsn}:0:1";
}
