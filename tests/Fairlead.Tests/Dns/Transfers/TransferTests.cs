using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;
using static Fairlead.Tests.Dns.Transfers.TransferBed;

namespace Fairlead.Tests.Dns.Transfers;

public class TransferTests
{
    private static readonly byte[] Axfr = Query("example.com", RecordType.Axfr);

    /// <summary>RFC 5936 §2.2: the messages of an AXFR.</summary>
    [Fact]
    public async Task The_whole_zone_leaves_with_its_soa_first_and_last()
    {
        await using var handler = new TransferHandler(ToLoopback);
        Publish(handler, TransferBed.Table(DnsTestBed.Zone));
        List<string> records = Records(handler, Axfr);
        Assert.Contains(" SOA ", records[0]);
        Assert.Equal(records[0], records[^1]);
        Assert.Equal(DnsTestBed.Zone.RecordCount + 1, records.Count);
        Assert.Contains(records, record => record.StartsWith("ns.sub.example.com. 3600 A", StringComparison.Ordinal));
        Assert.Equal(MasterFile.Print(DnsTestBed.Zone), MasterFile.Print(Received(handler, Axfr, null, out _)));
    }

    [Fact]
    public async Task Other_options_hold_at_once_and_what_secondaries_go_on_from_is_kept()
    {
        var told = new List<NotifyOutcome>();
        await using var handler = new TransferHandler(ToLoopback, told: told.Add);
        Publish(handler, TransferBed.Table(TransferBed.Zone(1)));
        handler.Apply(ToLoopback with { Keys = [TsigTests.Key()] });
        Publish(handler, TransferBed.Table(TransferBed.Zone(2, "a A 192.0.2.2")));
        Received(handler, Ixfr(1), TransferBed.Zone(1), out bool incremental);
        Assert.True(incremental);

        Assert.Throws<ArgumentException>(() => handler.Apply(ToLoopback with { TransfersMax = 0 }));
        Assert.NotEmpty(Records(handler, Axfr));
        handler.Apply(new TransferOptions());
        Assert.Equal(Rcode.Refused, Assert.Single(Replies(handler, Axfr)).Rcode);
        Assert.Equal(1, handler.Counters[TransferRefusal.NotAllowed]);
        Assert.Equal(
            (TransferRefusal.NotAllowed, DnsName.Parse("example.com")),
            (handler.Counters.LastRefused!.Why, handler.Counters.LastRefused.Zone));
        Assert.Empty(told);
    }

    [Fact]
    public void Two_versions_are_the_same_when_their_records_are()
    {
        Assert.True(TransferHandler.HaveSameRecords(TransferBed.Zone(1), TransferBed.Zone(2)));
        Assert.False(TransferHandler.HaveSameRecords(TransferBed.Zone(1), TransferBed.Zone(1, "a A 192.0.2.2")));
    }

    [Fact]
    public async Task Nobody_gets_a_zone_by_default_nor_without_the_right_key_and_place()
    {
        TsigKey key = TsigTests.Key();
        await using var closed = new TransferHandler(new TransferOptions());
        Publish(closed, TransferBed.Table(TransferBed.Zone(1)));
        Assert.Equal(Rcode.Refused, Assert.Single(Replies(closed, Axfr)).Rcode);

        var time = new FakeTime(DateTimeOffset.FromUnixTimeSeconds(0x6b02eea8));
        await using var handler = new TransferHandler(new TransferOptions
        {
            Keys = [key],
            Allow = [new TransferRule { Keys = [key.Name], From = [Prefix.Parse("127.0.0.0/8")] }],
        }, time: time);
        Publish(handler, TransferBed.Table(TransferBed.Zone(1)));
        Assert.Equal(Rcode.Refused, Assert.Single(Replies(handler, Axfr)).Rcode);
        byte[] signed = new byte[512];
        Axfr.CopyTo(signed, 0);
        int length = Axfr.Length;
        using TsigSession session = TsigSession.Request(key, signed, ref length, time.GetUtcNow());
        signed = signed[..length];
        Assert.Equal(Rcode.Refused, Assert.Single(Replies(handler, signed, "192.0.2.1")).Rcode);
        List<Reply> replies = Replies(handler, signed);
        foreach (Reply reply in replies)
            Assert.Equal(TsigVerdict.Valid, session.Verify(reply.Message, time.GetUtcNow()));
        Assert.Equal(4, replies.Sum(reply => reply.Answers.Count));
        // Not our zone, and an old request.
        byte[] other = Query("example.net", RecordType.Axfr);
        Assert.Equal(Rcode.Refused, Assert.Single(Replies(handler, other)).Rcode);
        time.Advance(TimeSpan.FromSeconds(400));
        Assert.Equal(Rcode.NotAuth, Assert.Single(Replies(handler, signed)).Rcode);
        Assert.Equal((1, 4), (handler.Counters.Full, handler.Counters.Refused));
    }

