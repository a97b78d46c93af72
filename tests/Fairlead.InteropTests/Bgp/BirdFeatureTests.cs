using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Lab;
using Fairlead.Net.Addresses;

namespace Fairlead.InteropTests.Bgp;

/// <summary>What BIRD alone of the routers can be asked for in Debian 12, and what is said of a session.</summary>
public class BirdFeatureTests
{
    private const string Static4 =
        "protocol static { ipv4; route 100.64.1.0/24 blackhole; route 100.64.2.0/24 blackhole; }\n";

    private static readonly BgpFamily[] Both = [BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast];

    [InteropFact("bird", "ip")]
    public async Task Ipv4_routes_go_over_ipv6_with_ipv6_next_hops_both_ways()
    {
        // RFC 8950.
        string configuration = Static4 + $$"""
            protocol bgp v6 { local {{SpeakerBed.Bird6}} as 65001; neighbor 2001:db8:9::1 as 4200000001;
              connect delay time 1; connect retry time 1;
              ipv4 { import all; export all; extended next hop on; }; ipv6 { import all; export none; }; }
            """;
        await using var bed = new SpeakerBed(
            configuration, SpeakerBed.Peer("v6", SpeakerBed.Bird6) with { IPv6NextHop = true, Families = [.. Both] });
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.0/24", "2001:db8:a001::/48"));
        bed.AwaitUp("v6");
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.0/24"), "the IPv4 route");
        BirdRouter.Eventually(() => bed.Bird.HasRoute("2001:db8:a001::/48"), "the IPv6 route");
        Assert.Contains(
            "BGP.next_hop: 2001:db8:9::1", bed.Bird.Ask("show route 198.18.1.0/24 all"), StringComparison.Ordinal);
        BirdRouter.Eventually(() => bed.Status("v6").Received == 2, "BIRD's routes");
        SeenRoute seen = Assert.Single((await bed.Speaker.LookAsync(Prefix.Parse("100.64.1.0/24")))!.Value);
        Assert.Equal(IPAddress.Parse(SpeakerBed.Bird6), seen.Attributes.NextHop);
    }

    [InteropFact("bird", "ip", "nft", "chrt")]
    public async Task A_peer_by_its_link_local_address_has_a_session_and_bfd()
    {
        string configuration = """
            protocol bfd { interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }
            protocol bgp ll { local fe80::2 as 65001; neighbor fe80::1%eth0 as 4200000001; bfd on;
              connect delay time 1; connect retry time 1; ipv6 { import all; export none; }; }
            """;
        await using var bed = new SpeakerBed(
            configuration,
            [
                SpeakerBed.Peer("ll", "fe80::2") with
                {
                    Interface = "eth0",
                    LocalAddress = IPAddress.Parse("fe80::1"),
                    Bfd = new BfdOptions { Interval = TimeSpan.FromMilliseconds(50), Strict = true },
                },
            ],
            prepared =>
            {
                prepared.AddAddress("us", "eth0", "fe80::1/64");
                prepared.AddAddress("bird", "eth0", "fe80::2/64");
            });
        bed.Speaker.Apply(SpeakerBed.Routes(1, "2001:db8:a001::/48"));
        bed.AwaitUp("ll");
        Assert.Equal(BfdState.Up, bed.Status("ll").Bfd);
        BirdRouter.Eventually(() => bed.Bird.HasRoute("2001:db8:a001::/48"), "the route");
        Assert.Contains("fe80::1 on eth0", bed.Bird.Ask("show route 2001:db8:a001::/48 all"), StringComparison.Ordinal);
    }

    [InteropFact("bird", "ip")]
    public async Task Several_paths_to_a_prefix_are_kept_when_bird_sends_them()
    {
        // RFC 7911: one path by a static route, another one from a second table.
        string configuration = $$"""
            ipv4 table side;
            protocol static { ipv4; route 100.64.1.0/24 blackhole; }
            protocol static { ipv4 { table side; }; route 100.64.1.0/24 unreachable; }
            protocol pipe { table master4; peer table side; export none; import all; }
            protocol bgp v4 { local {{SpeakerBed.Bird4}} as 65001; neighbor 10.9.0.1 as 4200000001;
              connect delay time 1; connect retry time 1;
              ipv4 { import all; add paths tx;
                export filter { if dest = RTD_UNREACHABLE then bgp_med = 7; accept; }; }; }
            """;
        await using var bed = new SpeakerBed(
            configuration,
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { AddPath = true, Import = ImportPolicy.Plain });
        bed.AwaitUp("v4");
        Assert.Equal([BgpFamily.IPv4Unicast], bed.Status("v4").Agreed!.AddPath.AsEnumerable());
        BirdRouter.Eventually(
            () => bed.Status("v4").Received == 2, () => $"both paths, not {bed.Status("v4").Received}");
        SeenRoute[] seen = [.. (await bed.Speaker.LookAsync(Prefix.Parse("100.64.1.0/24")))!.Value];
        Assert.Equal([true, false], seen.Select(route => route.Best));
        Assert.NotEqual(seen[0].PathId, seen[1].PathId);
    }

