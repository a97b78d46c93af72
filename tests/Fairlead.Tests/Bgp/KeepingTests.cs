using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Bgp;

/// <summary>What the speaker keeps and holds back: routes over a restart, policies, a standstill, a dump.</summary>
public class KeepingTests
{
    private const string Attributes = "4001010040020602010000fde94003040a090002";
    private static readonly Prefix Seen = Prefix.Parse("198.18.1.0/24");
    private static readonly RouteSet One = new(1, [new Route { Prefix = Prefix.Parse("198.18.9.0/24") }]);

    [Fact]
    public async Task A_restarting_peers_routes_are_stale_until_it_has_repeated_them()
    {
        await using HandmadePeer peer = new HandmadePeer(Helping).Establish(Restarts);
        Announce(peer, 24, 198, 18, 1, 24, 198, 18, 2);
        peer.Disconnect();
        HandmadePeer.Eventually(() => peer.Status is { State: not SessionState.Established });
        Assert.True(peer.Status.KeepsStale);
        Assert.True(Assert.Single(await LookAsync(peer)).Stale);

        peer.Establish(Restarts);
        Announce(peer, 24, 198, 18, 1);
        Assert.False(Assert.Single(await LookAsync(peer)).Stale);
        Assert.Equal(2, peer.Status.Received);
        peer.Send(MessageType.Update, [0, 0, 0, 0]);
        HandmadePeer.Eventually(() => peer.Status.Received == 1);
    }

    [Fact]
    public async Task They_go_at_once_when_it_has_not_kept_forwarding()
    {
        await using HandmadePeer peer = new HandmadePeer(Helping).Establish(Restarts);
        Announce(peer, 24, 198, 18, 1);
        peer.Disconnect();
        HandmadePeer.Eventually(() => peer.Status.KeepsStale);
        peer.Establish(offered =>
            offered with { Restart = Restarts(offered).Restart! with { Forwards = [] } });
        HandmadePeer.Eventually(() => peer.Status.Received == 0);
    }

    [Fact]
    public async Task They_go_when_the_time_is_over()
    {
        var time = new LeapingTime();
        await using HandmadePeer peer = new HandmadePeer(Helping, time).Establish(Restarts);
        Announce(peer, 24, 198, 18, 1);
        peer.Disconnect();
        HandmadePeer.Eventually(() => peer.Status.KeepsStale);
        time.Leap(TimeSpan.FromSeconds(31));
        HandmadePeer.Eventually(() => peer.Status is { KeepsStale: false, Received: 0 });
    }

    [Theory]
    [InlineData("0604", true)] // A reset, with RFC 8538.
    [InlineData("06090602", false)] // A hard reset.
    public async Task A_notification_is_a_restart_unless_it_is_a_hard_reset(string body, bool kept)
    {
        await using HandmadePeer peer = new HandmadePeer(Helping).Establish(Restarts);
        Announce(peer, 24, 198, 18, 1);
        peer.Send(MessageType.Notification, Convert.FromHexString(body));
        HandmadePeer.Eventually(() => peer.Status is { State: not SessionState.Established });
        Assert.Equal(kept, peer.Status.KeepsStale);
        Assert.Equal(kept ? 1 : 0, peer.Status.Received);
    }

    [Fact]
    public async Task Without_the_option_nothing_is_kept_whatever_the_peer_offers()
    {
        await using HandmadePeer peer = new HandmadePeer().Establish(Restarts);
        Assert.Null(peer.TheirOpen.Capabilities.Restart);
        Announce(peer, 24, 198, 18, 1);
        peer.Disconnect();
        HandmadePeer.Eventually(() => peer.Status.Received == 0);
        Assert.False(peer.Status.KeepsStale);
    }

