using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// Queries, over UDP with and without what a server keeps, over TCP and over TLS, and the answers for limited clients:
/// each is read with a reader of our own.
/// </summary>
public sealed class QueryTarget : IFuzzTarget
{
    private static readonly UInt128[] Clients =
    [
        .. new[] { "192.0.2.200", "198.51.100.7", "203.0.113.9", "2001:db8:1::9", "2001:db8::1", "0.0.0.0" }
            .Select(client => Prefix.BitsOf(IPAddress.Parse(client))),
    ];

    private readonly DnsTable table = FuzzTable.Make();
    private readonly AnswerState plain = NewState(null);
    private readonly AnswerState ready = NewState(new AnswerCache(64));
    private readonly byte[] response = new byte[ushort.MaxValue];
    private readonly byte[] kept = new byte[ushort.MaxValue];

    public string Name => "query";

    public bool IsText => false;

    public int BytesMax => 1472;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. FuzzTable.Labels.Select(label => (byte[])[(byte)label.Length, .. label.Select(letter => (byte)letter)]),
        [0], [0xc0, 0x0c], [0xc0, 0x00], [0x3f], [0x40], [1, (byte)'*'],
        .. new ushort[] { 1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 46, 47, 48, 64, 65, 251, 252, 255, 257 }
            .Select(type => (byte[])[(byte)(type >> 8), (byte)type, 0, 1]),
        [0, 1, 0, 3], [0, 16, 0, 3],
        // OPT with and without DO, of another version, and options: NSID, ECS, cookies, keepalive, padding, version.
        [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0], [0, 0, 41, 16, 0, 0, 0, 128, 0, 0, 0], [0, 0, 41, 2, 0, 0, 1, 0, 0, 0, 0],
        [0, 3, 0, 0], [0, 8, 0, 7, 0, 1, 24, 0, 198, 51, 100], [0, 8, 0, 4, 0, 1, 0, 0], [0, 8, 0, 4, 0, 2, 0, 0],
        [0, 8, 0, 10, 0, 2, 48, 0, 0x20, 1, 13, 0xb8, 0, 1], [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8], [0, 11, 0, 0],
        [0, 12, 0, 1, 0], [0, 19, 0, 0],
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        UInt128 client = Clients[input.Length % Clients.Length];
        ReplyCheck udp = Ask(input, new Asker(client, Transport.Udp, 5353), plain);
        int length = udp.Length;
        response.AsSpan(0, length).CopyTo(kept);
        // A ready answer must be the one that would have been made.
        _ = Ask(input, new Asker(client, Transport.Udp, 5353), ready);
        ReplyCheck again = Ask(input, new Asker(client, Transport.Udp, 5353), ready);
        if (ready.WasReady)
        {
            BrokenPromiseException.Unless(
                again.Length == length && response.AsSpan(0, length).SequenceEqual(kept.AsSpan(0, length)),
                "a ready answer is the same as a made one");
        }

        _ = Ask(input, new Asker(client, Transport.Udp), null);
        ReplyCheck tcp = Ask(input, new Asker(client, Transport.Tcp), plain);
        _ = Ask(input, new Asker(client, Transport.Tls), plain);
        BrokenPromiseException.Unless(udp.IsEmpty == tcp.IsEmpty, "silence does not depend on the transport");
        BrokenPromiseException.Unless(
            udp.IsEmpty || udp.Rcode == tcp.Rcode, "the rcode does not depend on the transport");
        if (!udp.IsEmpty) AskOverTheRate(input, client);

        var behaviour = new Behaviour();
        behaviour.Add(udp.Seen);
        behaviour.Add(tcp.Seen);
        behaviour.Add((int)plain.Cookie);
        return behaviour.Number;
    }

    private ReplyCheck Ask(ReadOnlySpan<byte> query, in Asker asker, AnswerState? state)
    {
        Span<byte> room = asker.IsStream ? response : response.AsSpan(0, Edns.OurUdpBytesMax);
        int length = Answerer.Answer(table, query, asker, state, room);
        return new ReplyCheck(query, response.AsSpan(0, length), asker.IsStream);
    }

    private void AskOverTheRate(ReadOnlySpan<byte> query, UInt128 client)
    {
        int length = Answerer.Limited(query, new Asker(client, Transport.Udp, 5353), plain, response);
        BrokenPromiseException.Unless(
            length <= query.Length + 40, $"a limited client has no more bytes than it sent and a cookie: {length}");
        if (length > 0) _ = new ReplyCheck(query, response.AsSpan(0, length), isStream: false);
    }

    private static AnswerState NewState(AnswerCache? cache) => new()
    {
        Cookies = new ServerCookies([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        Cache = cache,
        NowSeconds = 1_800_000_000,
        KeepaliveTenths = 100,
    };
}
