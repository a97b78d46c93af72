using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>The sets, tables and functions of one address family that every session of BirdConfig refers to.</summary>
internal static class BirdGuard
{
    /// <summary>RFC 6890 and its like: never a route of the internet.</summary>
    private static readonly Prefix[] Martians =
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

    public static void Write(StringBuilder text, FleetSpec fleet, PopSpec pop, BirdFamily family, Asn asn)
    {
        string f = family.Digit;
        Prefix[] others = [.. fleet.Pops.Where(p => p != pop).SelectMany(p => p.Networks).Where(family.Holds)];
        text.Append($$"""

            # ---- IPv{{f}} ----
            define ANYCAST{{f}} = {{Set(fleet.AnycastSubnets, family, "+")}};
            define AGGREGATES{{f}} = {{Set(fleet.Aggregates, family, "")}};
            define MARTIANS{{f}} = {{Set(MartiansOf(fleet), family, "+")}};
            ipv{{f}} table nodes{{f}};

            # What a node may announce, and nothing else: host routes inside the anycast subnets, and the named
            # aggregates with a next hop inside themselves.
            function from_node{{f}}(int node_as; bool is_internal)
            {
              if is_internal && bgp_path.len > 0 then return false;
              if !is_internal && (bgp_path.first != node_as || bgp_path.last != node_as) then return false;
              bgp_local_pref = 200;
              # RFC 8326 §4: a route that is about to go is the last choice.
              if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
              if net.len = {{family.HostLength}} && net ~ ANYCAST{{f}} then {
                gw = from;
                return true;
              }
              return net ~ AGGREGATES{{f}} && bgp_next_hop ~ net;
            }

            function is_host{{f}}()
            {
              return net.len = {{family.HostLength}} && net ~ ANYCAST{{f}};
            }

            function from_backbone{{f}}(int local_pref)
            {
              if !is_host{{f}}() && !({{InSet(others, family)}}) then return false;
              bgp_local_pref = local_pref;
              if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
              return true;
            }

            # Only what this router's own nodes and networks hold: never what another router has told.
            function to_backbone{{f}}()
            {
              if source = RTS_DEVICE then return {{InSet(pop.Networks.Where(family.Holds), family)}};
              return is_host{{f}}() && proto ~ "node_*";
            }

            function from_upstream{{f}}()
            {
              return net.len > 0 && !(net ~ ANYCAST{{f}}) && !(net ~ MARTIANS{{f}}) && !({{InSet(
                  fleet.Pops.SelectMany(p => p.Networks).Where(family.Holds), family, "+")}});
            }

            # A named aggregate, announced by a node of this router, while a host route stands behind it.
            function to_upstream{{f}}()
            {
              if !(net ~ AGGREGATES{{f}}) || !(net ~ ANYCAST{{f}}) then return false;
              if net.len > {{family.InternetLengthMax}} then return false;
              if !(proto ~ "node_*") || dest = RTD_UNREACHABLE then return false;
              # The world sees the fleet's AS as the origin, not the node's.
              bgp_path.empty;{{Origin(fleet, asn)}}
              return true;
            }

            protocol pipe pipe{{f}} {
              table master{{f}};
              peer table nodes{{f}};
              import all;
              export none;
            }

            protocol kernel kernel{{f}} {
              ipv{{f}} {
                import none;
                export filter {
                  if source != RTS_BGP then reject;
                  # An aggregate ends here: what no host route takes must not follow a route back out.
                  if net ~ AGGREGATES{{f}} then dest = RTD_UNREACHABLE;
                  accept;
                };
              };
              merge paths on;
            }

            """);
    }

    private static string Origin(FleetSpec fleet, Asn asn) =>
        fleet.Asn is { } origin && origin != asn ? $"\n  bgp_path.prepend({origin});" : "";

    private static IEnumerable<Prefix> MartiansOf(FleetSpec fleet)
    {
        Prefix[] used = [.. fleet.AnycastSubnets, .. fleet.Pops.SelectMany(pop => pop.Networks)];
        bool isExercise = used.Any(prefix => Documentation.Any(range => range.Contains(prefix)));
        return isExercise ? Martians : Martians.Concat(Documentation);
    }

    private static string Set(IEnumerable<Prefix> prefixes, BirdFamily family, string suffix) =>
        $"[ {string.Join(", ", prefixes.Where(family.Holds).Distinct().Order().Select(p => p + suffix))} ]";

    /// <summary>A condition: BIRD has no empty set, so that none is "false".</summary>
    private static string InSet(IEnumerable<Prefix> prefixes, BirdFamily family, string suffix = "")
    {
        Prefix[] given = [.. prefixes];
        return given.Length == 0 ? "false" : $"net ~ {Set(given, family, suffix)}";
    }
}
