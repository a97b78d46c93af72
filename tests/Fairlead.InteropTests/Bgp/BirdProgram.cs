using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Bgp;

/// <summary>BIRD 2.</summary>
public sealed class BirdProgram(Bed bed, RouterSetup setup) : RouterProgram(bed, setup)
{
    private BirdRouter? bird;

    public override void Start()
    {
        string options = (Setup.Password is { } password ? $"password \"{password}\"; " : "")
            + (Setup.TtlSecurity ? "ttl security on; " : "")
            + (Setup.Bfd ? "bfd on; " : "")
            + (Setup.Restart ? "graceful restart on; graceful restart time 30; " : "graceful restart off; ");
        string routes = Lines(AllRoutes.Select(prefix => $"  route {prefix} blackhole;"));
        string file = $$"""
            router id {{Its4}}; log stderr all;
            protocol device {}
            protocol bfd { interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }
            protocol static many { disabled; ipv4;
            {{routes}}
            }
            {{Session("v4", "ipv4", Its4, Us4, options, "export where source = RTS_STATIC")}}
            {{Session("v6", "ipv6", Its6, Us6, options, "export none")}}
            """;
        bird = new BirdRouter(Bed, Host, file);
    }

    public override string RouteText(string prefix) => bird!.Ask($"show route {prefix} all");

    public override void AskAgain() => bird!.Ask("reload in v4");

    public override void ShutDown(string text) => bird!.Ask($"disable v4 \"{text}\"");

    public override void Announce(bool on) => bird!.Ask(on ? "enable many" : "disable many");

    public override string LogText => File.ReadAllText(bird!.LogFile);

    protected override void Dispose(bool disposing)
    {
        bird?.Dispose();
        base.Dispose(disposing);
    }

    private static string Session(
        string name, string family, string local, string remote, string options, string export) =>
        $"protocol bgp {name} {{ local {local} as 65001; neighbor {remote} as 4200000001; connect delay time 1; "
        + $"connect retry time 1; error wait time 1,2; {options}{family} {{ import all; {export}; }}; }}";
}
