using System.Buffers.Binary;
using System.Net;
using System.Text;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Dns;

/// <summary>A zone with one of everything, a steered name or three, and questions in wire form.</summary>
public static class DnsTestBed
{
    public const string ZoneText = """
        $ORIGIN example.com.
        $TTL 1h
        @       IN SOA ns1 hostmaster ( 2026010101 2h 15m 2w 5m )
                   NS  ns1
                   NS  ns2
                   MX  10 mail
                   TXT "v=spf1 -all" "second; string"
                   CAA 0 issue "ca.example.net"
        ns1        A   192.0.2.1
                   AAAA 2001:db8::1
        ns2        A   192.0.2.2
        mail       A   192.0.2.25
        www        A   192.0.2.80
                   A   192.0.2.81
        alias      CNAME www
        chain1     CNAME chain2
        chain2     CNAME alias
        loop1      CNAME loop2
        loop2      CNAME loop1
        away       CNAME www.example.net.
        dangling   CNAME nothing.here
        a.b.c.ent  A   192.0.2.90
        *.wild     A   192.0.2.99
        *.wild     TXT "any"
        there.wild MX  5 mail
        *.wcname   CNAME www
        *.wloop    CNAME x.wloop
        sub        NS  ns.sub
        sub        NS  ns.other.example.net.
        sub        DS  \# 4 00010802
        ns.sub     A   192.0.2.53
                   AAAA 2001:db8::53
        intosub    CNAME deep.sub
        _sip._tcp  SRV 0 5 5060 mail
        ptr        PTR www
        typed      TYPE65 \# 3 000100
        steeralias CNAME steered
        """;

    public static Zone Zone { get; } = Load("example.com", ZoneText);

    /// <summary>Region 1: 198.51.100.0/24, 2001:db8:1::/48. Region 2: 203.0.113.0/24.</summary>
    public static RegionMap Regions { get; } = RegionMap.Compile(
    [
        (Prefix.Parse("198.51.100.0/24"), 1), (Prefix.Parse("2001:db8:1::/48"), 1), (Prefix.Parse("203.0.113.0/24"), 2),
    ]);

    public static SteeringTable Steering { get; } = new(
    [
        new SteeredName
        {
            Owner = DnsName.Parse("steered.example.com"),
            TtlSeconds = 30,
            ByRegion =
            [
                Addresses("192.0.2.100", "2001:db8::100"), Addresses("192.0.2.101", "2001:db8::100"),
                Addresses("192.0.2.102", "2001:db8::100"),
            ],
        },
        new SteeredName
        {
            Owner = DnsName.Parse("*.cdn.example.com"),
            TtlSeconds = 60,
            ByRegion = [Alias("www.example.com"), Alias("steered.example.com"), Alias("edge.example.net")],
        },
        new SteeredName
        {
            Owner = DnsName.Parse("v4only.example.com"),
            TtlSeconds = 20,
            ByRegion = [new SteeredAnswer { A = [IPAddress.Parse("192.0.2.110")] }],
        },
    ]);

    public static DnsTable Table { get; } = DnsTable.Create(7, [Zone], Regions, Steering, "node-1");

    public static Zone Load(string origin, string text)
    {
        MasterFileResult result = MasterFile.Read("test.zone", DnsName.Parse(origin), text);
        Assert.Empty(result.Problems);
        return result.Zone!;
    }

    public static SteeredAnswer Addresses(string v4, string v6) =>
        new() { A = [IPAddress.Parse(v4)], Aaaa = [IPAddress.Parse(v6)] };

    public static SteeredAnswer Alias(string target) => new() { Cname = DnsName.Parse(target) };

    /// <summary>A query with RD on; edns: the size, with the options given.</summary>
    public static byte[] Query(
        string name, RecordType type, int? edns = null, byte[]? options = null, ushort @class = 1)
    {
        var query = new List<byte> { 0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, (byte)(edns is null ? 0 : 1) };
        query.AddRange(DnsName.Parse(name).Wire);
        query.AddRange([(byte)((ushort)type >> 8), (byte)type, (byte)(@class >> 8), (byte)@class]);
        if (edns is null) return [.. query];
        options ??= [];
        query.AddRange(
            [0, 0, 41, (byte)(edns >> 8), (byte)edns, 0, 0, 0, 0, (byte)(options.Length >> 8), (byte)options.Length]);
        query.AddRange(options);
        return [.. query];
    }

    public static byte[] SubnetOption(string prefix)
    {
        Prefix subnet = Prefix.Parse(prefix);
        byte[] address = subnet.Address.GetAddressBytes()[..((subnet.Length + 7) / 8)];
        return [0, 8, 0, (byte)(4 + address.Length), 0, (byte)(subnet.IsIPv4 ? 1 : 2), (byte)subnet.Length, 0,
            .. address];
    }

