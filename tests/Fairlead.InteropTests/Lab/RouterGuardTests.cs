using Fairlead.Fleet.Routers;
using Fairlead.Lab.Running;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Lab;
using static Fairlead.InteropTests.Lab.BareInternet;
using Route = Fairlead.InteropTests.Lab.StandInNode.Route;

namespace Fairlead.InteropTests.Lab;

/// <summary>The promises of BirdConfig, each against the real BIRD.</summary>
public class RouterGuardTests
{
    private static readonly TimeSpan Settles = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(2);

    [InteropFact("bird")]
    public void Bird_accepts_the_configuration_of_every_router()
    {
        foreach (var pop in ThreeCities.Fleet.Pops)
        {
            foreach (var router in pop.Routers)
                Accepts(BirdConfig.Write(ThreeCities.Fleet, pop.Name, router.Name));
        }

        Accepts(BirdConfig.Write(Variants.IPv4Only, "one", "r1"));
        Accepts(BirdConfig.Write(Variants.OwnAs, "one", "r1"));
    }

    [InteropFact("bird", "birdc", "ip")]
    public void An_aggregate_leaves_for_the_internet_only_while_a_host_route_stands_behind_it()
    {
        LabOptions options = Options("fltg");
        using LabRun lab = LabRun.Up(options, default);
        StandInNode.Start(lab, "nyc1", "nyc-edge",
            StandInNode.Honest.Append(new Route("2001:db8:f01::/48", "2001:db8:f01::10")));
        Has(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", Settles);
        Has(lab, "t-americas", "nyc_edge_v6", "2001:db8:f00::/44", Settles);
        Has(lab, "t-americas", "nyc_edge_v6", "2001:db8:f01::/48", Settles);
        Assert.Contains("BGP.as_path: 64500\n", lab.Birdc("t-americas", "show route all protocol nyc_edge_v4"));
        // In the router itself an aggregate leads nowhere: only host routes carry packets.
        Assert.Contains("unreachable 192.0.2.0/24", lab.Exec("nyc-edge", "ip", "route").Output);

        // The announcement of the aggregate stays; the host route behind it goes.
        lab.Birdc("nyc1", "disable r4_0");
        Lacks(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", AtOnce);
        lab.Birdc("nyc1", "disable r6_2"); // The host route of 2001:db8:f01::10.
        Lacks(lab, "t-americas", "nyc_edge_v6", "2001:db8:f01::/48", AtOnce);
        Has(lab, "t-americas", "nyc_edge_v6", "2001:db8:f00::/44", AtOnce);

        lab.Birdc("nyc1", "enable r4_0");
        Has(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", AtOnce);

        // A second node has the same address: the first one's route may go without a word to the world.
        StandInNode.Start(lab, "nyc2", "nyc-edge", StandInNode.Honest);
        Eventually(Settles, () => Kernel(lab, "nyc-edge", "192.0.2.10", "198.51.100.2", "198.51.100.3"));
        lab.Kill("nyc1");
        Eventually(AtOnce, () => Kernel(lab, "nyc-edge", "192.0.2.10", "198.51.100.3"));
        Has(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", AtOnce);
        End(lab, options);
    }

    [InteropFact("bird", "birdc", "ip")]
    public void Nothing_of_a_rogue_node_gets_anywhere()
    {
        LabOptions options = Options("fltr");
        using LabRun lab = LabRun.Up(options, default);
        StandInNode.Start(lab, "nyc1", "nyc-edge",
        [
            new("192.0.2.11/32"), new("2001:db8:f00::11/128"), // Honest: they show that the session works.
            new("203.0.113.64/28"), new("203.0.113.74/32"), new("0.0.0.0/0"), new("192.0.2.128/25", "192.0.2.11"),
            new("192.0.2.0/24"), // A named aggregate, but with itself as next hop.
            new("::/0"), new("2001:db8:e05::/48", "2001:db8:f00::11"), new("2001:db8:f0a::/48", "2001:db8:f00::11"),
            new("2001:db8:e05::10/128"), new("2001:db8:f02::/48", "2001:db8:f00::11"), // Its next hop lies outside it.
        ]);
        Has(lab, "nyc-edge", "node_nyc1_v4", "192.0.2.11/32", Settles);
        Has(lab, "nyc-edge", "node_nyc1_v6", "2001:db8:f00::11/128", Settles);
        Has(lab, "lon-edge", "pop_nyc_edge_v6", "2001:db8:f00::11/128", Settles);
        Has(lab, "t-americas", "eye_us_v4", "203.0.113.0/28", Settles);

        Assert.Equal(["192.0.2.11/32"], Prefixes(lab, "nyc-edge", "show route table nodes4"));
        Assert.Equal(["2001:db8:f00::11/128"], Prefixes(lab, "nyc-edge", "show route table nodes6"));
        foreach (string transit in new[] { "t-americas", "t-world" })
        {
            Assert.Empty(Prefixes(lab, transit, "show route protocol nyc_edge_v4"));
            Assert.Empty(Prefixes(lab, transit, "show route protocol nyc_edge_v6"));
        }

        Assert.Equal(
            ["192.0.2.11/32", "198.51.100.0/28"],
            Prefixes(lab, "lon-edge", "show route protocol pop_nyc_edge_v4"));
        End(lab, options);
    }

    [InteropFact("bird", "birdc", "ip")]
    public void A_node_that_floods_the_router_is_cut_off_and_one_with_a_wrong_password_never_gets_in()
    {
        LabOptions options = Options("fltf");
        using LabRun lab = LabRun.Up(options, default);
        StandInNode.Start(lab, "nyc1", "nyc-edge",
            [.. Enumerable.Range(1, RouterConfig.NodeRoutesMax + 1).Select(host => new Route($"192.0.2.{host}/32"))]);
        Eventually(Settles, () =>
        {
            string seen = lab.Birdc("nyc-edge", "show protocols node_nyc1_v4");
            return (seen.Contains("limit", StringComparison.OrdinalIgnoreCase), seen);
        });

        string folder = Path.Combine(lab.RunFolder, "nyc2");
        Directory.CreateDirectory(folder);
        File.WriteAllText($"{folder}/bird.conf", StandInNode.Config(
            new Asn(4200000001), "198.51.100.3", "2001:db8:1::12", "198.51.100.1", "2001:db8:1::1", "wrong",
            StandInNode.Honest));
        lab.StartProcess("nyc2", "bird", "-f", "-c", $"{folder}/bird.conf", "-s", $"{folder}/bird.ctl");
        StandInNode.Start(lab, "lon1", "lon-edge", StandInNode.Honest);
        Has(lab, "lon-edge", "node_lon1_v4", "192.0.2.10/32", Settles);
        Assert.DoesNotContain("Established", lab.Birdc("nyc-edge", "show protocols node_nyc2_v4"));
        End(lab, options);
    }

    [InteropFact("bird", "birdc", "ip")]
    public void Graceful_shutdown_moves_the_world_while_the_route_still_stands()
    {
        LabOptions options = Options("flts");
        using LabRun lab = LabRun.Up(options, default);
        StandInNode.Start(lab, "lon1", "lon-edge", StandInNode.Honest);
        StandInNode.Start(lab, "nyc1", "nyc-edge",
            [new("192.0.2.10/32"), new("192.0.2.0/24", "192.0.2.10", "bgp_community.add((65535, 0));")]);
        Has(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", Settles);
        Assert.Contains("(65535,0)", lab.Birdc("t-americas", "show route all protocol nyc_edge_v4"));
        Eventually(Settles, () => Reaches(lab, "us", "192.0.2.10", "lon"));
        Has(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", AtOnce);
        End(lab, options);
    }

    [InteropFact("bird", "birdc", "ip")]
    public void The_backbone_carries_host_routes_to_the_nearest_other_pop_and_no_aggregate()
    {
        LabOptions options = Options("fltk");
        using LabRun lab = LabRun.Up(options, default);
        StandInNode.Start(lab, "tyo1", "tyo-edge", StandInNode.Honest);
        Eventually(Settles, () => Kernel(lab, "nyc-edge", "192.0.2.10", "198.51.100.133"));
        StandInNode.Start(lab, "lon1", "lon-edge", StandInNode.Honest);
        Eventually(Settles, () => Kernel(lab, "nyc-edge", "192.0.2.10", "198.51.100.129"));
        Assert.Empty(Prefixes(lab, "nyc-edge", "show route table nodes4"));
        Assert.DoesNotContain("192.0.2.0/24", Prefixes(lab, "nyc-edge", "show route table master4"));
        Assert.Empty(Prefixes(lab, "t-americas", "show route protocol nyc_edge_v4"));
        // The pops' own networks too, and these stay inside.
        Assert.Contains("198.51.100.16/28", Prefixes(lab, "nyc-edge", "show route protocol pop_lon_edge_v4"));
        Assert.DoesNotContain("198.51.100.16/28", Prefixes(lab, "t-europe", "show route table master4"));

        StandInNode.Start(lab, "nyc1", "nyc-edge", StandInNode.Honest);
        Eventually(Settles, () => Kernel(lab, "nyc-edge", "192.0.2.10", "198.51.100.2"));
        lab.Kill("nyc1");
        Eventually(AtOnce, () => Kernel(lab, "nyc-edge", "192.0.2.10", "198.51.100.129"));
        Lacks(lab, "t-americas", "nyc_edge_v4", "192.0.2.0/24", AtOnce);
        End(lab, options);
    }

    private static void Accepts(string config)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, config);
            (int exit, string output, string error) = Fairlead.Lab.Command.Try(
                "bird", TimeSpan.FromSeconds(5), null, "-p", "-c", file);
            Assert.True(exit == 0, $"{output}{error}\n{config}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void Has(LabRun lab, string router, string protocol, string prefix, TimeSpan within) =>
        Eventually(within, () => Look(lab, router, protocol, prefix, expected: true));

    private static void Lacks(LabRun lab, string router, string protocol, string prefix, TimeSpan within) =>
        Eventually(within, () => Look(lab, router, protocol, prefix, expected: false));

    private static (bool Holds, string Seen) Look(
        LabRun lab, string router, string protocol, string prefix, bool expected)
    {
        string[] seen = Prefixes(lab, router, $"show route protocol {protocol}");
        return (seen.Contains(prefix) == expected, $"{router} from {protocol}: {string.Join(' ', seen)}");
    }

    /// <summary>The next hops of the kernel's own route for the address are exactly these.</summary>
    private static (bool Holds, string Seen) Kernel(LabRun lab, string host, string address, params string[] nextHops)
    {
        string seen = lab.Exec(host, "ip", "route", "show", address).Output;
        string[] words = seen.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        IEnumerable<string> vias =
            words.Zip(words.Skip(1)).Where(pair => pair.First == "via").Select(pair => pair.Second);
        return (vias.Order().SequenceEqual(nextHops.Order()), $"{host}: {seen}");
    }

    /// <summary>The prefixes that `show route` lists, each once: lines of further routes begin with blanks.</summary>
    private static string[] Prefixes(LabRun lab, string host, string command) =>
    [
        .. lab.Birdc(host, command).Split('\n')
            .Where(line => line.Length > 0 && !char.IsWhiteSpace(line[0]) && line.Contains('/'))
            .Select(line => line.Split(' ')[0]).Order(StringComparer.Ordinal),
    ];

    private static void End(LabRun lab, LabOptions options)
    {
        lab.Down();
        Directory.Delete(options.RunRoot, recursive: true);
    }
}
