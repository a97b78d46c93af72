using System.Buffers.Binary;
using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>The options of EDNS, each for those who asked for it and only where its RFC lets it travel.</summary>
public class EdnsTests
{
    private const uint Now = 1_900_000_000;
    private static readonly ServerCookies Cookies = new([.. Convert.FromHexString("e5e973e5a6b2a43f48e7dc849e37bfcf")]);
    private static readonly UInt128 Client = Bits("198.51.100.100");

    private static UInt128 Bits(string address) => Prefix.BitsOf(IPAddress.Parse(address));

    private static AnswerState State() =>
        new() { Cookies = Cookies, NowSeconds = Now, KeepaliveTenths = 100, Cache = new AnswerCache(1024) };

    private static Reply Answer(byte[] query, Transport transport = Transport.Udp, AnswerState? state = null)
    {
        byte[] response = new byte[65535];
        int length = Answerer.Answer(Table, query, new Asker(Client, transport), state ?? State(), response);
        return new Reply(response[..length]);
    }

    private static byte[] Option(int code, params byte[] data) =>
        [(byte)(code >> 8), (byte)code, 0, (byte)data.Length, .. data];

    private static byte[] With(params byte[] options) => Query("www.example.com", RecordType.A, 1232, options);

    // RFC 9018 Appendix A: what every implementation makes of these secrets, addresses and times.
    [Theory]
    [InlineData("e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957", 1559731985,
        "010000005cf79f111f8130c3eee29480")]
    [InlineData("e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957", 1559734385,
        "010000005cf7a871d4a564a1442aca77")]
    [InlineData("e5e973e5a6b2a43f48e7dc849e37bfcf", "203.0.113.203", "fc93fc62807ddb86", 1559734700,
        "010000005cf7a9acf73a7810aca2381e")]
    [InlineData("445536bcd2513298075a5d379663c962", "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298",
        1559741961, "010000005cf7c609a6bb79d16625507a")]
    public void Cookies_are_those_of_the_rfc(string secret, string address, string client, uint now, string cookie)
    {
        var cookies = new ServerCookies([.. Convert.FromHexString(secret)]);
        byte[] buffer = new byte[24];
        var writer = new WireWriter(buffer);
        cookies.Write(ref writer, Convert.FromHexString(client), Bits(address), now);

        Assert.Equal(client + cookie, Convert.ToHexStringLower(buffer));
        Assert.Equal(CookieState.Valid, cookies.Judge(buffer, Bits(address), now));
        Assert.Equal(CookieState.Valid, cookies.Judge(buffer, Bits(address), now + 3600));
        Assert.Equal(CookieState.Wrong, cookies.Judge(buffer, Bits(address), now + 3601));
        Assert.Equal(CookieState.Wrong, cookies.Judge(buffer, Bits(address), now - 301));
        Assert.Equal(CookieState.Wrong, cookies.Judge(buffer, Bits(address) ^ 1, now));
        Assert.Equal(CookieState.ClientOnly, cookies.Judge(buffer.AsSpan(0, 8), Bits(address), now));
        // RFC 9018 Appendix A: a cookie under the secret before this one is still taken.
        var rolled = new ServerCookies([.. new byte[16]], [.. Convert.FromHexString(secret)]);
        Assert.Equal(CookieState.Valid, rolled.Judge(buffer, Bits(address), now));
    }

