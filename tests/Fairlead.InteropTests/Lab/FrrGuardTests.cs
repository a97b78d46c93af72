using System.Text.Json;
using Fairlead.Fleet.Routers;
using Fairlead.Fleet.Spec;
using Fairlead.InteropTests.Bgp;
using Fairlead.InteropTests.Node;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Tests.Lab;

namespace Fairlead.InteropTests.Lab;

/// <summary>
/// The promises of FrrConfig, against Debian's FRR between a node and an upstream (both BIRD), and those of
/// OpenBgpdConfig as far as Linux lets it.
/// </summary>
public sealed class FrrGuardTests : IDisposable
{
    private const string FleetText = """
        fleet: guarded
        asn: 64500
        anycast: {subnets: [192.0.2.0/24, "2001:db8:f00::/44"], cover: [192.0.2.0/24, "2001:db8:f00::/44"]}
        pops:
          one:
            networks: [10.9.0.0/24]
            nodes: {n1: {asn: 4200000001, addresses: [10.9.0.2, "fd00::2"]}}
            routers:
              r1:
                addresses: [10.9.0.1, "fd00::1"]
                bfd: {interval: 300ms, multiplier: 3}
                password: guarded
                ttlSecurity: true
                upstreams: {up: {asn: 64496, addresses: [10.9.1.2, "fd01::2"]}}
        services:
          web: {host: "::10", ports: [tcp/80], backends: {one: [10.9.0.9]}}
        """;

    private static readonly FleetSpec Fleet = ThreeCities.Read(FleetText);

    private const string Node = """
        log stderr all;
        router id 10.9.0.2;
        protocol device {}
        protocol bfd { accept direct; }
        protocol static host4 { ipv4; route 192.0.2.10/32 unreachable; }
        protocol static host6 { ipv6; route 2001:db8:f00::10/128 unreachable; }
        # The last ones are what a node must not say.
        protocol static rest4 {
          ipv4;
          route 192.0.2.0/24 unreachable; route 192.0.2.128/25 unreachable; route 203.0.113.0/24 unreachable;
          route 203.0.113.7/32 unreachable; route 0.0.0.0/0 unreachable;
        }
        protocol static rest6 {
          ipv6;
          route 2001:db8:f00::/44 unreachable; route 2001:db8:f05::/48 unreachable; route ::/0 unreachable;
        }
        template bgp edge {
          local as 4200000001; password "guarded"; ttl security on; connect delay time 1; error wait time 1, 2;
          bfd { interval 300 ms; multiplier 3; };
        }
        protocol bgp e4 from edge {
          neighbor 10.9.0.1 as 64500;
          ipv4 {
            import none;
            export filter {
              if source != RTS_STATIC then reject;
              if net.len < 32 then bgp_next_hop = 192.0.2.10;
              accept;
            };
          };
        }
        protocol bgp e6 from edge {
          neighbor fd00::1 as 64500;
          ipv6 {
            import none;
            export filter {
              if source != RTS_STATIC then reject;
              if net.len < 128 then bgp_next_hop = 2001:db8:f00::10;
              accept;
            };
          };
        }
        """;

