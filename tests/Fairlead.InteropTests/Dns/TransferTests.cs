using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;

namespace Fairlead.InteropTests.Dns;

/// <summary>Knot and NSD as our secondaries, Knot as our primary, all with TSIG; and kdig, which takes zones.</summary>
public class TransferTests
{
    private const int OurPort = 5310;
    private const int TheirPort = 5311;
    private const string Secret = "c2VjcmV0LW9mLXRoZS10cmFuc2ZlcnM=";
    private static readonly DnsName Origin = DnsName.Parse("example.com");
    private static readonly IPEndPoint Ours = new(IPAddress.Loopback, OurPort);
    private static readonly IPEndPoint Theirs = new(IPAddress.Loopback, TheirPort);

    private static TsigKey Key =>
        TsigKey.TryParse("xfr", "hmac-sha256", Secret, out TsigKey? key, out _) ? key : throw new FormatException();

    [InteropFact("knotd", "kdig", "ip")]
    public async Task Knot_follows_us_by_axfr_ixfr_and_notify()
    {
        using var bed = new Bed("fltxfrk");
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-xfr").FullName;
        await using var primary = new OurPrimary(bed);
        primary.Publish(1, "a A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.53", "192.0.2.7");
        await Until(() => Dig(bed, OurPort, "example.com", "SOA").Contains("NOERROR", StringComparison.Ordinal));
        string log = StartKnot(bed, folder, $"""
            remote:
              - id: ours
                address: 127.0.0.1@{OurPort}
                key: xfr
            acl:
              - id: notify
                address: 127.0.0.1
                key: xfr
                action: [notify, transfer]
            zone:
              - domain: example.com
                storage: {folder}
                master: ours
                acl: notify

            """);
        await UntilSame(bed, log);
        Assert.Contains("geo.example.com.", Dig(bed, TheirPort, "geo.example.com", "A"));
        Assert.Contains("192.0.2.53", Dig(bed, TheirPort, "x.sub.example.com", "A"));

        // NOTIFY brings it at once (the refresh is an hour), and only the difference comes.
        primary.Publish(2, "a A 192.0.2.2\nb TXT \"new\"", "192.0.2.7");
        await UntilSame(bed, log);
        Assert.Contains("192.0.2.2", Dig(bed, TheirPort, "a.example.com", "A"));
        // A plan that moves the default moves the zone at the secondary, though the operator did nothing.
        primary.Publish(2, "a A 192.0.2.2\nb TXT \"new\"", "192.0.2.8");
        await UntilSame(bed, log);
        Assert.Contains("192.0.2.8", Dig(bed, TheirPort, "geo.example.com", "A"));
        Assert.Contains("serial 3", File.ReadAllText(log));
        Assert.Equal(1, File.ReadAllText(log).Split("AXFR, incoming, remote", StringSplitOptions.None).Count(
            line => line.Contains("finished", StringComparison.Ordinal)));
        Assert.True(primary.Handler.Counters.Incremental >= 2, File.ReadAllText(log));
        await Until(() => primary.Handler.NotifyOutcomes is [{ Rcode: 0, Serial: 3 }]);
        Directory.Delete(folder, recursive: true);

        async Task UntilSame(Bed bed, string log)
        {
            try
            {
                await Until(() => Axfr(bed, OurPort) is { Length: > 0 } ours
                    && Axfr(bed, TheirPort).SequenceEqual(ours));
            }
            catch (TimeoutException)
            {
                Assert.Fail($"{string.Join('\n', Axfr(bed, OurPort))}\n\n{string.Join('\n', Axfr(bed, TheirPort))}\n"
                    + File.ReadAllText(log));
            }
        }
    }

    [InteropFact("kdig", "ip")]
    public async Task Kdig_gets_nothing_without_the_right_key()
    {
        using var bed = new Bed("fltxfrd");
        bed.AddHost("srv");
        await using var primary = new OurPrimary(bed);
        primary.Publish(1, "a A 192.0.2.1", "192.0.2.7");
        Assert.Equal(7, Axfr(bed, OurPort).Length);
        Assert.Contains("REFUSED", Dig(bed, OurPort, "example.com", "AXFR"));
        Assert.Contains("BADSIG", Dig(bed, OurPort, "example.com", "AXFR", "-y", "hmac-sha256:xfr:b3RoZXI="));
        Assert.Contains("BADKEY", Dig(bed, OurPort, "example.com", "AXFR", "-y", $"hmac-sha256:who:{Secret}"));
        Assert.Contains("BADKEY", Dig(bed, OurPort, "example.com", "AXFR", "-y", $"hmac-sha1:xfr:{Secret}"));
        Assert.DoesNotContain("192.0.2.1", Dig(bed, OurPort, "example.com", "AXFR"));
        Assert.Contains("a.example.com.", Dig(
            bed, OurPort, "a.example.com", "A", "-y", $"hmac-sha256:xfr:{Secret}"));
    }

