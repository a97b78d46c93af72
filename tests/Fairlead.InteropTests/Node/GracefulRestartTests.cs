using System.Diagnostics;
using System.Text.Json;
using Fairlead.Balancer.Programs;
using Fairlead.Lab;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Node;

/// <summary>
/// What a router, configured as the binary says, does with the routes of a node whose process goes: it keeps those that
/// the kernel serves on, and nothing else (RFC 4724).
/// </summary>
public sealed class GracefulRestartTests : IDisposable
{
    private const string Vip = "192.0.2.1/32";
    private const string Cover = "192.0.2.0/24";

    private static readonly string Fleet = NodeBed.TwoPops
        .Replace("ports: [tcp/80]", "ports: [tcp/80]\n    balance: {mode: l2}", StringComparison.Ordinal)
        .Replace("[10.0.0.1, \"2001:db8:1::1\"]}",
            "[10.0.0.1, \"2001:db8:1::1\"], restart: 30s, bfd: {interval: 100ms, multiplier: 3}}",
            StringComparison.Ordinal)
        .Replace("geo:", "balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}\ngeo:",
            StringComparison.Ordinal);

    private readonly NodeBed bed = new(Fleet);
    private readonly BpfObject pass = XdpPass.Load();
    private readonly BpfObject wire;

    public GracefulRestartTests() =>
        wire = NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () => XdpPass.Attach(pass, "n1"));

    [InteropFact("ip", "bird", "nsenter")]
    public void No_route_of_a_balanced_service_is_lost_when_its_node_is_killed_or_leaves_for_the_next_one()
    {
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartPinned();
        bed.AwaitRoutes(Vip, Cover, "2001:db8:f00::1/128");
        bed.Until(() => WithoutUs() is [30, 30], "both sessions stand and keep routes");

        foreach (string signal in (string[])["KILL", "USR2"])
        {
            using (var watch = new RouteLoss(bed))
            {
                NodeBed.Signal(node, signal);
                int exit = NodeBed.AwaitExit(node, 10);
                if (signal == "USR2") Assert.Equal(0, exit);
                bed.Until(() => Keeping() == 2, "BIRD keeps the routes of both sessions");
                node = bed.StartPinned();
                bed.AwaitLog("took over what an earlier process had left");
                bed.Until(() => WithoutUs() is [30, 30], "both sessions stand again", 30);
                bed.Until(() => Keeping() == 0, "all has been told again", 30);
                Assert.True(watch.Looks > 20, $"looked {watch.Looks} times");
                Assert.Equal([], watch.Lost);
            }
        }

        // Stopped for good it is no restart.
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.Until(() => !bed.HasRoute(Vip), "the routes go", 3);
        bed.AssertNothingLeft();
    }

    [InteropFact("ip", "bird", "nsenter")]
    public void A_node_that_comes_back_and_finds_nothing_in_the_kernel_has_its_old_routes_dropped()
    {
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartPinned();
        bed.AwaitRoutes(Vip);
        bed.Until(() => WithoutUs() is [30, 30], "both sessions stand and keep routes");
        NodeBed.Signal(node, "KILL");
        NodeBed.AwaitExit(node, 10);
        new PinFolder(bed.Pins).RemoveAll(); // As a reboot does; and no backend answers any more.
        foreach (string backend in (string[])["b1", "b2"]) bed.Sicken(backend);
        Assert.True(bed.HasRoute(Vip), "kept until then");
        _ = bed.StartPinned();
        bed.Until(() => !bed.HasRoute(Vip), "the first session says that nothing was found", 10);
    }

    [InteropFact("ip", "bird", "nsenter")]
    public void One_vip_that_ends_with_the_process_has_the_whole_family_fail_fast()
    {
        bed.WriteFleet(Fleet.Replace("zones:",
            "  plain: {vips: [192.0.2.9], ports: [tcp/80], check: {kind: none}, onNodes: true}\nzones:",
            StringComparison.Ordinal));
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartPinned();
        bed.AwaitRoutes(Vip, "192.0.2.9/32", "2001:db8:f00::1/128");
        bed.Until(() => WithoutUs() is [null, 30], "IPv6 alone is kept");
        string forbids = bed.Json("bgp")[0].GetProperty("restartForbidden").GetRawText();
        Assert.Contains("plain", forbids, StringComparison.Ordinal);
        string session = bed.Bird.Ask("show protocols all node_n1_v4");
        string theirs = session[session.IndexOf("Neighbor capabilities", StringComparison.Ordinal)..];
        Assert.DoesNotContain("Graceful restart", theirs[..theirs.IndexOf("Session:", StringComparison.Ordinal)],
            StringComparison.Ordinal);

        NodeBed.Signal(node, "KILL");
        NodeBed.AwaitExit(node, 10);
        bed.Until(() => !bed.HasRoute("192.0.2.9/32") && !bed.HasRoute(Vip), "the family falls", 3);
        Assert.True(bed.HasRoute("2001:db8:f00::1/128"), "the other one stays");
    }

    public void Dispose()
    {
        wire.Dispose();
        pass.Dispose();
        bed.Dispose();
    }

    /// <summary>Of how many sessions BIRD keeps the routes while they are away.</summary>
    private int Keeping() => bed.Bird.Ask("show protocols all")
        .Split("graceful restart active", StringSplitOptions.None).Length - 1;

    /// <summary>For how long the router keeps our routes, a session.</summary>
    private double?[] WithoutUs()
    {
        (int exit, string output, _) = Command.Try(
            NodeBed.Program, TimeSpan.FromSeconds(10), null, "bgp", "--control", bed.Control, "--output", "json");
        if (exit != 0) return [];
        using JsonDocument document = JsonDocument.Parse(output);
        return
        [
            .. document.RootElement.EnumerateArray().Select(peer =>
                peer.GetProperty("keepsRoutes") is { ValueKind: JsonValueKind.Number } kept
                    ? (double?)kept.GetDouble()
                    : null),
        ];
    }

    /// <summary>Asks BIRD for its routes without a pause, and notes every one that it had and has not.</summary>
    private sealed class RouteLoss : IDisposable
    {
        private static readonly string[] All = [Vip, Cover, "2001:db8:f00::1/128", "2001:db8:f01::1/128"];
        private readonly Thread looking;
        private readonly HashSet<string> lost = [];
        private bool stopping;

        public RouteLoss(NodeBed bed)
        {
            Assert.All(All, prefix => Assert.True(bed.HasRoute(prefix), prefix));
            looking = new Thread(() =>
            {
                while (!Volatile.Read(ref stopping))
                {
                    string routes = bed.Bird.Ask("show route where source = RTS_BGP");
                    foreach (string prefix in All)
                    {
                        if (!routes.Contains(prefix, StringComparison.Ordinal)) lost.Add(prefix);
                    }

                    Looks++;
                }
            });
            looking.Start();
        }

        public int Looks { get; private set; }

        /// <summary>Ends the looking.</summary>
        public IEnumerable<string> Lost
        {
            get
            {
                Dispose();
                return lost;
            }
        }

        public void Dispose()
        {
            Volatile.Write(ref stopping, true);
            looking.Join();
        }
    }
}
