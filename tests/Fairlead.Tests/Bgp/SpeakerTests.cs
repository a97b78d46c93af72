using System.Diagnostics;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Xunit.Abstractions;

namespace Fairlead.Tests.Bgp;

/// <summary>The speaker against a peer made by hand, which does what no router should.</summary>
public class SpeakerTests(ITestOutputHelper output)
{
    private static readonly RouteSet One = new(1, [new Route { Prefix = Prefix.Parse("198.18.1.0/24") }]);

    [Fact]
    public async Task Malformed_updates_leave_the_session_up_where_rfc_7606_says_so()
    {
        await using HandmadePeer peer = new HandmadePeer().Establish();
        byte[] good = Convert.FromHexString("4001010040020602010000fde94003040a090002");
        string[] damaged = ["80040101", "4001020000", "c00703000000", "c0080100", "c0170400", "40060101", "8014ff00"];
        foreach (string attribute in damaged) SendUpdate(peer, [.. good, .. Convert.FromHexString(attribute)]);
        SendUpdate(peer, good);

        HandmadePeer.Eventually(() => peer.Status.Received == 1 && peer.Status.UpdatesIn == damaged.Length + 1);
        Assert.Equal(damaged.Length, peer.Status.MalformedIn);
        Assert.Equal(SessionState.Established, peer.Status.State);
        Assert.Contains(peer.Events, e => e is BgpEvent.MalformedUpdate);
    }

    [Fact]
    public async Task Routes_that_cannot_be_located_end_the_session_with_the_right_notification()
    {
        await using HandmadePeer peer = new HandmadePeer().Establish();
        peer.Send(MessageType.Update, [0, 0, 0, 0, 33, 1, 2, 3, 4, 5]);
        Notification sent = peer.ReceiveNotification();
        Assert.Equal((NotificationCode.Update, UpdateSubcode.InvalidNetwork), (sent.Code, sent.Subcode));
        Assert.Equal((MessageType)0, peer.Receive().Type);
    }

    [Fact]
    public async Task Every_route_is_told_after_the_open_and_then_the_end_of_rib()
    {
        await using var peer = new HandmadePeer();
        peer.Speaker.Apply(One);
        peer.Connect();
        peer.Receive();
        peer.SendOpen();
        peer.SendKeepalive();
        Assert.Equal(MessageType.Keepalive, peer.Receive().Type);
        (MessageType type, byte[] body) = peer.Receive();
        Assert.Equal(MessageType.Update, type);
        Assert.Equal(new byte[] { 24, 198, 18, 1 }, body[^4..]);
        Assert.Equal(new byte[4], peer.Receive().Body);
    }

    [Fact]
    public async Task A_prefix_too_many_ends_the_session()
    {
        await using HandmadePeer peer = new HandmadePeer(options => options with { PrefixesMax = 2 }).Establish();
        byte[] good = Convert.FromHexString("4001010040020602010000fde94003040a090002");
        SendUpdate(peer, good, 24, 198, 18, 1, 24, 198, 18, 2, 24, 198, 18, 2);
        HandmadePeer.Eventually(() => peer.Status.Received == 2);
        SendUpdate(peer, good, 24, 198, 18, 3);
        Notification sent = peer.ReceiveNotification();
        Assert.Equal((NotificationCode.Cease, CeaseSubcode.MaxPrefixes), (sent.Code, sent.Subcode));
        Assert.Equal([0, 1, 1, 0, 0, 0, 2], sent.Data.ToArray());
    }

    [Theory]
    [InlineData(64999u, 0x7f000002u, OpenSubcode.BadPeerAs)]
    [InlineData(65001u, 0u, OpenSubcode.BadIdentifier)]
    public async Task A_stranger_in_the_open_is_turned_away(uint asn, uint routerId, byte subcode)
    {
        await using HandmadePeer peer = new HandmadePeer().Connect();
        peer.SendOpen(asn, routerId);
        Notification sent = peer.ReceiveNotification();
        Assert.Equal((NotificationCode.Open, subcode), (sent.Code, sent.Subcode));
    }

    [Theory]
    [InlineData(MessageType.Keepalive, "", StateMachineSubcode.InOpenSent)]
    [InlineData(MessageType.Update, "00000000", StateMachineSubcode.InOpenSent)]
    [InlineData(MessageType.RouteRefresh, "00010001", StateMachineSubcode.InOpenSent)]
    public async Task A_message_in_the_wrong_state_is_answered_as_such(MessageType type, string body, byte subcode)
    {
        await using HandmadePeer peer = new HandmadePeer().Connect();
        peer.Send(type, Convert.FromHexString(body));
        Notification sent = peer.ReceiveNotification();
        Assert.Equal((NotificationCode.StateMachine, subcode), (sent.Code, sent.Subcode));
    }

