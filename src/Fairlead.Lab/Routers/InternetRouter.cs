using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;

namespace Fairlead.Lab.Routers;

/// <summary>
/// BIRD's configuration for a router of the lab's internet (transit or eyeball), from the topology's links: customers'
/// routes are preferred to peers' and those to providers', and only customers' routes go to peers and providers
/// (Gao and Rexford). Timers are as fast as BIRD has them; BFD is 3 x 100 ms.
/// </summary>
public static class InternetRouter
{
    /// <summary>The whole file. The host has an AS and no backbone link.</summary>
    public static string Write(Topology topology, HostSpec host)
    {
        Asn asn = host.Asn ?? throw new LabException(LabFault.Topology, $"{host.Name} is no router: it has no asn");
        var text = new StringBuilder();
        text.Append($$"""
            # {{host.Name}}, AS{{asn}} of {{topology.Name}}: written from the topology's links.
            log stderr all;
            router id {{RouterId(topology, host)}};

            protocol device {
              scan time 5;
            }

            protocol bfd {
              accept direct;
            }

            # RFC 8326 §4: a route that is about to go is the last choice.
            function mark(int kind; int local_pref)
            {
              bgp_large_community.delete([({{asn}}, *, *)]);
              bgp_large_community.add(({{asn}}, 1, kind));
              bgp_local_pref = local_pref;
              if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
            }

            # To customers goes everything, to peers and providers what customers and we ourselves have.
            function may_go(bool everything)
            {
              if source = RTS_STATIC then return true;
              if source != RTS_BGP then return false;
              if !everything && !(({{asn}}, 1, 300) ~ bgp_large_community) then return false;
              bgp_large_community.delete([({{asn}}, *, *)]);
              return true;
            }

            """);
        WriteFamily(text, topology, host, "4", AddressFamily.InterNetwork, 24);
        WriteFamily(text, topology, host, "6", AddressFamily.InterNetworkV6, 48);
        return text.ToString();
    }

    private static void WriteFamily(
        StringBuilder text, Topology topology, HostSpec host, string f, AddressFamily family, int lengthMax)
    {
        // As networks do: nothing longer than /24 or /48, but for the small networks that this world is made of.
        IEnumerable<Prefix> known = topology.Hosts.SelectMany(other => other.Announces).Where(p => p.Family == family);
        string named = string.Join(", ", known.Distinct().Order());
        string exceptions = named.Length == 0 ? "" : $" || net ~ [ {named} ]";
        string own = string.Concat(
            host.Announces.Where(p => p.Family == family).Select(p => $"\n  route {p} unreachable;"));
        text.Append($$"""

            function is_acceptable{{f}}()
            {
              return (net.len >= 8 && net.len <= {{lengthMax}}){{exceptions}};
            }

            protocol static own{{f}} {
              ipv{{f}};{{own}}
            }

            protocol kernel kernel{{f}} {
              ipv{{f}} {
                import none;
                export where source = RTS_BGP;
              };
            }

            """);
        foreach (LinkSpec link in topology.LinksOf(host.Name))
            WriteSession(text, topology, host, link, f, family);
    }

    private static void WriteSession(
        StringBuilder text, Topology topology, HostSpec host, LinkSpec link, string f, AddressFamily family)
    {
        HostSpec far = topology.Host(link.FarEnd(host.Name))!;
        if (link.Relation == Relation.Backbone || far.Asn is not { } farAsn) return;
        IPAddress? ours = Address(link, host.Name, family), theirs = Address(link, far.Name, family);
        if (ours is null || theirs is null) return;
        bool sellsToFar = link.Relation == Relation.Customer && link.Other == host.Name;
        (string kind, int preference) =
            sellsToFar ? ("customer", 300) : link.Relation == Relation.Peer ? ("peer", 200) : ("provider", 100);
        text.Append($$"""

            protocol bgp {{far.Name.Replace('-', '_')}}_v{{f}} {
              description "{{kind}} {{far.Name}}";
              local {{ours}} as {{host.Asn}};
              neighbor {{theirs}} as {{farAsn}};
              direct;
              graceful restart off;
              long lived graceful restart off;
              check link on;
              hold time 9;
              connect delay time 1;
              connect retry time 1;
              error wait time 1, 2;
              bfd { interval 100 ms; multiplier 3; };
              ipv{{f}} {
                next hop self;
                import filter {
                  if !is_acceptable{{f}}() then reject;
                  mark({{preference}}, {{preference}});
                  accept;
                };
                export where may_go({{(sellsToFar ? "true" : "false")}});
              };
            }

            """);
    }

    private static IPAddress? Address(LinkSpec link, string host, AddressFamily family) =>
        link.AddressesOf(host).Select(end => end.Address).FirstOrDefault(a => a.AddressFamily == family);

    private static IPAddress RouterId(Topology topology, HostSpec host) =>
        host.Address(AddressFamily.InterNetwork)
        ?? topology.LinksOf(host.Name).Select(link => Address(link, host.Name, AddressFamily.InterNetwork))
            .FirstOrDefault(address => address is not null)
        ?? throw new LabException(LabFault.Topology, $"{host.Name} has no IPv4 address to be its router id");
}
