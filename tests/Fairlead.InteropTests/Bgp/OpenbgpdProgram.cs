using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Bgp;

/// <summary>OpenBGPD 7, which forwards nothing here.</summary>
public sealed class OpenbgpdProgram(Bed bed, RouterSetup setup) : RouterProgram(bed, setup)
{
    private string Control => Path.Combine(Folder, "sock");

    public override void Start()
    {
        string file = Write("bgpd.conf", $$"""
            AS 65001
            router-id {{Its4}}
            fib-update no
            socket "{{Control}}"
            neighbor {{Us4}} { descr "v4"; announce IPv4 unicast
            {{Options()}}
            }
            neighbor {{Us6}} { descr "v6"; announce IPv6 unicast
            {{Options()}}
            }
            allow from any
            allow to any
            """.Replace("; ", "\n", StringComparison.Ordinal).Replace("{ ", "{\n", StringComparison.Ordinal));
        Command.Run("chmod", "600", file);
        // Debian's package leaves the folder to systemd (RuntimeDirectory); the processes lock themselves up in it.
        Directory.CreateDirectory("/run/openbgpd");
        Bed.Start(Host, LogFile, "/usr/sbin/bgpd", "-d", "-f", file);
        BirdRouter.Eventually(() => Ctl("show").Contains("v4", StringComparison.Ordinal), "OpenBGPD answers");
    }

    public override string RouteText(string prefix) => Ctl("show", "rib", "detail", prefix);

    public override void AskAgain() => Ctl("neighbor", Us4, "refresh");

    public override void ShutDown(string text) => Ctl("neighbor", Us4, "down", text);

    public override void Announce(bool on)
    {
        (int exit, string output, string error) = Command.Try(
            "bgpctl", TimeSpan.FromSeconds(20), Lines(AllRoutes) + "\n",
            "-s", Control, "network", "bulk", on ? "add" : "delete");
        if (exit != 0) throw new IOException($"bgpctl: {output} {error}");
    }

    private string Ctl(params string[] arguments) => Ask("bgpctl", ["-s", Control, .. arguments]);

    private string Options() => Lines(
    [
        "remote-as 4200000001",
        Setup.Password is { } password ? $"tcp md5sig password {password}" : "",
        Setup.TtlSecurity ? "ttl-security yes" : "",
        $"announce restart {(Setup.Restart ? "yes" : "no")}",
    ]);
}
