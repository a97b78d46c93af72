using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net;
using static Fairlead.Tests.Dns.ServerBed;

namespace Fairlead.Tests.Dns.Transfers;

public sealed class SecondaryTests : IDisposable
{
    private static readonly DnsName Origin = DnsName.Parse("example.com");
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-copies").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static TimeSpan S(double seconds) => TimeSpan.FromSeconds(seconds);

    /// <summary>RFC 1034 §4.3.5: refresh, retry and expire.</summary>
    [Fact]
    public void The_timers_follow_the_soa()
    {
        // refresh 3600, retry 900, expire 1209600
        RRset soa = TransferBed.Zone(1).Soa;
        SecondaryTimers start = SecondaryTimers.Start(S(5));
        Assert.Equal((S(5), true), (start.NextWake(S(5)), start.IsExpired(S(5))));
        // Without a zone: soon, then ever less often.
        SecondaryTimers failed = start;
        var waits = new List<double>();
        for (int i = 0; i < 9; i++)
            waits.Add(((failed = failed.On(SecondaryEvent.Failed, S(0), 0)).NextPoll).TotalSeconds);
        Assert.Equal([5, 10, 20, 40, 80, 160, 320, 600, 600], waits);

        SecondaryTimers fresh = failed.With(soa, S(10)).On(SecondaryEvent.Fresh, S(100), 0);
        Assert.Equal((S(3700), S(1209700), 0), (fresh.NextPoll, fresh.ExpiresAt, fresh.Failures));
        Assert.Equal(S(100 + 3240), fresh.On(SecondaryEvent.Fresh, S(100), 1).NextPoll); // A tenth earlier at most.
        Assert.Equal(S(200), fresh.On(SecondaryEvent.Notified, S(200), 0).NextPoll);
        SecondaryTimers silent = fresh.On(SecondaryEvent.Failed, S(3700), 0);
        Assert.Equal((S(4600), fresh.ExpiresAt), (silent.NextPoll, silent.ExpiresAt));
        Assert.False(silent.IsExpired(S(1209699)));
        Assert.True(silent.IsExpired(S(1209700)));
        SecondaryTimers late = silent with { NextPoll = S(1300000) };
        Assert.Equal(S(1209700), late.NextWake(S(1209000))); // To say that it has expired.
        Assert.Equal(S(1300000), late.NextWake(S(1209700)));

        // A refresh of 0 is no reason to ask all the time.
        Assert.Equal(S(10), (start with { Refresh = S(0) }).With(Short, S(10)).Refresh);
        SecondaryTimers disk = SecondaryTimers.FromDisk(soa, S(1209000), S(0), S(10));
        Assert.Equal((S(0), S(600)), (disk.NextPoll, disk.ExpiresAt));
        Assert.True(SecondaryTimers.FromDisk(soa, S(1209600), S(0), S(10)).IsExpired(S(0)));
    }

    private static RRset Short => DnsTestBed.Load("example.com", """
        @   1 SOA ns1 hostmaster 1 0 0 60 60
            1 NS  ns1
        ns1 1 A   192.0.2.1
        """).Soa;

    /// <summary>RFC 1996 §4.7: the SOA is asked for, and the zone taken.</summary>
    [Fact]
    public async Task A_new_version_comes_by_notify_and_a_restart_serves_the_copy()
    {
        IPEndPoint primaryAt = Free(IPAddress.Loopback), secondaryAt = Free(IPAddress.Loopback);
        TsigKey key = TsigTests.Key();
        await using var primary = new TransferHandler(new TransferOptions
        {
            Keys = [key],
            Allow = [new TransferRule { Keys = [key.Name] }],
            Notify = [new NotifyTarget { To = secondaryAt, Key = key.Name }],
        });
        var table = new Snapshot<DnsTable>(DnsTable.Empty);
        void Publish(Zone zone)
        {
            table.Publish(primary.Prepare(TransferBed.Table(zone)));
            primary.Take(table.Current);
        }

        SecondaryOptions options = new()
        {
            Folder = folder,
            Keys = [key],
            Zones = [new SecondaryZone(Origin, [new Primary { Address = primaryAt, Key = key.Name }])],
        };
        var atPrimary = new DnsServerOptions { Listen = [primaryAt], Handler = primary };
        await using (var server = new DnsServer(atPrimary, table))
        {
            server.Start();
            Publish(TransferBed.Zone(1, "a A 192.0.2.1"));
            await using var zones = new SecondaryZones(options);
            await using var handler = new TransferHandler(new TransferOptions { Keys = [key] }, null, zones);
            await using var secondary = new DnsServer(
                new DnsServerOptions { Listen = [secondaryAt], Handler = handler },
                new Snapshot<DnsTable>(DnsTable.Empty));
            secondary.Start();
            Assert.True(Assert.Single(zones.Zones).IsExpired);
            int changes = 0;
            zones.Changed += _ => Interlocked.Increment(ref changes);
            zones.Start();
            await UntilAsync(() => zones.Zones.Single() is { IsExpired: false, Serial: 1 });
            // The refresh is an hour: only NOTIFY can bring these.
            Publish(TransferBed.Zone(2, "a A 192.0.2.2"));
            await UntilAsync(() => zones.Zones.Single().Serial == 2);
            Assert.Equal(
                MasterFile.Print(TransferBed.Zone(2, "a A 192.0.2.2")), MasterFile.Print(zones.Zones.Single()));
            Assert.Equal(
                (2, 1, null), (zones.Statuses.Single().Transfers, zones.Statuses.Single().Incremental,
                zones.Statuses.Single().Problem));
            Assert.Equal(2, changes);
            await UntilAsync(() => primary.NotifyOutcomes is [{ Rcode: 0, Serial: 2 }]);
        }

        // No primary: the copy serves, and says why it has nothing newer.
        await using (var restarted = new SecondaryZones(options))
        {
            Assert.Equal(2u, Assert.Single(restarted.Zones).Serial);
            restarted.Start();
            await UntilAsync(() => restarted.Statuses.Single().Problem is not null);
            Assert.False(restarted.Zones.Single().IsExpired);
        }

        await AfterItsTimeOrBrokenItIsServedNoMoreAsync(options);
    }

