using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>A kept answer is byte for byte the one that would have been made.</summary>
public class AnswerCacheTests
{
    private static readonly string[] Names =
    [
        "www", "WWW", "alias", "chain1", "ns1", "mail", "steered", "x.cdn", "v4only", "nothing", "a.b.c.ent", "c.ent",
        "x.wild", "y.wild", "q.wcname", "deep.sub", "intosub", "dangling", "loop1", "steeralias", "typed", "ptr",
        "away",
    ];

    private static readonly RecordType[] Types =
        [RecordType.A, RecordType.Aaaa, RecordType.Any, RecordType.Cname, RecordType.Txt, RecordType.Ds];

    private static readonly string[] Clients = ["192.0.2.200", "198.51.100.7", "203.0.113.9", "2001:db8:1::7"];

    private static byte[] Any(Random random)
    {
        string name = Names[random.Next(Names.Length)] + ".example.com";
        if (random.Next(2) == 0) name = name.ToUpperInvariant();
        byte[] options = random.Next(5) switch
        {
            0 => SubnetOption("203.0.113.0/24"),
            1 => SubnetOption("198.51.100.0/24"),
            2 => [0, 3, 0, 0],
            3 => [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            _ => [],
        };
        int? edns = random.Next(4) switch { 0 => null, 1 => 512, _ => 1232 };
        var @class = (ushort)(random.Next(9) == 0 ? 3 : 1);
        byte[] query = Query(name, Types[random.Next(Types.Length)], edns, options, @class);
        (query[0], query[1]) = ((byte)random.Next(256), (byte)random.Next(256));
        if (edns is not null && random.Next(3) == 0) query[^(options.Length + 4)] = 0x80;
        return query;
    }

    [Fact]
    public void With_and_without_the_cache_all_answers_are_the_same() => Property.Holds(200, random =>
    {
        ServerCookies cookies = ServerCookies.OfChance();
        var kept = new AnswerState { Cookies = cookies, Cache = new AnswerCache(64) };
        var plain = new AnswerState { Cookies = cookies };
        DnsTable[] tables = [Table, DnsTable.Create(8, [Zone], Regions, Steering, "node-2")];
        byte[] one = new byte[1400], other = new byte[1400];
        for (int i = 0; i < 500; i++)
        {
            DnsTable table = tables[random.Next(20) == 0 ? 1 : 0];
            byte[] query = Any(random);
            UInt128 client = Prefix.BitsOf(IPAddress.Parse(Clients[random.Next(Clients.Length)]));
            one.AsSpan().Fill(0xcd);
            other.AsSpan().Fill(0xdc);
            int length = Answerer.Answer(table, query, new Asker(client, Transport.Udp), kept, one);
            int expected = Answerer.Answer(table, query, new Asker(client, Transport.Udp), plain, other);
            Assert.Equal(other[..expected], one[..length]);
            Assert.Equal(plain.Rcode, kept.Rcode);
        }
    });

    [Fact]
    public void What_was_asked_before_is_ready_until_the_table_changes()
    {
        var state = new AnswerState { Cache = new AnswerCache(64) };
        byte[] response = new byte[1232];
        int length = 0;
        bool Ask(DnsTable table, string name)
        {
            length = Answerer.Answer(table, Query(name, RecordType.A, 1232), default, state, response);
            return state.WasReady;
        }

        Assert.False(Ask(Table, "www.example.com"));
        Assert.True(Ask(Table, "wWw.example.com"));
        Assert.False(Ask(Table, "steered.example.com"));
        Assert.False(Ask(Table, "steered.example.com"));
        Assert.False(Ask(Table, "nothing.example.com"));
        Assert.False(Ask(Table, "nothing.example.com"));

        DnsTable next = DnsTable.Create(8, [Load("example.com", ZoneText.Replace("192.0.2.80", "192.0.2.8",
            StringComparison.Ordinal))], Regions, Steering, "");
        Assert.False(Ask(next, "www.example.com"));
        Assert.True(Ask(next, "www.example.com"));
        Assert.Contains(" 192.0.2.8", new Reply(response[..length]).Answers[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Shares_come_out_exact_when_some_have_no_address_of_a_family()
    {
        SteeredAnswer both = Addresses("192.0.2.1", "2001:db8::1"), four = new() { A = [IPAddress.Parse("192.0.2.2")] };
        var split = new SteeredSplit([[new SteeredShare(both, 3), new SteeredShare(four, 1)]]);
        var name = new SteeredName
        {
            Owner = DnsName.Parse("shared.example.com"),
            TtlSeconds = 30,
            ByRegion = [new SteeredRegion { A = split, Aaaa = split }],
        };
        DnsTable table = DnsTable.Create(9, [Zone], Regions, new SteeringTable([name]), "");
        var state = new AnswerState { Cache = new AnswerCache(64) };
        byte[] response = new byte[1232];
        foreach (RecordType type in new[] { RecordType.A, RecordType.Aaaa })
        {
            int first = 0;
            for (int i = 0; i < 4000; i++)
            {
                int length = Answerer.Answer(
                    table, Query("shared.example.com", type, 1232), default, state, response);
                if (new Reply(response[..length]).Answers is [{ } one] && one.EndsWith('1')) first++;
            }

            Assert.InRange(first, 2998, 3002);
        }
    }

    [Fact]
    public void A_name_that_a_dname_makes_has_the_case_of_its_own_asker()
    {
        DnsTable table = DnsTable.Create(
            9, [Load("example.com", $"{ZoneText}\nold DNAME new.example.net.")], Regions, SteeringTable.Empty, "");
        var state = new AnswerState { Cache = new AnswerCache(64) };
        byte[] response = new byte[1232];
        foreach (string asked in new[] { "x", "x", "X", "x" })
        {
            byte[] query = Query($"{asked}.old.example.com", RecordType.Cname, 1232);
            int length = Answerer.Answer(table, query, default, state, response);
            byte[] target = [1, (byte)asked[0], 3, (byte)'n', (byte)'e', (byte)'w'];
            Assert.True(response.AsSpan(0, length).IndexOf(target) > 0, asked);
        }
    }
}
