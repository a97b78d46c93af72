using System.Collections.Immutable;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Session;

/// <summary>Totals since the start.</summary>
public sealed class SpeakerCounters
{
    private readonly long[] refused = new long[Enum.GetValues<GuardReason>().Length];
    private long strangers;

    /// <summary>Prefixes that the guard refused, for this reason; each counts once a change of set or guard.</summary>
    public long Refused(GuardReason reason) => Interlocked.Read(ref refused[(int)reason]);

    /// <summary>Prefixes that the guard refused, for any reason.</summary>
    public long RefusedTotal => refused.Sum();

    /// <summary>Connections from addresses that are no peer's.</summary>
    public long Strangers => Interlocked.Read(ref strangers);

    internal void CountRefused(GuardReason reason) => Interlocked.Increment(ref refused[(int)reason]);

    internal void CountStranger() => Interlocked.Increment(ref strangers);
}

/// <summary>
/// A BGP speaker that announces and installs nothing (RFC 4271), with BFD beside it (RFC 5880). It takes a RouteSet
/// and brings every peer to it. All methods can be called from any thread; the work is done on the speaker's own two
/// threads (BGP and BFD), which live in the network namespace of the thread that calls Start.
/// </summary>
public sealed class BgpSpeaker
{
    private readonly SpeakerLoop loop;

    /// <summary>ArgumentException when the peers have faults (PeerOptions.Problems, a name or address twice).</summary>
    public BgpSpeaker(
        ImmutableArray<PeerOptions> peers, Guard guard, TimeProvider time, Random seeded, Action<BgpEvent> onEvent)
    {
        Check(peers);
        loop = new SpeakerLoop(peers, guard, time, seeded, onEvent);
    }

    public SpeakerCounters Counters => loop.Counters;

    /// <summary>
    /// What the kernel granted the BFD thread: below RealTime, tight BFD timers can flap on a busy machine.
    /// </summary>
    public Urgency BfdUrgency => loop.BfdUrgency;

    /// <summary>BFD datagrams thrown away, for this reason.</summary>
    public long BfdRejected(BfdReject reason) => loop.BfdRejected(reason);

    /// <summary>Begins to listen and to dial. Once.</summary>
    public void Start() => loop.Start();

    /// <summary>
    /// What is to be announced from now on. Cheap: the set is handed over and the speaker's thread woken.
    /// </summary>
    public void Apply(RouteSet routes) => loop.Post(routes);

    /// <summary>Other anycast subnets: what they no longer hold is withdrawn.</summary>
    public void ReplaceGuard(Guard guard) => loop.Post(guard);

    /// <summary>Other peers: the sessions of unchanged ones go on, also when only their BFD has changed.</summary>
    public void ReplacePeers(ImmutableArray<PeerOptions> peers)
    {
        Check(peers);
        loop.Post(peers);
    }

    /// <summary>Every peer, as of the last turn of the speaker's thread, in the order given.</summary>
    public ImmutableArray<PeerStatus> Status() => loop.Status;

    /// <summary>
    /// Ends all sessions with Cease, Administrative Shutdown and the text (RFC 9003), waits until the peers have read
    /// it (a second at most), and ends both threads.
    /// </summary>
    public Task StopAsync(string shutdownText) => loop.StopAsync(shutdownText);

    private static void Check(ImmutableArray<PeerOptions> peers)
    {
        string[] problems =
        [
            .. peers.SelectMany(peer => peer.Problems()),
            .. peers.GroupBy(peer => peer.Name).Where(g => g.Count() > 1).Select(g => $"peer {g.Key} is there twice"),
            .. peers.GroupBy(peer => peer.Address).Where(g => g.Count() > 1).Select(g => $"{g.Key} is there twice"),
        ];
        if (problems.Length > 0) throw new ArgumentException(string.Join("; ", problems), nameof(peers));
    }
}