    [Fact]
    public async Task Our_end_of_rib_waits_for_the_table_where_the_peer_keeps_our_routes()
    {
        await using var peer = new HandmadePeer(options => options with
        {
            Restart = new RestartOptions { Families = [BgpFamily.IPv4Unicast], Restarted = true },
        });
        peer.Connect();
        OpenMessage open = OpenMessage.TryRead(peer.Receive().Body, out _)!;
        Assert.True(open.Capabilities.Restart is { Restarted: true, OverNotification: true });
        peer.SendOpen(with: Restarts);
        peer.SendKeepalive();
        Assert.Equal(MessageType.Keepalive, peer.Receive().Type);
        HandmadePeer.Eventually(() => peer.Status.State == SessionState.Established);
        peer.Speaker.Apply(One);
        Assert.NotEqual(4, peer.Receive().Body.Length); // The route, and only then the end.
        Assert.Equal(new byte[4], peer.Receive().Body);
    }

    [Fact]
    public async Task Our_shutdown_is_a_hard_reset_where_the_peer_would_keep_our_routes()
    {
        await using HandmadePeer peer = new HandmadePeer(Helping).Establish(Restarts);
        Task stopped = peer.Speaker.StopAsync("rack 7 moves");
        Notification told = peer.ReceiveNotification();
        Assert.True(told.IsHardReset);
        Assert.Equal("rack 7 moves", told.ShutdownText());
        await stopped;
    }

    [Fact]
    public async Task A_table_sent_again_between_its_marks_replaces_the_old_one()
    {
        await using HandmadePeer peer =
            new HandmadePeer().Establish(offered => offered with { RouteRefresh = true, EnhancedRefresh = true });
        Announce(peer, 24, 198, 18, 1, 24, 198, 18, 2);
        peer.Send(MessageType.RouteRefresh, [0, 1, 1, 1]);
        Announce(peer, 24, 198, 18, 2);
        peer.Send(MessageType.RouteRefresh, [0, 1, 2, 1]);
        HandmadePeer.Eventually(() => peer.Status.Received == 1);
        Assert.Empty(await LookAsync(peer));

        // And ours stands between marks when it is asked for.
        peer.Speaker.Apply(One);
        Assert.Equal(MessageType.Update, peer.Receive().Type);
        peer.Send(MessageType.RouteRefresh, [0, 1, 0, 1]);
        Assert.Equal([0, 1, 1, 1], peer.Receive().Body);
        Assert.Equal(MessageType.Update, peer.Receive().Type);
        Assert.Equal([0, 1, 2, 1], peer.Receive().Body);
    }

    [Fact]
    public async Task Without_a_policy_nothing_leaves_and_nothing_counts()
    {
        await using HandmadePeer peer = new HandmadePeer(options => options with { Export = null }).Establish();
        peer.Speaker.Apply(One);
        HandmadePeer.Eventually(() => peer.Status is { ToldGeneration: 1, Unannounceable: 1 });
        Assert.Equal(0, peer.Status.Announced);
        Announce(peer, 24, 198, 18, 1);
        SeenRoute seen = Assert.Single(await LookAsync(peer));
        Assert.True(seen is { Ineligible: Ineligible.NoPolicy, Best: false });

        // A policy comes without a new session.
        peer.Speaker.ReplacePeers(
            [peer.Options with { Export = new ExportPolicy { GracefulShutdown = true }, Import = ImportPolicy.Plain }]);
        HandmadePeer.Eventually(() => peer.Status.Announced == 1);
        Assert.Equal(1, peer.Status.Established);
        Assert.Contains("c00804ffff0000", Convert.ToHexStringLower(peer.Receive().Body), StringComparison.Ordinal);
        Assert.True(Assert.Single(await LookAsync(peer)).Best);
    }