    private const string Upstream = """
        log stderr all;
        router id 10.9.1.2;
        protocol device {}
        template bgp edge { local as 64496; connect delay time 1; error wait time 1, 2; }
        protocol static internet { ipv4; route 198.51.100.0/24 unreachable; route 192.0.2.64/26 unreachable; }
        protocol bgp e4 from edge { neighbor 10.9.1.1 as 64500; ipv4 { import all; export all; }; }
        protocol bgp e6 from edge { neighbor fd01::1 as 64500; ipv6 { import all; export none; }; }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-frr").FullName;
    private readonly Bed bed = new($"fltfrr{Environment.ProcessId}");

    [InteropFact("vtysh", "bird", "ip", "chrt")]
    public void Only_what_the_fleet_may_say_gets_past_FRR_and_an_aggregate_goes_with_its_last_host_route()
    {
        Topology();
        File.WriteAllText(Path.Combine(folder, "all.conf"), FrrConfig.Write(Fleet, "one", "r1"));
        StartFrr();
        using var node = new BirdRouter(bed, "node", Node);
        using var up = new BirdRouter(bed, "up", Upstream);
        AwaitTold(up, "192.0.2.0/24 2001:db8:f00::/44");
        Assert.Contains("BGP.as_path: 64500\n", up.Ask("show route 192.0.2.0/24 all"), StringComparison.Ordinal);
        BirdRouter.Eventually(
            () => Routes().Contains("198.51.100.0/24", StringComparison.Ordinal), "the upstream's route is there", 30);
        string held = Routes();
        Assert.DoesNotContain("192.0.2.128/25", held, StringComparison.Ordinal);
        Assert.DoesNotContain("203.0.113.0/24", held, StringComparison.Ordinal);
        Assert.DoesNotContain("203.0.113.7/32", held, StringComparison.Ordinal);
        Assert.DoesNotContain("2001:db8:f05::/48", held, StringComparison.Ordinal);
        Assert.DoesNotContain("192.0.2.64/26", held, StringComparison.Ordinal); // The subnet from outside.
        Assert.Contains("unreachable 192.0.2.0/24", bed.Ip("router", "route"), StringComparison.Ordinal);

        node.Ask("disable host4");
        AwaitTold(up, "2001:db8:f00::/44");
        node.Ask("disable host6");
        AwaitTold(up, "");
        node.Ask("enable host4");
        node.Ask("enable host6");
        AwaitTold(up, "192.0.2.0/24 2001:db8:f00::/44");
    }

    [InteropFact("vtysh", "bird", "ip", "chrt")]
    public void An_audit_finds_nothing_where_every_guard_stands_and_names_the_one_that_is_missing()
    {
        Topology();
        string fleet = Path.Combine(folder, "fleet.yaml");
        File.WriteAllText(fleet, FleetText);
        File.WriteAllText(Path.Combine(folder, "all.conf"), FrrConfig.Write(Fleet, "one", "r1"));
        StartFrr("-M", "bmp");
        using var node = new BirdRouter(bed, "node", Node);
        using var up = new BirdRouter(bed, "up", Upstream);
        AwaitTold(up, "192.0.2.0/24 2001:db8:f00::/44");
        Vtysh(["conf", "router bgp 64500", "bmp targets audit",
            "bmp connect 10.9.0.1 port 1790 min-retry 100 max-retry 500",
            .. from family in new[] { "ipv4", "ipv6" }
               from policy in new[] { "pre", "post" }
               select $"bmp monitor {family} unicast {policy}-policy"]);

        (int exit, string output, string error) = Audit(fleet);
        Assert.True(exit == 0, $"{output}{error}");
        Assert.Contains("r1: 0 findings; all of it was told", output, StringComparison.Ordinal);

        Vtysh("conf", "route-map careless permit 10");
        Vtysh("conf", "router bgp 64500", "address-family ipv4 unicast", "neighbor 10.9.0.2 route-map careless in");
        BirdRouter.Eventually(
            () => Routes().Contains("203.0.113.7/32", StringComparison.Ordinal), "the router takes what it should not");
        (exit, output, error) = Audit(fleet, "--output", "json");
        Assert.True(exit == 2, $"{output}{error}");
        using JsonDocument said = JsonDocument.Parse(output);
        JsonElement[] findings =
            [.. said.RootElement.GetProperty("routers")[0].GetProperty("findings").EnumerateArray()];
        Assert.Equal(
        [
            "length 192.0.2.128/25", "outsideSubnets 0.0.0.0/0", "outsideSubnets 203.0.113.0/24",
            "outsideSubnets 203.0.113.7/32",
        ], findings.Select(one => $"{one.GetProperty("fault")} {one.GetProperty("prefix")}")
            .Order(StringComparer.Ordinal));
        Assert.All(findings, one => Assert.Equal(
            "neighbor 10.9.0.2 route-map fl-node-n1-v4-in in", one.GetProperty("missing").GetString()));
    }

    [InteropFact("bird")]
    public void Bird_takes_the_configuration_of_a_fleet_without_aggregates()
    {
        string file = Path.Combine(folder, "bird.conf");
        File.WriteAllText(file, BirdConfig.Write(Variants.HostsOnly, "one", "r1"));
        (int exit, string output, string error) = Command.Try(
            "bird", TimeSpan.FromSeconds(10), null, "-p", "-c", file);
        Assert.True(exit == 0, $"{output}{error}");
    }

    private (int Exit, string Output, string Error) Audit(string fleet, params string[] more) => Command.Try(
        "ip", TimeSpan.FromSeconds(60), null,
        [
            "netns", "exec", bed.NamespaceOf("router"), NodeBed.Program, "router-audit", "--fleet", fleet,
            "--listen", "10.9.0.1:1790", .. more,
        ]);

    [InteropFact("bgpctl")]
    public void OpenBGPD_takes_the_configuration_that_is_written_for_it()
    {
        foreach (FleetSpec fleet in new[] { Variants.IPv4Only, Variants.HostsOnly, Internal() })
        {
            string file = Path.Combine(folder, "bgpd.conf");
            File.WriteAllText(file, OpenBgpdConfig.Write(fleet, "one", "r1"));
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            (int exit, string output, string error) = Command.Try(
                "/usr/sbin/bgpd", TimeSpan.FromSeconds(10), null, "-n", "-f", file);
            Assert.True(exit == 0, $"{output}{error}");
        }

        static FleetSpec Internal() => Fleet with
        {
            Pops =
            [
                .. Fleet.Pops.Select(
                    pop => pop with { Nodes = [.. pop.Nodes.Select(node => node with { Asn = null })] }),
            ],
        };
    }

    public void Dispose()
    {
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private void Topology()
    {
        bed.AddHost("node");
        bed.AddHost("router", forwards: true);
        bed.AddHost("up");
        bed.AddLink("node", "eth0", "router", "eth0");
        bed.AddLink("router", "eth1", "up", "eth0");
        foreach ((string host, string device, string address) in new[]
        {
            ("node", "eth0", "10.9.0.2/24"), ("node", "eth0", "fd00::2/64"),
            ("router", "eth0", "10.9.0.1/24"), ("router", "eth0", "fd00::1/64"),
            ("router", "eth1", "10.9.1.1/24"), ("router", "eth1", "fd01::1/64"),
            ("up", "eth0", "10.9.1.2/24"), ("up", "eth0", "fd01::2/64"),
        })
            bed.AddAddress(host, device, address);
    }

    private void StartFrr(params string[] moreOfBgpd)
    {
        Command.Run("chown", "-R", "frr:frr", folder);
        Daemon("zebra");
        BirdRouter.Eventually(() => File.Exists(Path.Combine(folder, "zserv.api")), "zebra listens");
        Daemon("staticd");
        Daemon("bfdd", "--bfdctl", Path.Combine(folder, "bfdd.sock"));
        Daemon("bgpd", moreOfBgpd);
        foreach (string daemon in new[] { "staticd", "bfdd", "bgpd" })
            BirdRouter.Eventually(() => File.Exists(Path.Combine(folder, $"{daemon}.vty")), $"{daemon} answers");
        string said = bed.Run(
            "router", "vtysh", "--vty_socket", folder, "-f", Path.Combine(folder, "all.conf"));
        Assert.DoesNotContain("%", said, StringComparison.Ordinal); // How FRR begins a complaint.
    }

    private void Daemon(string name, params string[] more) => bed.Start(
        "router", Path.Combine(folder, $"{name}.out"), $"/usr/lib/frr/{name}", ["-u", "frr", "-g", "frr",
            "-z", Path.Combine(folder, "zserv.api"), "--vty_socket", folder,
            "-i", Path.Combine(folder, $"{name}.pid"), .. more]);

    private string Vtysh(params string[] commands) => bed.Run(
        "router", "vtysh", ["--vty_socket", folder, .. commands.SelectMany(command => new[] { "-c", command })]);

    private string Routes() => Vtysh("show bgp ipv4 unicast") + Vtysh("show bgp ipv6 unicast");

    private void AwaitTold(BirdRouter up, string prefixes)
    {
        try
        {
            BirdRouter.Eventually(() => Told(up) == prefixes, prefixes, seconds: 40);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"expected \"{prefixes}\", the upstream has \"{Told(up)}\"; {Routes()}");
        }
    }

    /// <summary>The prefixes that the upstream has been told, in order.</summary>
    private static string Told(BirdRouter up) => string.Join(' ',
        (up.Ask("show route protocol e4") + up.Ask("show route protocol e6")).Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .SelectMany(words => words.Where(word => word.Contains('/', StringComparison.Ordinal)))
            .Where(word => char.IsAsciiHexDigit(word[0])).Distinct().Order(StringComparer.Ordinal));
}
