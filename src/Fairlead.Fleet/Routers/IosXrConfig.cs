using System.Net;
using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The guard for Cisco IOS XR (7.x). No test of ours loads it.
/// Aggregates are gated by their next hop, a service address: next hops are resolved by host routes alone (`nexthop
/// resolution prefix-length minimum`).
/// </summary>
public static class IosXrConfig
{
    /// <summary>The configuration of one router. ArgumentException as RouterFacts.</summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        var facts = new RouterFacts(fleet, popName, routerName);
        var text = new StringBuilder();
        text.Append($"""
            !! {facts.Title}. For Cisco IOS XR.
            !! Written by `fairlead router-config iosxr`; change the fleet file and write it again.
            community-set fl-gshut
              65535:0
            end-set
            large-community-set fl-own
              {facts.FleetAsn}:0:1
            end-set
            route-policy fl-nothing
              drop
            end-policy

            """);
        foreach (RouterFamily family in facts.Families) Policies(text, facts, family);
        text.Append($"""
            router bgp {facts.Asn}
             bgp router-id {facts.RouterId}
             bgp bestpath as-path multipath-relax

            """);
        foreach (RouterFamily family in facts.Families)
        {
            text.Append($"""
                 address-family ipv{family.Digit} unicast
                  maximum-paths ebgp 16
                  nexthop resolution prefix-length minimum {family.HostLength}

                """);
            foreach (Prefix network in facts.OwnNetworks(family)) text.Append($"  network {network}\n");
            text.Append(" !\n");
        }

        foreach (RouterFamily family in facts.Families) Neighbors(text, facts, family);
        text.Append("!\n");
        return text.ToString();
    }

    private static void Policies(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        Set(text, $"fl-hosts{f}", facts.Subnets(family).Select(p => $"{p} eq {family.HostLength}"));
        Set(text, $"fl-aggregates{f}", facts.Aggregates(family).Select(p => $"{p}"));
        Set(text, $"fl-networks{f}", facts.OwnNetworks(family).Select(p => $"{p}"));
        Set(text, $"fl-other-networks{f}", facts.OtherNetworks(family).Select(p => $"{p}"));
        Set(text, $"fl-not-from-upstream{f}",
            facts.Subnets(family).Concat(facts.Martians(family)).Concat(facts.AllNetworks(family)).Distinct().Order()
                .Select(p => $"{p} le {family.HostLength}")
                .Append(family == RouterFamily.V4 ? "0.0.0.0/0" : "::/0"));
        foreach (NodeSession node in facts.Nodes(family)) FromNode(text, facts, node, family);
        foreach (BackboneSession other in facts.Backbone(family)) FromBackbone(text, other, family);
        Outward(text, facts, family);
    }

    private static void FromNode(StringBuilder text, RouterFacts facts, NodeSession node, RouterFamily family)
    {
        string f = family.Digit;
        string path = node.IsInternal ? "as-path length eq 0"
            : $"as-path passes-through '{node.Asn}' and as-path unique-length eq 1";
        text.Append($"""
            route-policy fl-node-{node.Node}-v{f}-in
              if not ({path}) then
                drop
              endif
              if destination in fl-hosts{f} then
                set next-hop peer-address

            """);
        foreach (Prefix aggregate in facts.Aggregates(family))
            text.Append(
                $"  elseif destination in ({aggregate}) and next-hop in ({aggregate} le {family.HostLength}) then\n"
                    + "    pass\n");
        text.Append($"""
              else
                drop
              endif
              set large-community fl-own additive
              set local-preference 200
              if community matches-any fl-gshut then
                set local-preference 0
              endif
            end-policy

            """);
    }

    private static void FromBackbone(StringBuilder text, BackboneSession other, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($"""
            route-policy fl-pop-{other.Router}-v{f}-in
              if not (destination in fl-hosts{f} or destination in fl-other-networks{f}) then
                drop
              endif
              delete large-community in fl-own
              set local-preference {other.Preference}
              if community matches-any fl-gshut then
                set local-preference 0
              endif
            end-policy

            """);
    }

    private static void Outward(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($"""
            route-policy fl-backbone-v{f}-out
              if destination in fl-hosts{f} and large-community matches-any fl-own then
                pass
              elseif destination in fl-networks{f} then
                pass
              else
                drop
              endif
            end-policy
            route-policy fl-upstream-v{f}-in
              if destination in fl-not-from-upstream{f} then
                drop
              endif
              pass
            end-policy
            route-policy fl-upstream-v{f}-out
              if destination in fl-aggregates{f} and large-community matches-any fl-own then
                delete community all
                delete large-community all
            {(facts.AddedOrigin is { } origin ? $"    prepend as-path {origin}\n" : "")}    pass
              else
                drop
              endif
            end-policy

            """);
    }

    private static void Neighbors(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        foreach (NodeSession node in facts.Nodes(family))
        {
            Neighbor(text, facts, node.Theirs, node.Asn, $"node {node.Node}", facts.Router.Bfd);
            if (facts.Router.Password is { } password) text.Append($"  password clear {password}\n");
            if (facts.Router.TtlSecurity) text.Append("  ttl-security\n");
            // A next hop that is a service address is not on the link: it is looked up.
            if (!node.IsInternal) text.Append("  ignore-connected-check\n");
            Family(text, f, $"fl-node-{node.Node}-v{f}-in", "fl-nothing",
                $"maximum-prefix {RouterConfig.NodeRoutesMax} restart 1",
                node.IsInternal ? "route-reflector-client" : null);
        }

        foreach (BackboneSession other in facts.Backbone(family))
        {
            Neighbor(text, facts, other.Theirs, other.Asn, $"backbone to {other.Router}", facts.Router.Bfd);
            Family(text, f, $"fl-pop-{other.Router}-v{f}-in", $"fl-backbone-v{f}-out", "next-hop-self",
                other.IsInternal ? null : "send-community-ebgp");
        }

        foreach (UpstreamSession up in facts.Upstreams(family))
        {
            Neighbor(text, facts, up.Theirs, up.Asn, $"upstream {up.Upstream}", up.Bfd);
            Family(text, f, $"fl-upstream-v{f}-in", $"fl-upstream-v{f}-out", "next-hop-self", "remove-private-AS");
        }
    }

    private static void Neighbor(
        StringBuilder text, RouterFacts facts, IPAddress address, Asn asn, string description, BfdSpec? bfd)
    {
        text.Append($"""
             neighbor {address}
              remote-as {asn}
              description {description}
              timers {facts.HoldSeconds / 3} {facts.HoldSeconds}

            """);
        if (bfd is not null)
        {
            text.Append($"""
                  bfd fast-detect
                  bfd minimum-interval {(int)bfd.Interval.TotalMilliseconds}
                  bfd multiplier {bfd.Multiplier}

                """);
        }
    }

    private static void Family(StringBuilder text, string f, string inPolicy, string outPolicy, params string?[] more)
    {
        text.Append($"""
              address-family ipv{f} unicast
               route-policy {inPolicy} in
               route-policy {outPolicy} out

            """);
        foreach (string line in more.OfType<string>()) text.Append($"   {line}\n");
        text.Append("  !\n !\n");
    }

    // A set's members are joined by commas; XR takes an empty set.
    private static void Set(StringBuilder text, string name, IEnumerable<string> members) =>
        text.Append($"prefix-set {name}\n")
            .AppendJoin(",\n", members.Select(member => $"  {member}").DefaultIfEmpty("  # none"))
            .Append("\nend-set\n");
}
