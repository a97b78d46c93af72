using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>
/// What strangers may send: nothing throws, and all but a response or a fragment of a header is answered.
/// </summary>
public class HostileQueryTests
{
    private static readonly UInt128 Client = Prefix.BitsOf(IPAddress.Parse("198.51.100.9"));

    [Fact]
    public void Every_type_and_class_is_answered()
    {
        byte[] response = new byte[4096];
        string[] names = ["www.example.com", "x.cdn.example.com"];
        foreach (string name in names)
        {
            byte[] query = Query(name, RecordType.A, 1232, SubnetOption("198.51.100.0/24"));
            int typeAt = 12 + DnsName.Parse(name).Wire.Length;
            for (int type = 0; type <= 0xffff; type++)
            {
                (query[typeAt], query[typeAt + 1]) = ((byte)(type >> 8), (byte)type);
                // The other classes do not look at the name: one name is enough for them.
                ReadOnlySpan<byte> classes = name == names[0] ? [1, 3, 255] : [1];
                foreach (byte @class in classes)
                {
                    query[typeAt + 3] = @class;
                    int length = Answerer.Answer(Table, query, Client, false, response);
                    if (length < 12 || (response[3] & 0xf) is not (0 or 3 or 5)) Assert.Fail(
                        $"type {type} class {@class}");
                }
            }
        }
    }

    [Fact]
    public void Every_opcode_flag_and_count_is_answered_or_dropped_for_a_reason()
    {
        byte[] response = new byte[4096];
        byte[] query = Query("www.example.com", RecordType.A);
        for (int flags = 0; flags <= 0xffff; flags++)
        {
            (query[2], query[3]) = ((byte)(flags >> 8), (byte)flags);
            int length = Answerer.Answer(Table, query, Client, false, response);
            int opcode = (flags >> 11) & 0xf;
            Assert.Equal((flags & 0x8000) != 0, length == 0);
            if (length == 0) continue;
            Assert.Equal(opcode == 0 ? 0 : (int)Rcode.NotImp, response[3] & 0xf);
            Assert.Equal(opcode, (response[2] >> 3) & 0xf);
            Assert.Equal(flags & 0x0100, (response[2] << 8) & 0x0100);
            Assert.NotEqual(0, response[2] & 0x80);
        }

        query = Query("www.example.com", RecordType.A);
        for (int count = 0; count < 4; count++)
        {
            query[5] = (byte)count;
            int length = Answerer.Answer(Table, query, Client, false, response);
            Assert.Equal(count == 1 ? Rcode.NoError : Rcode.FormErr, (Rcode)(response[3] & 0xf));
            Assert.True(length >= 12);
        }
    }

    [Fact]
    public void Damaged_queries_never_throw_and_their_answers_are_whole()
    {
        byte[][] seeds =
        [
            Query("www.example.com", RecordType.A),
                Query("steered.example.com", RecordType.Aaaa, 4096, SubnetOption("203.0.113.0/24")),
            Query("x.cdn.example.com", RecordType.A, 1232, [0, 3, 0, 0, .. SubnetOption("2001:db8:1::/48")]),
            Query("chain1.example.com", RecordType.A, 512), Query("deep.sub.example.com", RecordType.Any, 1232),
        ];
        Property.Holds(2000, random =>
        {
            Span<byte> response = stackalloc byte[4096];
            for (int i = 0; i < 100; i++)
            {
                byte[] query = [.. seeds[random.Next(seeds.Length)]];
                for (int changes = random.Next(1, 5); changes > 0; changes--)
                    query[random.Next(query.Length)] = random.Next(3) == 0 ? (byte)0xc0 : (byte)random.Next(256);
                int cut = random.Next(3) == 0 ? random.Next(query.Length + 1) : query.Length;
                int length = Answerer.Answer(Table, query.AsSpan(0, cut), Client, false, response);
                bool silent = cut < 12 || (query[2] & 0x80) != 0;
                Assert.Equal(silent, length == 0);
                if (length > 0 && i % 10 == 0) _ = new Reply(response[..length].ToArray());
            }
        });
    }

