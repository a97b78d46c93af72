using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Session;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Bgp;

/// <summary>A theory over routers: each case tells which. Skips where a program is missing, and fails in CI.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PeersTheoryAttribute : TheoryAttribute
{
    public PeersTheoryAttribute() =>
        Skip = new InteropFactAttribute("bird", "vtysh", "gobgpd", "bgpctl", "exabgp", "ip", "nft", "chrt").Skip;
}

/// <summary>Our speaker (host "us") and a router of any kind on one link, a session "v4" and a session "v6".</summary>
public sealed class PeerBed : IAsyncDisposable
{
    private static int count;
    private readonly Bed bed;
    private readonly ImmutableArray<PeerOptions> peers;

    public PeerBed(RouterKind kind, RouterSetup setup, Func<PeerOptions, PeerOptions>? change = null)
    {
        bed = new Bed($"fltpeer{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
        bed.AddHost("us");
        bed.AddHost(RouterProgram.Host);
        bed.AddLink("us", "eth0", RouterProgram.Host, "eth0");
        foreach ((string host, int last) in new[] { ("us", 1), (RouterProgram.Host, 2) })
        {
            bed.AddAddress(host, "eth0", $"10.9.0.{last}/24");
            bed.AddAddress(host, "eth0", $"2001:db8:9::{last}/64");
        }

        PeerOptions Peer(string name, string address) => new()
        {
            Name = name,
            Address = IPAddress.Parse(address),
            LocalAs = new Asn(4_200_000_001),
            PeerAs = new Asn(65001),
            RouterId = 0x0a090001,
            Password = setup.Password,
            TtlSecurity = setup.TtlSecurity,
            Export = ExportPolicy.Plain,
            Import = ImportPolicy.Plain,
            Bfd = setup.Bfd ? new BfdOptions { Interval = TimeSpan.FromMilliseconds(50) } : null,
        };
        change ??= options => options;
        peers = [change(Peer("v4", RouterProgram.Its4)), change(Peer("v6", RouterProgram.Its6))];
        try
        {
            Router = RouterProgram.Start(kind, bed, setup);
            Speaker = StartSpeaker(peers);
        }
        catch
        {
            bed.Dispose();
            throw;
        }
    }

    public Bed Bed => bed;

    public RouterProgram Router { get; }

    public BgpSpeaker Speaker { get; private set; }

    public ConcurrentQueue<BgpEvent> Events { get; } = new();

    public PeerStatus Status(string name) => Speaker.Status().Single(peer => peer.Name == name);

    /// <summary>Another speaker in the place of the old one, which has ended.</summary>
    public void StartAgain(Func<PeerOptions, PeerOptions> change) =>
        Speaker = StartSpeaker([.. peers.Select(change)]);

    public void Apply(long generation, params string[] prefixes) =>
        Speaker.Apply(SpeakerBed.Routes(generation, prefixes));

    public void AwaitUp(params string[] names)
    {
        foreach (string name in names)
        {
            BirdRouter.Eventually(
                () => Speaker.Status().Any(p => p.Name == name && p.State == SessionState.Established),
                $"session {name}: {string.Join("; ", Events)}; {string.Join(", ", Speaker.Status())}", seconds: 40);
        }
    }

    public void AwaitRoute(string prefix, bool there = true) => BirdRouter.Eventually(
        () => Router.HasRoute(prefix) == there, () => $"{prefix} there: {there}; {Router.RouteText(prefix)}",
        seconds: 20);

    public async Task<ImmutableArray<SeenRoute>> LookAsync(string prefix) =>
        await Speaker.LookAsync(Prefix.Parse(prefix)) ?? [];

    public async ValueTask DisposeAsync()
    {
        await Speaker.StopAsync("the test has ended");
        bed.Dispose();
        Router.Dispose();
    }

    private BgpSpeaker StartSpeaker(ImmutableArray<PeerOptions> options)
    {
        var speaker = new BgpSpeaker(
            options, new Guard(SpeakerBed.Subnets), TimeProvider.System, new Random(1), Events.Enqueue);
        NetworkNamespace.Run(bed.NamespaceOf("us"), () =>
        {
            speaker.Start();
            return 0;
        });
        return speaker;
    }
}