    [InteropFact("bird", "ip")]
    public async Task Roles_that_fit_make_a_session_and_others_do_not()
    {
        // Debian's BIRD knows no roles, so ours must hold without its word, and not when we insist.
        await using var bed = new SpeakerBed(
            SpeakerBed.Protocol("v4", "ipv4") + SpeakerBed.Protocol("v6", "ipv6"),
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { Role = SessionRole.Customer },
            SpeakerBed.Peer("v6", SpeakerBed.Bird6) with { Role = SessionRole.Customer, RoleStrict = true });
        bed.AwaitUp("v4");
        BirdRouter.Eventually(
            () => bed.Status("v6").LastError.Contains("role mismatch (2/11)", StringComparison.Ordinal), "the refusal");
    }

    [InteropFact("bird", "ip", "nft", "chrt")]
    public async Task A_speaker_that_stands_still_loses_its_routes_at_bird_though_the_process_lives()
    {
        var fast = new BfdOptions { Interval = TimeSpan.FromMilliseconds(50) };
        await using var bed = new SpeakerBed(
            "protocol bfd { interface \"*\" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }\n"
                + SpeakerBed.Protocol("v4", "ipv4", "hold time 90; bfd on;"),
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { Bfd = fast, HoldTime = TimeSpan.FromSeconds(90) });
        bed.AwaitUp("v4");
        BirdRouter.Eventually(() => bed.Bird.BfdTimeouts() is ["0.150"], "BFD is up and fast");
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.53/32"));
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.53/32"), "the route");

        using var goesOn = new ManualResetEvent(false);
        bed.OnSpeakersThread = seen =>
        {
            if (seen is BgpEvent.GuardRefused) goesOn.WaitOne();
        };
        bed.Speaker.Apply(SpeakerBed.Routes(2, "198.18.1.53/32", "8.8.8.0/24")); // Its refusal is told, and we sit.
        BirdRouter.Eventually(() => !bed.Bird.HasRoute("198.18.1.53/32"), "BIRD gives the route up", seconds: 3);
        goesOn.Set();
        bed.AwaitUp("v4");
        bed.Speaker.Apply(SpeakerBed.Routes(3, "198.18.1.53/32")); // A view from after the standstill.
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.53/32"), "it is back");
    }

    [InteropFact("bird", "bgpdump", "ip")]
    public async Task A_dump_of_a_session_is_read_by_bgpdump()
    {
        await using var bed = new SpeakerBed(
            Static4 + SpeakerBed.Protocol("v4", "ipv4").Replace("export none", "export all", StringComparison.Ordinal),
            SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        string file = Path.GetTempFileName();
        using var end = new CancellationTokenSource();
        bed.AwaitUp("v4");
        Task<DumpResult?> dump = DumpAsync(bed.Speaker, file, end.Token);
        bed.Bird.Ask("restart v4"); // From the first message on.
        BirdRouter.Eventually(() => bed.Status("v4").Established == 2, "a new session");
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.53/32"));
        BirdRouter.Eventually(
            () => bed.Status("v4").Received == 2 && bed.Bird.HasRoute("198.18.1.53/32"), "routes both ways");
        await end.CancelAsync();
        Assert.True((await dump) is { Messages: > 5, Lost: 0 });

        string shown = Command.Run("bgpdump", "-m", file);
        File.Delete(file);
        // Time, announcement, peer, AS, prefix, path: of BIRD's two routes, and the change to Established.
        Assert.Contains("|A|10.9.0.2|65001|100.64.1.0/24|65001|IGP|10.9.0.2|", shown, StringComparison.Ordinal);
        Assert.Contains("|A|10.9.0.2|65001|100.64.2.0/24|65001|IGP|10.9.0.2|", shown, StringComparison.Ordinal);
        Assert.Contains("|STATE|10.9.0.2|65001|5|6", shown, StringComparison.Ordinal);
    }

    private static async Task<DumpResult?> DumpAsync(BgpSpeaker speaker, string file, CancellationToken end)
    {
        await using FileStream stream = File.Create(file);
        return await speaker.DumpAsync("v4", stream, 1 << 20, end);
    }
}
