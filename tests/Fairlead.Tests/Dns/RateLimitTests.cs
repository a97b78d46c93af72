using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

/// <summary>Nobody can aim our answers at somebody else, and nobody is locked out by one who tries.</summary>
public class RateLimitTests
{
    private static readonly DateTimeOffset Begin = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly DnsCounters counters = new();
    private readonly byte[] response = new byte[1472];

    private static UInt128 Bits(string address) => Prefix.BitsOf(IPAddress.Parse(address));

    private AnswerGuard Guard(RateLimitOptions options, int threads = 1)
    {
        Assert.Empty(options.Problems());
        return new(counters, counters.AddThread(), new AnswerState { Cookies = ServerCookies.OfChance() },
            new RateLimiter(options, threads));
    }

    private int Ask(AnswerGuard guard, byte[] query, string client, double seconds, Transport transport = Transport.Udp)
    {
        guard.At(Begin.AddSeconds(seconds), TimeSpan.FromSeconds(seconds));
        return guard.Answer(Table, query, new Asker(Bits(client), transport), response);
    }

    [Theory]
    [InlineData("example.com", RecordType.Txt, false)]
    [InlineData("example.com", RecordType.Any, true)]
    [InlineData("ns1.example.com", RecordType.Any, true)]
    [InlineData("example.com", RecordType.Ns, true)]
    [InlineData("x.example.com", RecordType.A, true)]
    [InlineData("deep.sub.example.com", RecordType.A, true)]
    [InlineData("chain1.example.com", RecordType.A, false)]
    [InlineData("www.example.net", RecordType.A, true)]
    public void One_spoofed_source_gets_no_more_out_than_in(string name, RecordType type, bool edns)
    {
        AnswerGuard guard = Guard(new RateLimitOptions());
        byte[] query = Query(name, type, edns ? 1232 : null);
        long bytesIn = 0, bytesOut = 0;
        for (int i = 0; i < 40_000; i++)
        {
            // 10,000 a second from all over one /24, as a reflection attack looks like.
            int length = Ask(guard, query, $"203.0.113.{i % 256}", i / 10_000.0);
            if (i < 10_000) continue; // The acceptance counts after the first second.
            bytesIn += query.Length;
            bytesOut += length;
        }

        Assert.True(bytesOut <= 1.5 * bytesIn, $"{bytesOut / (double)bytesIn:F2}");
        Assert.True(counters[DnsCounter.RateDropped] > 0);
        Assert.InRange(counters[DnsCounter.RateSlipped], 1, 20_001);
    }

    [Fact]
    public void Others_are_answered_as_ever()
    {
        AnswerGuard guard = Guard(new RateLimitOptions { AnswersPerSecond = 100 });
        byte[] query = Query("www.example.com", RecordType.A, 1232);
        for (int i = 0; i < 5000; i++) Ask(guard, query, "203.0.113.7", i / 5000.0);
        Assert.InRange(counters[DnsCounter.AnswersNoError] - counters[DnsCounter.RateSlipped], 190, 210);
        foreach (string client in (string[])["203.0.114.7", "198.51.100.1", "2001:db8::1"])
            Assert.Equal(2, new Reply(response[..Ask(guard, query, client, 1)]).Answers.Count);
        // Of other kinds it still gets some, and over TCP as many as it likes.
        Assert.Equal(Rcode.NxDomain, new Reply(
            response[..Ask(guard, Query("no.example.com", RecordType.A), "203.0.113.7", 1)]).Rcode);
        for (int i = 0; i < 500; i++) Assert.True(Ask(guard, query, "203.0.113.7", 1, Transport.Tcp) > 50);
        // And a second later as before.
        Assert.Equal(2, new Reply(response[..Ask(guard, query, "203.0.113.7", 2.1)]).Answers.Count);
    }