    [Fact]
    public void A_cookie_is_given_and_known_again()
    {
        AnswerState state = State();
        byte[] first = Answer(With(Option(10, 1, 2, 3, 4, 5, 6, 7, 8)), state: state).Options[10];
        Assert.Equal(CookieState.ClientOnly, state.Cookie);
        Assert.Equal(24, first.Length);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 0], first[..12]);

        Assert.Equal(24, Answer(With(Option(10, first)), state: state).Options[10].Length);
        Assert.Equal(CookieState.Valid, state.Cookie);
        first[^1] ^= 1;
        Reply wrong = Answer(With(Option(10, first)), state: state);
        Assert.Equal(CookieState.Wrong, state.Cookie);
        Assert.Equal(2, wrong.Answers.Count);
        Assert.Equal(24, wrong.Options[10].Length);

        // RFC 7873 §5.2.2: other lengths are malformed.
        foreach (int length in (int[])[0, 7, 9, 15, 41])
            Assert.Equal(Rcode.FormErr, Answer(With(Option(10, new byte[length]))).Rcode);
        Assert.False(Answer(With()).Options.ContainsKey(10));
        Assert.False(Answer(With(Option(10, new byte[8])), state: new AnswerState()).Options.ContainsKey(10));
    }

    [Fact]
    public void A_query_without_a_question_may_ask_for_a_cookie_alone()
    {
        byte[] query = [0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 12,
            .. Option(10, new byte[8])];
        Reply reply = Answer(query);
        Assert.Equal(Rcode.NoError, reply.Rcode);
        Assert.Equal(24, reply.Options[10].Length);
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 1], reply.Message[4..12]);

        // RFC 9619 §4: without a cookie it is a QUERY without a question.
        Assert.Equal(Rcode.FormErr, Answer([.. query[..22], 0]).Rcode);
    }

    /// <summary>RFC 7828 §3.2.2: never over UDP.</summary>
    [Fact]
    public void Keepalive_is_for_streams()
    {
        Assert.Equal([0, 100], Answer(With(Option(11)), Transport.Tcp).Options[11]);
        Assert.Equal([0, 100], Answer(With(Option(11)), Transport.Tls).Options[11]);
        Assert.False(Answer(With(Option(11))).Options.ContainsKey(11));
        Assert.False(Answer(With(), Transport.Tcp).Options.ContainsKey(11));
    }

    /// <summary>RFC 7830 §4, RFC 8467 §4.1: blocks of 468 bytes for who has padded.</summary>
    [Fact]
    public void Padding_is_for_encrypted_streams()
    {
        foreach (Transport transport in (Transport[])[Transport.Tls, Transport.Https])
        {
            Assert.Equal(468, Answer(With(Option(12, new byte[20])), transport).Message.Length);
            Assert.All(Answer(With(Option(12, 1)), transport).Options[12], padding => Assert.Equal(0, padding));
        }

        Assert.False(Answer(With(Option(12, new byte[20])), Transport.Tcp).Options.ContainsKey(12));
        Assert.False(Answer(With(Option(12, new byte[20]))).Options.ContainsKey(12));
        Assert.False(Answer(With(), Transport.Tls).Options.ContainsKey(12));
    }

    /// <summary>RFC 8914 §4: a number, no text.</summary>
    [Fact]
    public void A_refusal_says_why()
    {
        Assert.Equal([0, 20], Answer(Query("x.example.net", RecordType.A, 1232)).Options[15]);
        Assert.Equal([0, 20], Answer(Query("example.com", RecordType.A, 1232, null, 4)).Options[15]);
        Assert.Equal([0, 18], Answer(Query("example.com", RecordType.Axfr, 1232)).Options[15]);
        Assert.False(Answer(With()).Options.ContainsKey(15));
        Assert.False(Answer(Query("x.example.net", RecordType.A)).HasOpt);
    }

    /// <summary>RFC 9660 §3: for who asks with an empty option.</summary>
    [Fact]
    public void The_version_of_the_zone_is_told_to_who_asks()
    {
        byte[] version = Answer(With(Option(19))).Options[19];
        Assert.Equal([2, 0], version[..2]);
        Assert.Equal(2026010101u, BinaryPrimitives.ReadUInt32BigEndian(version.AsSpan(2)));
        Assert.Equal(Rcode.FormErr, Answer(With(Option(19, 0))).Rcode);
        Assert.False(Answer(Query("x.example.net", RecordType.A, 1232, Option(19))).Options.ContainsKey(19));
        Assert.False(Answer(Query("deep.sub.example.com", RecordType.A, 1232, Option(19))).Options.ContainsKey(19));
    }

    /// <summary>RFC 8914 §4.22: whoever speaks EDNS is told which kind of "no" a NOTIMP is.</summary>
    [Fact]
    public void An_operation_that_is_not_supported_is_refused_with_its_number_to_who_speaks_edns()
    {
        for (int opcode = 1; opcode < 16; opcode++)
        {
            foreach (Transport transport in Enum.GetValues<Transport>())
            {
                byte[] query = With([.. Option(3), .. Option(10, 1, 2, 3, 4, 5, 6, 7, 8)]);
                query[2] = (byte)(opcode << 3);
                Reply reply = Answer(query, transport);
                Assert.Equal(Rcode.NotImp, reply.Rcode);
                Assert.Equal((byte)(0x80 | (opcode << 3)), reply.Message[2]);
                Assert.Equal([0, 21], reply.Options[15]);
                Assert.Equal(24, reply.Options[10].Length);

                byte[] plain = Query("www.example.com", RecordType.A);
                plain[2] = query[2];
                Assert.Equal(12, Answer(plain, transport).Message.Length);
                // An OPT that is broken is none: the refusal is the bare one.
                byte[] broken = With(Option(3));
                (broken[2], broken[^1]) = (query[2], 9);
                Assert.Equal(12, Answer(broken, transport).Message.Length);
            }
        }
    }

    /// <summary>RFC 8906 §8: the queries that servers were found to be silent on, and what must come back.</summary>
    [Fact]
    public void Nothing_of_rfc_8906_is_met_with_silence()
    {
        byte[] Flags(int high, int low, byte[] query)
        {
            query[2] = (byte)high;
            query[3] = (byte)low;
            return query;
        }

        byte[] Opt(byte[] query, int version, int flags)
        {
            int at = query.AsSpan().LastIndexOf([(byte)0, (byte)0, (byte)41]);
            (query[at + 6], query[at + 7], query[at + 8]) = ((byte)version, (byte)(flags >> 8), (byte)flags);
            return query;
        }

        byte[] Soa(int? edns = null, byte[]? options = null) => Query("example.com", RecordType.Soa, edns, options);
        byte[] unknown = Option(100), all = [.. Option(3), .. Option(10, new byte[8]),
            .. SubnetOption("0.0.0.0/0"), .. Option(9)];
        (byte[] Query, Rcode Rcode, int Answers)[] cases =
        [
            (Soa(), Rcode.NoError, 1), (Query("example.com", (RecordType)1000), Rcode.NoError, 0),
            (Flags(0, 0x10, Soa()), Rcode.NoError, 1), (Flags(0, 0x20, Soa()), Rcode.NoError, 1),
            (Flags(0, 0x40, Soa()), Rcode.NoError, 1), (Flags(1, 0, Soa()), Rcode.NoError, 1),
            ([0, 1, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0], Rcode.NotImp, 0), (Soa(4096), Rcode.NoError, 1),
            (Opt(Soa(4096), 100, 0), Rcode.BadVers, 0), (Soa(4096, unknown), Rcode.NoError, 1),
            (Opt(Soa(4096), 0, 0x40), Rcode.NoError, 1), (Opt(Soa(4096), 1, 0x40), Rcode.BadVers, 0),
            (Opt(Soa(4096, unknown), 1, 0), Rcode.BadVers, 0), (Soa(512), Rcode.NoError, 1),
            (Opt(Soa(4096), 0, 0x8000), Rcode.NoError, 1), (Opt(Soa(4096), 1, 0x8000), Rcode.BadVers, 0),
            (Soa(4096, all), Rcode.NoError, 1),
        ];
        foreach ((byte[] query, Rcode rcode, int answers) in cases)
        {
            foreach (Transport transport in Enum.GetValues<Transport>())
            {
                Reply reply = Answer(query, transport);
                Assert.Equal(rcode, reply.Rcode);
                Assert.Equal(answers, reply.Answers.Count);
                Assert.Equal(query[11] == 1, reply.HasOpt);
                Assert.Equal(query[2] & 1, reply.Message[2] & 1);
                Assert.Equal(0, reply.Message[3] & 0x70); // RFC 8906 §8.1.3: unknown bits do not come back.
                Assert.False(reply.Options.ContainsKey(100));
                if (!reply.HasOpt) continue;
                int opt = reply.Message.AsSpan().LastIndexOf([(byte)0, (byte)0, (byte)41]);
                Assert.Equal(0, reply.Message[opt + 6]); // our version, also in BADVERS
                Assert.Equal(0, reply.Message[opt + 8]);
                Assert.Equal(0, reply.Message[opt + 7] & 0x7f);
            }
        }
    }
}