    [Fact]
    public async Task Nothing_is_announced_on_a_view_from_before_a_standstill()
    {
        var time = new LeapingTime();
        await using HandmadePeer peer = new HandmadePeer(time: time).Establish();
        long before = time.GetTimestamp();
        peer.Speaker.Apply(One with { AsOf = before });
        HandmadePeer.Eventually(() => peer.Status.Announced == 1);
        time.Leap(TimeSpan.FromSeconds(5));
        HandmadePeer.Eventually(() => peer.Events.Any(e => e is BgpEvent.Thawed));
        Assert.Equal(1, peer.Speaker.Counters.Thaws);

        // A set made before the standstill, handed over after it, is not told; nor is the old one to who comes anew.
        peer.Speaker.Apply(new RouteSet(2, [new Route { Prefix = Seen }]) { AsOf = before });
        peer.Disconnect();
        HandmadePeer.Eventually(() => peer.Status.State != SessionState.Established);
        peer.Connect();
        peer.Receive();
        peer.SendOpen();
        peer.SendKeepalive();
        HandmadePeer.Eventually(() => peer.Status is { State: SessionState.Established, Established: 2 });
        Assert.Equal((0, -1L), (peer.Status.Announced, peer.Status.ToldGeneration));

        peer.Speaker.Apply(new RouteSet(3, One.Routes) { AsOf = time.GetTimestamp() });
        HandmadePeer.Eventually(() => peer.Status is { Announced: 1, ToldGeneration: 3 });
    }

    [Fact]
    public async Task The_looking_glass_finds_the_route_around_an_address_and_those_inside_a_prefix()
    {
        await using HandmadePeer peer =
            new HandmadePeer(options => options with { Import = ImportPolicy.Plain }).Establish();
        Announce(peer, 23, 198, 18, 2, 32, 198, 18, 2, 7, 15, 198, 18);
        Assert.Equal(["198.18.2.0/23"], await NamesAsync(peer, "198.18.3.9"));
        Assert.Equal(["198.18.2.7/32"], await NamesAsync(peer, "198.18.2.7"));
        Assert.Equal(["198.18.0.0/15"], await NamesAsync(peer, "198.19.0.0/16"));
        Assert.Empty(await NamesAsync(peer, "198.0.0.0/8"));
        Assert.Equal(
            ["198.18.0.0/15", "198.18.2.0/23", "198.18.2.7/32"], await NamesAsync(peer, "198.0.0.0/8", inside: true));
        Assert.Equal(["198.18.0.0/15"], await NamesAsync(peer, "198.0.0.0/8", inside: true, routesMax: 1));

        await peer.Speaker.StopAsync("end");
        Assert.Null(await peer.Speaker.LookAsync(Seen));
    }

    [Fact]
    public async Task A_peer_that_leaked_or_looped_is_shown_as_such()
    {
        await using HandmadePeer peer = new HandmadePeer(
            options => options with { Import = ImportPolicy.Plain, Role = SessionRole.Provider }).Establish();
        peer.Send(MessageType.Update, Row("4001010040020602010000fde94003040a090002c023040000fde9", 24, 198, 18, 1));
        peer.Send(MessageType.Update, Row("4001010040020602010000fde84003040a090002", 24, 198, 18, 2));
        HandmadePeer.Eventually(() => peer.Status.Received == 2);
        Assert.Equal(Ineligible.RouteLeak, Assert.Single(await LookAsync(peer)).Ineligible);
        ImmutableArray<SeenRoute> looped = await peer.Speaker.LookAsync(Prefix.Parse("198.18.2.0/24")) ?? [];
        Assert.Equal(Ineligible.OwnAs, Assert.Single(looped).Ineligible);
    }

    [Fact]
    public async Task What_the_looking_glass_has_no_room_for_is_counted_and_the_session_stays()
    {
        await using HandmadePeer peer = new HandmadePeer(budget: new ReceivedBudget(routesMax: 2)).Establish();
        Announce(peer, 24, 198, 18, 1, 24, 198, 18, 2, 24, 198, 18, 3);
        HandmadePeer.Eventually(() => peer.Status is { Received: 2, NotKept: 1 });
        Assert.Equal(SessionState.Established, peer.Status.State);
    }