    [Fact]
    public void The_small_answer_sends_a_true_asker_to_tcp_or_gives_it_a_cookie()
    {
        AnswerGuard guard = Guard(new RateLimitOptions { AnswersPerSecond = 1, Slip = 1 });
        byte[] plain = Query("www.example.com", RecordType.A);
        byte[] cookie = Query("www.example.com", RecordType.A, 1232, [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.Equal(2, new Reply(response[..Ask(guard, plain, "203.0.113.7", 0)]).Answers.Count);

        Reply cut = new(response[..Ask(guard, plain, "203.0.113.7", 0)]);
        Assert.True(cut.Truncated);
        Assert.Empty(cut.Answers);
        Assert.Equal("www.example.com.", cut.QuestionName);
        Assert.Equal(plain.Length, cut.Message.Length);

        Reply bad = new(response[..Ask(guard, cookie, "203.0.113.7", 0)]);
        Assert.Equal(Rcode.BadCookie, bad.Rcode);
        Assert.Equal(24, bad.Options[10].Length);
        byte[] known = Query("www.example.com", RecordType.A, 1232, [0, 10, 0, 24, .. bad.Options[10]]);
        for (int i = 0; i < 100; i++)
            Assert.Equal(2, new Reply(response[..Ask(guard, known, "203.0.113.7", 0)]).Answers.Count);
        Assert.Equal(100, counters[DnsCounter.CookiesValid]);
        Assert.Equal(1, counters[DnsCounter.AnswersBadCookie]);
    }

    [Fact]
    public void A_flood_from_everywhere_takes_no_memory_and_locks_nobody_out()
    {
        AnswerGuard guard = Guard(new RateLimitOptions { AnswersPerSecond = 10, Slots = 64 });
        byte[] query = Query("www.example.com", RecordType.A);
        var random = new Random(1);
        // Code that is not compiled for good yet boxes where it will not: a few rounds later nothing is allocated.
        Assert.Contains(0, Enumerable.Range(0, 50).Select(Flood));
        Assert.Equal(0, counters[DnsCounter.RateDropped]);

        long Flood(int second)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10_000; i++)
            {
                guard.At(Begin, TimeSpan.FromSeconds(second + (i / 10_000.0)));
                UInt128 client = ((UInt128)0xffff << 32) | (uint)random.Next();
                Assert.True(guard.Answer(Table, query, new Asker(client, Transport.Udp), response) > 0);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void Threads_share_the_rate_and_some_are_exempt()
    {
        AnswerGuard guard = Guard(new RateLimitOptions
        {
            AnswersPerSecond = 100,
            Slip = 0,
            Exempt = [Prefix.Parse("198.51.100.0/24")],
        }, threads: 4);
        byte[] query = Query("www.example.com", RecordType.A);
        for (int i = 0; i < 1000; i++)
        {
            Ask(guard, query, "203.0.113.7", 0);
            Assert.True(Ask(guard, query, "198.51.100.7", 0) > 0);
        }

        Assert.InRange(1000 - counters[DnsCounter.RateDropped], 24, 26);
    }

    [Fact]
    public void Rates_go_on_when_the_clock_comes_round()
    {
        AnswerGuard guard = Guard(new RateLimitOptions { AnswersPerSecond = 10, Slip = 0 });
        byte[] query = Query("www.example.com", RecordType.A);
        foreach (double hours in (double[])[0, 5, 8.9, 9.2, 17, 18.3, 40])
        {
            int answered = 0;
            for (int i = 0; i < 100; i++) answered += Ask(guard, query, "203.0.113.7", hours * 3600) > 0 ? 1 : 0;
            Assert.InRange(answered, 10, 11);
        }
    }

    [Fact]
    public void Times_fall_into_buckets_an_eighth_wide() => Property.Holds(1000, random =>
    {
        long time = (long)Math.Exp(random.NextDouble() * 23);
        int bucket = LatencyHistogram.BucketOf(time);
        Assert.InRange(time, LatencyHistogram.FloorOf(bucket), LatencyHistogram.FloorOf(bucket + 1) - 1);
        Assert.True(time < 16 || LatencyHistogram.FloorOf(bucket + 1) <= LatencyHistogram.FloorOf(bucket) * 1.13);
    });
}
