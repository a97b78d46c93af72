using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Net.Addresses;

namespace Fairlead.InteropTests.Bgp;

public class BirdSessionTests
{
    private static readonly string Both =
        SpeakerBed.Protocol("v4", "ipv4") + SpeakerBed.Protocol("v6", "ipv6");

    [InteropFact("bird", "ip")]
    public async Task Bird_has_our_host_routes_and_aggregates_over_both_families()
    {
        await using var bed = new SpeakerBed(
            Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4), SpeakerBed.Peer("v6", SpeakerBed.Bird6));
        bed.Speaker.Apply(SpeakerBed.Routes(
            1, "198.18.1.0/24", "198.18.1.53/32", "2001:db8:a001::/48", "2001:db8:a001::53/128"));
        bed.AwaitUp("v4");
        bed.AwaitUp("v6");

        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master4") == 2, "two IPv4 routes");
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master6") == 2, "two IPv6 routes");
        string shown = bed.Bird.Ask("show route 198.18.1.53/32 all");
        Assert.Contains("BGP.as_path: 4200000001", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.next_hop: 10.9.0.1", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.origin: IGP", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.next_hop: 2001:db8:9::1",
            bed.Bird.Ask("show route 2001:db8:a001::53/128 all"), StringComparison.Ordinal);
    }

    [InteropFact("bird", "ip")]
    public async Task Bird_drops_a_route_within_a_second_of_our_withdraw()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.AwaitUp("v4");
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.53/32", "198.18.2.0/24"));
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.53/32"), "the route");

        bed.Speaker.Apply(SpeakerBed.Routes(2, "198.18.2.0/24"));

        BirdRouter.Eventually(() => !bed.Bird.HasRoute("198.18.1.53/32"), "the withdrawal", seconds: 1);
        Assert.True(bed.Bird.HasRoute("198.18.2.0/24"));
    }

    [InteropFact("bird", "ip")]
    public async Task Attributes_arrive_as_they_were_asked_for()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.Speaker.Apply(new RouteSet(1,
        [
            new Route
            {
                Prefix = Prefix.Parse("198.18.0.0/16"),
                NextHop = IPAddress.Parse("10.9.0.77"),
                Med = 42,
                Prepend = 2,
                Communities = [(65000u << 16) | 7, 0xffff0000],
            },
        ]));
        bed.AwaitUp("v4");

        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.0.0/16"), "the route");
        string shown = bed.Bird.Ask("show route 198.18.0.0/16 all");
        Assert.Contains("BGP.as_path: 4200000001 4200000001 4200000001", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.next_hop: 10.9.0.77", shown, StringComparison.Ordinal);
        Assert.Contains("BGP.med: 42", shown, StringComparison.Ordinal);
        Assert.Contains("(65000,7)", shown, StringComparison.Ordinal);
        Assert.Contains("(65535,0)", shown, StringComparison.Ordinal);
    }

    [InteropFact("bird", "ip")]
    public async Task An_internal_peer_gets_local_preference_and_no_as_of_ours()
    {
        string ibgp = Both.Replace("as 65001", "as 4200000001", StringComparison.Ordinal);
        PeerOptions peer = SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { PeerAs = new Asn(4_200_000_001) };
        await using var bed = new SpeakerBed(ibgp, peer);
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.0/24"));
        bed.AwaitUp("v4");

        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.0/24"), "the route");
        string shown = bed.Bird.Ask("show route 198.18.1.0/24 all");
        Assert.Contains("BGP.local_pref: 100", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("BGP.as_path: 42", shown, StringComparison.Ordinal);
    }

    [InteropFact("bird", "ip")]
    public async Task A_password_and_ttl_security_on_both_sides_let_the_session_up()
    {
        const string Options = "password \"correct horse\"; ttl security on;";
        string configuration = SpeakerBed.Protocol("v4", "ipv4", Options) + SpeakerBed.Protocol("v6", "ipv6", Options);
        await using var bed = new SpeakerBed(
            configuration,
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { Password = "correct horse", TtlSecurity = true },
            SpeakerBed.Peer("v6", SpeakerBed.Bird6) with { Password = "correct horse", TtlSecurity = true });

        bed.AwaitUp("v4");
        bed.AwaitUp("v6");
    }

    [InteropFact("bird", "ip")]
    public async Task A_passive_speaker_with_a_password_is_reached_by_bird()
    {
        await using var bed = new SpeakerBed(
            SpeakerBed.Protocol("v4", "ipv4", "password \"correct horse\"; ttl security on;"),
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with
            {
                Password = "correct horse",
                TtlSecurity = true,
                Passive = true,
            });

        bed.AwaitUp("v4");
    }

    [InteropFact("bird", "ip")]
    public async Task A_wrong_password_keeps_the_session_down()
    {
        await using var bed = new SpeakerBed(
            SpeakerBed.Protocol("v4", "ipv4", "password \"correct horse\";")
                + SpeakerBed.Protocol("v6", "ipv6"),
            SpeakerBed.Peer("v4", SpeakerBed.Bird4) with { Password = "battery staple" },
            SpeakerBed.Peer("v6", SpeakerBed.Bird6));

        bed.AwaitUp("v6"); // By now the other would be up too.
        Assert.NotEqual(SessionState.Established, bed.Status("v4").State);
        Assert.False(bed.Bird.IsEstablished("v4"));
    }

    [InteropFact("bird", "ip")]
    public async Task Two_active_sides_end_with_exactly_one_session()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.AwaitUp("v4");
        for (int round = 0; round < 5; round++)
        {
            // Both dial again at about the same time, from both sides' point of view.
            bed.Bird.Ask("restart v4");
            BirdRouter.Eventually(() => bed.Status("v4").Established > round + 1, "a new session");
            bed.AwaitUp("v4");
        }

        string connections = bed.Bed.Run("us", "ss", "-Htn", "state", "established");
        Assert.Single(connections.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [InteropFact("bird", "ip")]
    public async Task Bird_shows_the_text_of_our_shutdown()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.0/24"));
        bed.AwaitUp("v4");
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.0/24"), "the route");

        await bed.Speaker.StopAsync("rack 7 moves, back at noon");

        BirdRouter.Eventually(() => !bed.Bird.HasRoute("198.18.1.0/24"), "the route is gone", seconds: 1);
        BirdRouter.Eventually(
            () => File.ReadAllText(bed.Bird.LogFile).Contains("rack 7 moves, back at noon", StringComparison.Ordinal),
            "the text");
    }

    [InteropFact("bird", "ip")]
    public async Task We_show_why_bird_has_shut_down()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.AwaitUp("v4");

        bed.Bird.Ask("disable v4 \"fibre cut\"");

        BirdRouter.Eventually(() => bed.Status("v4").State != SessionState.Established, "the session ends");
        BgpEvent.PeerDown down = Assert.Single(bed.Events.OfType<BgpEvent.PeerDown>());
        Assert.Contains("administrative shutdown (6/2): fibre cut", down.Reason, StringComparison.Ordinal);
    }

    [InteropFact("bird", "ip")]
    public async Task A_thousand_routes_come_and_go()
    {
        await using var bed = new SpeakerBed(
            Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4), SpeakerBed.Peer("v6", SpeakerBed.Bird6));
        bed.AwaitUp("v4");
        bed.AwaitUp("v6");
        string[] prefixes =
        [
            .. Enumerable.Range(0, 1000).Select(i => $"198.18.{i / 250}.{i % 250}/32"),
            .. Enumerable.Range(0, 1000).Select(i => $"2001:db8:a000::{i + 1:x}/128"),
        ];

        bed.Speaker.Apply(SpeakerBed.Routes(1, prefixes));
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master4") == 1000, "1000 IPv4 routes");
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master6") == 1000, "1000 IPv6 routes");
        BirdRouter.Eventually(() => bed.Status("v6").Announced == 1000, "the status follows");
        Assert.InRange(bed.Status("v6").UpdatesOut, 2, 12);

        bed.Speaker.Apply(new RouteSet(2, []));
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master4") == 0, "no IPv4 routes");
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master6") == 0, "no IPv6 routes");
    }

    [InteropFact("bird", "ip")]
    public async Task Other_peers_leave_an_unchanged_session_alone()
    {
        PeerOptions v4 = SpeakerBed.Peer("v4", SpeakerBed.Bird4);
        await using var bed = new SpeakerBed(Both, v4);
        bed.AwaitUp("v4");

        bed.Speaker.ReplacePeers([v4 with { }, SpeakerBed.Peer("v6", SpeakerBed.Bird6)]);
        bed.AwaitUp("v6");
        Assert.Equal(1, bed.Status("v4").Established);
        bed.Speaker.ReplacePeers([v4 with { }]);
        BirdRouter.Eventually(() => !bed.Bird.IsEstablished("v6"), "the removed session ends");
        Assert.Equal(1, bed.Status("v4").Established);
        Assert.DoesNotContain(bed.Events.OfType<BgpEvent.PeerDown>(), down => down.Peer == "v4");
    }

    [InteropFact("bird", "ip")]
    public async Task Nothing_outside_the_subnets_reaches_bird_and_a_smaller_guard_withdraws()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.AwaitUp("v4");
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.0/24", "198.19.1.0/24", "8.8.8.0/24", "0.0.0.0/0"));
        BirdRouter.Eventually(() => bed.Bird.CountRoutes("master4") == 2, "two routes pass");
        Assert.Equal(2, bed.Speaker.Counters.RefusedTotal);

        bed.Speaker.ReplaceGuard(new Guard([Prefix.Parse("198.18.0.0/16")]));

        BirdRouter.Eventually(() => !bed.Bird.HasRoute("198.19.1.0/24"), "the route is withdrawn");
        Assert.True(bed.Bird.HasRoute("198.18.1.0/24"));
        Assert.Equal(
            ["0.0.0.0/0", "198.19.1.0/24", "8.8.8.0/24"],
            bed.Events.OfType<BgpEvent.GuardRefused>().Select(e => e.Prefix.ToString()).Order(StringComparer.Ordinal));
    }

    [InteropFact("bird", "ip")]
    public async Task A_route_refresh_of_bird_brings_the_routes_again()
    {
        await using var bed = new SpeakerBed(Both, SpeakerBed.Peer("v4", SpeakerBed.Bird4));
        bed.Speaker.Apply(SpeakerBed.Routes(1, "198.18.1.0/24"));
        bed.AwaitUp("v4");
        BirdRouter.Eventually(() => bed.Bird.HasRoute("198.18.1.0/24"), "the route");
        long before = bed.Status("v4").UpdatesOut;

        bed.Bird.Ask("reload in v4");

        BirdRouter.Eventually(() => bed.Status("v4").UpdatesOut > before, "the route is sent again");
        Assert.True(bed.Bird.HasRoute("198.18.1.0/24"));
    }
}
