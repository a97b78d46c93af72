using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Bfd;

/// <summary>A session has changed its state, or is new to whoever is told.</summary>
public sealed record BfdChange(string Peer, BfdState State, BfdState Remote, BfdDiagnostic Diagnostic)
{
    /// <summary>How the session stands; null when it does not.</summary>
    public BfdStanding? Standing { get; init; }
}

/// <summary>Where BFD runs: on a thread of this process (BfdEngine) or in one of its own (BfdProcess).</summary>
internal interface IBfd
{
    Urgency Urgency { get; }

    TimeSpan WorstLateness { get; }

    long Rejected(BfdReject reason);

    void Start();

    void Set(ImmutableArray<BfdTarget> targets);

    void TurnTaken();

    Task<ImmutableArray<BfdStatus>> LookAsync();

    /// <summary>
    /// This BGP session is to end with the process, however that ends. To be released before its socket is closed.
    /// </summary>
    void Hold(KernelSocket session)
    {
        // In one process the kernel closes it, in its time.
    }

    void Release(KernelSocket session)
    {
    }

    void Stop();
}

/// <summary>
/// All BFD sessions (over UDP, single hop RFC 5881 and multihop RFC 5883), on one thread of raised priority that
/// allocates nothing once the sessions stand: at 3 x 50 ms neither a busy machine nor a garbage collection may look
/// like a dead link.
/// </summary>
public sealed class BfdEngine : IBfd, IDisposable
{
    private const int Port = 3784;
    private const int MultihopPort = 4784; // RFC 5883 §5.
    private const int SourcePortMin = 49152; // RFC 5881 §4.
    private const int SourcePortCount = 16384;
    private const int HopsMax = 255; // RFC 5881 §5: sent so, and required on receipt.
    private const int Cs6 = 0xc0;
    private const int DatagramsPerTurn = 256;
    private const int GoodbyePackets = 3;
    private static readonly TimeSpan OpenAgain = TimeSpan.FromSeconds(1);

    // How often the speaker's thread is asked for a sign, and how long it may owe one. A busy machine lets it wait for
    // tenths of a second; a router that is told nothing for a second longer has lost nothing yet.
    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan StandstillMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StoodStill = TimeSpan.FromMilliseconds(20);

    // How often it is looked whether the speaker's process has been stopped, when turns are many.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(4);

    private readonly TimeProvider time;
    private readonly Random random;
    private readonly Action<BfdChange> onChange;
    private readonly long started;
    private readonly Poller poller = new();
    private readonly DatagramReader datagram = new(256);
    private readonly byte[] packetBytes = new byte[BfdPacket.Size];
    private readonly long[] rejects = new long[Enum.GetValues<BfdReject>().Length];
    private readonly List<Link> links = [];
    private readonly HashSet<uint> discriminators = [];
    private readonly Action? askForTurn;
    private readonly Func<bool>? isStopped;
    private readonly Dictionary<(UInt128 Bits, uint Scope, int Port), Link> byAddress = [];
    private readonly Receiver[] receivers =
    [
        new(AddressFamily.InterNetwork, Port), new(AddressFamily.InterNetworkV6, Port),
        new(AddressFamily.InterNetwork, MultihopPort), new(AddressFamily.InterNetworkV6, MultihopPort),
    ];
    private Thread? thread;
    private ImmutableArray<BfdTarget>[]? nextTargets;
    private bool stopping;
    private bool mourning;
    private TimeSpan now;
    private TimeSpan lookedAt;
    private long worstLateness;
    private TimeSpan plannedTurn;
    private TimeSpan firstDetect;
    private long turns;
    private long turnsSeen;
    private TimeSpan askedAt;
    private bool asked;
    private bool held;
    private bool stopped;
    private int upCount;
    private TaskCompletionSource<ImmutableArray<BfdStatus>>? question;

    /// <summary>
    /// The changes are told on the engine's thread: the receiver must only hand them on. AskForTurn makes who speaks
    /// for these paths call TurnTaken; while it does not, all sessions are Down, for BFD in a process whose routing
    /// stands still would hide that from the peers. IsStopped tells at once that it cannot answer.
    /// </summary>
    public BfdEngine(
        TimeProvider time, Random seeded, Action<BfdChange> onChange, Action? askForTurn = null,
        Func<bool>? isStopped = null)
    {
        (this.time, random, this.onChange) = (time, seeded, onChange);
        (this.askForTurn, this.isStopped) = (askForTurn, isStopped);
        started = time.GetTimestamp();
    }

