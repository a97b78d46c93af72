using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Bgp;

/// <summary>Our speaker (host "us", 10.9.0.1, 2001:db8:9::1) and a BIRD (host "bird", .2, ::2) on one link.</summary>
public sealed class SpeakerBed : IAsyncDisposable
{
    public const string Bird4 = "10.9.0.2";
    public const string Bird6 = "2001:db8:9::2";

    private static int count;
    private readonly Bed bed;

    public SpeakerBed(string birdConfiguration, params PeerOptions[] peers)
        : this(birdConfiguration, peers, _ => { })
    {
    }

    /// <summary>With a bed to which the test adds something before anything starts.</summary>
    public SpeakerBed(string birdConfiguration, PeerOptions[] peers, Action<Bed> prepare)
    {
        bed = new Bed($"fltbgp{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
        bed.AddHost("us");
        bed.AddHost("bird");
        bed.AddLink("us", "eth0", "bird", "eth0");
        foreach ((string host, int last) in new[] { ("us", 1), ("bird", 2) })
        {
            bed.AddAddress(host, "eth0", $"10.9.0.{last}/24");
            bed.AddAddress(host, "eth0", $"2001:db8:9::{last}/64");
        }

        prepare(bed);
        Bird = new BirdRouter(
            bed, "bird", "router id 10.9.0.2; log stderr all;\nprotocol device {}\n" + birdConfiguration);
        Speaker = new BgpSpeaker([.. peers], new Guard(Subnets), TimeProvider.System, new Random(1), seen =>
        {
            Events.Enqueue(seen);
            OnSpeakersThread?.Invoke(seen);
        });
        NetworkNamespace.Run(bed.NamespaceOf("us"), () =>
        {
            Speaker.Start();
            return 0;
        });
    }

    public static ImmutableArray<Prefix> Subnets { get; } =
        [Prefix.Parse("198.18.0.0/15"), Prefix.Parse("2001:db8:a000::/36")];

    public Bed Bed => bed;

    public BirdRouter Bird { get; }

    public BgpSpeaker Speaker { get; }

    public ConcurrentQueue<BgpEvent> Events { get; } = new();

    /// <summary>What is done with each event before the speaker goes on.</summary>
    public Action<BgpEvent>? OnSpeakersThread { get; set; }

    /// <summary>A peer as most tests want it: four-octet AS on our side.</summary>
    public static PeerOptions Peer(string name, string address) => new()
    {
        Name = name,
        Address = IPAddress.Parse(address),
        LocalAs = new Asn(4_200_000_001),
        PeerAs = new Asn(65001),
        RouterId = 0x0a090001,
        Export = ExportPolicy.Plain,
    };

    /// <summary>The BIRD side of Peer, with more options of the protocol.</summary>
    public static string Protocol(string name, string family, string options = "")
    {
        (string local, string neighbor) = family == "ipv4" ? (Bird4, "10.9.0.1") : (Bird6, "2001:db8:9::1");
        return $"protocol bgp {name} {{ local {local} as 65001; neighbor {neighbor} as 4200000001; "
            + $"connect delay time 1; connect retry time 1; error wait time 1,2; {options} "
            + $"{family} {{ import all; export none; }}; }}\n";
    }

    public static RouteSet Routes(long generation, params string[] prefixes) =>
        new(generation, [.. prefixes.Select(text => new Route { Prefix = Prefix.Parse(text) })]);

    public PeerStatus Status(string name) => Speaker.Status().Single(peer => peer.Name == name);

    public void AwaitUp(string name) => BirdRouter.Eventually(
        () => Speaker.Status().Any(p => p.Name == name && p.State == SessionState.Established)
            && Bird.IsEstablished(name),
        $"session {name}: {string.Join("; ", Events)}");

    public async ValueTask DisposeAsync()
    {
        await Speaker.StopAsync("the test has ended");
        bed.Dispose();
        Bird.Dispose();
    }
}