    [Fact]
    public async Task A_transfer_is_of_one_version_though_others_come_and_their_number_is_limited()
    {
        await using var handler = new TransferHandler(ToLoopback with { TransfersMax = 1, MessageBytes = 1024 });
        string many = string.Join('\n', Enumerable.Range(0, 2000).Select(i => $"h{i} A 192.0.2.1"));
        Publish(handler, TransferBed.Table(TransferBed.Zone(1, many)));
        IAnswerStream stream = handler.Open(Axfr, From("127.0.0.1"))!;
        byte[] message = new byte[65535];
        int records = new Reply(message[..stream.Next(message)]).Answers.Count;
        Publish(handler, TransferBed.Table(TransferBed.Zone(2)));
        Assert.Equal(Rcode.ServFail, Assert.Single(Replies(handler, Axfr)).Rcode);
        for (int length; (length = stream.Next(message)) > 0;)
        {
            Assert.InRange(length, 1, 1024);
            records += new Reply(message[..length]).Answers.Count;
        }

        Assert.Equal(2004, records);
        stream.Dispose();
        Assert.Equal(4, Records(handler, Axfr).Count);
    }

    [Fact]
    public async Task A_large_zone_is_not_copied()
    {
        await using var handler = new TransferHandler(ToLoopback);
        string many = string.Join('\n', Enumerable.Range(0, 50_000).Select(i => $"h{i} A 192.0.2.1"));
        Publish(handler, TransferBed.Table(TransferBed.Zone(1, many)));
        byte[] message = new byte[65535];
        long before = GC.GetAllocatedBytesForCurrentThread();
        using IAnswerStream stream = handler.Open(Axfr, From("127.0.0.1"))!;
        int messages = 0;
        while (stream.Next(message) > 0) messages++;
        Assert.InRange(messages, 20, 60);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
    }

    [Fact]
    public async Task A_steered_name_leaves_as_its_default_and_the_serial_follows_it()
    {
        var keeper = new SerialKeeper();
        await using var handler = new TransferHandler(ToLoopback, keeper);
        Zone zone = TransferBed.Zone(10);
        Publish(handler, TransferBed.Table(zone, Steered("192.0.2.7", "2001:db8::7")));
        List<string> records = Records(handler, Axfr);
        Assert.Contains("geo.example.com. 30 A 192.0.2.7", records);
        Assert.Contains("geo.example.com. 30 AAAA 2001:db8::7", records);
        Assert.DoesNotContain(records, record => record.Contains("who.", StringComparison.Ordinal));
        Assert.Contains(" 10 3600", records[0]);

        // Another answer elsewhere is nothing to a secondary; the default is.
        DnsTable table = Publish(handler, TransferBed.Table(zone, Steered("192.0.2.8", "2001:db8::7")));
        Assert.Contains(" 11 3600", Ask("example.com", RecordType.Soa, table: table).Answers[0]);
        Assert.Contains(" 11 3600", Ask("no.example.com", RecordType.A, table: table).Authorities[0]);
        Assert.Contains(" 11 3600", Records(handler, Axfr)[0]);
        Assert.Equal(
            ["10", "-192.0.2.7", "11", "+192.0.2.8", "11"], Steps(Records(handler, Ixfr(10))));
        table = Publish(handler, TransferBed.Table(zone, Steered("192.0.2.8", "2001:db8::7")));
        Assert.Contains(" 11 3600", Ask("example.com", RecordType.Soa, table: table).Answers[0]);

        // A restart goes on from what was kept, and the operator's serial counts once it is ahead.
        await using var next = new TransferHandler(ToLoopback, new SerialKeeper(keeper.Served.Values));
        table = Publish(next, TransferBed.Table(TransferBed.Zone(10), Steered("192.0.2.8", "2001:db8::7")));
        Assert.Contains(" 11 3600", Ask("example.com", RecordType.Soa, table: table).Answers[0]);
        table = Publish(next, TransferBed.Table(TransferBed.Zone(11), Steered("192.0.2.8", "2001:db8::7")));
        Assert.Contains(" 12 3600", Ask("example.com", RecordType.Soa, table: table).Answers[0]);
        table = Publish(next, TransferBed.Table(TransferBed.Zone(2026), Steered("192.0.2.8", "2001:db8::7")));
        Assert.Contains(" 2026 3600", Ask("example.com", RecordType.Soa, table: table).Answers[0]);
        // A zone that is steered no more does not fall behind.
        table = Publish(next, TransferBed.Table(TransferBed.Zone(2026)));
        Assert.Contains(" 2027 3600", Ask("example.com", RecordType.Soa, table: table).Answers[0]);
    }

