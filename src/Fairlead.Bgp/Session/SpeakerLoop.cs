using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Session;

/// <summary>
/// The speaker's thread: it alone owns the peers and their sockets. A turn takes in what others have posted, fires
/// timers, writes differences, and waits for a socket, a timer or a post.
/// </summary>
internal sealed class SpeakerLoop
{
    private static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TurnMax = TimeSpan.FromSeconds(1);

    // Far above any collection or busy machine, far below what a frozen node needs to be given up by its peers.
    private static readonly TimeSpan StillMax = TimeSpan.FromSeconds(2);
    private const int QuestionsMax = 64;

    private readonly Poller poller = new();
    private readonly Listeners listeners;
    private readonly IBfd bfd;
    private readonly ConcurrentQueue<BfdChange> bfdChanges = new();
    private readonly ConcurrentQueue<string> bfdFaults = new();
    private readonly List<Peer> peers = [];
    private readonly List<(KernelSocket Socket, TimeSpan Until)> closing = [];
    private readonly List<(int Slot, Peer? Peer, Connection? Connection)> polled = [];
    private readonly Action<BgpEvent> onEvent;
    private readonly Random random;
    private readonly long started;
    private readonly TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Posted by other threads; the newest counts.
    private ImmutableArray<PeerOptions>[]? nextPeers;
    private RouteSet? nextRoutes;
    private Guard? nextGuard;
    private string? stopText;
    private bool leaving;
    private readonly ConcurrentQueue<Action> questions = new();
    private int questionCount;

    private RouteSet? routes;
    private Guard guard;
    private ImmutableArray<PeerStatus>[] status = [[]];
    private int threads;
    private long seenLive;
    private long thawedAt;
    private TimeSpan waitMax;

    public SpeakerLoop(
        ImmutableArray<PeerOptions> peers, Guard guard, TimeProvider time, Random seeded, Action<BgpEvent> onEvent,
        ReceivedBudget budget, ProcessStartInfo? bfdProcess)
    {
        (Time, random, this.guard, this.onEvent, Budget) = (time, seeded, guard, onEvent, budget);
        started = time.GetTimestamp();
        listeners = new Listeners(this);
        bfd = bfdProcess is null
            ? new BfdEngine(time, new Random(seeded.Next()), OnBfd, AskForTurn)
            : new BfdProcess(bfdProcess, time, OnBfd, AskForTurn, OnBfdFault);
        nextPeers = [peers];
    }

    public TimeProvider Time { get; }

    public SpeakerCounters Counters { get; } = new();

    /// <summary>The time of this turn, since the speaker was made. Monotonic.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>What the peers are to be told: the set after the guard.</summary>
    public GuardedRoutes Wanted { get; private set; } = GuardedRoutes.None;

    /// <summary>The process has stood still and Wanted rests on what was seen before: no peer is told of it.</summary>
    public bool IsStale { get; private set; }

    public ReceivedBudget Budget { get; }

    public Urgency BfdUrgency => bfd.Urgency;

    public ImmutableArray<PeerStatus> Status => Volatile.Read(ref status)[0];

    public void Start()
    {
        if (Interlocked.Exchange(ref threads, 1) != 0) throw new InvalidOperationException("started twice");
        bfd.Start();
        new Thread(Run) { IsBackground = true, Name = "bgp" }.Start();
    }

    public void Post(RouteSet next)
    {
        Volatile.Write(ref nextRoutes, next);
        poller.Wake();
    }

    /// <summary>Runs on the speaker's thread in its next turn. False when too many wait, or it has ended.</summary>
    public bool Ask(Action question)
    {
        if (stopped.Task.IsCompleted || Interlocked.Increment(ref questionCount) > QuestionsMax)
        {
            Interlocked.Decrement(ref questionCount);
            return false;
        }

        questions.Enqueue(question);
        poller.Wake();
        if (stopped.Task.IsCompleted) Answer(); // The thread has ended meanwhile, and its peers stand still.
        return true;
    }

    public void Post(Guard next)
    {
        Volatile.Write(ref nextGuard, next);
        poller.Wake();
    }

    public void Post(ImmutableArray<PeerOptions> next)
    {
        Volatile.Write(ref nextPeers, [next]);
        poller.Wake();
    }

    public Task LeaveAsync(string text)
    {
        Volatile.Write(ref leaving, true);
        return StopAsync(text);
    }

