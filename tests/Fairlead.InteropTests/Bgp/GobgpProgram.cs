using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Bgp;

/// <summary>GoBGP 3.</summary>
public sealed class GobgpProgram(Bed bed, RouterSetup setup) : RouterProgram(bed, setup)
{
    private const string Feeder = "10.9.0.3";
    private BgpSpeaker? feeder;

    public override void Start()
    {
        string file = Write("gobgpd.toml", $"""
            [global.config]
              as = 65001
              router-id = "{Its4}"
            {Neighbor(Us4, "ipv4-unicast")}
            {Neighbor(Us6, "ipv6-unicast")}
            [[neighbors]]
              [neighbors.config]
                neighbor-address = "{Feeder}"
                peer-as = 65001
              [neighbors.transport.config]
                passive-mode = true
            """);
        Bed.Start(Host, LogFile, "gobgpd", "-f", file, "--api-hosts", "127.0.0.1:50051", "-l", "debug");
        BirdRouter.Eventually(() => Gobgp("neighbor").Contains(Us4, StringComparison.Ordinal), "GoBGP answers", 20);
    }

    public override string RouteText(string prefix) => Gobgp(
        "global", "rib", prefix, "-a", prefix.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4");

    public override void AskAgain() => Gobgp("neighbor", Us4, "softresetin");

    public override void ShutDown(string text) => Gobgp("neighbor", Us4, "shutdown", "--reason", text);

    // GoBGP has no quick way to take many routes but from a neighbor: a second speaker of ours, beside it.
    public override void Announce(bool on)
    {
        if (feeder is null) Bed.AddAddress(Host, "eth0", $"{Feeder}/24");
        feeder ??= StartFeeder();
        feeder.Apply(on ? new RouteSet(1, [.. AllRoutes.Select(text => new Route { Prefix = Prefix.Parse(text) })])
            : new RouteSet(2, []));
    }

    protected override void Dispose(bool disposing)
    {
        _ = feeder?.StopAsync("the test has ended");
        base.Dispose(disposing);
    }

    private BgpSpeaker StartFeeder()
    {
        var options = new PeerOptions
        {
            Name = "gobgp",
            Address = IPAddress.Parse(Its4),
            LocalAddress = IPAddress.Parse(Feeder),
            LocalAs = new Asn(65001),
            PeerAs = new Asn(65001),
            RouterId = 0x0a090003,
        };
        var guard = new Guard([Prefix.Parse("100.64.0.0/10")]);
        var speaker = new BgpSpeaker([options], guard, TimeProvider.System, new Random(2), _ => { });
        NetworkNamespace.Run(Bed.NamespaceOf(Host), () =>
        {
            speaker.Start();
            return 0;
        });
        return speaker;
    }

    private string Gobgp(params string[] arguments) => Ask("gobgp", ["-u", "127.0.0.1", "-p", "50051", .. arguments]);

    private string Neighbor(string us, string family) => $"""
        [[neighbors]]
          [neighbors.config]
            neighbor-address = "{us}"
            peer-as = 4200000001
            {(Setup.Password is { } password ? $"auth-password = \"{password}\"" : "")}
          [neighbors.timers.config]
            connect-retry = 1
            idle-hold-time-after-reset = 1
          [neighbors.ttl-security.config]
            enabled = {(Setup.TtlSecurity ? "true" : "false")}
            {(Setup.TtlSecurity ? "ttl-min = 255" : "")}
          [neighbors.graceful-restart.config]
            enabled = {(Setup.Restart ? "true" : "false")}
            restart-time = 30
          [[neighbors.afi-safis]]
            [neighbors.afi-safis.config]
              afi-safi-name = "{family}"
            [neighbors.afi-safis.mp-graceful-restart.config]
              enabled = {(Setup.Restart ? "true" : "false")}
        """;
}