    [Fact]
    public async Task A_signed_zone_leaves_with_its_signatures_and_its_own_serial()
    {
        DateTimeOffset now = new FakeTime().GetUtcNow();
        string folder = Directory.CreateTempSubdirectory("fairlead-axfr").FullName;
        DnsName origin = DnsName.Parse("example.com");
        var keys = new KeyFolder(folder);
        keys.Generate(origin, KeyRole.Csk, now.AddDays(-3), new KeyTiming { TtlMax = TimeSpan.FromHours(1) });
        var signer = new SetSigner(keys.At(origin, now)!, new SigningOptions(), new SignatureCache(100), now);
        await using var handler = new TransferHandler(ToLoopback);
        DnsTable Made(string v4)
        {
            SteeredName[] names =
            [
                new SteeredName
                {
                    Owner = DnsName.Parse("geo.example.com"),
                    TtlSeconds = 30,
                    ByRegion = [SteeredRegion.Of(Addresses(v4, "2001:db8::7"))],
                },
            ];
            Zone zone = ZoneSigner.Sign(TransferBed.Zone(5), signer, names.Select(SteeredOwner.Of)).Zone;
            DnsTable table = TransferBed.Table(zone, new SteeringTable(names, _ => signer));
            table = handler.Prepare(table, _ => signer);
            handler.Take(table);
            return table;
        }

        Made("192.0.2.7");
        Zone first = Received(handler, Axfr, null, out _);
        Assert.Equal(5u, first.Serial);
        Assert.Equal(1, first.Soa.SignatureCount);
        Assert.Equal(1, first.Find(DnsName.Parse("geo.example.com"), RecordType.A)!.SignatureCount);
        Assert.True(first.HasNsec);
        DnsTable second = Made("192.0.2.8");
        Zone whole = Received(handler, Axfr, null, out _);
        Assert.Equal(6u, whole.Serial);
        Assert.Equal(1, whole.Soa.SignatureCount);
        Assert.False(whole.Soa.Signature(0).SequenceEqual(first.Soa.Signature(0)));
        Zone stepped = Received(handler, Ixfr(5), first, out bool incremental);
        Assert.True(incremental);
        Assert.Equal(MasterFile.Print(whole), MasterFile.Print(stepped));
        Assert.Contains(" 6 3600", Ask("example.com", RecordType.Soa, table: second).Answers[0]);
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>RFC 1995 §4: the answers to IXFR.</summary>
    [Fact]
    public async Task Ixfr_gives_the_steps_or_the_whole_or_nothing_new()
    {
        await using var handler = new TransferHandler(ToLoopback);
        Publish(handler, TransferBed.Table(TransferBed.Zone(1, "a A 192.0.2.2\nb A 192.0.2.3")));
        Publish(handler, TransferBed.Table(TransferBed.Zone(2, "a A 192.0.2.4\nb A 192.0.2.3")));
        Publish(handler, TransferBed.Table(TransferBed.Zone(3, "a A 192.0.2.4\nb A 192.0.2.3\nc A 192.0.2.5")));
        Assert.Equal(
            ["1", "-192.0.2.2", "2", "+192.0.2.4", "2", "3", "+192.0.2.5", "3"], Steps(Records(handler, Ixfr(1))));
        Assert.Equal(["2", "3", "+192.0.2.5", "3"], Steps(Records(handler, Ixfr(2))));
        Assert.Single(Records(handler, Ixfr(3)));
        Assert.Single(Records(handler, Ixfr(4)));
        Assert.Equal(7, Records(handler, Ixfr(0x9000_0000)).Count); // Unknown: the whole zone.
        Assert.Equal(7, Records(handler, Ixfr(0)).Count);
        Assert.Equal(Rcode.FormErr, Replies(handler, Query("example.com", RecordType.Ixfr))[0].Rcode);

        // Other content under the same serial: what a secondary has of it cannot be told.
        Publish(handler, TransferBed.Table(TransferBed.Zone(3, "a A 192.0.2.9")));
        Assert.Equal(5, Records(handler, Ixfr(2)).Count);
        Publish(handler, TransferBed.Table(TransferBed.Zone(3, "a A 192.0.2.9"))); // The same again is no change.
        Publish(handler, TransferBed.Table(TransferBed.Zone(4, "a A 192.0.2.9")));
        Assert.Equal(["3", "4", "4"], Steps(Records(handler, Ixfr(3))));
    }

    [Fact]
    public async Task The_journal_keeps_to_its_limit()
    {
        await using var handler = new TransferHandler(ToLoopback with { JournalBytesMax = 1000 });
        for (uint i = 1; i < 20; i++) Publish(handler, TransferBed.Table(TransferBed.Zone(i, $"a A 192.0.2.{i}")));
        Assert.Equal(5, Records(handler, Ixfr(10)).Count);
        Assert.Equal(["18", "-192.0.2.18", "19", "+192.0.2.19", "19"], Steps(Records(handler, Ixfr(18))));
    }

    /// <summary>RFC 1995 §2: what does not fit into a datagram.</summary>
    [Fact]
    public async Task Over_udp_ixfr_gives_what_fits_or_the_soa()
    {
        await using var handler = new TransferHandler(ToLoopback);
        Publish(handler, TransferBed.Table(TransferBed.Zone(1)));
        Publish(handler, TransferBed.Table(TransferBed.Zone(2, "a A 192.0.2.4")));
        byte[] response = new byte[1232];
        Reply Answered(uint serial) => new(response[..handler.Answer(
            Ixfr(serial), From("127.0.0.1", Transport.Udp), response)]);
        Assert.Equal(["1", "2", "+192.0.2.4", "2"], Steps(Answered(1).Answers));
        Assert.Single(Answered(0).Answers);
        string many = string.Join('\n', Enumerable.Range(0, 500).Select(i => $"h{i} A 192.0.2.1"));
        Publish(handler, TransferBed.Table(TransferBed.Zone(3, many)));
        Assert.Contains(" 3 3600", Assert.Single(Answered(2).Answers));
    }

    [Fact]
    public void Any_two_zones_differ_by_their_difference() => Property.Holds(300, random =>
    {
        Zone Made(uint serial)
        {
            var lines = new HashSet<string>(StringComparer.Ordinal);
            for (int i = random.Next(30); i > 0; i--)
            {
                string owner = "abcdefgh"[random.Next(8)] + (random.Next(3) == 0 ? ".x" : "");
                lines.Add(random.Next(3) switch
                {
                    0 => $"{owner} {300} A 192.0.2.{random.Next(4)}",
                    1 => $"{owner} {300 + ((int)serial % 2)} TXT \"{random.Next(4)}\"",
                    _ => $"{owner} {300} MX {random.Next(3)} Mail",
                });
            }

            return TransferBed.Zone(serial, string.Join('\n', lines));
        }

        var handler = new TransferHandler(ToLoopback with { MessageBytes = 1024 });
        uint first = (uint)random.Next() + 0x7fff_fff0;
        Zone old = Made(first), next = old;
        Publish(handler, TransferBed.Table(old));
        for (uint i = 1; i <= 3; i++) Publish(handler, TransferBed.Table(next = Made(first + i)));
        Zone stepped = Received(handler, Ixfr(first), old, out bool incremental);
        Assert.True(incremental);
        Assert.Equal(Sorted(next), Sorted(stepped));
        Assert.Equal(Sorted(next), Sorted(Received(handler, Axfr, null, out _)));
    });

    /// <summary>RFC 8945 §5.3: what comes signed is answered signed.</summary>
    [Fact]
    public async Task Signed_queries_are_answered_signed()
    {
        TsigKey key = TsigTests.Key();
        var time = new FakeTime();
        await using var handler = new TransferHandler(ToLoopback with { Keys = [key] }, time: time);
        Publish(handler, TransferBed.Table(TransferBed.Zone(1)));
        byte[] query = new byte[512];
        Query("example.com", RecordType.Soa).CopyTo(query, 0);
        int length = 29;
        using TsigSession session = TsigSession.Request(key, query, ref length, time.GetUtcNow());
        byte[] response = new byte[1232];
        int answered = handler.Answer(query.AsSpan(0, length), From("192.0.2.9", Transport.Udp), response);
        Assert.Equal(TsigVerdict.Valid, session.Verify(response.AsSpan(0, answered), time.GetUtcNow()));
        Assert.Single(new Reply(response[..answered]).Answers);
        query[length - 20] ^= 1;
        answered = handler.Answer(query.AsSpan(0, length), From("192.0.2.9", Transport.Udp), response);
        Assert.Equal(Rcode.NotAuth, new Reply(response[..answered]).Rcode);
    }

    [Fact]
    public void An_expired_zone_is_servfail_and_does_not_leave()
    {
        var handler = new TransferHandler(ToLoopback);
        DnsTable table = Publish(
            handler, TransferBed.Table(Fairlead.Dns.Zones.Zone.Expired(DnsName.Parse("example.com"))));
        Assert.Equal(Rcode.ServFail, Ask("www.example.com", RecordType.A, table: table).Rcode);
        Assert.Equal(Rcode.ServFail, Assert.Single(Replies(handler, Axfr)).Rcode);
    }

    [Fact]
    public void No_query_ends_in_an_exception() => Property.Holds(3000, random =>
    {
        byte[] query = random.Next(2) == 0 ? Ixfr(1) : Axfr;
        query = [.. query];
        for (int i = random.Next(1, 6); i > 0; i--) query[random.Next(query.Length)] = (byte)random.Next(256);
        if (random.Next(3) == 0) query = query[..random.Next(query.Length)];
        byte[] response = new byte[1232], message = new byte[65535];
        Fuzzed.Answer(query, From("127.0.0.1", Transport.Udp), response);
        if (query.Length < 12) return;
        using IAnswerStream? stream = Fuzzed.Open(query, From("127.0.0.1"));
        while (stream?.Next(message) > 0) _ = message;
    });

    private static readonly TransferHandler Fuzzed = Filled();

    private static TransferHandler Filled()
    {
        var handler = new TransferHandler(ToLoopback);
        Publish(handler, TransferBed.Table(TransferBed.Zone(1)));
        Publish(handler, TransferBed.Table(TransferBed.Zone(2, "a A 192.0.2.4")));
        return handler;
    }

    private static string[] Sorted(Zone zone) => [.. MasterFile.Print(zone).Split('\n').Order(StringComparer.Ordinal)];

    // The serials after the first SOA, and the data removed and added.
    private static List<string> Steps(List<string> records)
    {
        var steps = new List<string>();
        bool adds = true;
        foreach (string record in records.Skip(1))
        {
            string[] words = record.Split(' ');
            bool isSoa = words[2] == "SOA";
            if (isSoa) adds = !adds;
            steps.Add(isSoa ? words[5] : (adds ? "+" : "-") + words[^1]);
        }

        return steps;
    }
}
