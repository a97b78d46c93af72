using System.Diagnostics;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Session;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Bgp;

public class BirdBfdTests
{
    private const string Bfd50 =
        "protocol bfd { interface \"*\" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }\n";

    private static readonly BfdOptions Fast = new() { Interval = TimeSpan.FromMilliseconds(50), Multiplier = 3 };

    private static readonly string Configuration = Bfd50
        + SpeakerBed.Protocol("v4", "ipv4", "bfd on;") + SpeakerBed.Protocol("v6", "ipv6", "bfd on;");

    [InteropFact("bird", "ip", "nft", "chrt")]
    public async Task Bfd_holds_at_50_ms_while_the_collector_runs_all_the_time()
    {
        await using SpeakerBed bed = BothUp();
        var clock = Stopwatch.StartNew();
        TimeSpan nextCollection = TimeSpan.Zero;
        List<byte[]> garbage = [];
        while (clock.Elapsed < TimeSpan.FromSeconds(10))
        {
            garbage.Add(new byte[1024 * 64]);
            if (garbage.Count > 200) garbage.RemoveRange(0, 100);
            if (clock.Elapsed >= nextCollection)
            {
                GC.Collect();
                nextCollection = clock.Elapsed + TimeSpan.FromMilliseconds(200);
            }

            await Task.Delay(1);
        }

        Assert.DoesNotContain(bed.Events, e => e is BgpEvent.PeerDown or BgpEvent.BfdChanged { State: BfdState.Down });
        Assert.Equal(["0.150", "0.150"], bed.Bird.BfdTimeouts());
        Assert.Equal(Urgency.RealTime, bed.Speaker.BfdUrgency);
    }

    [InteropFact("bird", "ip", "nft", "chrt")]
    public async Task A_cut_link_takes_the_routes_from_bird_long_before_the_hold_time_and_ends_our_session()
    {
        await using SpeakerBed bed = BothUp();
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.53/32", "2001:db8:a001::53/128"));
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.53/32"), "the IPv4 route");
        BirdRouter.Eventually(() => bed.Bird.HasRoute("2001:db8:a001::53/128"), "the IPv6 route");

        CutSilently(bed);
        var clock = Stopwatch.StartNew();
        BirdRouter.Eventually(
            () => !bed.Bird.HasRoute("198.18.1.53/32") && !bed.Bird.HasRoute("2001:db8:a001::53/128"), "both gone");

        Assert.InRange(clock.ElapsedMilliseconds, 0, 1500);
        BirdRouter.Eventually(
            () => bed.Events.OfType<BgpEvent.PeerDown>().Count() == 2, "our sessions end", seconds: 1);
        Assert.All(bed.Events.OfType<BgpEvent.PeerDown>(),
            down => Assert.Contains("BFD down (6/10)", down.Reason, StringComparison.Ordinal));
    }

    [InteropFact("bird", "ip", "nft", "chrt")]
    public async Task After_the_link_is_back_bfd_and_bgp_come_back()
    {
        await using SpeakerBed bed = BothUp();
        CutSilently(bed);
        BirdRouter.Eventually(() => bed.Status("v4").State != SessionState.Established, "down");

        bed.Bed.Run("us", "nft", "flush", "ruleset");

        bed.AwaitUp("v4");
        BirdRouter.Eventually(() => bed.Status("v4").Bfd == BfdState.Up, "BFD is up");
    }

    private static SpeakerBed BothUp()
    {
        var bed = new SpeakerBed(
            Configuration,
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { Bfd = Fast },
            SpeakerBed.Peer("v6", SpeakerBed.Bird6) with { Bfd = Fast });
        bed.AwaitUp("v4");
        bed.AwaitUp("v6");
        BirdRouter.Eventually(() => bed.Speaker.Status().All(peer => peer.Bfd == BfdState.Up), "BFD is up on both");
        // The poll sequence has agreed on 50 ms.
        BirdRouter.Eventually(
            () => bed.Bird.BfdTimeouts() is ["0.150", "0.150"], "BFD is up on both and fast, says BIRD");
        return bed;
    }

    // Packets vanish on our side while the interfaces stay up: the failure that only BFD sees.
    private static void CutSilently(SpeakerBed bed) => bed.Bed.Run("us", "nft", "add table inet cut; "
        + "add chain inet cut in { type filter hook input priority 0; policy drop; }; "
        + "add chain inet cut out { type filter hook output priority 0; policy drop; }");
}