    [Fact]
    public async Task A_stream_of_garbage_is_answered_and_the_speaker_lives()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            await using HandmadePeer peer = new HandmadePeer().Connect();
            byte[] garbage = new byte[500];
            new Random(seed).NextBytes(garbage);
            peer.Send(garbage);
            Assert.Equal(NotificationCode.Header, peer.ReceiveNotification().Code);
            HandmadePeer.Eventually(() => peer.Status.State == SessionState.Active);
        }
    }

    [Fact]
    public async Task A_message_in_many_pieces_is_one_message()
    {
        await using HandmadePeer peer = new HandmadePeer().Establish();
        byte[] refresh = [.. Enumerable.Repeat((byte)0xff, 16), 0, 23, 5, 0, 1, 0, 1];
        peer.Speaker.Apply(One);
        HandmadePeer.Eventually(() => peer.Status.Announced == 1);
        long before = peer.Status.UpdatesOut;
        foreach (byte piece in refresh) peer.Send([piece]);
        HandmadePeer.Eventually(() => peer.Status.UpdatesOut == before + 1);
    }

    [Fact]
    public async Task The_text_of_our_shutdown_reaches_the_peer()
    {
        await using HandmadePeer peer = new HandmadePeer().Establish();
        Task stopped = peer.Speaker.StopAsync("rack 7 moves");
        Assert.Equal("rack 7 moves", peer.ReceiveNotification().ShutdownText());
        Assert.Equal((MessageType)0, peer.Receive().Type);
        await stopped;
    }

    [Fact]
    public async Task A_set_is_on_the_wire_at_once()
    {
        await using HandmadePeer peer = new HandmadePeer().Establish();
        List<TimeSpan> times = [];
        for (int i = 0; i < 100; i++)
        {
            var clock = Stopwatch.StartNew();
            peer.Speaker.Apply(i % 2 == 0 ? One : RouteSet.Empty);
            Assert.Equal(MessageType.Update, peer.Receive().Type);
            times.Add(clock.Elapsed);
        }

        times.Sort();
        output.WriteLine($"Apply to wire, ms: min {times[0].TotalMilliseconds} median {times[50].TotalMilliseconds}");
        // Usually 0.1 ms; the bar leaves room for a busy machine and none for a timer in the way.
        Assert.InRange(times[50], TimeSpan.Zero, TimeSpan.FromMilliseconds(20));
    }

    [Fact]
    public async Task A_peer_that_announced_too_much_is_left_alone_for_a_while()
    {
        await using HandmadePeer peer = new HandmadePeer(
            options => options with { PrefixesMax = 1, PrefixesPause = TimeSpan.FromHours(1) }).Establish();
        byte[] good = Convert.FromHexString("4001010040020602010000fde94003040a090002");
        SendUpdate(peer, good, 24, 198, 18, 1, 24, 198, 18, 2);
        Assert.Equal(CeaseSubcode.MaxPrefixes, peer.ReceiveNotification().Subcode);
        peer.Connect();
        Assert.Equal((MessageType)0, peer.ReceiveOrEnd());
    }

    [Fact]
    public async Task A_peer_that_takes_nothing_is_left_after_the_send_hold_time()
    {
        // RFC 9687: without a hold time nothing else would ever notice.
        var time = new LeapingTime();
        await using var peer = new HandmadePeer(options => options with { HoldTime = TimeSpan.Zero }, time);
        peer.Establish();
        for (int round = 0; peer.Status.ToldGeneration == round - 1 || round < 2; round++)
        {
            Assert.InRange(round, 0, 100);
            // Each route has a MED of its own, so each takes a message; the peer reads none.
            Route[] routes = [.. Enumerable.Range(0, 4000).Select(i => new Route
            {
                Prefix = Prefix.Parse($"198.18.{i / 250}.{i % 250}/32"), Med = (uint)((round * 4000) + i),
            })];
            peer.Speaker.Apply(new RouteSet(round, [.. routes]));
            for (int turn = 0; turn < 200 && peer.Status.ToldGeneration != round; turn++) await Task.Delay(5);
        }

        time.Leap(TimeSpan.FromMinutes(9));
        HandmadePeer.Eventually(() => peer.Events.OfType<BgpEvent.PeerDown>().Any());
        string reason = peer.Events.OfType<BgpEvent.PeerDown>().Single().Reason;
        Assert.Contains("send hold timer expired", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_strict_mode_there_is_no_session_before_bfd_is_up()
    {
        await using var peer = new HandmadePeer(options => options with { Bfd = new BfdOptions { Strict = true } });
        peer.Connect();
        Assert.Equal((MessageType)0, peer.ReceiveOrEnd());
        Assert.Equal(0, peer.Status.Established);
        // Without BFD the same peer is taken.
        peer.Speaker.ReplacePeers([peer.Options with { Bfd = null }]);
        HandmadePeer.Eventually(() => peer.Status.Bfd is null);
        peer.Establish();
    }

    internal static void SendUpdate(HandmadePeer peer, byte[] attributes, params byte[] routes)
    {
        byte[] nlri = routes.Length > 0 ? routes : [24, 198, 18, 1];
        byte[] length = [(byte)(attributes.Length >> 8), (byte)attributes.Length];
        peer.Send(MessageType.Update, [0, 0, .. length, .. attributes, .. nlri]);
    }
}