    public Task StopAsync(string text)
    {
        if (Interlocked.Exchange(ref threads, 1) == 0) stopped.TrySetResult(); // It never ran.
        Volatile.Write(ref stopText, text);
        poller.Wake();
        return stopped.Task;
    }

    public Task<ImmutableArray<BfdStatus>> LookAtBfdAsync() => bfd.LookAsync();

    public TimeSpan BfdWorstLateness => bfd.WorstLateness;

    public long BfdRejected(BfdReject reason) => bfd.Rejected(reason);

    public void Emit(BgpEvent @event) => onEvent(@event);

    /// <summary>RFC 4271 §10: three quarters to the whole of the time, so that speakers do not march in step.</summary>
    public TimeSpan Jitter(TimeSpan time) => time * (0.75 + (random.NextDouble() * 0.25));

    /// <summary>
    /// Ends a connection so that the peer can read what was sent last: a plain close with unread input would reset
    /// the connection and throw the NOTIFICATION away.
    /// </summary>
    public void Close(KernelSocket? socket)
    {
        if (socket is null) return;
        bfd.Release(socket);
        if (socket.FinishSending() == 0) closing.Add((socket, Now + LingerTime));
        else socket.Dispose();
    }

    /// <summary>A session stands: it must end with us.</summary>
    public void Hold(KernelSocket session) => bfd.Hold(session);

    public void OnAccepted(KernelSocket socket, IPAddress from)
    {
        foreach (Peer peer in peers)
        {
            if (!peer.IsFrom(from)) continue;
            peer.Accept(socket);
            return;
        }

        Counters.CountStranger();
        socket.Dispose();
    }

    public IReadOnlyList<Peer> Peers => peers;

    // Called on the BFD thread: a turn that answers proves that this thread still serves its sessions.
    private void AskForTurn() => poller.Wake();

    private void OnBfdFault(string fault)
    {
        Counters.CountBfdDeath();
        bfdFaults.Enqueue(fault);
        poller.Wake();
    }

    private void OnBfd(BfdChange change)
    {
        bfdChanges.Enqueue(change);
        poller.Wake();
    }

    private void Run()
    {
        bool ending = false;
        _ = UrgentThread.PreferCurrent();
        seenLive = Time.GetTimestamp();
        while (true)
        {
            Now = Time.GetElapsedTime(started);
            NoteStandstill();
            bfd.TurnTaken();
            if (!ending)
            {
                TakeIn();
                ending = StopIfAsked();
            }

            foreach (Peer peer in peers)
            {
                peer.Tick();
                peer.Flush();
            }

            Publish();
            if (ending && closing.Count == 0) break;
            Wait();
            Now = Time.GetElapsedTime(started);
            NoteStandstill();
            Serve();
        }

        bfd.Stop();
        foreach (Peer peer in peers) peer.Dump?.Close();
        stopped.TrySetResult();
        Answer();
    }

    // Frozen (SIGSTOP, a cgroup's freezer, a stopped virtual machine) and thawed, we do not know what has happened
    // meanwhile: what was wanted before says nothing about now.
    private void NoteStandstill()
    {
        TimeSpan gap = Time.GetElapsedTime(seenLive) - waitMax;
        seenLive = Time.GetTimestamp();
        waitMax = TimeSpan.Zero;
        if (gap < StillMax) return;
        thawedAt = seenLive;
        IsStale = routes?.AsOf is not null;
        Counters.CountThaw();
        Emit(new BgpEvent.Thawed(gap));
    }

    private void Answer()
    {
        while (questions.TryDequeue(out Action? question))
        {
            Interlocked.Decrement(ref questionCount);
            question();
        }
    }

