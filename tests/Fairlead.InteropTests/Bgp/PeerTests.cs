using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.InteropTests.Bgp;

/// <summary>What we promise of every router: the names of the tests and their cases are the table.</summary>
public class PeerTests
{
    public static TheoryData<RouterKind> All => [.. Enum.GetValues<RouterKind>()];

    /// <summary>GoBGP keeps what it has received and never asks again.</summary>
    public static TheoryData<RouterKind> Askers => [.. Enum.GetValues<RouterKind>().Except([RouterKind.Gobgp])];

    /// <summary>Debian's ExaBGP takes no NOTIFICATION: "can not decode update message of type 3".</summary>
    public static TheoryData<RouterKind> Readers => [.. Enum.GetValues<RouterKind>().Except([RouterKind.Exabgp])];

    /// <summary>ExaBGP names the capability and keeps no routes.</summary>
    public static TheoryData<RouterKind> Keepers => [.. Enum.GetValues<RouterKind>().Except([RouterKind.Exabgp])];

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task Sessions_stand_over_ipv4_and_ipv6_and_routes_come_and_go(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup());
        bed.AwaitUp("v4", "v6");
        bed.Apply(1, "198.18.1.53/32", "198.18.2.0/24", "2001:db8:a001::53/128");
        bed.AwaitRoute("198.18.1.53/32");
        bed.AwaitRoute("198.18.2.0/24");
        bed.AwaitRoute("2001:db8:a001::53/128");
        bed.Apply(2, "198.18.2.0/24");
        bed.AwaitRoute("198.18.1.53/32", there: false);
        bed.AwaitRoute("2001:db8:a001::53/128", there: false);
        Assert.True(bed.Router.HasRoute("198.18.2.0/24"));
        Assert.All(bed.Speaker.Status(), peer => Assert.Equal((1, 0), (peer.Established, peer.MalformedIn)));
    }

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task Md5_and_ttl_security_on_both_sides_let_the_sessions_up(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup { Password = "correct-horse", TtlSecurity = true });
        bed.AwaitUp("v4", "v6");
    }

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task A_wrong_md5_password_keeps_the_session_down(RouterKind router)
    {
        await using var bed = new PeerBed(
            router, new RouterSetup { Password = "correct-horse" },
            options => options.Name == "v4" ? options with { Password = "battery-staple" } : options);
        bed.AwaitUp("v6"); // By now the other would be up too.
        Assert.Equal(0, bed.Status("v4").Established);
    }

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task All_attributes_arrive_as_they_were_asked_for(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup(), options => options with
        {
            Role = SessionRole.Peer,
            Export = new ExportPolicy { Prepend = 1, LargeCommunities = [new LargeCommunity(4200000001, 7, 8)] },
        });
        bed.AwaitUp("v4");
        bed.Speaker.Apply(new RouteSet(1,
        [
            new Route
            {
                Prefix = Prefix.Parse("198.18.1.0/24"),
                NextHop = IPAddress.Parse("10.9.0.77"),
                Med = 4242,
                Prepend = 1,
                Communities = [(65000u << 16) | 777],
                ExtendedCommunities = [0x0002_fde8_0000_0309],
                GracefulShutdown = true,
            },
            new Route { Prefix = Prefix.Parse("198.18.9.9/32"), Blackhole = true },
        ]));
        bed.AwaitRoute("198.18.1.0/24");
        string text = bed.Router.RouteText("198.18.1.0/24");
        string[] expected = ["4200000001 4200000001 4200000001", "10.9.0.77", "4242", .. Spelled(router)];
        foreach (string part in expected)
            Assert.True(Plain(text).Contains(Plain(part), StringComparison.Ordinal), $"{part} is not in: {text}");
        Assert.DoesNotContain(Plain($"{expected[0]} 4200000001"), Plain(text), StringComparison.Ordinal);
        bed.AwaitRoute("198.18.9.9/32");
        Assert.Contains(Blackhole(router), bed.Router.RouteText("198.18.9.9/32"), StringComparison.OrdinalIgnoreCase);
    }

    [PeersTheory]
    [MemberData(nameof(Readers))]
    public async Task It_reads_our_shutdown_text(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup());
        bed.AwaitUp("v4", "v6");
        bed.Apply(1, "198.18.1.0/24");
        bed.AwaitRoute("198.18.1.0/24");
        await bed.Speaker.StopAsync("rack 7 moves");
        bed.AwaitRoute("198.18.1.0/24", there: false);
        BirdRouter.Eventually(
            () => bed.Router.Logged("rack 7 moves") || bed.Router.Logged(Convert.ToHexString("rack 7 moves"u8)),
            $"the text in {bed.Router.LogText[^Math.Min(2000, bed.Router.LogText.Length)..]}");
    }

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task We_show_why_it_has_shut_down(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup());
        bed.AwaitUp("v4", "v6");
        bed.Router.ShutDown("fibre cut");
        BirdRouter.Eventually(() => bed.Events.OfType<BgpEvent.PeerDown>().Any(), "the session ends");
        string reason = bed.Events.OfType<BgpEvent.PeerDown>().First().Reason;
        Assert.Contains("administrative shutdown (6/2)", reason, StringComparison.Ordinal);
        // ExaBGP has no command for a text.
        if (router != RouterKind.Exabgp) Assert.Contains("fibre cut", reason, StringComparison.Ordinal);
    }

    [PeersTheory]
    [MemberData(nameof(Askers))]
    public async Task A_route_refresh_brings_the_routes_again(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup());
        bed.AwaitUp("v4");
        bed.Apply(1, "198.18.1.0/24");
        bed.AwaitRoute("198.18.1.0/24");
        long before = bed.Status("v4").UpdatesOut;
        bed.Router.AskAgain();
        BirdRouter.Eventually(() => bed.Status("v4").UpdatesOut > before, "the route is sent again");
        bed.AwaitRoute("198.18.1.0/24");
        Assert.Equal(1, bed.Status("v4").Established);
    }

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task Ten_thousand_routes_are_received_and_withdrawn(RouterKind router)
    {
        const int Count = 10_000;
        await using var bed = new PeerBed(router, new RouterSetup { Routes = Count });
        bed.AwaitUp("v4");
        bed.Router.Announce(on: true);
        BirdRouter.Eventually(
            () => bed.Status("v4").Received == Count, () => $"{Count}, not {bed.Status("v4").Received}", seconds: 60);
        SeenRoute seen = Assert.Single(await bed.LookAsync(RouterProgram.TheRoute(4711)));
        Assert.True(seen is { Best: true, Peer: "v4", Ineligible: Ineligible.None });
        Assert.Equal([65001u], seen.Attributes.AsPath.Select(asn => asn.Value));
        bed.Router.Announce(on: false);
        BirdRouter.Eventually(() => bed.Status("v4").Received == 0, "all are withdrawn", seconds: 60);
        Assert.Empty(await bed.LookAsync(RouterProgram.TheRoute(4711)));
        Assert.True(bed.Status("v4") is { Established: 1, MalformedIn: 0, NotKept: 0 });
    }

    [PeersTheory]
    [MemberData(nameof(All))]
    public async Task Without_graceful_restart_our_routes_go_with_our_connection(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup { Restart = true });
        bed.AwaitUp("v4");
        bed.Apply(1, "198.18.1.0/24");
        bed.AwaitRoute("198.18.1.0/24");
        // The kernel's word alone, as after a kill -9: no NOTIFICATION.
        bed.Bed.Run("us", "ss", "-K", "dport", "=", "179");
        bed.Bed.Run("us", "ss", "-K", "sport", "=", "179");
        await bed.Speaker.StopAsync("gone");
        bed.AwaitRoute("198.18.1.0/24", there: false);
    }

    [PeersTheory]
    [MemberData(nameof(Keepers))]
    public async Task Our_routes_stay_while_we_restart_and_go_when_we_do_not_repeat_them(RouterKind router)
    {
        static PeerOptions Restarting(PeerOptions options) => options with
        {
            Restart = new RestartOptions { Families = options.OfferedFamilies, Time = TimeSpan.FromSeconds(30) },
        };
        await using var bed = new PeerBed(router, new RouterSetup { Restart = true }, Restarting);
        bed.AwaitUp("v4");
        bed.Apply(1, "198.18.1.0/24", "198.18.2.0/24");
        bed.AwaitRoute("198.18.2.0/24");

        await bed.Speaker.LeaveAsync("restart");
        Assert.True(bed.Router.HasRoute("198.18.1.0/24"));
        bed.StartAgain(options => options with { Restart = options.Restart! with { Restarted = true } });
        bed.AwaitUp("v4");
        // Nothing is wanted yet, which is not the same as nothing being wanted.
        Assert.True(bed.Router.HasRoute("198.18.1.0/24"));
        bed.Apply(1, "198.18.1.0/24");
        bed.AwaitRoute("198.18.2.0/24", there: false);
        Assert.True(bed.Router.HasRoute("198.18.1.0/24"));

        // A shutdown is one: with RFC 8538 it must be a hard reset to be taken so.
        await bed.Speaker.StopAsync("gone");
        bed.AwaitRoute("198.18.1.0/24", there: false);
    }

    [PeersTheory]
    [InlineData(RouterKind.Bird)]
    [InlineData(RouterKind.Frr)]
    [InlineData(RouterKind.Gobgp)]
    public async Task We_keep_the_routes_of_a_router_that_restarts(RouterKind router)
    {
        await using var bed = new PeerBed(
            router, new RouterSetup { Restart = true, Routes = 10 },
            options => options with { Restart = new RestartOptions() });
        bed.AwaitUp("v4");
        bed.Router.Announce(on: true);
        BirdRouter.Eventually(() => bed.Status("v4").Received == 10, "the routes", seconds: 20);

        bed.Router.Kill();
        BirdRouter.Eventually(() => bed.Status("v4") is { State: not SessionState.Established }, "the session ends");
        Assert.True(bed.Status("v4").KeepsStale);
        SeenRoute seen = Assert.Single(await bed.LookAsync(RouterProgram.TheRoute(3)));
        Assert.True(seen.Stale);
    }

    [PeersTheory]
    [InlineData(RouterKind.Bird)]
    [InlineData(RouterKind.Frr)]
    public async Task Bfd_ends_the_session_when_the_link_falls_silent(RouterKind router)
    {
        await using var bed = new PeerBed(router, new RouterSetup { Bfd = true });
        bed.AwaitUp("v4", "v6");
        BirdRouter.Eventually(
            () => bed.Speaker.Status().All(peer => peer.Bfd == BfdState.Up), "BFD is up on both", seconds: 20);
        bed.Apply(1, "198.18.1.0/24");
        bed.AwaitRoute("198.18.1.0/24");
        await Task.Delay(500); // The poll sequence, which has no sign of its own in FRR.

        bed.Bed.Run("us", "nft", "add table inet cut; "
            + "add chain inet cut in { type filter hook input priority 0; policy drop; }; "
            + "add chain inet cut out { type filter hook output priority 0; policy drop; }");
        BirdRouter.Eventually(
            () => bed.Events.OfType<BgpEvent.PeerDown>().Count() == 2, "our sessions end", seconds: 2);
        Assert.All(bed.Events.OfType<BgpEvent.PeerDown>(),
            down => Assert.Contains("BFD down (6/10)", down.Reason, StringComparison.Ordinal));
    }

    // Each has its own blanks, commas and brackets.
    private static string Plain(string text) =>
        string.Concat(text.ToLowerInvariant().Where(letter => !" ,()[]\"".Contains(letter)));

    // How each writes community 65000:777, graceful-shutdown, the route target and the large community.
    private static string[] Spelled(RouterKind router) => router switch
    {
        RouterKind.Bird => ["(65000,777)", "(65535,0)", "(rt, 65000, 777)", "(4200000001, 7, 8)"],
        RouterKind.Frr => ["65000:777", "graceful-shutdown", "RT:65000:777", "4200000001:7:8"],
        RouterKind.Gobgp => ["Communities: 65000:777, planned-shut", "Extcomms: [65000:777]", "4200000001:7:8"],
        RouterKind.Openbgpd => ["65000:777", "GRACEFUL_SHUTDOWN", "rt 65000:777", "4200000001:7:8"],
        _ => ["[65000, 777]", "[65535, 0]", "target:65000:777", "[4200000001, 7, 8]"],
    };

    private static string Blackhole(RouterKind router) => router switch
    {
        RouterKind.Bird => "(65535,666)",
        RouterKind.Exabgp => "666",
        _ => "blackhole",
    };
}
