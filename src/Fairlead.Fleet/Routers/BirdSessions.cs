using System.Net;
using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>One router's BGP sessions of a family: its pop's nodes, the other pops' routers, its upstreams.</summary>
internal static class BirdSessions
{
    private const int NearestPreference = 100;

    public static void Write(
        StringBuilder text, FleetSpec fleet, PopSpec pop, RouterSpec router, BirdFamily family)
    {
        Asn asn = router.Asn ?? fleet.Asn!.Value;
        foreach (NodeSpec node in pop.Nodes) WriteNode(text, fleet, router, node, asn, family);
        List<PopSpec> byDistance = [.. fleet.Pops.OrderBy(other => Distance(pop, other))];
        foreach (string neighbour in router.Backbone.Keys)
        {
            int rank = byDistance.FindIndex(other => other.Router(neighbour) is not null);
            // The fleet's own check reports a name that no pop has; here it has no address to speak to.
            if (rank < 0) continue;
            RouterSpec other = byDistance[rank].Router(neighbour)!;
            WriteBackbone(text, router, other, asn, other.Asn ?? fleet.Asn!.Value, NearestPreference - rank, family);
        }

        foreach (UpstreamSpec upstream in router.Upstreams) WriteUpstream(text, router, upstream, asn, family);
    }

    private static void WriteNode(
        StringBuilder text, FleetSpec fleet, RouterSpec router, NodeSpec node, Asn asn, BirdFamily family)
    {
        (IPAddress? ours, IPAddress? theirs) = (family.Of(router.Addresses), family.Of(node.Addresses));
        if (ours is null || theirs is null) return;
        string f = family.Digit;
        Asn nodeAsn = node.Asn ?? fleet.Asn!.Value;
        bool isInternal = nodeAsn == asn;
        text.Append($$"""

            protocol bgp node_{{Symbol(node.Name)}}_v{{f}} {
              description "node {{node.Name}}";
              local {{ours}} as {{asn}};
              neighbor {{theirs}} as {{nodeAsn}};
              direct;{{(isInternal ? "\n  rr client;" : "")}}
              hold time {{Seconds(router)}};
            {{Timers}}
            {{Bfd(router.Bfd)}}{{(router.Password is { } password ? $"  password \"{password}\";\n" : "")}}{{(
                router.TtlSecurity ? "  ttl security on;\n" : "")}}  ipv{{f}} {
                table nodes{{f}};
                igp table nodes{{f}};
                gateway recursive;
                import where from_node{{f}}({{nodeAsn}}, {{(isInternal ? "true" : "false")}});
                import limit {{BirdConfig.NodeRoutesMax}} action restart;
                export none;
              };
            }

            """);
    }

    private static void WriteBackbone(
        StringBuilder text, RouterSpec router, RouterSpec other, Asn asn, Asn otherAsn, int preference,
        BirdFamily family)
    {
        IPAddress? ours = family.Of(router.Backbone[other.Name]);
        IPAddress? theirs = other.Backbone.TryGetValue(router.Name, out var far) ? family.Of(far) : null;
        if (ours is null || theirs is null) return;
        string f = family.Digit;
        text.Append($$"""

            protocol bgp pop_{{Symbol(other.Name)}}_v{{f}} {
              description "backbone to {{other.Name}}";
              local {{ours}} as {{asn}};
              neighbor {{theirs}} as {{otherAsn}};
              direct;
              hold time {{Seconds(router)}};
            {{Timers}}
            {{Bfd(router.Bfd)}}  ipv{{f}} {
                next hop self;
                import where from_backbone{{f}}({{preference}});
                export where to_backbone{{f}}();
              };
            }

            """);
    }

    private static void WriteUpstream(
        StringBuilder text, RouterSpec router, UpstreamSpec upstream, Asn asn, BirdFamily family)
    {
        if (family.Of(upstream.Addresses) is not { } theirs) return;
        string f = family.Digit;
        text.Append($$"""

            protocol bgp up_{{Symbol(upstream.Name)}}_v{{f}} {
              description "upstream {{upstream.Name}}";
              local as {{asn}};
              neighbor {{theirs}} as {{upstream.Asn}};
              direct;
              hold time {{Seconds(router)}};
            {{Timers}}
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
    /// address, so no session offers graceful restart. After a fault BIRD would wait a minute by default.
    /// </summary>
    private const string Timers = """
          graceful restart off;
          long lived graceful restart off;
          check link on;
          connect delay time 1;
          connect retry time 5;
          error wait time 1, 30;
          error forget time 30;
        """;

    private static string Bfd(BfdSpec? bfd) => bfd is null
        ? ""
        : $"  bfd {{ interval {(int)bfd.Interval.TotalMilliseconds} ms; multiplier {bfd.Multiplier}; }};\n";

    /// <summary>RFC 4271 §4.2: the hold time is zero or at least three seconds.</summary>
    private static int Seconds(RouterSpec router) => Math.Max(3, (int)Math.Ceiling(router.HoldTime.TotalSeconds));

    /// <summary>BIRD's names hold no dash outside quotes.</summary>
    private static string Symbol(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));

    /// <summary>The great circle between two pops, in kilometres; a pop without a place is the farthest.</summary>
    private static double Distance(PopSpec one, PopSpec other)
    {
        if (one == other) return -1;
        if (one.Place is not { } a || other.Place is not { } b) return double.MaxValue;
        (double lat1, double lat2) = (double.DegreesToRadians(a.Latitude), double.DegreesToRadians(b.Latitude));
        double dLat = lat2 - lat1, dLon = double.DegreesToRadians(b.Longitude - a.Longitude);
        double haversine = Math.Pow(Math.Sin(dLat / 2), 2)
            + Math.Cos(lat1) * Math.Cos(lat2) * Math.Pow(Math.Sin(dLon / 2), 2);
        return 2 * 6371 * Math.Asin(Math.Sqrt(haversine));
    }
}
