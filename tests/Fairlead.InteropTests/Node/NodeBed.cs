using System.Diagnostics;
using System.Text.Json;
using Fairlead.Balancer.Programs;
using Fairlead.InteropTests.Bgp;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;
using static Fairlead.InteropTests.Bgp.BirdRouter;

namespace Fairlead.InteropTests.Node;

/// <summary>
/// One pop with a node (the real binary), a BIRD as its router with the configuration that the binary writes for it,
/// and a backend; and a second pop without nodes, whose one backend the node checks too. All are hosts of one bed:
/// node 10.0.0.2, b1 10.0.0.5 and b2 10.1.0.5 behind the router (.1), which is also the client.
/// </summary>
internal sealed class NodeBed : IDisposable
{
    public const string TwoPops = """
        fleet: bed
        asn: 64500
        anycast: {subnets: [192.0.2.0/24, "2001:db8:f00::/44"], cover: [192.0.2.0/24, "2001:db8:f00::/44"]}
        geo: {map: places.csv}
        pops:
          here:
            place: {latitude: 51.5, longitude: -0.1}
            regional: ["2001:db8:f01::/48"]
            nodes: {n1: {asn: 4200000001, addresses: [10.0.0.2, "2001:db8:1::2"]}}
            routers: {r1: {addresses: [10.0.0.1, "2001:db8:1::1"]}}
          there:
            place: {latitude: 40.7, longitude: -74.0}
            regional: ["2001:db8:f02::/48"]
        services:
          web:
            host: "::1"
            ports: [tcp/80]
            check: {kind: http, path: /health, status: 200, interval: 200ms, fall: 2, rise: 2}
            backends: {here: [10.0.0.5, "2001:db8:1::5"], there: [10.0.0.6, "2001:db8:1::6"]}
        zones:
          example.com: {file: example.com.zone, steer: {www: {service: web, ttl: 1s}}}
        """;

    private const string ZoneText = """
        $TTL 1h
        @   IN SOA ns1 hostmaster ( 1 1h 15m 2w 30s )
            IN NS  ns1
        ns1 IN A   10.0.0.2
        txt IN TXT "still here"
        """;

    private const string PlacesText = "203.0.113.0/24,EU,GB,51.5,-0.1\n198.51.100.0/24,NA,US,40.7,-74.0\n";

    private static int count;
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-node").FullName;
    private BirdRouter? bird;

