using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Bfd;

/// <summary>A session has changed its state, or is new to whoever is told.</summary>
public sealed record BfdChange(string Peer, BfdState State, BfdState Remote, BfdDiagnostic Diagnostic);

/// <summary>
/// All BFD sessions (RFC 5881, single hop over UDP), on one thread of raised priority that allocates nothing once the
/// sessions stand: at 3 x 50 ms neither a busy machine nor a garbage collection may look like a dead link.
/// </summary>
public sealed class BfdEngine : IDisposable
{
    private const int Port = 3784;
    private const int SourcePortMin = 49152; // RFC 5881 §4.
    private const int SourcePortCount = 16384;
    private const int HopsMax = 255; // RFC 5881 §5: sent so, and required on receipt.
    private const int Cs6 = 0xc0;
    private const int DatagramsPerTurn = 256;
    private const int GoodbyePackets = 3;
    private static readonly TimeSpan OpenAgain = TimeSpan.FromSeconds(1);

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
    private readonly Dictionary<UInt128, Link> byAddress = [];
    private readonly Receiver v4 = new(AddressFamily.InterNetwork);
    private readonly Receiver v6 = new(AddressFamily.InterNetworkV6);
    private Thread? thread;
    private ImmutableArray<BfdTarget>[]? nextTargets;
    private bool stopping;
    private TimeSpan now;

    /// <summary>The changes are told on the engine's thread: the receiver must only hand them on.</summary>
    public BfdEngine(TimeProvider time, Random seeded, Action<BfdChange> onChange)
    {
        (this.time, random, this.onChange) = (time, seeded, onChange);
        started = time.GetTimestamp();
    }

    /// <summary>What the kernel granted the thread.</summary>
    public Urgency Urgency { get; private set; }

    /// <summary>Datagrams thrown away, for this reason.</summary>
    public long Rejected(BfdReject reason) => Interlocked.Read(ref rejects[(int)reason]);

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
    public void Stop()
    {
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
            Wait(SendDue());
            now = time.GetElapsedTime(started);
            // Everything that waits in the sockets is read before any detection time is looked at: if we ourselves
            // were late, the packets that came meanwhile prove the peer alive.
            Receive(v4);
            Receive(v6);
            foreach (Link link in links)
            {
                if (link.Session.Expire(now)) Tell(link.Session);
            }
        }

        foreach (Link link in links) Close(link);
        v4.Socket?.Dispose();
        v6.Socket?.Dispose();
    }

    /// <summary>Sends what is due. Gives when the next timer fires.</summary>
    private TimeSpan SendDue()
    {
        TimeSpan next = now + OpenAgain;
        foreach (Link link in links)
        {
            if (link.Session.SendAt <= now) Send(link, link.Session.Periodic(now));
            if (link.Session.NextTimer < next) next = link.Session.NextTimer;
        }

        return next;
    }

    private void Wait(TimeSpan until)
    {
        poller.Clear();
        if (links.Count > 0)
        {
            Open(v4);
            Open(v6);
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
            bool bound = socket.TellHops() == 0 && socket.Bind(v4 ? IPAddress.Any : IPAddress.IPv6Any, Port) == 0;
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
            BfdReject reject = Judge(out BfdPacket packet, out Link? link);
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

    private BfdReject Judge(out BfdPacket packet, out Link? link)
    {
        link = null;
        BfdReject reject = BfdPacket.TryParse(datagram.Data, out packet);
        if (reject != BfdReject.None) return reject;
        if (datagram.Hops != HopsMax) return BfdReject.Hops;
        // RFC 5880 §6.3: by our discriminator once the peer knows it, by the sender's address before. Both must agree:
        // a session's packets come from its peer alone.
        if (!byAddress.TryGetValue(SocketAddressBytes.Bits(datagram.Sender), out link)) return BfdReject.NoSession;
        return packet.YourDiscriminator == 0 || packet.YourDiscriminator == link.Session.Discriminator
            ? BfdReject.None
            : BfdReject.NoSession;
    }

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
        for (int attempt = 0; attempt < 8; attempt++)
        {
            KernelSocket socket = KernelSocket.Udp(target.Address.AddressFamily);
            _ = socket.SendHops(HopsMax);
            _ = socket.TrafficClass(Cs6);
            bool ready = socket.Bind(local, SourcePortMin + random.Next(SourcePortCount)) == 0
                && socket.Connect(target.Address, Port) == 0;
            if (ready)
            {
                link.Socket = socket;
                return;
            }

            socket.Dispose();
        }
    }

    private void TakeTargets(ImmutableArray<BfdTarget> targets)
    {
        var old = links.ToDictionary(link => (link.Session.Target.Peer, link.Session.Target.Address));
        List<Link> kept = [];
        foreach (BfdTarget target in targets)
        {
            bool known = old.Remove((target.Peer, target.Address), out Link? same);
            if (known && Equals(same!.Session.Target.Local, target.Local))
            {
                if (!same.Session.Target.Equals(target)) same.Session.Change(target, now);
                kept.Add(same);
                Tell(same.Session); // Its BGP peer may be new and not know.
                continue;
            }

            if (same is not null) Close(same);
            var link = new Link(new BfdSession(target, NewDiscriminator(), random, now));
            kept.Add(link);
        }

        foreach (Link gone in old.Values) Close(gone);
        links.Clear();
        links.AddRange(kept);
        byAddress.Clear();
        foreach (Link link in links) byAddress[Prefix.BitsOf(link.Session.Target.Address)] = link;
    }

    private void Close(Link link)
    {
        // Departs from RFC 5880 §6.8.16: AdminDown should be sent for a detection time; a process that ends cannot
        // wait for it, so three packets go at once, against the loss of one.
        link.Session.Disable();
        for (int i = 0; i < GoodbyePackets; i++) Send(link, link.Session.Periodic(now));
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

    private void Tell(BfdSession session) =>
        onChange(new BfdChange(session.Target.Peer, session.State, session.Remote, session.Diagnostic));

    private sealed class Link(BfdSession session)
    {
        public BfdSession Session => session;

        public KernelSocket? Socket { get; set; }

        public TimeSpan OpenAt { get; set; } = TimeSpan.Zero;
    }

    private sealed class Receiver(AddressFamily family)
    {
        public AddressFamily Family => family;

        public KernelSocket? Socket { get; set; }

        public TimeSpan OpenAt { get; set; } = TimeSpan.Zero;
    }
}
