using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Rpki;
using Fairlead.Fleet.Spec;
using Fairlead.InteropTests.Bgp;
using Fairlead.Net.Addresses;
using Fairlead.Node;
using Fairlead.Tests.Lab;
using Microsoft.Extensions.Logging.Abstractions;

namespace Fairlead.InteropTests.Rpki;

/// <summary>Our client and Debian's stayrtr on loopback, which takes its payloads from a JSON file.</summary>
public sealed class StayRtrTests : IDisposable
{
    private static readonly Prefix Ours = Prefix.Parse("192.0.2.0/24");

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-rpki").FullName;
    private readonly int port = FreePort();
    private Process? cache;

    private RtrOptions Options => new(new IPEndPoint(IPAddress.Loopback, port));

    public void Dispose()
    {
        Stop();
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("stayrtr")]
    public Task Payloads_come_over_version_1_and_changes_with_the_next_serial() => FollowAsync(1);

    [InteropFact("stayrtr")]
    public Task A_newer_cache_goes_down_to_our_version() => FollowAsync(2);

    [InteropFact("stayrtr")]
    public Task An_older_cache_is_spoken_to_in_its_version() => FollowAsync(0);

    private async Task FollowAsync(int version)
    {
        WritePayloads((Ours, 24, 64500), (Prefix.Parse("2001:db8::/32"), 48, 64500));
        Start(version);
        await using var client = new RtrClient(Options, TimeProvider.System, new Random(1));
        client.Start();

        Await(client, Ours, 64500, OriginValidity.Valid);
        OriginValidation table = client.Table.Current;
        Assert.Equal(OriginValidity.Invalid, table.Of(Ours, new Asn(64501)));
        Assert.Equal(OriginValidity.Invalid, table.Of(Prefix.Parse("192.0.2.128/25"), new Asn(64500)));
        Assert.Equal(OriginValidity.Valid, table.Of(Prefix.Parse("2001:db8:1::/48"), new Asn(64500)));
        Assert.Equal(OriginValidity.NotFound, table.Of(Prefix.Parse("198.51.100.0/24"), new Asn(64500)));
        Assert.Equal((Math.Min(version, 1), 2, true),
            (client.Status.Version, client.Status.Payloads, client.Status.HasData));

        // The same session, another serial: told by a notify, of which the cache hears by its own refresh.
        WritePayloads((Ours, 24, 64501));
        Await(client, Ours, 64501, OriginValidity.Valid);
        Assert.Equal(1, client.Table.Current.Count);
        Assert.True(client.Status.Serial > 0);
        Assert.Equal(0, client.Status.Rejected);
    }

    [InteropFact("stayrtr")]
    public async Task A_cache_that_restarts_has_another_session_and_its_data_replaces_the_old_whole()
    {
        WritePayloads((Ours, 24, 64500), (Prefix.Parse("2001:db8::/32"), 48, 64500));
        Start(1);
        await using var client = new RtrClient(Options, TimeProvider.System, new Random(1));
        client.Start();
        Await(client, Ours, 64500, OriginValidity.Valid);

        Stop();
        BirdRouter.Eventually(() => client.Status.State == RtrState.Down, "the end of the connection is seen");
        Assert.Equal(OriginValidity.Valid, client.Table.Current.Of(Ours, new Asn(64500))); // Kept meanwhile.
        WritePayloads((Ours, 24, 64502));
        // StayRTR draws its session from a generator that it seeds with the second.
        long second = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        BirdRouter.Eventually(() => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() > second, "the next second");
        Start(1);

        Await(client, Ours, 64502, OriginValidity.Valid);
        Assert.Equal(1, client.Table.Current.Count);
    }