    /// <summary>What the kernel granted the thread.</summary>
    public Urgency Urgency { get; private set; }

    /// <summary>How far after its time a turn has begun at worst, since the start.</summary>
    public TimeSpan WorstLateness => TimeSpan.FromTicks(Interlocked.Read(ref worstLateness));

    /// <summary>Datagrams thrown away, for this reason.</summary>
    public long Rejected(BfdReject reason) => Interlocked.Read(ref rejects[(int)reason]);

    /// <summary>From the speaker's thread: it serves its sessions.</summary>
    public void TurnTaken() => Volatile.Write(ref turns, turns + 1);

    /// <summary>Every session as it is in the engine's next turn; empty when the engine does not run.</summary>
    public Task<ImmutableArray<BfdStatus>> LookAsync()
    {
        var asking = new TaskCompletionSource<ImmutableArray<BfdStatus>>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        // One question at a time is enough: who comes later has the answer that is due already.
        TaskCompletionSource<ImmutableArray<BfdStatus>> waiting =
            Interlocked.CompareExchange(ref question, asking, null) ?? asking;
        poller.Wake();
        if (thread is not { IsAlive: true }) Answer();
        return waiting.Task;
    }

    /// <summary>How many sessions are Up; for tests and metrics.</summary>
    public int UpCount => Volatile.Read(ref upCount);

    public void Start()
    {
        thread = new Thread(Run) { IsBackground = true, Name = "bfd" };
        thread.Start();
    }

    /// <summary>
    /// The paths to watch from now on. Sessions of paths that stay go on; those that go end in AdminDown.
    /// </summary>
    public void Set(ImmutableArray<BfdTarget> targets)
    {
        Volatile.Write(ref nextTargets, [targets]);
        poller.Wake();
    }

    /// <summary>Tells every peer AdminDown and ends the thread.</summary>
    public void Stop() => Stop(mourning: false);

    /// <summary>When who speaks for these paths has died, the peers are told Down instead.</summary>
    public void Stop(bool mourning)
    {
        this.mourning = mourning;
        Volatile.Write(ref stopping, true);
        poller.Wake();
        thread?.Join();
    }

    public void Dispose()
    {
        Stop();
        datagram.Dispose();
        poller.Dispose();
    }

    private void Run()
    {
        Urgency = UrgentThread.RaiseCurrent();
        while (!Volatile.Read(ref stopping))
        {
            now = time.GetElapsedTime(started);
            if (Interlocked.Exchange(ref nextTargets, null) is [var targets]) TakeTargets(targets);
            if (question is not null) Answer();
            WatchSpeaker();
            plannedTurn = SendDue();
            Wait(plannedTurn);
            now = time.GetElapsedTime(started);
            NoteLateness(now - plannedTurn);
            // Everything that waits in the sockets is read before any detection time is looked at: if we ourselves
            // were late, the packets that came meanwhile prove the peer alive.
            foreach (Receiver receiver in receivers) Receive(receiver);
            if (now >= firstDetect) ExpireDue();
        }

        foreach (Link link in links) Close(link);
        foreach (Receiver receiver in receivers) receiver.Socket?.Dispose();
        links.Clear();
        Answer();
    }

    private void NoteLateness(TimeSpan late)
    {
        if (late.Ticks > worstLateness) Interlocked.Exchange(ref worstLateness, late.Ticks);
        // While we ourselves stood still (a collection, no processor) nobody else could give a sign.
        if (late > StoodStill) askedAt += late;
    }

    private void ExpireDue()
    {
        foreach (Link link in links)
        {
            if (link.Session.Expire(now)) Tell(link.Session);
        }
    }

    private void Answer() => Interlocked.Exchange(ref question, null)?.TrySetResult(
        [.. links.Select(link => link.Session.Status())]);

    private void WatchSpeaker()
    {
        if (askForTurn is null || links.Count == 0) return;
        if (isStopped is not null && now - lookedAt >= LookEvery)
        {
            (stopped, lookedAt) = (isStopped(), now);
            if (stopped && !held) Hold();
        }

        long taken = Volatile.Read(ref turns);
        if (taken != turnsSeen)
        {
            if (asked) (asked, askedAt) = (false, now);
            turnsSeen = taken;
            if (held && !stopped) Release();
        }

        if (!asked && now - askedAt >= AskEvery)
        {
            (asked, askedAt) = (true, now);
            askForTurn();
        }
        else if (asked && !held && now - askedAt >= StandstillMax)
        {
            Hold();
        }
    }