    public NodeBed(string fleet = TwoPops)
    {
        Bed = new Bed($"fltn{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
        Bed.AddHost("r1", forwards: true);
        Bed.Ip("r1", "link", "add", "br0", "type", "bridge");
        Bed.Ip("r1", "link", "set", "br0", "up");
        Bed.AddAddress("r1", "br0", "10.0.0.1/24");
        Bed.AddAddress("r1", "br0", "2001:db8:1::1/64");
        foreach ((string host, int last) in ((string, int)[])[("n1", 2), ("b1", 5), ("b2", 6)])
        {
            Bed.AddHost(host);
            Bed.AddLink(host, "eth0", "r1", host);
            Bed.Ip("r1", "link", "set", host, "master", "br0");
            Bed.AddAddress(host, "eth0", $"10.0.0.{last}/24");
            Bed.AddAddress(host, "eth0", $"2001:db8:1::{last}/64");
            Bed.Ip(host, "route", "add", "default", "via", "10.0.0.1");
        }

        File.WriteAllText(InFolder("example.com.zone"), ZoneText);
        File.WriteAllText(InFolder("places.csv"), PlacesText);
        WriteFleet(fleet);
    }

    public Bed Bed { get; }

    public string FleetFile => InFolder("fleet.yaml");

    public string Control => InFolder("control.sock");

    public string State => InFolder("state");

    public string LogText => File.Exists(InFolder("node.log")) ? File.ReadAllText(InFolder("node.log")) : "";

    public static string Program { get; } = Path.Combine(
        Fixture.Repository, "artifacts", "bin", "Fairlead", Configuration(), "fairlead");

    public BirdRouter Bird => bird ??= new BirdRouter(
        Bed, "r1",
        Command.Run(Program, "router-config", "bird", "--fleet", FleetFile, "--pop", "here", "--router", "r1"));

    public string InFolder(string name) => Path.Combine(folder, name);

    public void WriteFleet(string text) => File.WriteAllText(FleetFile, text);

    public void StartBackends()
    {
        foreach (string host in (string[])["b1", "b2"])
        {
            Bed.Start(host, InFolder($"{host}.log"), Program, "lab", "backend", "--name", host, "--fleet", FleetFile,
                "--sick-file", InFolder($"{host}.sick"));
        }
    }

    public void Sicken(string backend) => File.WriteAllText(InFolder($"{backend}.sick"), "");

    public void Heal(string backend) => File.Delete(InFolder($"{backend}.sick"));

    public Process StartNode() => Bed.Start("n1", InFolder("node.log"), Program, "node", "--fleet", FleetFile,
        "--pop", "here", "--node", "n1", "--state", State, "--control", Control);

    /// <summary>Where the programs of a pinned node's balancer outlive it: no other's.</summary>
    public string Pins => $"{BpfFs.Root}/{Bed.Prefix}";

    /// <summary>
    /// With this process's mounts: `ip netns exec` gives each program a /sys of its own, and pins that end with it.
    /// </summary>
    public Process StartPinned() => Bed.Start("n1", InFolder("node.log"), "nsenter",
        $"--mount=/proc/{Environment.ProcessId}/ns/mnt", Program, "node", "--fleet", FleetFile, "--pop", "here",
        "--node", "n1", "--state", State, "--control", Control, "--pins", Pins);

    /// <summary>What a command of the node says as JSON.</summary>
    public JsonElement Json(params string[] arguments)
    {
        string text = Command.Run(Program, [.. arguments, "--control", Control, "--output", "json"]);
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    /// <summary>A node that is to end by itself: its exit code and what it printed.</summary>
    public (int Exit, string Error) RunNode(params string[] before)
    {
        (int exit, string output, string error) = Command.Try("ip", TimeSpan.FromSeconds(15), null,
        [
            "netns", "exec", Bed.NamespaceOf("n1"), .. before, Program, "node", "--fleet", FleetFile, "--pop", "here",
            "--node", "n1", "--state", State, "--control", Control,
        ]);
        return (exit, output + error);
    }

    public static void Signal(Process process, string signal) => Command.Run("kill", $"-{signal}", $"{process.Id}");

    public static int AwaitExit(Process process, double seconds)
    {
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(seconds)), $"it does not end within {seconds} s");
        return process.ExitCode;
    }

    /// <summary>One short answer of kdig from the router's machine; empty when there is none.</summary>
    public string Dig(params string[] arguments) => Command.Try("ip", TimeSpan.FromSeconds(5), null,
        ["netns", "exec", Bed.NamespaceOf("r1"), "kdig", "@10.0.0.2", "+retry=0", "+timeout=1", .. arguments]).Output;

    public bool Answers() => Dig("+short", "txt.example.com", "TXT").Contains("still here", StringComparison.Ordinal);

    public void AwaitLog(string text, double seconds = 10) =>
        Until(() => LogText.Contains(text, StringComparison.Ordinal), $"\"{text}\" in the log", seconds);

    public TimeSpan Until(Func<bool> condition, string what, double seconds = 10)
    {
        try
        {
            return Eventually(condition, what, seconds);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}\nthe node's log:\n{LogText}", late);
        }
    }

    public void AwaitRoutes(params string[] prefixes)
    {
        foreach (string prefix in prefixes) Until(() => HasRoute(prefix), $"BIRD has {prefix}", 30);
    }

    public bool HasRoute(string prefix) =>
        Bird.Ask($"show route {prefix} where source = RTS_BGP").Contains(prefix, StringComparison.Ordinal);

    public void AssertNothingLeft()
    {
        Assert.DoesNotContain("192.0.2.", Bed.Ip("n1", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.DoesNotContain("2001:db8:f", Bed.Ip("n1", "address", "show", "dev", "lo"), StringComparison.Ordinal);
        Assert.Empty(Bed.Ip("n1", "-4", "route", "show", "proto", "157"));
        Assert.Empty(Bed.Ip("n1", "-6", "route", "show", "proto", "157"));
    }

    public void Dispose()
    {
        Bed.Dispose();
        bird?.Dispose();
        if (Directory.Exists(Pins)) new PinFolder(Pins).RemoveAll();
        Directory.Delete(folder, recursive: true);
    }

    private static string Configuration() =>
        Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));
}