    private async Task AfterItsTimeOrBrokenItIsServedNoMoreAsync(SecondaryOptions options)
    {
        var late = new FakeTime(TimeProvider.System.GetUtcNow().AddDays(14).AddSeconds(60));
        await using (var expired = new SecondaryZones(options, late)) Assert.True(expired.Zones.Single().IsExpired);
        File.WriteAllText(Directory.GetFiles(folder).Single(), "half a zo");
        await using (var broken = new SecondaryZones(options))
        {
            Assert.True(broken.Zones.Single().IsExpired);
            Assert.Contains("the copy is of no use", broken.Statuses.Single().Problem);
        }
    }

    /// <summary>RFC 1996 §3.10: others are passed over.</summary>
    [Fact]
    public async Task Other_zones_keys_and_primaries_are_taken_over_while_it_runs()
    {
        IPEndPoint primaryAt = Free(IPAddress.Loopback), nobody = Free(IPAddress.Loopback);
        TsigKey key = TsigTests.Key(), renewed = TsigTests.Key(secret: "cmVuZXdlZA==");
        await using var primary = new TransferHandler(new TransferOptions
        {
            Keys = [key],
            Allow = [new TransferRule { Keys = [key.Name] }],
        });
        var table = new Snapshot<DnsTable>(DnsTable.Empty);
        table.Publish(TransferBed.Publish(primary, TransferBed.Table(TransferBed.Zone(1))));
        await using var server = new DnsServer(new DnsServerOptions { Listen = [primaryAt], Handler = primary }, table);
        server.Start();
        SecondaryZone Of(string origin, IPEndPoint from) =>
            new(DnsName.Parse(origin), [new Primary { Address = from, Key = key.Name }]);
        var options = new SecondaryOptions { Folder = folder, Keys = [key], Zones = [Of("example.com", primaryAt)] };
        await using var zones = new SecondaryZones(options);
        var problems = new List<string?>();
        zones.Turned += (_, after) => problems.Add(after.Problem);
        zones.Start();
        await UntilAsync(() => zones.StatusOf(Origin) is { Zone.Serial: 1, FreshAt: not null });

        // The same again: nothing happens, and nobody is asked.
        zones.Apply(options with { Zones = [Of("example.com", primaryAt)], Keys = [TsigTests.Key()] });
        Assert.Equal(1, zones.StatusOf(Origin)!.Transfers);
        Assert.Equal([null], problems);
        // A key that the primary does not have (yet): the zone is served on, and what is wrong is said.
        zones.Apply(options with { Keys = [renewed] });
        await UntilAsync(() => zones.StatusOf(Origin)!.Problem is not null);
        Assert.Equal((1u, false), (zones.StatusOf(Origin)!.Zone.Serial, zones.StatusOf(Origin)!.Zone.IsExpired));
        primary.Apply(new TransferOptions { Keys = [renewed], Allow = [new TransferRule { Keys = [key.Name] }] });
        table.Publish(TransferBed.Publish(primary, TransferBed.Table(TransferBed.Zone(2))));
        Assert.True(zones.Refresh(Origin));
        await UntilAsync(() => zones.StatusOf(Origin) is { Zone.Serial: 2, Problem: null, Incremental: 1 });

        // One goes, another comes; options with a fault change nothing.
        Assert.Throws<ArgumentException>(() => zones.Apply(options with { Keys = [] }));
        zones.Apply(options with { Keys = [renewed], Zones = [Of("example.org", nobody)] });
        Assert.Null(zones.StatusOf(Origin));
        Assert.False(zones.Refresh(Origin));
        await UntilAsync(() => zones.StatusOf(DnsName.Parse("example.org"))!.Problem is not null);
        // And back: the copy is there.
        zones.Apply(options with { Keys = [renewed] });
        Assert.Equal(2u, zones.StatusOf(Origin)!.Zone.Serial);
        Assert.False(zones.Failure.IsCompleted);
    }

