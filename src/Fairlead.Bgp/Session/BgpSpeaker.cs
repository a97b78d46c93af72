using System.Collections.Immutable;
using System.Diagnostics;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Session;

/// <summary>Totals since the start.</summary>
public sealed class SpeakerCounters
{
    private readonly long[] refused = new long[Enum.GetValues<GuardReason>().Length];
    private long strangers;
    private long thaws;
    private long bfdDeaths;

    /// <summary>Prefixes that the guard refused, for this reason; each counts once a change of set or guard.</summary>
    public long Refused(GuardReason reason) => Interlocked.Read(ref refused[(int)reason]);

    /// <summary>Prefixes that the guard refused, for any reason.</summary>
    public long RefusedTotal => refused.Sum();

    /// <summary>Connections from addresses that are no peer's.</summary>
    public long Strangers => Interlocked.Read(ref strangers);

    /// <summary>How often the process has stood still (BgpEvent.Thawed).</summary>
    public long Thaws => Interlocked.Read(ref thaws);

    /// <summary>How often the BFD process has died or could not be started.</summary>
    public long BfdDeaths => Interlocked.Read(ref bfdDeaths);

    internal void CountBfdDeath() => Interlocked.Increment(ref bfdDeaths);

    internal void CountThaw() => Interlocked.Increment(ref thaws);

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

    /// <summary>
    /// ArgumentException when the peers have faults (PeerOptions.Problems, a name or address twice). BfdProcess says
    /// how BfdWorker.Run is run in a process of its own; without it BFD is a thread of this one.
    /// </summary>
    public BgpSpeaker(
        ImmutableArray<PeerOptions> peers, Guard guard, TimeProvider time, Random seeded, Action<BgpEvent> onEvent,
        ReceivedBudget? budget = null, ProcessStartInfo? bfdProcess = null)
    {
        Check(peers);
        loop = new SpeakerLoop(peers, guard, time, seeded, onEvent, budget ?? new ReceivedBudget(), bfdProcess);
    }

    public SpeakerCounters Counters => loop.Counters;

    /// <summary>
    /// What the kernel granted the BFD thread: below RealTime, tight BFD timers can flap on a busy machine.
    /// </summary>
    public Urgency BfdUrgency => loop.BfdUrgency;

    /// <summary>How late the BFD thread was at worst: near a detection time, sessions flap.</summary>
    public TimeSpan BfdWorstLateness => loop.BfdWorstLateness;

    /// <summary>BFD datagrams thrown away, for this reason.</summary>
    public long BfdRejected(BfdReject reason) => loop.BfdRejected(reason);

    /// <summary>Every BFD session with its timers, as of the BFD thread's next turn.</summary>
    public Task<ImmutableArray<BfdStatus>> LookAtBfdAsync() => loop.LookAtBfdAsync();

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

    /// <summary>
    /// Ends as before a restart: a peer with graceful restart keeps our routes (PeerOptions.Restart), the others are
    /// told as by StopAsync.
    /// </summary>
    public Task LeaveAsync(string shutdownText) => loop.LeaveAsync(shutdownText);

    /// <summary>
    /// The looking glass: who announces this prefix, and the best of its routes marked. Where nobody does, the routes
    /// of the longest prefix around it. With inside: those of all prefixes inside it instead, so many at most. Null
    /// while too many ask, or after the end.
    /// </summary>
    public Task<ImmutableArray<SeenRoute>?> LookAsync(Prefix prefix, bool inside = false, int routesMax = 1000)
    {
        var answer = new TaskCompletionSource<ImmutableArray<SeenRoute>?>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        bool asked = loop.Ask(() =>
        {
            Prefix? around = inside ? prefix : LongestAround(prefix);
            IEnumerable<SeenRoute> seen = around is { } shown
                ? loop.Peers.SelectMany(peer => peer.Seen(shown, inside))
                : [];
            answer.TrySetResult([.. BestPath.Mark(seen).Take(routesMax)]);
        });
        if (!asked) answer.TrySetResult(null);
        return answer.Task;
    }

    /// <summary>
    /// Writes a peer's messages as MRT (RFC 6396), both directions and the changes of state, until so many bytes are
    /// written, the peer is gone or the token is cancelled. Null when there is no such peer or its dump runs already.
    /// </summary>
    public async Task<DumpResult?> DumpAsync(string peer, Stream into, long bytesMax, CancellationToken end)
    {
        var dump = new SessionDump(peer, into, bytesMax);
        var begun = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        bool asked = loop.Ask(() => begun.TrySetResult(Begin(dump)));
        if (!asked || !await begun.Task.ConfigureAwait(false)) return null;
        await using CancellationTokenRegistration cancelled = end.Register(dump.Close);
        try
        {
            return await dump.PumpAsync().ConfigureAwait(false);
        }
        finally
        {
            dump.Close(); // The stream may have failed.
        }
    }

    private bool Begin(SessionDump dump)
    {
        Peer? peer = loop.Peers.FirstOrDefault(peer => peer.Options.Name == dump.Peer);
        if (peer is null or { Dump.IsClosed: false }) return false;
        peer.Dump = dump;
        return true;
    }

    private Prefix? LongestAround(Prefix prefix)
    {
        Prefix? longest = null;
        foreach (Peer peer in loop.Peers)
        {
            if (peer.RibIn.LongestAround(prefix) is { } around
                && (longest is not { } known || around.LengthMapped > known.LengthMapped))
                longest = around;
        }

        return longest;
    }

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
