using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Bgp;

/// <summary>FRR: zebra for the interfaces, bfdd and bgpd.</summary>
public sealed class FrrProgram(Bed bed, RouterSetup setup) : RouterProgram(bed, setup)
{
    public override void Start()
    {
        Write("bgpd.conf", $"""
            log file {LogFile}
            bgp no-rib
            ip prefix-list none seq 5 deny any
            router bgp 65001
             bgp router-id {Its4}
             no bgp ebgp-requires-policy
             no bgp default ipv4-unicast
             no bgp network import-check
             bgp log-neighbor-changes
             {(Setup.Restart ? "bgp graceful-restart" : "bgp graceful-restart-disable")}
            {Neighbor(Us4)}
            {Neighbor(Us6)}
             address-family ipv4 unicast
              neighbor {Us4} activate
              neighbor {Us4} prefix-list none out
            {Lines(AllRoutes.Select(prefix => $"  network {prefix}"))}
             exit-address-family
             address-family ipv6 unicast
              neighbor {Us6} activate
             exit-address-family
            """);
        foreach (string daemon in new[] { "zebra", "bfdd" }) Write($"{daemon}.conf", "");
        Command.Run("chown", "-R", "frr:frr", Folder);
        Run("zebra");
        BirdRouter.Eventually(() => File.Exists(Path.Combine(Folder, "zserv.api")), "zebra listens");
        Run("bfdd", "--bfdctl", Path.Combine(Folder, "bfdd.sock"));
        BirdRouter.Eventually(() => File.Exists(Path.Combine(Folder, "bfdd.vty")), "bfdd answers");
        Run("bgpd");
        BirdRouter.Eventually(
            () => Vtysh("show version").Contains("FRRouting", StringComparison.Ordinal), "FRR answers");
    }

    public override string RouteText(string prefix) =>
        Vtysh($"show bgp {(prefix.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4")} unicast {prefix}");

    public override bool HasRoute(string prefix) => RouteText(prefix).Contains("entry for", StringComparison.Ordinal);

    public override void AskAgain() => Vtysh($"clear bgp ipv4 unicast {Us4} soft in");

    public override void ShutDown(string text) => Configure($"neighbor {Us4} shutdown message {text}");

    public override void Announce(bool on)
    {
        string word = on ? "no " : "";
        Vtysh("conf", "router bgp 65001", "address-family ipv4 unicast", $"{word}neighbor {Us4} prefix-list none out");
    }

    public string BfdPeers() => Vtysh("show bfd peers");

    private void Configure(string line) => Vtysh("conf", "router bgp 65001", line);

    private string Vtysh(params string[] commands) =>
        Ask("vtysh", ["--vty_socket", Folder, .. commands.SelectMany(command => new[] { "-c", command })]);

    private void Run(string daemon, params string[] more) => Bed.Start(
        Host, Path.Combine(Folder, $"{daemon}.out"), $"/usr/lib/frr/{daemon}", ["-u", "frr", "-g", "frr",
            "-z", Path.Combine(Folder, "zserv.api"), "--vty_socket", Folder,
            "-i", Path.Combine(Folder, $"{daemon}.pid"), "-f", Path.Combine(Folder, $"{daemon}.conf"), .. more]);

    private string Neighbor(string us)
    {
        string start = $" neighbor {us} ";
        List<string> lines = [$"{start}remote-as 4200000001", $"{start}timers connect 1"];
        if (Setup.Password is { } password) lines.Add($"{start}password {password}");
        if (Setup.TtlSecurity) lines.Add($"{start}ttl-security hops 1");
        if (Setup.Bfd) lines.Add($"{start}bfd 3 50 50");
        return Lines(lines);
    }
}