    [Fact]
    public async Task A_dump_holds_the_very_bytes_of_both_directions()
    {
        await using var peer = new HandmadePeer();
        peer.Speaker.Apply(One);
        using var end = new CancellationTokenSource();
        Task<(DumpResult?, byte[])> dump = DumpAsync(peer.Speaker, 1 << 20, end.Token);
        Assert.Null(await peer.Speaker.DumpAsync("nobody", Stream.Null, 1 << 20, end.Token));
        Assert.Null(await peer.Speaker.DumpAsync("peer", Stream.Null, 1 << 20, end.Token)); // It runs already.
        peer.Establish();
        Announce(peer, 24, 198, 18, 1);
        await end.CancelAsync();
        (DumpResult? result, byte[] bytes) = await dump;

        List<(int Subtype, byte[] Body)> records = [.. Records(bytes)];
        Assert.Equal(new DumpResult(records.Count, bytes.Length, 0), result);
        // Four-octet messages of the peer (4) and of ours (7), and changes of state (5).
        Assert.Equal([4, 5, 7], records.Select(record => record.Subtype).Distinct().Order());
        byte[] update = records.Last(record => record.Subtype == 4).Body;
        Assert.Equal(Convert.FromHexString(Attributes + "18c61201"), update[^24..]);
        Assert.Equal(new byte[] { 0, 5, 0, 6 }, records.Last(record => record.Subtype == 5).Body[^4..]);
    }

    [Fact]
    public async Task A_dump_ends_when_its_bytes_are_used_up()
    {
        await using var peer = new HandmadePeer();
        Task<(DumpResult?, byte[])> dump = DumpAsync(peer.Speaker, 200, default);
        peer.Establish();
        (DumpResult? result, byte[] bytes) = await dump;
        Assert.InRange(bytes.Length, 1, 200);
        Assert.Equal(bytes.Length, result!.Bytes);
    }

    private static async Task<(DumpResult? Result, byte[] Bytes)> DumpAsync(
        BgpSpeaker speaker, long bytesMax, CancellationToken end)
    {
        using var stream = new MemoryStream();
        DumpResult? result = await speaker.DumpAsync("peer", stream, bytesMax, end);
        return (result, stream.ToArray());
    }

    private static PeerOptions Helping(PeerOptions options) => options with { Restart = new RestartOptions() };

    private static Capabilities Restarts(Capabilities offered) => offered with
    {
        Restart = new RestartCapability
        {
            OverNotification = true,
            Seconds = 30,
            Kept = [BgpFamily.IPv4Unicast],
            Forwards = [BgpFamily.IPv4Unicast],
        },
    };

    private static void Announce(HandmadePeer peer, params byte[] routes)
    {
        long before = peer.Status.UpdatesIn;
        peer.Send(MessageType.Update, Row(Attributes, routes));
        HandmadePeer.Eventually(() => peer.Status.UpdatesIn > before);
    }

    private static byte[] Row(string attributes, params byte[] routes) =>
        [0, 0, 0, (byte)(attributes.Length / 2), .. Convert.FromHexString(attributes), .. routes];

    private static async Task<ImmutableArray<SeenRoute>> LookAsync(HandmadePeer peer) =>
        (await peer.Speaker.LookAsync(Seen))!.Value;

    private static async Task<IEnumerable<string>> NamesAsync(
        HandmadePeer peer, string prefix, bool inside = false, int routesMax = 1000) =>
        (await peer.Speaker.LookAsync(Prefix.Parse(prefix), inside, routesMax))!.Value.Select(r => r.Prefix.ToString());

    // RFC 6396 §2, §3: the head, and the microseconds with which an extended record begins.
    private static IEnumerable<(int Subtype, byte[] Body)> Records(byte[] dump)
    {
        for (int at = 0; at < dump.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(dump.AsSpan(at + 8));
            Assert.Equal(17, BinaryPrimitives.ReadUInt16BigEndian(dump.AsSpan(at + 4)));
            Assert.InRange(BinaryPrimitives.ReadInt32BigEndian(dump.AsSpan(at + 12)), 0, 999_999);
            int subtype = BinaryPrimitives.ReadUInt16BigEndian(dump.AsSpan(at + 6));
            yield return (subtype, dump[(at + 16)..(at + 12 + length)]);
            at += 12 + length;
        }
    }
}