    [InteropFact("nsd", "kdig", "ip")]
    public async Task Nsd_follows_us()
    {
        using var bed = new Bed("fltxfrn");
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-xfr").FullName;
        await using var primary = new OurPrimary(bed);
        primary.Publish(1, "a A 192.0.2.1", "192.0.2.7");
        File.WriteAllText(Path.Combine(folder, "nsd.conf"), $"""
            server:
                ip-address: 127.0.0.1@{TheirPort}
                server-count: 1
                username: ""
                zonesdir: "{folder}"
                database: ""
                zonelistfile: "{folder}/zone.list"
                xfrdfile: "{folder}/xfrd.state"
                xfrdir: "{folder}"
                pidfile: "{folder}/nsd.pid"
            remote-control:
                control-enable: no
            key:
                name: xfr
                algorithm: hmac-sha256
                secret: "{Secret}"
            zone:
                name: example.com
                request-xfr: 127.0.0.1@{OurPort} xfr
                allow-notify: 127.0.0.1 xfr
                provide-xfr: 127.0.0.1 xfr

            """);
        bed.Start("srv", Path.Combine(folder, "nsd.log"), "nsd", "-d", "-c", Path.Combine(folder, "nsd.conf"));
        await Until(() => Axfr(bed, TheirPort).SequenceEqual(Axfr(bed, OurPort)));
        primary.Publish(2, "a A 192.0.2.2\nb TXT \"new\"", "192.0.2.8");
        await Until(() => Axfr(bed, TheirPort).SequenceEqual(Axfr(bed, OurPort)));
        Assert.True(primary.Handler.Counters.Incremental >= 1);
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("knotd", "knotc", "kdig", "ip")]
    public async Task We_follow_knot_through_changes_a_restart_and_its_end()
    {
        using var bed = new Bed("fltxfrs");
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-xfr").FullName;
        WriteZone(folder, 1, "a A 192.0.2.1");
        string config = $"""
            remote:
              - id: ours
                address: 127.0.0.1@{OurPort}
                key: xfr
            acl:
              - id: transfer
                address: 127.0.0.1
                key: xfr
                action: transfer
            zone:
              - domain: example.com
                storage: {folder}
                file: zone
                acl: transfer
                notify: ours
                zonefile-load: difference
                journal-content: changes

            """;
        string log = StartKnot(bed, folder, config);
        await Until(() => Dig(bed, TheirPort, "example.com", "SOA").Contains("NOERROR", StringComparison.Ordinal));
        await using (var secondary = await OurSecondary.StartAsync(bed, folder))
        {
            await Until(() => Axfr(bed, TheirPort).SequenceEqual(Axfr(bed, OurPort)));
            WriteZone(folder, 2, "a A 192.0.2.2\nb TXT \"new\"");
            bed.Run("srv", "knotc", "-s", Path.Combine(folder, "knot.sock"), "zone-reload", "example.com");
            await Until(() => secondary.Status is { Incremental: 1, Zone.Serial: 2 });
            Assert.Equal(Axfr(bed, TheirPort), Axfr(bed, OurPort));
            Assert.Contains("192.0.2.2", Dig(bed, OurPort, "a.example.com", "A"));
        }

        bed.Run("srv", "knotc", "-s", Path.Combine(folder, "knot.sock"), "stop");
        // The primary is gone: the copy is served until it expires, and then nothing.
        await using (var secondary = await OurSecondary.StartAsync(bed, folder))
        {
            Assert.Contains("192.0.2.2", Dig(bed, OurPort, "a.example.com", "A"));
            await Until(() => secondary.Status.Problem is not null);
            await Until(() => Dig(bed, OurPort, "a.example.com", "A").Contains("SERVFAIL", StringComparison.Ordinal));
        }

        Assert.Contains("notify", File.ReadAllText(log));
        Directory.Delete(folder, recursive: true);
    }

    private static void WriteZone(string folder, uint serial, string records) => File.WriteAllText(
        Path.Combine(folder, "zone"), $"""
        $ORIGIN example.com.
        $TTL 300
        @   SOA ns1 hostmaster {serial} 3600 1 8 60
            NS  ns1
        ns1 A   192.0.2.53
        {records}

        """);

    private static string StartKnot(Bed bed, string folder, string zones)
    {
        string log = Path.Combine(folder, "knot.log"), file = Path.Combine(folder, "knot.conf");
        File.WriteAllText(file, $"""
            server:
                rundir: {folder}
                listen: 127.0.0.1@{TheirPort}
            control:
                listen: {folder}/knot.sock
            database:
                storage: {folder}
            log:
              - target: stderr
                any: info
            key:
              - id: xfr
                algorithm: hmac-sha256
                secret: {Secret}

            """ + zones);
        bed.Start("srv", log, "knotd", "-c", file);
        return log;
    }

