using System.Text;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Routers;

/// <summary>One router's BGP sessions of a family: its pop's nodes, the other pops' routers, its upstreams.</summary>
internal static class BirdSessions
{
    public static void Write(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        foreach (NodeSession node in facts.Nodes(family)) WriteNode(text, facts, node, family);
        foreach (BackboneSession other in facts.Backbone(family)) WriteBackbone(text, facts, other, family);
        foreach (UpstreamSession upstream in facts.Upstreams(family)) WriteUpstream(text, facts, upstream, family);
    }

    private static void WriteNode(StringBuilder text, RouterFacts facts, NodeSession node, RouterFamily family)
    {
        string f = family.Digit;
        RouterSpec router = facts.Router;
        text.Append($$"""

            protocol bgp node_{{Symbol(node.Node)}}_v{{f}} {
              description "node {{node.Node}}";
              local {{node.Ours}} as {{facts.Asn}};
              neighbor {{node.Theirs}} as {{node.Asn}};
              direct;{{(node.IsInternal ? "\n  rr client;" : "")}}
              hold time {{facts.HoldSeconds}};
            {{Timers(router.Restart is not null)}}
            {{Bfd(router.Bfd, keeps: router.Restart is not null)}}{{(
                router.Password is { } password ? $"  password \"{password}\";\n" : "")}}{{(
                router.TtlSecurity ? "  ttl security on;\n" : "")}}  ipv{{f}} {
                table nodes{{f}};
                igp table nodes{{f}};
                gateway recursive;
                import where from_node{{f}}({{node.Asn}}, {{(node.IsInternal ? "true" : "false")}});
                import limit {{RouterConfig.NodeRoutesMax}} action restart;
                export none;
              };
            }

            """);
    }

    private static void WriteBackbone(
        StringBuilder text, RouterFacts facts, BackboneSession other, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($$"""

            protocol bgp pop_{{Symbol(other.Router)}}_v{{f}} {
              description "backbone to {{other.Router}}";
              local {{other.Ours}} as {{facts.Asn}};
              neighbor {{other.Theirs}} as {{other.Asn}};
              direct;
              hold time {{facts.HoldSeconds}};
            {{Timers(keeps: false)}}
            {{Bfd(facts.Router.Bfd)}}  ipv{{f}} {
                next hop self;
                import where from_backbone{{f}}({{other.Preference}});
                export where to_backbone{{f}}();
              };
            }

            """);
    }

    private static void WriteUpstream(
        StringBuilder text, RouterFacts facts, UpstreamSession upstream, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($$"""

            protocol bgp up_{{Symbol(upstream.Upstream)}}_v{{f}} {
              description "upstream {{upstream.Upstream}}";
              local as {{facts.Asn}};
              neighbor {{upstream.Theirs}} as {{upstream.Asn}};
              direct;
              hold time {{facts.HoldSeconds}};
            {{Timers(keeps: false)}}
            {{Bfd(upstream.Bfd)}}  ipv{{f}} {
                next hop self;
                import where from_upstream{{f}}();
                export where to_upstream{{f}}();
              };
            }

            """);
    }

    /// <summary>
    /// A helper that keeps a dead announcer's routes for two minutes is the worst thing that can happen to an anycast
    /// address, so no session offers graceful restart but one whose router is told to keep its nodes' (`restart`): it
    /// does for those that ask for it. After a fault BIRD would wait a minute by default.
    /// </summary>
    private static string Timers(bool keeps) => $"""
          graceful restart {(keeps ? "aware" : "off")};
          long lived graceful restart off;
          check link on;
          connect delay time 1;
          connect retry time 5;
          error wait time 1, 30;
          error forget time 30;
        """;

    // RFC 5882 §4.3: a BFD that ends with the process is the sign of its restart, not of a path that is cut.
    private static string Bfd(BfdSpec? bfd, bool keeps = false) => bfd is null
        ? ""
        : (keeps ? "  bfd graceful;\n" : "")
            + $"  bfd {{ interval {(int)bfd.Interval.TotalMilliseconds} ms; multiplier {bfd.Multiplier}; }};\n";

    /// <summary>BIRD's names hold no dash outside quotes.</summary>
    private static string Symbol(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
}
