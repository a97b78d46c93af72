using System.Collections.Immutable;
using System.Diagnostics;
using Fairlead.Fleet.Routers;
using Fairlead.Lab.Backends;
using Fairlead.Lab.Running;
using Fairlead.Net.Linux;
using Fairlead.Tests.Lab;

namespace Fairlead.InteropTests.Lab;

/// <summary>The three cities without nodes, backends and store: routers, transits, eyeballs, clients.</summary>
internal static class BareInternet
{
    public static readonly (string Client, string Eyeball, string Transit, string Pop)[] Geography =
    [
        ("us", "eye-us", "t-americas", "nyc"), ("ca", "eye-ca", "t-americas", "nyc"),
        ("gb", "eye-gb", "t-europe", "lon"), ("de", "eye-de", "t-europe", "lon"),
        ("jp", "eye-jp", "t-asia", "tyo"), ("au", "eye-au", "t-asia", "tyo"),
    ];

    public static LabOptions Options(string prefix, params string[] with)
    {
        ImmutableHashSet<string> all = ["node", "backend", "etcd", "resolver"];
        return new LabOptions
        {
            TopologyFile = ThreeCities.TopologyFile,
            RunRoot = $"/run/{prefix}",
            Prefix = prefix,
            Without = all.Except(with),
            Files = ThreeCities.Fleet.Pops.SelectMany(pop => pop.Routers, (pop, router) => (pop, router))
                .ToImmutableDictionary(
                    p => p.router.Name, p => BirdConfig.Write(ThreeCities.Fleet, p.pop.Name, p.router.Name)),
        };
    }

    public static LabRun Up(string prefix, params string[] with) => LabRun.Up(Options(prefix, with), default);

    /// <summary>Honest stand-ins in nyc1, lon1 and tyo1, each with its own pop's regional prefix.</summary>
    public static void StartNodes(LabRun lab)
    {
        foreach ((string node, string router, string regional) in new[]
            { ("nyc1", "nyc-edge", "f01"), ("lon1", "lon-edge", "f02"), ("tyo1", "tyo-edge", "f03") })
        {
            StandInNode.Start(lab, node, router, StandInNode.Honest.Append(
                new($"2001:db8:{regional}::/48", $"2001:db8:{regional}::10")));
        }
    }

    /// <summary>The lab's application on a node itself, answering with the node's name.</summary>
    public static void ServeOn(LabRun lab, string node, CancellationToken stop)
    {
        var thread = new Thread(() => NetworkNamespace.Run($"{lab.State.Prefix}-{node}", () =>
        {
            BackendServer.Run(new BackendOptions { Name = node }, stop);
            return 0;
        }))
        { IsBackground = true };
        thread.Start();
    }

    /// <summary>Waits until the condition holds; a failure says what was seen last.</summary>
    public static void Eventually(TimeSpan within, Func<(bool Holds, string Seen)> look)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            (bool holds, string seen) = look();
            if (holds) return;
            if (Stopwatch.GetElapsedTime(start) > within)
                Assert.Fail($"not within {within.TotalSeconds} s; seen last:\n{seen}");
            using var pause = new ManualResetEventSlim();
            pause.Wait(20);
        }
    }

    /// <summary>The pop whose edge the client's packets to this address pass last before the VIP.</summary>
    public static (bool Holds, string Seen) Reaches(LabRun lab, string client, string vip, string pop)
    {
        string path = PathOf(lab, client, vip);
        return (path.EndsWith($"{pop}-edge"), $"{client} -> {vip}: {path}");
    }

    /// <summary>Router by router through their kernels' tables, as a packet of the client would go.</summary>
    public static string PathOf(LabRun lab, string client, string vip)
    {
        List<string> path = [client];
        string at = lab.Topology.Network(lab.Topology.Host(client)!.Network)!.Router;
        while (path.Count < 12)
        {
            path.Add(at);
            string route = lab.Exec(at, "ip", "route", "get", vip).Output;
            string[] words = route.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int dev = Array.IndexOf(words, "dev");
            if (dev < 0 || lab.Topology.Host(words[dev + 1]) is null) break;
            at = words[dev + 1];
        }

        return string.Join(" > ", path);
    }
}
