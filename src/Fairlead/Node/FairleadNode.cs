using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Fairlead.Api;
using Fairlead.Balancer;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Control;
using Fairlead.Control.Etcd;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Doh;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Fairlead.Net;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// A node: everything that runs on one machine of a pop, built with `new`, in order, and taken down in reverse.
/// </summary>
public sealed class FairleadNode(NodeOptions options, LoadedFleet loaded, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("node");
    private readonly TimeProvider time = TimeProvider.System;

    /// <summary>
    /// Runs until SIGTERM, SIGINT or SIGUSR2. IOException when a port or the control socket cannot be had.
    /// </summary>
    public async Task RunAsync()
    {
        PopSpec pop = loaded.Spec.Pop(options.Pop)!;
        NodeSpec node = pop.Node(options.Node)!;
        int seed = StableHash(node.Name);
        Directory.CreateDirectory(options.StateFolder);
        var disk = new LastStateFile(options.StateFolder);
        LastState? last = disk.Read();
        var dnsTable = new Snapshot<DnsTable>(DnsTable.Empty);
        var forwarding = new KernelForwarding(fault => log.LogError("{Fault}", fault));
        ReconcileLoop? loop = null;

        await using IStore store = NewStore(pop, seed);
        await using var checks = new CheckEngine(time, seed, turned =>
        {
            log.LogInformation("check {Id}: {State}, {Detail}", turned.Check.Id, turned.State.Up ? "up" : "down",
                turned.Detail);
            loop?.Wake();
        }, FileOf(""));
        await using var origins = new OriginGuard(loaded.Spec, time, seed, logs.CreateLogger("rpki"));
        using Balancing? balancing = Balancing.Start(
            loaded.Spec, node, options.Pins, time, logs.CreateLogger("balancer"));
        using var peers = new NodePeers(
            options.Pop, options.Node, logs.CreateLogger("bgp"), follows: balancing?.HasTakenOver == true);
        BgpSpeaker? speaker = NewSpeaker(peers, seed, () => loop);
        origins.Changed = guard => speaker?.ReplaceGuard(guard);
        await using ZoneTransfers? transfers = loaded.HasZones ? NewTransfers(seed, () => loop?.Wake()) : null;
        await using DnsServer? dns = transfers is null ? null : new DnsServer(DnsOptions(transfers), dnsTable);
        using LookAhead? ahead = dns is null ? null : new LookAhead(); // An announcer answers nothing ahead.
        loop = new ReconcileLoop(
            loaded, options, time, logs.CreateLogger("plan"), last, disk, store, checks, dnsTable, speaker, forwarding,
            transfers, balancing);
        var publisher = new Publisher(store, loop, time, logs.CreateLogger("store"));
        loop.ReportChanged = publisher.Hurry;
        loop.Acted = ahead is null ? null : ahead.From;
        store.Changed = loop.Wake;
        if (balancing is not null) (balancing.Stood, balancing.CarriedChanged) = (loop.Wake, loop.Wake);
        var reload = new FleetReload(
            options, loop, checks, speaker, peers, origins, logs.CreateLogger("reload"), dns, transfers,
            balancing);
        await using var api = new ApiServer(
            options, loop, store, checks, speaker, dns, reload, time, logs.CreateLogger("api"), transfers, origins,
            balancing);

        using var stop = new CancellationTokenSource();
        bool leaves = false;
        using var signals = new StopAndReload(stop.Cancel, () => reload.Run(), () => leaves = true);

        // Reading zones and geo databases leaves several times their size behind: give it back before anybody waits.
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);

        // The control socket first: it tells whether another node runs here already.
        await api.StartAsync();
        // The first turn answers from the last plan; DNS opens only when there is something to answer with.
        Task looping = loop.RunAsync(stop.Token);
        StartDns(dns, forwarding);
        await using DohServer? doh = await StartDohAsync(dns);
        store.Start();
        transfers?.Start();
        checks.Apply(OwnReport.Checks(loaded.Spec, pop, node));
        speaker?.Start();
        if (speaker is not null) peers.Follow(speaker, () => loop.Fleet.Spec);
        origins.Start();
        Task publishing = publisher.RunAsync(stop.Token);
        Task watching = new FileWatch(loop, reload, time, log).RunAsync(stop.Token);
        log.LogInformation("{Pop}/{Node} of {Fleet} runs", pop.Name, node.Name, loaded.Spec.Name);

        await EndedAsync(dns, transfers, looping, publishing, watching);
        await (leaves ? LeaveAsync(speaker) : WithdrawAsync(speaker, balancing, forwarding));
    }

    /// <summary>
    /// What stands in the kernel stays: routers that keep our routes lead there until the next process comes.
    /// </summary>
    private async Task LeaveAsync(BgpSpeaker? speaker)
    {
        log.LogInformation("leaving for the next process: what the kernel does goes on");
        if (speaker is not null) await speaker.LeaveAsync("restarts");
    }

    private async Task WithdrawAsync(BgpSpeaker? speaker, Balancing? balancing, KernelForwarding forwarding)
    {
        log.LogInformation("stopping: withdrawing first");
        if (speaker is not null) await speaker.StopAsync("stopped by its operator");
        balancing?.Remove();
        forwarding.Clear();
    }

    /// <summary>Where the port cannot be had, what the first turn put into the kernel is taken out again.</summary>
    private static void StartDns(DnsServer? dns, KernelForwarding forwarding)
    {
        try
        {
            dns?.Start();
        }
        catch (IOException)
        {
            forwarding.Clear();
            throw;
        }
    }

    /// <summary>
    /// A node without its loop or one of its threads looks alive and serves yesterday: better none, and a restart.
    /// </summary>
    private static async Task EndedAsync(DnsServer? dns, ZoneTransfers? transfers, params Task[] parts)
    {
        Task<Exception>[] faults = dns is null || transfers is null
            ? []
            : [dns.Failure, transfers.Secondaries.Failure];
        Task ended = await Task.WhenAny([.. parts, .. faults]);
        if (faults.FirstOrDefault(fault => fault == ended) is { } fault)
            throw new InvalidOperationException("a part of the DNS server has died", await fault);
        await ended;
        await Task.WhenAll(parts);
    }

    private async Task<DohServer?> StartDohAsync(DnsServer? dns)
    {
        if (dns is null || loaded.Spec.Dns.Https is not { } https) return null;
        var doh = new DohServer(https.Listen, FileOf(https.Certificate), FileOf(https.Key), dns.OpenDoor(), time);
        await doh.StartAsync();
        return doh;
    }

    private IStore NewStore(PopSpec pop, int seed)
    {
        if (loaded.Spec.Store.Etcd.IsEmpty) return new FileStore(Path.Combine(options.StateFolder, "store"), time);
        // The member in our own pop first: with it gone we are gone too, so leaning on it adds no way to fail.
        bool IsOwn(Uri endpoint) => IPAddress.TryParse(endpoint.Host.Trim('[', ']'), out IPAddress? address)
            && pop.Networks.Any(network => network.Contains(address));
        ImmutableArray<Uri> endpoints = [.. loaded.Spec.Store.Etcd.OrderByDescending(IsOwn)];
        return new EtcdStore(endpoints, $"/fairlead/{loaded.Spec.Name}/", time, seed);
    }

    private string FileOf(string path) =>
        Path.Combine(Path.GetDirectoryName(Path.GetFullPath(options.FleetFile))!, path);

    private DnsServerOptions DnsOptions(ZoneTransfers transfers)
    {
        DnsSpec dns = loaded.Spec.Dns;
        var plain = new DnsServerOptions { Listen = dns.Listen };
        return plain with
        {
            UdpThreads = dns.UdpThreads,
            ListenTls = dns.Tls?.Listen ?? [],
            TlsCertificateFile = dns.Tls is { } tls ? FileOf(tls.Certificate) : null,
            TlsKeyFile = dns.Tls is { } keyed ? FileOf(keyed.Key) : null,
            Cookies = dns.CookieSecrets.IsEmpty
                ? plain.Cookies
                : new ServerCookies([.. dns.CookieSecrets.Select(s => Convert.FromHexString(s).ToImmutableArray())]),
            RateLimit = dns.RateLimit,
            TapSocket = dns.Tap,
            TcpConnectionsMax = dns.Tcp.Connections,
            TcpConnectionsPerClientMax = dns.Tcp.PerClient,
            TcpIdle = dns.Tcp.Idle,
            Handler = transfers.Handler,
        };
    }

    private ZoneTransfers NewTransfers(int seed, Action wake) =>
        new(loaded, options.StateFolder, time, seed, logs.CreateLogger("transfers"), wake);

    private BgpSpeaker? NewSpeaker(NodePeers peers, int seed, Func<ReconcileLoop?> loop)
    {
        if (!peers.MayBeAny(loaded.Spec)) return null;
        ILogger bgp = logs.CreateLogger("bgp");
        var guard = new Guard(loaded.Spec.AnycastSubnets);
        return new BgpSpeaker(peers.Of(loaded.Spec), guard, time, new Random(seed), seen =>
        {
            LogEvent(bgp, seen);
            if (seen is BgpEvent.Thawed) loop()?.Thawed();
            else loop()?.Wake();
        }, bfdProcess: BfdProcess());
    }

    /// <summary>
    /// This program once more. Compiled ahead and never again, with no collector in the background: nothing in it may
    /// stop its threads.
    /// </summary>
    private static ProcessStartInfo BfdProcess()
    {
        string program = Environment.ProcessPath!;
        bool isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
        string[] assembly = isHost ? [typeof(FairleadNode).Assembly.Location] : [];
        string self = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo(program, [.. assembly, "bfd-process", self]);
        start.Environment["DOTNET_TieredCompilation"] = "0";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        start.Environment["DOTNET_GCHeapHardLimit"] = "0x2000000";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        return start;
    }

    private static void LogEvent(ILogger bgp, BgpEvent seen)
    {
        switch (seen)
        {
            case BgpEvent.GuardRefused refused:
                bgp.LogError("guard: {Prefix} is not announced: {Reason}", refused.Prefix, refused.Reason);
                break;
            case BgpEvent.PeerDown down:
                bgp.LogWarning("{Peer}: down, {Reason}", down.Peer, down.Reason);
                break;
            case BgpEvent.BfdProcessDied died:
                bgp.LogError("BFD is started again: {Fault}", died.Text);
                break;
            case BgpEvent.MalformedUpdate malformed:
                bgp.LogWarning("{Peer}: malformed update, {Text}", malformed.Peer, malformed.Text);
                break;
            default:
                bgp.LogInformation("{Event}", seen);
                break;
        }
    }

    internal static int StableHash(string text) =>
        text.Aggregate(17, (hash, letter) => unchecked((hash * 31) + letter));
}