    [Theory]
    [InlineData("c00c")] // to itself
    [InlineData("03777777c00c")] // round in a circle
    [InlineData("c0ff")] // forward, out of the message
    [InlineData("c000")] // into the header
    [InlineData("40")] // the reserved label types
    [InlineData("80")]
    public void A_pointer_in_the_question_is_a_format_error(string name)
    {
        byte[] query = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. Convert.FromHexString(name), 0, 1, 0, 1];
        Assert.Equal(Rcode.FormErr, new Reply(Ask(query)).Rcode);
    }

    [Fact]
    public void A_name_of_255_bytes_is_read_and_one_of_256_is_not()
    {
        byte[] label = [63, .. new byte[63]];
        byte[] Message(int last) =>
            [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. label, .. label, .. label, (byte)last, .. new byte[last], 0, 0, 1,
                0, 1];
        Assert.Equal(Rcode.Refused, new Reply(Ask(Message(61))).Rcode);
        Assert.Equal(Rcode.FormErr, new Reply(Ask(Message(62))).Rcode);
    }

    [Theory]
    [InlineData("0008 0007 0001 18 00 c00002", Rcode.NoError)]
    [InlineData("0008 0007 0002 18 00 20010d", Rcode.NoError)]
    [InlineData("0008 0008 0001 18 00 c00002", Rcode.FormErr)] // the option's length runs over the OPT
    [InlineData("0008 0007 0001 17 00 c00003", Rcode.FormErr)] // a bit beyond /23
    [InlineData("0008 0007 0001 18 18 c00002", Rcode.FormErr)] // a scope in a query
    [InlineData("0008 0007 0003 18 00 c00002", Rcode.FormErr)] // family 3
    [InlineData("0008 0009 0001 21 00 c000020000", Rcode.FormErr)] // /33
    [InlineData("0008 0006 0001 18 00 c000", Rcode.FormErr)] // a byte short
    [InlineData("0008 0008 0001 18 00 c0000200", Rcode.FormErr)] // a byte too many
    [InlineData("0008 0004 0001 00 00", Rcode.NoError)]
    [InlineData("0008 0004 0000 00 00", Rcode.NoError)] // "no subnet" of some tools
    [InlineData("0008 0004 0001 00 00 0008 0004 0001 00 00", Rcode.FormErr)] // twice
    [InlineData("0008 0003 0001 00", Rcode.FormErr)]
    [InlineData("fde9 0003 aabbcc", Rcode.NoError)] // unknown: ignored
    [InlineData("000a", Rcode.FormErr)]
    public void Options_are_checked(string hex, Rcode expected)
    {
        byte[] options = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        Reply reply = new(Ask(Query("www.example.com", RecordType.A, 1232, options)));
        Assert.Equal(expected, reply.Rcode);
        Assert.True(reply.HasOpt);
    }

    [Fact]
    public void Edns_has_one_opt_of_version_0()
    {
        byte[] query = Query("www.example.com", RecordType.A, 1232);
        byte[] opt = query[^11..];
        byte[] twice = [.. query, .. opt];
        twice[11] = 2;
        Assert.Equal(Rcode.FormErr, new Reply(Ask(twice)).Rcode);

        byte[] version = [.. query];
        version[^5] = 1;
        Reply bad = new(Ask(version));
        Assert.Equal(Rcode.BadVers, bad.Rcode);
        Assert.Empty(bad.Answers);

        byte[] dnssec = [.. query];
        dnssec[^4] = 0x80;
        Assert.Equal(0x80, Ask(dnssec)[^4]);

        Assert.Equal(Rcode.FormErr, new Reply(Ask([.. query, 0])).Rcode);
        Assert.False(new Reply(Ask(Query("www.example.com", RecordType.A))).HasOpt);
    }

    [Fact]
    public void What_does_not_fit_is_truncated_at_every_size()
    {
        string text = ZoneText
            + string.Concat(Enumerable.Range(0, 200).Select(i => $"\nmany A 10.0.{i / 256}.{i % 256}"))
            + string.Concat(Enumerable.Range(0, 30).Select(i => $"\nglued NS ns{i}.glued\nns{i}.glued A 10.1.0.{i}"));
        DnsTable table = DnsTable.Create(1, [Load("example.com", text)], Regions, Steering, "node-1");
        foreach (string name in (
            string[])["many.example.com", "glued.example.com", "www.example.com", "x.cdn.example.com"])
        {
            int whole = Ask(Query(name, RecordType.A, 1232), stream: true, table: table).Length;
            for (int size = 0; size < 1300; size++)
            {
                byte[] answer = Ask(Query(name, RecordType.A, size), table: table);
                int limit = Math.Min(Math.Max(size, 512), 1232);
                Reply reply = new(answer);
                Assert.True(answer.Length <= limit);
                Assert.Equal(whole > limit, reply.Truncated);
                if (reply.Truncated) Assert.Empty(reply.Answers);
            }

            Assert.False(new Reply(Ask(Query(name, RecordType.A, 512), stream: true, table: table)).Truncated);
        }
    }

    [Fact]
    public void An_answer_allocates_nothing()
    {
        byte[][] queries =
        [
            Query("www.example.com", RecordType.A),
                Query("x.cdn.example.com", RecordType.A, 1232, SubnetOption("203.0.113.0/24")),
            Query("chain1.example.com", RecordType.A, 1232), Query("nothing.example.com", RecordType.A),
                Query("id.server", RecordType.Txt, null, null, 3),
            Query("deep.sub.example.com", RecordType.A, 1232, [0, 3, 0, 0]), Query("example.com", RecordType.Mx),
                [1, 2, 3],
            Query("steered.example.com", RecordType.A, 1232, SubnetOption("2001:db8:1::/56")),
                Query("x.y.wild.example.com", RecordType.A),
            Query("www.example.com", RecordType.A, 1232,
                [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 11, 0, 0, 0, 12, 0, 0]),
            Query("x.example.net", RecordType.A, 1232, [0, 19, 0, 0]),
        ];
        byte[] response = new byte[65535];
        var state = new AnswerState { Cookies = ServerCookies.OfChance(), Cache = new AnswerCache(64) };
        long Round()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10_000; i++)
            {
                byte[] query = queries[i % queries.Length];
                var asker = new Asker(Client, (Transport)(i % 4));
                _ = Answerer.Answer(Table, query, asker, i % 3 == 0 ? null : state, response);
                _ = Answerer.Limited(query, asker, state, response);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        _ = Round();
        Assert.Equal(0, Round());
    }
}
