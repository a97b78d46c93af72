using System.Buffers.Binary;
using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns.Transfers;

/// <summary>Tables, and transfers of them without a network.</summary>
internal static class TransferBed
{
    public static readonly TransferOptions ToLoopback =
        new() { Allow = [new TransferRule { From = [Prefix.Parse("127.0.0.0/8")] }] };

    public static DnsTable Table(Zone zone, SteeringTable? steering = null) =>
        DnsTable.Create(1, [zone], RegionMap.Empty, steering ?? SteeringTable.Empty, "");

    public static Zone Zone(uint serial, string records = "") => Load("example.com", $"""
        $TTL 300
        @   SOA ns1 hostmaster {serial} 3600 900 1209600 60
            NS  ns1
        ns1 A   192.0.2.1
        {records}
        """);

    public static SteeringTable Steered(string v4, string v6, uint ttl = 30) => new(
    [
        new SteeredName
        {
            Owner = DnsName.Parse("geo.example.com"),
            TtlSeconds = 60,
            ByRegion =
            [
                SteeredRegion.Of(Addresses(v4, v6)) with { TtlSeconds = ttl },
                SteeredRegion.Of(Addresses("192.0.2.250", "2001:db8::250")),
            ],
        },
        new SteeredName
        {
            Owner = DnsName.Parse("who.example.com"),
            TtlSeconds = 60,
            ByRegion = [],
            ReflectsRegions = ["all"],
        },
    ]);

    public static DnsTable Publish(TransferHandler handler, DnsTable table)
    {
        table = handler.Prepare(table);
        handler.Take(table);
        return table;
    }

    public static Asker From(string address, Transport transport = Transport.Tcp) =>
        new(Prefix.BitsOf(IPAddress.Parse(address)), transport);

    public static byte[] Ixfr(uint serial)
    {
        byte[] query = Query("example.com", RecordType.Ixfr);
        byte[] soa = [0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0, .. new byte[20]];
        BinaryPrimitives.WriteUInt32BigEndian(soa.AsSpan(14), serial);
        query[9] = 1;
        return [.. query, .. soa];
    }

    /// <summary>All messages of a stream, their records in order.</summary>
    public static List<Reply> Replies(TransferHandler handler, byte[] query, string from = "127.0.0.1")
    {
        var replies = new List<Reply>();
        using IAnswerStream stream = handler.Open(query, From(from))!;
        byte[] message = new byte[65535];
        for (int length; (length = stream.Next(message)) > 0;) replies.Add(new Reply(message[..length]));
        return replies;
    }

    public static List<string> Records(TransferHandler handler, byte[] query, string from = "127.0.0.1") =>
        [.. Replies(handler, query, from).SelectMany(reply => reply.Answers)];

    /// <summary>Makes the zone that a secondary makes of the transfer.</summary>
    public static Zone Received(TransferHandler handler, byte[] query, Zone? previous, out bool incremental)
    {
        var received = new ReceivedZone(DnsName.Parse("example.com"), previous, 1 << 30);
        bool done = false;
        foreach (Reply reply in Replies(handler, query))
        {
            var reader = new MessageReader(reply.Message);
            byte[] owner = new byte[255], rdata = new byte[65535];
            if (reader.Questions == 1) reader.Question(owner, out _, out _);
            for (int i = reader.Answers; i > 0; i--)
            {
                Assert.False(done);
                Assert.True(reader.TryRecord(owner, out RecordHead head));
                Assert.True(reader.TryRdata(head, rdata, out int length));
                Assert.True(DnsName.TryFromWire(owner.AsSpan(0, head.OwnerBytes), out DnsName name));
                done = received.Take(name, head.Type, head.TtlSeconds, rdata[..length]);
            }
        }

        Assert.True(done);
        incremental = received.IsIncremental;
        Zone? zone = received.Build(out List<string> problems);
        Assert.Empty(problems);
        return zone!;
    }
}
