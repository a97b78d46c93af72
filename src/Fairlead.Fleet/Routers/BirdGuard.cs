using System.Text;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>The sets, tables and functions of one address family that every session of BirdConfig refers to.</summary>
internal static class BirdGuard
{
    public static void Write(StringBuilder text, RouterFacts facts, RouterFamily family)
    {
        string f = family.Digit;
        text.Append($$"""

            # ---- IPv{{f}} ----
            define ANYCAST{{f}} = {{Set(facts.Subnets(family), "+")}};
            {{Aggregates(facts, family)}}
            define MARTIANS{{f}} = {{Set(facts.Martians(family), "+")}};
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
              return {{IsAggregate(facts, family)}} && bgp_next_hop ~ net;
            }

            function is_host{{f}}()
            {
              return net.len = {{family.HostLength}} && net ~ ANYCAST{{f}};
            }

            function from_backbone{{f}}(int local_pref)
            {
              if !is_host{{f}}() && !({{InSet(facts.OtherNetworks(family))}}) then return false;
              bgp_local_pref = local_pref;
              if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
              return true;
            }

            # Only what this router's own nodes and networks hold: never what another router has told.
            function to_backbone{{f}}()
            {
              if source = RTS_DEVICE then return {{InSet(facts.OwnNetworks(family))}};
              return is_host{{f}}() && proto ~ "node_*";
            }

            function from_upstream{{f}}()
            {
              return net.len > 0 && !(net ~ ANYCAST{{f}}) && !(net ~ MARTIANS{{f}}) && !({{InSet(
                  facts.AllNetworks(family), "+")}});
            }

            # A named aggregate, announced by a node of this router, while a host route stands behind it.
            function to_upstream{{f}}()
            {
              if !({{IsAggregate(facts, family)}}) || !(net ~ ANYCAST{{f}}) then return false;
              if net.len > {{family.InternetLengthMax}} then return false;
              if !(proto ~ "node_*") || dest = RTD_UNREACHABLE then return false;
              # The world sees the fleet's AS as the origin, not the node's.
              bgp_path.empty;{{Origin(facts)}}
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
                  if {{IsAggregate(facts, family)}} then dest = RTD_UNREACHABLE;
                  accept;
                };
              };
              merge paths on;
            }

            """);
    }

    private static string Origin(RouterFacts facts) =>
        facts.AddedOrigin is { } origin ? $"\n  bgp_path.prepend({origin});" : "";

    // A fleet of host routes alone has no aggregates, and BIRD no empty set.
    private static string Aggregates(RouterFacts facts, RouterFamily family) =>
        facts.Aggregates(family) is { Length: > 0 } all
            ? $"define AGGREGATES{family.Digit} = {Set(all)};"
            : "# No aggregates.";

    private static string IsAggregate(RouterFacts facts, RouterFamily family) =>
        facts.Aggregates(family).Length > 0 ? $"net ~ AGGREGATES{family.Digit}" : "false";

    private static string Set(IEnumerable<Prefix> prefixes, string suffix = "") =>
        $"[ {string.Join(", ", prefixes.Select(prefix => prefix + suffix))} ]";

    /// <summary>A condition: BIRD has no empty set, so that none is "false".</summary>
    private static string InSet(Prefix[] prefixes, string suffix = "") =>
        prefixes.Length == 0 ? "false" : $"net ~ {Set(prefixes, suffix)}";
}