    [InteropFact("stayrtr")]
    public async Task Without_its_cache_the_data_expires()
    {
        WritePayloads((Ours, 24, 64500));
        Start(1);
        await using var client = new RtrClient(
            Options with { ExpireMax = TimeSpan.FromSeconds(3) }, TimeProvider.System, new Random(1));
        client.Start();
        Await(client, Ours, 64500, OriginValidity.Valid);

        Stop();

        Await(client, Ours, 64500, OriginValidity.NotFound);
        BirdRouter.Eventually(() => !client.Status.HasData, "the status says so too");
        Start(1);
        Await(client, Ours, 64500, OriginValidity.Valid);
    }

    [InteropFact("stayrtr")]
    public async Task What_the_rpki_denies_us_is_kept_back_and_let_go_when_it_allows_it()
    {
        WritePayloads((Ours, 24, 64501));
        Start(1);
        var guards = new ConcurrentQueue<Guard>();
        await using var origins = new OriginGuard(Denied(refuses: true), TimeProvider.System, 1, NullLogger.Instance);
        origins.Changed = guards.Enqueue;
        origins.Start();

        AwaitGuard(GuardReason.OriginInvalid);
        Assert.Equal("192.0.2.0/24", Assert.Single(origins.View!.Invalid));
        WritePayloads((Ours, 24, 64500));
        AwaitGuard(GuardReason.None);
        Assert.Empty(origins.View!.Invalid);

        // Another file, which only wants to be warned.
        origins.Take(Denied(refuses: false));
        WritePayloads((Ours, 24, 64501));
        BirdRouter.Eventually(() => origins.View!.Invalid.Length == 1, "it is named", seconds: 20);
        Assert.Equal(GuardReason.None, Judged());

        GuardReason Judged() => guards.Last().Judge(new Route { Prefix = Ours });
        void AwaitGuard(GuardReason reason) => BirdRouter.Eventually(
            () => !guards.IsEmpty && Judged() == reason, () => $"{reason}: {origins.View}", seconds: 40);
    }

    private FleetSpec Denied(bool refuses) => ThreeCities.Read("""
        fleet: denied
        asn: 64500
        anycast: {subnets: [192.0.2.0/24], cover: [192.0.2.0/24]}
        pops: {one: {nodes: {n1: {addresses: [10.0.0.2]}}}}
        """) with { Rpki = new RpkiSpec(Options.Cache, refuses) };

    private static void Await(RtrClient client, Prefix prefix, uint asn, OriginValidity validity) =>
        BirdRouter.Eventually(
            () => client.Table.Current.Of(prefix, new Asn(asn)) == validity, () => $"{prefix}: {client.Status}",
            seconds: 40);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private void WritePayloads(params (Prefix Prefix, int LengthMax, uint Asn)[] payloads)
    {
        string roas = string.Join(",", payloads.Select(one => string.Create(CultureInfo.InvariantCulture,
            $$"""{"prefix":"{{one.Prefix}}","maxLength":{{one.LengthMax}},"asn":"AS{{one.Asn}}","ta":"test"}""")));
        string file = Path.Combine(folder, "new.json");
        File.WriteAllText(file, $$"""{"metadata":{},"roas":[{{roas}}]}""");
        File.Move(file, Path.Combine(folder, "vrps.json"), overwrite: true);
    }

    private void Start(int version)
    {
        var start = new ProcessStartInfo("stayrtr",
        [
            "-bind", $"127.0.0.1:{port}", "-cache", Path.Combine(folder, "vrps.json"), "-checktime=false",
            "-refresh", "1", "-metrics.addr", $"127.0.0.1:{FreePort()}",
            "-protocol", version.ToString(CultureInfo.InvariantCulture),
        ])
        { RedirectStandardError = true, RedirectStandardOutput = true };
        cache = Process.Start(start)!;
        cache.BeginErrorReadLine(); // Read and dropped, so that it never blocks.
        cache.BeginOutputReadLine();
    }

    private void Stop()
    {
        cache?.Kill();
        cache?.WaitForExit();
        cache?.Dispose();
        cache = null;
    }
}
