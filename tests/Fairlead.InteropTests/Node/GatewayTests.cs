using Fairlead.InteropTests.Bgp;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Node;

/// <summary>A node (the real binary) whose router is its default gateway, between two BIRDs on its link.</summary>
public sealed class GatewayTests : IDisposable
{
    private const string Fleet = """
        fleet: gateway
        asn: 64500
        anycast: {subnets: [192.0.2.53/32, "2001:db8:f00::53/128"]}
        pops:
          rack1:
            nodes: {n1: {asn: 4200000001, addresses: [10.0.0.9, "2001:db8:1::9"]}}
            routers: {tor: {addresses: gateway, bfd: {interval: 100ms, multiplier: 3}}}
        services:
          resolver:
            vips: [192.0.2.53, "2001:db8:f00::53"]
            ports: [udp/53]
            check: {kind: command, command: [/bin/true], interval: 500ms}
            onNodes: true
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-gateway").FullName;
    private readonly Bed bed = new($"fltgw{Environment.ProcessId}");

    public void Dispose()
    {
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("ip", "bird")]
    public void The_session_follows_the_default_gateway_of_each_family()
    {
        bed.AddHost("switch");
        bed.Ip("switch", "link", "add", "br0", "type", "bridge");
        bed.Ip("switch", "link", "set", "br0", "up");
        Join("n1", "10.0.0.9/24", "2001:db8:1::9/64");
        using BirdRouter first = AddRouter("r1", "10.0.0.1", "fe80::1");
        using BirdRouter second = AddRouter("r2", "10.0.0.2", "fe80::2");
        Default("add", "10.0.0.1", "fe80::1");
        File.WriteAllText(Path.Combine(folder, "fleet.yaml"), Fleet);
        bed.Start("n1", Path.Combine(folder, "node.log"), NodeBed.Program, "node", "--fleet",
            Path.Combine(folder, "fleet.yaml"), "--pop", "rack1", "--node", "n1", "--state",
            Path.Combine(folder, "state"), "--control", Path.Combine(folder, "control.sock"));

        Await(first, "192.0.2.53/32", "2001:db8:f00::53/128");
        // BFD comes up by itself, in a process that starts beside the sessions.
        string Bfd() => Command.Run(NodeBed.Program, "bfd", "--control", Path.Combine(folder, "control.sock"));
        Until(() => Bfd().Contains("300 ms", StringComparison.Ordinal), "BFD is up");
        Assert.Contains("tor/ipv4", Bfd(), StringComparison.Ordinal);

        Default("replace", "10.0.0.2", "fe80::2");

        Await(second, "192.0.2.53/32", "2001:db8:f00::53/128");
        Until(() => !Routes(first).Contains("192.0.2.53", StringComparison.Ordinal)
            && !Routes(first).Contains("2001:db8:f00::53", StringComparison.Ordinal), "the first router has none");

        // Without any gateway the last one is kept: its session decides by itself.
        bed.Ip("n1", "route", "del", "default");
        bed.Ip("n1", "-6", "route", "del", "default");
        Await(second, "192.0.2.53/32", "2001:db8:f00::53/128");
    }

    private void Join(string host, params string[] addresses)
    {
        bed.AddHost(host);
        bed.AddLink(host, "eth0", "switch", host);
        bed.Ip("switch", "link", "set", host, "master", "br0");
        foreach (string address in addresses) bed.AddAddress(host, "eth0", address);
    }

    private BirdRouter AddRouter(string name, string v4, string linkLocal)
    {
        Join(name, $"{v4}/24", $"{linkLocal}/64");
        return new BirdRouter(bed, name, $$"""
            log stderr all;
            router id {{v4}};
            protocol device {}
            protocol direct { ipv4; ipv6; }
            protocol bfd { accept direct; }
            template bgp node { local as 64500; connect delay time 1; error wait time 1, 2;
              bfd { interval 100 ms; multiplier 3; }; }
            protocol bgp n4 from node { neighbor 10.0.0.9 as 4200000001; ipv4 { import all; export none; }; }
            # The node's link-local address is its kernel's choice.
            protocol bgp n6 from node { neighbor range fe80::/10 as 4200000001; interface "eth0";
              ipv6 { import all; export none; }; }
            """);
    }

    private void Default(string word, string v4, string v6)
    {
        bed.Ip("n1", "route", word, "default", "via", v4, "dev", "eth0");
        if (word == "replace") bed.Ip("n1", "-6", "route", "del", "default");
        bed.Ip("n1", "-6", "route", "add", "default", "via", v6, "dev", "eth0");
    }

    private static string Routes(BirdRouter router) => router.Ask("show route where source = RTS_BGP all");

    private void Await(BirdRouter router, params string[] prefixes) => Until(
        () => prefixes.All(prefix => Routes(router).Contains(prefix, StringComparison.Ordinal)),
        string.Join(' ', prefixes));

    private void Until(Func<bool> condition, string what)
    {
        try
        {
            BirdRouter.Eventually(condition, what, seconds: 30);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException(
                $"{late.Message}\nthe node's log:\n{File.ReadAllText(Path.Combine(folder, "node.log"))}", late);
        }
    }
}
