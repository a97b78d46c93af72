using System.Globalization;
using System.Text;
using Fairlead.Lab.Running;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Lab;

namespace Fairlead.InteropTests.Lab;

/// <summary>
/// BIRD in a node's place: it announces what a node would (service addresses, and aggregates with a service address as
/// next hop), and answers "GET /" nowhere: the VIPs are on lo, so that ping reaches this very host.
/// </summary>
internal static class StandInNode
{
    /// <summary>One announcement: its prefix, and the next hop if it is not the node itself.</summary>
    public readonly record struct Route(string Prefix, string? NextHop = null, string Extra = "");

    public static readonly Route[] Honest =
    [
        new("192.0.2.10/32"), new("192.0.2.0/24", "192.0.2.10"),
        new("2001:db8:f00::10/128"), new("2001:db8:f00::/44", "2001:db8:f00::10"),
        new("2001:db8:f01::10/128"), new("2001:db8:f02::10/128"), new("2001:db8:f03::10/128"),
    ];

    public static string Config(
        Asn asn, string nodeV4, string nodeV6, string routerV4, string routerV6, string password,
        IEnumerable<Route> routes)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $$"""
            log stderr all;
            router id {{nodeV4}};
            protocol device { }
            protocol bfd { accept direct; }

            """);
        Route[] all = [.. routes];
        (char, string, string)[] families = [('4', nodeV4, routerV4), ('6', nodeV6, routerV6)];
        foreach ((char family, string ours, string theirs) in families)
        {
            Route[] mine = [.. all.Where(route => route.Prefix.Contains(':') == (family == '6'))];
            foreach ((Route route, int index) in mine.Select((route, index) => (route, index)))
            {
                text.Append(CultureInfo.InvariantCulture, $$"""
                    protocol static r{{family}}_{{index}} {
                      ipv{{family}};
                      route {{route.Prefix}} unreachable { {{route.Extra}} };
                    }

                    """);
            }

            string nextHops = string.Concat(mine.Where(route => route.NextHop is not null)
                .Select(route => $"if net = {route.Prefix} then bgp_next_hop = {route.NextHop}; "));
            text.Append(CultureInfo.InvariantCulture, $$"""
                protocol bgp edge{{family}} {
                  local {{ours}} as {{asn}};
                  neighbor {{theirs}} as 64500;
                  password "{{password}}";
                  ttl security on;
                  connect delay time 1;
                  error wait time 1, 2;
                  bfd { interval 50 ms; multiplier 3; };
                  ipv{{family}} {
                    import none;
                    export filter { if source != RTS_STATIC then reject; {{nextHops}}accept; };
                  };
                }

                """);
        }

        return text.ToString();
    }

    /// <summary>Puts the VIPs of the routes on lo and starts BIRD with this configuration in the node's host.</summary>
    public static LabProcess Start(LabRun lab, string node, string router, IEnumerable<Route> routes)
    {
        string folder = Path.Combine(lab.RunFolder, node);
        Directory.CreateDirectory(folder);
        var (host, edge) = (lab.Topology.Host(node)!, lab.Topology.Host(router)!);
        string config = Path.Combine(folder, "bird.conf");
        File.WriteAllText(config, Config(
            ThreeCities.Fleet.Pops.Select(pop => pop.Node(node)).First(spec => spec is not null)!.Asn!.Value,
            host.Addresses[0].ToString(), host.Addresses[1].ToString(),
            edge.Addresses[0].ToString(), edge.Addresses[1].ToString(), "three-cities", routes));
        foreach (Route route in routes.Where(route => route.Prefix.EndsWith("/32") || route.Prefix.EndsWith("/128")))
            Assert.Equal(0, lab.Exec(node, "ip", "address", "replace", route.Prefix, "dev", "lo").Exit);
        return lab.StartProcess(node, "bird", "-f", "-c", config, "-s", Path.Combine(folder, "bird.ctl"));
    }
}
