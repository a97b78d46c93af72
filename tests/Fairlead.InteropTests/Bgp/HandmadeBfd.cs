using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Bfd;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Bgp;

/// <summary>
/// Our BFD engine in host "us" (10.9.0.1) and a peer made by hand in host "peer" (10.9.0.2), which sends what the test
/// wants and reads what comes, with the hops and the port it came from.
/// </summary>
internal sealed class HandmadeBfd : IDisposable
{
    public const uint Mine = 0x01020304;
    private static readonly IPAddress Us = IPAddress.Parse("10.9.0.1"), Peer = IPAddress.Parse("10.9.0.2");
    private static int count;
    private readonly Bed bed = new($"fltbfd{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
    private readonly KernelSocket receiver;
    private readonly KernelSocket sender;
    private readonly DatagramReader datagram = new(256);
    private readonly BfdEngine engine;
    private readonly bool multihop;

    public HandmadeBfd(BfdOptions options)
    {
        multihop = options.Multihop;
        bed.AddHost("us");
        bed.AddHost("peer");
        bed.AddLink("us", "eth0", "peer", "eth0");
        bed.AddAddress("us", "eth0", "10.9.0.1/24");
        bed.AddAddress("peer", "eth0", "10.9.0.2/24");
        (receiver, sender) = NetworkNamespace.Run(bed.NamespaceOf("peer"), () =>
        {
            KernelSocket takes = KernelSocket.Udp(AddressFamily.InterNetwork);
            Assert.Equal(0, takes.TellHops());
            Assert.Equal(0, takes.Bind(Peer, Port));
            KernelSocket sends = KernelSocket.Udp(AddressFamily.InterNetwork);
            Assert.Equal(0, sends.Bind(Peer, 50_000));
            Assert.Equal(0, sends.Connect(Us, Port));
            Assert.Equal(0, sends.SendHops(255));
            return (takes, sends);
        });
        engine = new BfdEngine(TimeProvider.System, new Random(1), Changes.Add);
        NetworkNamespace.Run(bed.NamespaceOf("us"), () =>
        {
            engine.Start();
            return 0;
        });
        engine.Set([new BfdTarget("peer", Peer, Us, options)]);
    }

    public BfdEngine Engine => engine;

    /// <summary>What the engine has told, in order.</summary>
    public SynchronizedChanges Changes { get; } = new();

    /// <summary>The last packet that came.</summary>
    public BfdPacket Last { get; private set; }

    public int LastHops { get; private set; }

    public int LastPort { get; private set; }

    public Stopwatch Clock { get; } = Stopwatch.StartNew();

    private int Port => multihop ? 4784 : 3784;

    /// <summary>The next packet within the time; false when none comes.</summary>
    public bool TryReceive(double seconds)
    {
        if (!SpinWait.SpinUntil(() => datagram.TryRead(receiver), TimeSpan.FromSeconds(seconds))) return false;
        Assert.Equal(BfdReject.None, BfdPacket.TryParse(datagram.Data, out BfdPacket packet));
        SocketAddressBytes.Read(datagram.Sender, out int port);
        (Last, LastHops, LastPort) = (packet, datagram.Hops, port);
        return true;
    }

    public BfdPacket Receive(double seconds = 2)
    {
        Assert.True(TryReceive(seconds), $"no packet within {seconds} s");
        return Last;
    }

    /// <summary>Reads on to a packet that fits.</summary>
    public BfdPacket ReceiveWhere(Func<BfdPacket, bool> fits, double seconds = 5)
    {
        var clock = Stopwatch.StartNew();
        while (!fits(Receive())) Assert.True(clock.Elapsed.TotalSeconds < seconds, $"no such packet: {Last}");
        return Last;
    }

    /// <summary>Our side of the peer: what it says when nothing is wrong.</summary>
    public BfdPacket Saying(BfdState state) => new(
        state, BfdDiagnostic.None, 3, Mine, Last.MyDiscriminator, TimeSpan.FromMilliseconds(50),
        TimeSpan.FromMilliseconds(50));

    public void Send(BfdPacket packet)
    {
        byte[] wire = new byte[BfdPacket.Size];
        packet.Write(wire);
        Send(wire);
    }

    public void Send(byte[] wire) => Assert.Equal(wire.Length, sender.Send(wire));

    public void SendHops(int hops) => Assert.Equal(0, sender.SendHops(hops));

    /// <summary>Brings the session up and answers the poll sequence.</summary>
    public void BringUp()
    {
        Receive();
        Send(Saying(BfdState.Down));
        ReceiveWhere(packet => packet.State == BfdState.Init);
        Send(Saying(BfdState.Init));
        ReceiveWhere(packet => packet is { State: BfdState.Up, Poll: true });
        Send(Saying(BfdState.Up) with { Final = true });
        ReceiveWhere(packet => packet is { State: BfdState.Up, Poll: false });
    }

    public void Dispose()
    {
        engine.Dispose();
        receiver.Dispose();
        sender.Dispose();
        datagram.Dispose();
        bed.Dispose();
    }
}

/// <summary>The changes that an engine has told, from its thread.</summary>
internal sealed class SynchronizedChanges
{
    private readonly List<BfdChange> changes = [];

    public void Add(BfdChange change)
    {
        lock (changes) changes.Add(change);
    }

    public BfdChange[] All
    {
        get
        {
            lock (changes) return [.. changes];
        }
    }
}
