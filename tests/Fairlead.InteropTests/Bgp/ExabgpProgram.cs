using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Bgp;

/// <summary>
/// ExaBGP 4, driven by a script of its own: what it reads from us goes to a file as JSON, what we want it to say comes
/// from another one.
/// </summary>
public sealed class ExabgpProgram(Bed bed, RouterSetup setup) : RouterProgram(bed, setup)
{
    private string Received => Path.Combine(Folder, "received");

    private string Commands => Path.Combine(Folder, "commands");

    public override void Start()
    {
        Write("received", "");
        Write("commands", "");
        // tail polls without inotify, in a tenth of a second; the pid lets it end with ExaBGP.
        string script = Write("api.sh", $"""
            #!/bin/sh
            exec 3<&0
            cat <&3 >>{Received} &
            exec tail -n +1 -s 0.1 -f --pid=$PPID {Commands}
            """);
        Command.Run("chmod", "755", script);
        string file = Write("exabgp.conf", $$"""
            process api { run {{script}}; encoder json; }
            {{Neighbor(Us4, Its4, "ipv4")}}
            {{Neighbor(Us6, Its6, "ipv6")}}
            """);
        string[] settings =
        [
            "exabgp.daemon.user=root", "exabgp.daemon.drop=false", "exabgp.log.destination=stdout",
            "exabgp.log.level=DEBUG", "exabgp.log.message=true", "exabgp.api.cli=false", "exabgp.api.ack=false",
            $"exabgp.tcp.bind={Its4} {Its6}", "PYTHONUNBUFFERED=1",
        ];
        Bed.Start(Host, LogFile, "env", [.. settings, "exabgp", file]);
        BirdRouter.Eventually(() => Logged("loaded new configuration"), "ExaBGP runs", 30);
    }

    public override string RouteText(string prefix)
    {
        string text = "";
        foreach (string line in File.ReadLines(Received))
        {
            if (line.Contains("\"state\": \"down\"", StringComparison.Ordinal)) text = "";
            if (!line.Contains($"\"{prefix}\"", StringComparison.Ordinal)) continue;
            text = line.Contains("\"withdraw\"", StringComparison.Ordinal) ? "" : line;
        }

        return text;
    }

    // Its log has no word of a notification's data, its API has.
    public override string LogText => base.LogText + File.ReadAllText(Received);

    public override void AskAgain() => Say("announce route-refresh ipv4 unicast");

    // It forgets a teardown that comes before its own side of the session is up.
    public override void ShutDown(string text)
    {
        BirdRouter.Eventually(
            () => File.ReadLines(Received).Any(line => line.Contains(Us4, StringComparison.Ordinal)
                && line.Contains("\"state\": \"up\"", StringComparison.Ordinal)),
            "ExaBGP sees the session up");
        Say("teardown 2");
    }

    public override void Announce(bool on) => Say(
        $"{(on ? "announce" : "withdraw")} attributes next-hop {Its4} nlri {string.Join(' ', AllRoutes)}");

    private void Say(string command) => File.AppendAllText(Commands, $"neighbor {Us4} {command}\n");

    private string Neighbor(string us, string its, string family) => $$"""
        neighbor {{us}} {
            router-id {{Its4}};
            local-address {{its}};
            local-as 65001;
            peer-as 4200000001;
            {{(Setup.Password is { } password ? $"md5-password \"{password}\";" : "")}}
            {{(Setup.TtlSecurity ? "outgoing-ttl 255; incoming-ttl 255;" : "")}}
            capability { route-refresh; {{(Setup.Restart ? "graceful-restart 30;" : "")}} }
            family { {{family}} unicast; }
            api { processes [ api ]; neighbor-changes; receive { parsed; update; } }
        }
        """;
}
