using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Bgp.Bmp;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bmp;

public class BmpTests
{
    private static readonly BmpPeer Peer = new(0, 0, Prefix.Parse("10.9.0.2/32").Bits);

    private static BmpRouter New(int routesMax = 1_000) => new(new IPEndPoint(IPAddress.Loopback, 1), routesMax);

    /// <summary>Gives the router all messages in the octets; why the connection ends, if it does.</summary>
    private static string? Tell(BmpRouter router, ReadOnlySpan<byte> octets)
    {
        while (BmpMessage.TryRead(octets, out BmpMessage message, out int length) == BmpReject.None)
        {
            if (router.Take(message) is { } end) return end;
            octets = octets[length..];
        }

        return null;
    }

    private static byte[] Message(BmpType type, BmpPeer? peer, byte flags, params byte[][] body)
    {
        byte[] all = [.. body.SelectMany(part => part)];
        byte[] message = new byte[6 + (peer is null ? 0 : 42) + all.Length];
        var writer = new WireWriter(message);
        writer.U8(3);
        writer.U32((uint)message.Length);
        writer.U8((byte)type);
        if (peer is { } one)
        {
            writer.U8(one.Kind);
            writer.U8(flags);
            writer.U64(one.Distinguisher);
            bool isIPv4 = Prefix.OfMapped(one.AddressBits, 128).IsIPv4;
            writer.U64(isIPv4 ? 0 : (ulong)(one.AddressBits >> 64));
            writer.U64(isIPv4 ? (uint)one.AddressBits : (ulong)one.AddressBits);
            writer.U32(65002);
            writer.U32(0);
            writer.U64(0);
        }

        writer.Bytes(all);
        return message;
    }

    private static byte[] Open(uint asn, bool addPath = false)
    {
        byte[] open = new byte[256];
        var writer = new WireWriter(open);
        new OpenMessage
        {
            As = new Asn(asn),
            HoldSeconds = 90,
            RouterId = asn,
            Capabilities = new Capabilities { FourOctetAs = new Asn(asn) },
        }.Write(ref writer);
        byte[] written = writer.Written.ToArray();
        if (!addPath) return written;
        // RFC 7911 §4: one family, receive and send, as a second parameter.
        byte[] more = [.. written, 2, 6, 69, 4, 0, 1, 1, 3];
        more[17] += 8; // The message's length, and the parameters'.
        more[28] += 8;
        return more;
    }

    private static byte[] PeerUp(BmpPeer peer, bool addPath = false, uint ours = 65001) => Message(
        BmpType.PeerUp, peer, 0, new byte[20], Open(ours, addPath), Open(65002, addPath));