    private void Hold()
    {
        held = true;
        foreach (Link link in links)
        {
            if (link.Session.Hold(now)) Tell(link.Session);
        }
    }

    private void Release()
    {
        held = false;
        foreach (Link link in links) link.Session.Release();
    }

    /// <summary>Sends what is due. Gives when the next timer fires.</summary>
    private TimeSpan SendDue()
    {
        TimeSpan next = now + (askForTurn is null ? OpenAgain : AskEvery);
        firstDetect = BfdSession.Never;
        foreach (Link link in links)
        {
            if (link.Session.SendAt <= now) Send(link, link.Session.Periodic(now));
            if (link.Session.SendAt < next) next = link.Session.SendAt;
            // What comes until the next turn only moves it away.
            if (link.Session.DetectAt < firstDetect) firstDetect = link.Session.DetectAt;
        }

        return firstDetect < next ? firstDetect : next;
    }

    private void Wait(TimeSpan until)
    {
        poller.Clear();
        foreach (Receiver receiver in receivers)
        {
            if (receiver.IsNeeded) Open(receiver);
        }

        poller.Wait(until - now);
    }

    // The port may be taken or IPv6 be off: we send without hearing, stay Down, and try again a second later.
    private void Open(Receiver receiver)
    {
        if (receiver.Socket is null && receiver.OpenAt <= now)
        {
            receiver.OpenAt = now + OpenAgain;
            KernelSocket socket = KernelSocket.Udp(receiver.Family);
            bool v4 = receiver.Family == AddressFamily.InterNetwork;
            _ = socket.OnlyIPv6();
            IPAddress any = v4 ? IPAddress.Any : IPAddress.IPv6Any;
            bool bound = socket.TellHops() == 0 && socket.Bind(any, receiver.Port) == 0;
            if (bound) receiver.Socket = socket;
            else socket.Dispose();
        }

        if (receiver.Socket is { } open) poller.Add(open.Fd, read: true, write: false);
    }

    private void Receive(Receiver receiver)
    {
        if (receiver.Socket is not { } socket) return;
        for (int i = 0; i < DatagramsPerTurn && datagram.TryRead(socket); i++)
        {
            BfdReject reject = Judge(receiver, out BfdPacket packet, out Link? link);
            if (reject != BfdReject.None)
            {
                Interlocked.Increment(ref rejects[(int)reject]);
                continue;
            }

            BfdState before = link!.Session.State;
            if (link.Session.Take(packet, now)) Send(link, link.Session.FinalAnswer());
            if (link.Session.State != before) Tell(link.Session);
        }
    }

    private BfdReject Judge(Receiver receiver, out BfdPacket packet, out Link? link)
    {
        link = null;
        BfdReject reject = BfdPacket.TryParse(datagram.Data, out packet);
        if (reject != BfdReject.None) return reject;
        bool multihop = receiver.Port == MultihopPort;
        if (!multihop && datagram.Hops != HopsMax) return BfdReject.Hops;
        // RFC 5880 §6.3: by our discriminator once the peer knows it, by the sender's address before. Both must agree:
        // a session's packets come from its peer alone.
        ReadOnlySpan<byte> sender = datagram.Sender;
        UInt128 bits = SocketAddressBytes.Bits(sender);
        uint scope = IsLinkLocal(bits) ? BitConverter.ToUInt32(sender[24..]) : 0;
        if (!byAddress.TryGetValue((bits, scope, receiver.Port), out link)) return BfdReject.NoSession;
        if (multihop && datagram.Hops < HopsMax - link.Session.Target.Options.HopsMax) return BfdReject.Hops;
        return packet.YourDiscriminator == 0 || packet.YourDiscriminator == link.Session.Discriminator
            ? BfdReject.None
            : BfdReject.NoSession;
    }

    private static bool IsLinkLocal(UInt128 bits) => bits >> 118 == 0xfe80 >> 6;

    private void Send(Link link, in BfdPacket packet)
    {
        if (link.Socket is null && link.OpenAt <= now) OpenSender(link);
        if (link.Socket is null) return;
        packet.Write(packetBytes);
        _ = link.Socket.Send(packetBytes); // A lost packet, or the ICMP error of an earlier one: the timers judge.
    }