    [Fact]
    public async Task A_disk_that_takes_no_copy_does_not_stop_the_zone()
    {
        IPEndPoint primaryAt = Free(IPAddress.Loopback);
        await using var primary = new TransferHandler(TransferBed.ToLoopback);
        var table = new Snapshot<DnsTable>(TransferBed.Publish(primary, TransferBed.Table(TransferBed.Zone(1))));
        await using var server = new DnsServer(new DnsServerOptions { Listen = [primaryAt], Handler = primary }, table);
        server.Start();
        string file = Path.GetTempFileName();
        await using var zones = new SecondaryZones(new SecondaryOptions
        {
            Folder = Path.Combine(file, "below"),
            Zones = [new SecondaryZone(Origin, [new Primary { Address = primaryAt }])],
        });
        zones.Start();
        await UntilAsync(() => zones.StatusOf(Origin) is { Zone.IsExpired: false, Zone.Serial: 1 });
        Assert.StartsWith("its copy is not on disk: ", zones.StatusOf(Origin)!.Problem);

        // There is room again: what is served is kept, though nothing is newer.
        File.Delete(file);
        zones.Refresh(Origin);
        await UntilAsync(() => zones.StatusOf(Origin)!.Problem is null);
        Assert.Equal(1, zones.StatusOf(Origin)!.Transfers);
        Assert.Single(Directory.GetFiles(Path.Combine(file, "below")));
        Directory.Delete(file, recursive: true);
    }

    [Fact]
    public async Task A_notify_counts_from_a_primary_only()
    {
        await using var zones = new SecondaryZones(new SecondaryOptions
        {
            Folder = "/nonexistent",
            Zones = [new SecondaryZone(Origin, [new Primary { Address = new(IPAddress.Parse("192.0.2.1"), 53) }])],
        });
        await using var handler = new TransferHandler(new TransferOptions(), null, zones);
        Rcode Told(string zone, string from, RecordType type = RecordType.Soa)
        {
            byte[] notify = DnsTestBed.Query(zone, type), response = new byte[1232];
            notify[2] = 0x24;
            int length = handler.Answer(notify, TransferBed.From(from, Transport.Udp), response);
            Assert.Equal(0xa0, response[2] & 0xf8);
            return new Reply(response[..length]).Rcode;
        }

        Assert.Equal(Rcode.NoError, Told("example.com", "192.0.2.1"));
        Assert.Equal(Rcode.Refused, Told("example.com", "192.0.2.2"));
        Assert.Equal(Rcode.NotAuth, Told("example.net", "192.0.2.1"));
        Assert.Equal(Rcode.FormErr, Told("example.com", "192.0.2.1", RecordType.A));
    }

    [Fact]
    public void What_is_no_transfer_is_refused()
    {
        Zone previous = TransferBed.Zone(1, "a A 192.0.2.1");
        byte[] Soa(uint serial) => TransferBed.Zone(serial).Soa[0].ToArray();
        DnsName a = DnsName.Parse("a.example.com");
        var notFirst = new ReceivedZone(Origin, null, 1000);
        Assert.Throws<IOException>(() => notFirst.Take(a, RecordType.A, 300, [192, 0, 2, 1]));
        // A difference that removes what was never there.
        var wrong = new ReceivedZone(Origin, previous, 10_000);
        wrong.Take(Origin, RecordType.Soa, 300, Soa(2));
        wrong.Take(Origin, RecordType.Soa, 300, Soa(1));
        wrong.Take(a, RecordType.A, 300, [192, 0, 2, 99]);
        wrong.Take(Origin, RecordType.Soa, 300, Soa(2));
        Assert.True(wrong.Take(Origin, RecordType.Soa, 300, Soa(2)));
        Assert.Throws<IOException>(() => wrong.Build(out _));
        var large = new ReceivedZone(Origin, null, 100);
        large.Take(Origin, RecordType.Soa, 300, Soa(2));
        Assert.Throws<IOException>(() => large.Take(a, RecordType.Txt, 300, new byte[100]));
        // A zone with a fault is no zone.
        var faulty = new ReceivedZone(Origin, null, 10_000);
        faulty.Take(Origin, RecordType.Soa, 300, Soa(2));
        faulty.Take(Origin, RecordType.Soa, 300, Soa(2));
        Assert.Null(faulty.Build(out List<string> problems));
        Assert.Contains(problems, problem => problem.Contains("no NS record", StringComparison.Ordinal));
    }
}