    /// <summary>
    /// Written by hand: ORIGIN, AS_PATH 65002, a next hop, and prefixes of one family whose bits end at octets.
    /// </summary>
    private static byte[] Update(params string[] prefixes)
    {
        byte[] routes = [.. prefixes.Select(Prefix.Parse).SelectMany(prefix =>
            prefix.Address.GetAddressBytes().Take(prefix.Length / 8).Prepend((byte)prefix.Length))];
        byte[] common = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea];
        bool isIPv4 = Prefix.Parse(prefixes[0]).IsIPv4;
        byte[] hop = isIPv4 ? [0x40, 3, 4, 10, 9, 0, 2]
            : [0x80, 14, (byte)(21 + routes.Length), 0, 2, 1, 16, .. IPAddress.Parse("2001:db8::2").GetAddressBytes(),
                0, .. routes];
        byte[] attributes = [.. common, .. hop];
        byte[] body = [0, 0, 0, (byte)attributes.Length, .. attributes, .. isIPv4 ? routes : []];
        return [.. Enumerable.Repeat((byte)0xff, 16), 0, (byte)(19 + body.Length), 2, .. body];
    }

    [Fact]
    public void What_frr_tells_is_kept()
    {
        BmpRouter router = New();

        Assert.Null(Tell(router, Fixture.Hex("bmp/frr.hex")));

        BmpRouterStatus status = router.Status();
        Assert.Equal(("frr1", "FRRouting 8.4.4"), (status.Name, status.Description));
        Assert.Equal(
            new BmpPeerUp(Peer, new Asn(65002), External: true, KeepsDeadRoutes: false), Assert.Single(status.PeersUp));
        foreach (BmpView view in new[] { BmpView.InPrePolicy, BmpView.InPostPolicy })
        {
            BmpRoute[] routes = [.. router.Routes(Peer, view)];
            Assert.Equal(["198.18.0.0/24", "198.18.1.0/24"], routes.Select(route => route.Prefix.ToString()));
            BmpPath path = routes[0].Path;
            Assert.Equal(IPAddress.Parse("10.9.0.2"), path.NextHop);
            Assert.Equal([65001u, 65002u], path.AsPath.Select(asn => asn.Value));
            Assert.Equal(4_259_971_079u, Assert.Single(path.Communities)); // 65002:7
            Assert.Equal(5u, path.Med);
            Assert.Same(path, routes[1].Path);
        }

        Assert.Equal(7, router.Statistics(Peer).Count);
        Assert.All(status.Tables, table => Assert.True(table.IsComplete));
    }

    [Fact]
    public void A_peer_that_goes_down_takes_its_routes_with_it_and_says_why()
    {
        BmpRouter router = New();
        Tell(router, Fixture.Hex("bmp/frr.hex"));

        // As FRR sends it: with a BGP identifier of 0.
        Tell(router, Message(BmpType.PeerDown, Peer, 0, [2, 0, 0]));

        Assert.Empty(router.Status().PeersUp);
        Assert.Empty(router.Routes(Peer, BmpView.InPrePolicy));
        Assert.Equal("10.9.0.2: LocalEvent", router.Status().LastPeerDown);
        Tell(router, Message(BmpType.PeerDown, Peer, 0, [3, .. new byte[19], 6, 2]));
        Assert.Equal("10.9.0.2: RemoteNotification, code 6 subcode 2", router.Status().LastPeerDown);
    }

    [Theory]
    [InlineData(0x00, BmpView.InPrePolicy)]
    [InlineData(0x40, BmpView.InPostPolicy)]
    [InlineData(0x10, BmpView.OutPrePolicy)]
    [InlineData(0x50, BmpView.OutPostPolicy)]
    public void Each_table_of_a_peer_is_kept_for_itself(byte flags, BmpView view)
    {
        BmpRouter router = New();
        Tell(router, PeerUp(Peer));
        Tell(router, Message(BmpType.RouteMonitoring, Peer, flags, Update("198.18.0.0/24")));

        Assert.Equal(view, Assert.Single(router.Status().Tables).View);
        Assert.Single(router.Routes(Peer, view));
    }

    [Fact]
    public void Ipv6_peers_and_routes_and_the_local_rib_are_kept_too()
    {
        BmpRouter router = New();
        var six = new BmpPeer(0, 0, Prefix.Parse("2001:db8:9::2/128").Bits);
        var local = new BmpPeer(BmpMessage.LocalRibKind, 0, 0);
        Tell(router, PeerUp(six));
        Tell(router, Message(BmpType.RouteMonitoring, six, 0x80, Update("2001:db8:a000::/48")));
        Tell(router, Message(BmpType.PeerUp, local, 0, [1, 2, 3])); // Its OPENs are made up.
        Tell(router, Message(BmpType.RouteMonitoring, local, 0, Update("198.18.0.0/24")));

        // PeerUp was sent without the flag of IPv6, and so named another peer.
        Assert.Empty(router.Routes(six, BmpView.InPrePolicy));
        byte[] up = PeerUp(six);
        up[7] = 0x80;
        Tell(router, up);
        Tell(router, Message(BmpType.RouteMonitoring, six, 0x80, Update("2001:db8:a000::/48")));
        BmpRoute kept = Assert.Single(router.Routes(six, BmpView.InPrePolicy));
        Assert.Equal(("2001:db8:a000::/48", "2001:db8::2"), (kept.Prefix.ToString(), $"{kept.Path.NextHop}"));
        Assert.Single(router.Routes(local, BmpView.Local));
    }

    [Fact]
    public void Routes_of_a_peer_with_add_path_are_not_guessed_at()
    {
        BmpRouter router = New();
        Tell(router, PeerUp(Peer, addPath: true));
        Tell(router, Message(BmpType.RouteMonitoring, Peer, 0, Update("198.18.0.0/24")));

        Assert.Empty(router.Routes(Peer, BmpView.InPrePolicy));
        Assert.False(Assert.Single(router.Status().Tables).IsComplete);
        Assert.Equal(1, router.Status().Counters["AddPath"]);
    }

    [Fact]
    public void There_is_room_for_so_many_routes_and_what_is_left_out_is_told()
    {
        BmpRouter router = New(routesMax: 3);
        Tell(router, PeerUp(Peer));
        string[] prefixes = [.. Enumerable.Range(0, 5).Select(i => $"198.18.{i}.0/24")];
        Tell(router, Message(BmpType.RouteMonitoring, Peer, 0, Update(prefixes)));
        // Again: no more room is needed.
        Tell(router, Message(BmpType.RouteMonitoring, Peer, 0, Update(prefixes[..3])));

        BmpTableStatus table = Assert.Single(router.Status().Tables);
        Assert.Equal((3, false, 2L), (table.Routes, table.IsComplete, router.Status().Counters["NoRoom"]));
        Tell(router, Message(BmpType.PeerDown, Peer, 0, [4]));
        Tell(router, PeerUp(Peer));
        Tell(router, Message(BmpType.RouteMonitoring, Peer, 0, Update(prefixes[..3])));
        Assert.True(Assert.Single(router.Status().Tables).IsComplete);
    }

    [Fact]
    public void A_termination_ends_the_connection_with_its_reason()
    {
        byte[] text = Encoding.ASCII.GetBytes("maintenance");
        Assert.Equal("the router ends: out of resources: maintenance",
            Tell(New(), Message(BmpType.Termination, null, 0, [0, 0, 0, (byte)text.Length], text, [0, 1, 0, 2, 0, 2])));
    }

    [Theory]
    [InlineData("", BmpReject.Incomplete)]
    [InlineData("03000000", BmpReject.Incomplete)]
    [InlineData("02", BmpReject.Version)]
    [InlineData("030000000504", BmpReject.Length)]
    [InlineData("03FFFFFFFF04", BmpReject.Length)]
    [InlineData("030000000607", BmpReject.Type)]
    [InlineData("03000000070000", BmpReject.Length)] // No room for the peer.
    [InlineData("030000000604", BmpReject.None)]
    public void A_message_that_cannot_be_is_refused(string hex, BmpReject reject) =>
        Assert.Equal(reject, BmpMessage.TryRead(Convert.FromHexString(hex), out _, out _));

    [Fact]
    public void Damaged_messages_never_throw_and_never_take_more_room_than_there_is() => Property.Holds(3_000, random =>
    {
        byte[] wire = Fixture.Hex("bmp/frr.hex");
        for (int i = random.Next(12); i > 0; i--) wire[random.Next(wire.Length)] = (byte)random.Next(256);
        BmpRouter router = New(routesMax: 1);
        ReadOnlySpan<byte> rest = wire;
        while (rest.Length > 0)
        {
            BmpReject reject = BmpMessage.TryRead(rest, out BmpMessage message, out int length);
            if (reject == BmpReject.None) _ = router.Take(message);
            if (length == 0) break;
            rest = rest[length..];
        }

        Assert.True(router.Status().Tables.Sum(table => table.Routes) <= 1);
    });

    [Fact]
    public async Task A_listener_hears_routers_and_forgets_them_when_they_go()
    {
        await using var listener = new BmpListener(new BmpOptions(new IPEndPoint(IPAddress.Loopback, 0)));
        listener.Start();
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(listener.Address);
            foreach (byte[] part in Fixture.Hex("bmp/frr.hex").Chunk(7)) await client.GetStream().WriteAsync(part);
            await UntilAsync(
                () => listener.Routers.Any(router => router.Routes(Peer, BmpView.InPrePolicy).Length == 2));
        }

        await UntilAsync(() => listener.Routers.Count == 0);
    }

    [Fact]
    public async Task Who_is_not_on_the_list_or_speaks_something_else_is_sent_away()
    {
        var said = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var open = new BmpOptions(new IPEndPoint(IPAddress.Loopback, 0));
        await using var strict = new BmpListener(open with { Routers = [IPAddress.Parse("192.0.2.1")] }, said.Enqueue);
        await using var any = new BmpListener(open, said.Enqueue);
        foreach (BmpListener listener in new[] { strict, any })
        {
            listener.Start();
            using var client = new TcpClient();
            await client.ConnectAsync(listener.Address);
            try
            {
                await client.GetStream().WriteAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
                Assert.Equal(0, await client.GetStream().ReadAsync(new byte[1]));
            }
            catch (IOException)
            {
                // Closed with what we sent unread.
            }
        }

        await UntilAsync(() => said.Any(text => text.EndsWith("it is not on the list", StringComparison.Ordinal))
            && said.Any(text => text.EndsWith("not BMP: Version", StringComparison.Ordinal)));
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!holds()) await Task.Delay(5, limit.Token);
    }
}