    private static string Dig(Bed bed, int port, params string[] arguments)
    {
        try
        {
            return bed.Run("srv", "kdig", ["@127.0.0.1", "-p", $"{port}", "+retry=0", "+timeout=3", .. arguments]);
        }
        catch (Exception fault) when (fault is IOException or InvalidOperationException)
        {
            return fault.Message; // What kdig says of an error it says with an exit code too.
        }
    }

    // The records of the zone as one line each, in order.
    private static string[] Axfr(Bed bed, int port) =>
    [
        .. Dig(bed, port, "+noall", "+answer", "+nottl", "-y", $"hmac-sha256:xfr:{Secret}", "example.com", "AXFR")
            .Split('\n').Where(line => line.Contains("\tIN\t", StringComparison.Ordinal)
                || line.Contains(" IN ", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    private static async Task Until(Func<bool> condition)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) > TimeSpan.FromSeconds(15)) throw new TimeoutException();
            await Task.Delay(100);
        }
    }

    private static Func<AddressFamily, SocketType, Socket> SocketsOf(Bed bed) => (family, type) =>
        NetworkNamespace.Run(bed.NamespaceOf("srv"), () => new Socket(
            family, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp));

    private sealed class OurPrimary : IAsyncDisposable
    {
        private readonly Snapshot<DnsTable> table = new(DnsTable.Empty);
        private readonly DnsServer server;

        public OurPrimary(Bed bed)
        {
            Handler = new TransferHandler(new TransferOptions
            {
                Keys = [Key],
                Allow = [new TransferRule { Keys = [Key.Name] }],
                Notify = [new NotifyTarget { To = Theirs, Key = Key.Name }],
                NewSocket = SocketsOf(bed),
            });
            server = new DnsServer(new DnsServerOptions { Listen = [Ours], Handler = Handler }, table);
            NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
            {
                server.Start();
                return 0;
            });
        }

        public TransferHandler Handler { get; }

        public void Publish(uint serial, string records, string geo)
        {
            Zone zone = DnsTestBed.Load("example.com", $"""
                $TTL 300
                @   SOA ns1 hostmaster {serial} 3600 900 1209600 60
                    NS  ns1
                ns1 A   192.0.2.53
                {records}
                """);
            var steering = new SteeringTable(
            [
                new SteeredName
                {
                    Owner = DnsName.Parse("geo.example.com"),
                    TtlSeconds = 30,
                    ByRegion = [SteeredRegion.Of(DnsTestBed.Addresses(geo, "2001:db8::7"))],
                },
            ]);
            DnsTable made = Handler.Prepare(DnsTable.Create(1, [zone], RegionMap.Empty, steering, ""));
            table.Publish(made);
            Handler.Take(made);
        }

        public async ValueTask DisposeAsync()
        {
            await server.DisposeAsync();
            await Handler.DisposeAsync();
        }
    }

    private sealed class OurSecondary : IAsyncDisposable
    {
        private readonly SecondaryZones zones;
        private readonly TransferHandler handler;
        private readonly DnsServer server;
        private readonly Lock gate = new();

        private OurSecondary(SecondaryZones zones, TransferHandler handler, DnsServer server) =>
            (this.zones, this.handler, this.server) = (zones, handler, server);

        public SecondaryStatus Status => zones.Statuses.Single();

        public static Task<OurSecondary> StartAsync(Bed bed, string folder)
        {
            var zones = new SecondaryZones(new SecondaryOptions
            {
                Keys = [Key],
                Folder = Path.Combine(folder, "copies"),
                Zones = [new SecondaryZone(Origin, [new Primary { Address = Theirs, Key = Key.Name }])],
                WaitMin = TimeSpan.FromSeconds(1),
                Patience = TimeSpan.FromSeconds(3),
                NewSocket = SocketsOf(bed),
            });
            var handler = new TransferHandler(
                new TransferOptions { Keys = [Key], Allow = [new TransferRule { Keys = [Key.Name] }] }, null, zones);
            var table = new Snapshot<DnsTable>(DnsTable.Empty);
            var server = new DnsServer(new DnsServerOptions { Listen = [Ours], Handler = handler }, table);
            var secondary = new OurSecondary(zones, handler, server);
            void Publish()
            {
                lock (secondary.gate)
                {
                    DnsTable made = handler.Prepare(
                        DnsTable.Create(1, zones.Zones, RegionMap.Empty, SteeringTable.Empty, ""));
                    table.Publish(made);
                    handler.Take(made);
                }
            }

            zones.Changed += _ => Publish();
            Publish();
            NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
            {
                server.Start();
                return 0;
            });
            zones.Start();
            return Task.FromResult(secondary);
        }

        public async ValueTask DisposeAsync()
        {
            await zones.DisposeAsync();
            await server.DisposeAsync();
            await handler.DisposeAsync();
        }
    }
}