    private void TakeIn()
    {
        if (Interlocked.Exchange(ref nextPeers, null) is [var options]) TakePeers(options);
        while (bfdFaults.TryDequeue(out string? fault)) Emit(new BgpEvent.BfdProcessDied(fault));
        while (bfdChanges.TryDequeue(out BfdChange? change))
            peers.Find(peer => peer.Options.Name == change.Peer)?.OnBfd(change);
        Answer();
        RouteSet? newRoutes = Interlocked.Exchange(ref nextRoutes, null);
        Guard? newGuard = Interlocked.Exchange(ref nextGuard, null);
        if (newRoutes is null && newGuard is null) return;
        // A set that was made before a standstill is no fresher for being handed over after it.
        if (newRoutes is not null) IsStale = newRoutes.AsOf < thawedAt;
        (routes, guard) = (newRoutes ?? routes, newGuard ?? guard);
        if (routes is null) return;
        GuardedRoutes next = GuardedRoutes.Sift(guard, routes);
        foreach ((Net.Addresses.Prefix prefix, GuardReason reason) in next.Refused)
        {
            if (Wanted.Refused.TryGetValue(prefix, out GuardReason before) && before == reason) continue;
            Counters.CountRefused(reason);
            Emit(new BgpEvent.GuardRefused(prefix, reason));
        }

        Wanted = next;
    }

    private void TakePeers(ImmutableArray<PeerOptions> options)
    {
        var old = peers.ToDictionary(peer => peer.Options.Name);
        peers.Clear();
        foreach (PeerOptions wanted in options)
        {
            bool known = old.Remove(wanted.Name, out Peer? same);
            if (known && same!.Options.KeepsSession(wanted))
            {
                same.Change(wanted);
                peers.Add(same);
                continue;
            }

            same?.Stop(new Notification(NotificationCode.Cease, CeaseSubcode.ConfigurationChange));
            same?.Dump?.Close();
            var peer = new Peer(wanted, this);
            peers.Add(peer);
            peer.Start();
        }

        foreach (Peer gone in old.Values)
        {
            gone.Stop(new Notification(NotificationCode.Cease, CeaseSubcode.PeerRemoved));
            gone.Dump?.Close();
        }

        listeners.Replace(options);
        bfd.Set([.. options.Where(peer => peer.Bfd is not null).Select(peer =>
            new BfdTarget(peer.Name, peer.Address, peer.LocalAddress, peer.Bfd!) { Interface = peer.Interface })]);
    }

    private bool StopIfAsked()
    {
        if (Volatile.Read(ref stopText) is not { } text) return false;
        listeners.Replace([]);
        foreach (Peer peer in peers)
        {
            if (!Volatile.Read(ref leaving) || !peer.Leave()) peer.Stop(Notification.Shutdown(text));
        }

        return true;
    }

    private void Wait()
    {
        TimeSpan next = Now + TurnMax;
        if (listeners.RetryAt < next) next = listeners.RetryAt;
        poller.Clear();
        polled.Clear();
        listeners.Watch(poller);
        foreach (Peer peer in peers)
        {
            if (peer.NextTimer < next) next = peer.NextTimer;
            foreach (Connection connection in peer.Connections)
            {
                if (connection.NextTimer < next) next = connection.NextTimer;
                if (connection.Socket is not { } socket) continue;
                bool connecting = connection.State == SessionState.Connect;
                int slot = poller.Add(socket.Fd, !connecting, connecting || !connection.Output.IsEmpty);
                polled.Add((slot, peer, connection));
            }
        }

        foreach ((KernelSocket socket, TimeSpan until) in closing)
        {
            if (until < next) next = until;
            polled.Add((poller.Add(socket.Fd, read: true, write: false), null, null));
        }

        waitMax = next > Now ? next - Now : TimeSpan.Zero;
        poller.Wait(waitMax);
    }

    private void Serve()
    {
        int closingFrom = polled.Count - closing.Count;
        DrainClosing(closingFrom);
        for (int i = 0; i < closingFrom; i++)
        {
            (int slot, Peer? peer, Connection? connection) = polled[i];
            if (poller.CanWrite(slot)) peer!.OnWritable(connection!);
            if (poller.CanRead(slot)) peer!.OnReadable(connection!);
        }

        listeners.Serve(poller);
    }

    private void DrainClosing(int closingFrom)
    {
        Span<byte> sink = stackalloc byte[4096];
        for (int i = closing.Count - 1; i >= 0; i--)
        {
            (KernelSocket socket, TimeSpan until) = closing[i];
            bool ended = Now >= until;
            if (poller.CanRead(polled[closingFrom + i].Slot))
            {
                int read = socket.Receive(sink);
                ended |= read == 0 || read is < 0 and not -Libc.EAGAIN and not -Libc.EINTR;
            }

            if (!ended) continue;
            socket.Dispose();
            closing.RemoveAt(i);
        }
    }

    private void Publish() => Volatile.Write(ref status, [[.. peers.Select(peer => peer.Status())]]);
}