    public static byte[] Ask(byte[] query, string client = "192.0.2.200", bool stream = false, DnsTable? table = null)
    {
        byte[] response = new byte[stream ? 65535 : 4096];
        response.AsSpan().Fill(0xcd); // What we did not write must never leave.
        int length = Answerer.Answer(
            table ?? Table, query, Prefix.BitsOf(IPAddress.Parse(client)), stream, response);
        return response[..length];
    }

    public static Reply Ask(
        string name, RecordType type, string client = "192.0.2.200", string? subnet = null, DnsTable? table = null) =>
        new(Ask(Query(name, type, 1232, subnet is null ? null : SubnetOption(subnet)), client, false, table));
}

/// <summary>
/// An answer taken apart by a reader of the tests' own, so that reader and writer do not share their faults.
/// </summary>
public sealed class Reply
{
    public Reply(byte[] message)
    {
        Message = message;
        int at = 12;
        if (U16(4) == 1)
        {
            QuestionName = Name(ref at);
            at += 4;
        }

        Answers = Records(ref at, U16(6));
        Authorities = Records(ref at, U16(8));
        Additionals = Records(ref at, U16(10));
        Assert.Equal(message.Length, at);
    }

    public byte[] Message { get; }

    public string QuestionName { get; } = "";

    public List<string> Answers { get; }

    public List<string> Authorities { get; }

    public List<string> Additionals { get; }

    public bool HasOpt { get; private set; }

    public int OptRcode { get; private set; }

    public Dictionary<int, byte[]> Options { get; } = [];

    public Rcode Rcode => (Rcode)((U16(2) & 0xf) | (OptRcode << 4));

    public bool Authoritative => (U16(2) & 0x0400) != 0;

    public bool Truncated => (U16(2) & 0x0200) != 0;

    /// <summary>The scope of the ECS option; -1 when there is none.</summary>
    public int Scope => Options.TryGetValue(8, out byte[]? subnet) ? subnet[3] : -1;

    private int U16(int at) => BinaryPrimitives.ReadUInt16BigEndian(Message.AsSpan(at));

    private List<string> Records(ref int at, int count)
    {
        var records = new List<string>();
        for (; count > 0; count--)
        {
            string owner = Name(ref at);
            (int type, uint ttl, int length) =
                (U16(at), BinaryPrimitives.ReadUInt32BigEndian(Message.AsSpan(at + 4)), U16(at + 8));
            at += 10;
            if (type == 41) ReadOpt(at, length, ttl);
            else records.Add($"{owner} {ttl} {RecordTypes.NameOf((RecordType)type)} {Rdata(type, at, length)}");
            at += length;
        }

        return records;
    }

    private void ReadOpt(int at, int length, uint ttl)
    {
        HasOpt = true;
        OptRcode = (int)(ttl >> 24);
        for (int end = at + length; at < end; at += 4 + U16(at + 2))
            Options[U16(at)] = Message[(at + 4)..(at + 4 + U16(at + 2))];
    }

    private string Rdata(int type, int at, int length)
    {
        int end = at + length;
        if (type is 1 or 28) return new IPAddress(Message.AsSpan(at, length)).ToString();
        if (type is not (2 or 5 or 6 or 12 or 15 or 33)) return Convert.ToHexStringLower(Message.AsSpan(at, length));
        var text = new StringBuilder();
        int numbers = type == 15 ? 1 : type == 33 ? 3 : 0;
        for (; numbers > 0; numbers--, at += 2) text.Append(U16(at)).Append(' ');
        text.Append(Name(ref at));
        if (type == 6)
        {
            text.Append(' ').Append(Name(ref at));
            for (; at < end; at += 4) text.Append(' ').Append(BinaryPrimitives.ReadUInt32BigEndian(Message.AsSpan(at)));
        }

        Assert.Equal(end, at);
        return text.ToString();
    }

    private string Name(ref int at)
    {
        var text = new StringBuilder();
        int? after = null;
        for (int place = at, hops = 0; ;)
        {
            int length = Message[place];
            if (length >= 0xc0)
            {
                after ??= place + 2;
                int target = U16(place) & 0x3fff;
                Assert.True(target < place && ++hops < 128, "a pointer goes backwards");
                place = target;
                continue;
            }

            if (length == 0)
            {
                at = after ?? place + 1;
                return text.Length == 0 ? "." : text.ToString();
            }

            text.Append(Encoding.Latin1.GetString(Message, place + 1, length)).Append('.');
            place += length + 1;
        }
    }
}