    // RFC 5881 §4: one source port from the dynamic range, kept for the session's life.
    private void OpenSender(Link link)
    {
        link.OpenAt = now + OpenAgain;
        BfdTarget target = link.Session.Target;
        bool v4 = target.Address.AddressFamily == AddressFamily.InterNetwork;
        IPAddress local = target.Local ?? (v4 ? IPAddress.Any : IPAddress.IPv6Any);
        local = InterfaceIndex.Scoped(local, target.Interface);
        for (int attempt = 0; attempt < 8; attempt++)
        {
            KernelSocket socket = KernelSocket.Udp(target.Address.AddressFamily);
            _ = socket.SendHops(HopsMax);
            _ = socket.TrafficClass(Cs6);
            bool ready = socket.Bind(local, SourcePortMin + random.Next(SourcePortCount)) == 0
                && socket.Connect(Scoped(target), PortOf(target)) == 0;
            if (ready)
            {
                link.Socket = socket;
                return;
            }

            socket.Dispose();
        }
    }

    private static int PortOf(BfdTarget target) => target.Options.Multihop ? MultihopPort : Port;

    // The interface may have come back with another number since the options were read.
    private static IPAddress Scoped(BfdTarget target) => InterfaceIndex.Scoped(target.Address, target.Interface);

    private void TakeTargets(ImmutableArray<BfdTarget> targets)
    {
        var old = links.ToDictionary(link => (link.Session.Target.Peer, link.Session.Target.Address));
        List<Link> kept = [];
        foreach (BfdTarget target in targets)
        {
            bool known = old.Remove((target.Peer, target.Address), out Link? same);
            bool samePath = known && Equals(same!.Session.Target.Local, target.Local)
                && (same.Session.Target.Interface, PortOf(same.Session.Target)) == (target.Interface, PortOf(target));
            if (samePath)
            {
                if (!same!.Session.Target.Equals(target)) same.Session.Change(target, now);
                kept.Add(same!);
                Tell(same!.Session); // Its BGP peer may be new and not know.
                continue;
            }

            if (same is not null) Close(same);
            uint discriminator = target.Standing?.Mine ?? NewDiscriminator();
            discriminators.Add(discriminator);
            var link = new Link(new BfdSession(target, discriminator, random, now));
            kept.Add(link);
        }

        foreach (Link gone in old.Values) Close(gone);
        links.Clear();
        links.AddRange(kept);
        byAddress.Clear();
        foreach (Receiver receiver in receivers) receiver.IsNeeded = false;
        foreach (Link link in links)
        {
            BfdTarget target = link.Session.Target;
            IPAddress address = Scoped(target);
            uint scope = address.IsIPv6LinkLocal ? (uint)address.ScopeId : 0;
            byAddress[(Prefix.BitsOf(address), scope, PortOf(target))] = link;
            foreach (Receiver receiver in receivers)
                receiver.IsNeeded |= receiver.Family == address.AddressFamily && receiver.Port == PortOf(target);
        }

        CountUp();
    }

    private void Close(Link link)
    {
        // Departs from RFC 5880 §6.8.16: AdminDown should be sent for a detection time; a process that ends cannot
        // wait for it, so three packets go at once, against the loss of one. Down is said once: see BfdSession.Take.
        bool mourns = Volatile.Read(ref mourning);
        if (mourns) _ = link.Session.Hold(now);
        else link.Session.Disable();
        for (int i = 0; i < (mourns ? 1 : GoodbyePackets); i++) Send(link, link.Session.Periodic(now));
        link.Socket?.Dispose();
        link.Socket = null;
        discriminators.Remove(link.Session.Discriminator);
    }

    private uint NewDiscriminator()
    {
        uint discriminator;
        do discriminator = (uint)random.NextInt64(1, uint.MaxValue);
        while (!discriminators.Add(discriminator));
        return discriminator;
    }

    private void Tell(BfdSession session)
    {
        CountUp();
        onChange(new BfdChange(session.Target.Peer, session.State, session.Remote, session.Diagnostic)
        {
            Standing = session.Standing,
        });
    }

    private void CountUp()
    {
        int up = 0;
        foreach (Link link in links) up += link.Session.State == BfdState.Up ? 1 : 0;
        Volatile.Write(ref upCount, up);
    }

    private sealed class Link(BfdSession session)
    {
        public BfdSession Session => session;

        public KernelSocket? Socket { get; set; }

        public TimeSpan OpenAt { get; set; } = TimeSpan.Zero;
    }

    private sealed class Receiver(AddressFamily family, int port)
    {
        public AddressFamily Family => family;

        public int Port => port;

        public bool IsNeeded { get; set; }

        public KernelSocket? Socket { get; set; }

        public TimeSpan OpenAt { get; set; } = TimeSpan.Zero;
    }
}
