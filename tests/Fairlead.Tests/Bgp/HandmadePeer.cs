using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bgp;

/// <summary>
/// A speaker on 127.0.0.1 that waits passively for one peer on 127.0.0.2, and that peer made by hand: it says what the
/// test wants, however wrong. Nothing leaves the loopback device and no privilege is needed.
/// </summary>
internal sealed class HandmadePeer : IAsyncDisposable
{
    private static int nextPort = 10_000 + (Environment.ProcessId % 20_000);
    private Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly byte[] input = new byte[1 << 16];
    private readonly bool isShared;
    private int length;

    public HandmadePeer(
        Func<PeerOptions, PeerOptions>? with = null, TimeProvider? time = null, ReceivedBudget? budget = null)
    {
        var options = new PeerOptions
        {
            Name = "peer",
            Address = IPAddress.Parse("127.0.0.2"),
            LocalAddress = IPAddress.Loopback,
            Port = Interlocked.Increment(ref nextPort),
            LocalAs = new Asn(65000),
            PeerAs = new Asn(65001),
            RouterId = 0x7f000001,
            Passive = true,
            Export = ExportPolicy.Plain,
        };
        Options = with is null ? options : with(options);
        var guard = new Guard([Prefix.Parse("198.18.0.0/15")]);
        Speaker = new BgpSpeaker(
            [Options], guard, time ?? TimeProvider.System, new Random(1), Events.Enqueue, budget);
        Speaker.Start();
    }

    /// <summary>One of several peers of a speaker, which the test ends.</summary>
    public HandmadePeer(BgpSpeaker speaker, PeerOptions options)
    {
        (Speaker, Options, isShared) = (speaker, options, true);
    }

    public PeerOptions Options { get; }

    public BgpSpeaker Speaker { get; }

    public ConcurrentQueue<BgpEvent> Events { get; } = new();

    public PeerStatus Status => Speaker.Status().Single(peer => peer.Name == Options.Name);

    /// <summary>Connects as soon as the speaker listens.</summary>
    public HandmadePeer Connect()
    {
        length = 0;
        Eventually(() =>
        {
            // A refused connect may cost a socket its address, so each attempt has a new one.
            socket.Dispose();
            socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            {
                NoDelay = true,
                ReceiveTimeout = 10_000,
            };
            socket.Bind(new IPEndPoint(Options.Address, 0));
            try
            {
                socket.Connect(Options.LocalAddress!, Options.Port);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        });
        return this;
    }

    /// <summary>The OPEN that the speaker sent last.</summary>
    public OpenMessage TheirOpen { get; private set; } = null!;

    /// <summary>Connects, exchanges OPEN and KEEPALIVE, and reads on to the End-of-RIB.</summary>
    public HandmadePeer Establish(Func<Capabilities, Capabilities>? with = null)
    {
        Connect();
        (MessageType type, byte[] open) = Receive();
        Assert.Equal(MessageType.Open, type);
        TheirOpen = OpenMessage.TryRead(open, out _)!;
        SendOpen(with: with);
        SendKeepalive();
        Assert.Equal(MessageType.Keepalive, Receive().Type);
        while (Receive() is not (MessageType.Update, { Length: 4 }))
        {
        }

        Eventually(() => Status.State == SessionState.Established);
        return this;
    }

    /// <summary>Offers what the options do, and what the test adds.</summary>
    public void SendOpen(
        uint asn = 65001, uint routerId = 0x7f000002, Func<Capabilities, Capabilities>? with = null)
    {
        var capabilities = new Capabilities { Families = Options.OfferedFamilies, FourOctetAs = new Asn(asn) };
        byte[] buffer = new byte[Message.SizeMax];
        var writer = new WireWriter(buffer);
        new OpenMessage
        {
            As = new Asn(asn),
            HoldSeconds = 90,
            RouterId = routerId,
            Capabilities = with is null ? capabilities : with(capabilities),
        }.Write(ref writer);
        Send(writer.Written);
    }

    public void SendKeepalive() => Send(MessageType.Keepalive, []);

    public void Send(MessageType type, byte[] body)
    {
        int size = Message.HeaderSize + body.Length;
        Send([.. Enumerable.Repeat((byte)0xff, 16), (byte)(size >> 8), (byte)size, (byte)type, .. body]);
    }

    public void Send(ReadOnlySpan<byte> bytes) => Assert.Equal(bytes.Length, socket.Send(bytes));

    /// <summary>The next message; type 0 when the speaker has closed the connection.</summary>
    public (MessageType Type, byte[] Body) Receive()
    {
        while (true)
        {
            if (Message.TryFrame(input.AsSpan(0, length), out MessageType type, out int size, out _))
            {
                byte[] body = input[Message.HeaderSize..size];
                input.AsSpan(size, length - size).CopyTo(input);
                length -= size;
                return (type, body);
            }

            int read = socket.Receive(input.AsSpan(length));
            if (read == 0) return (0, []);
            length += read;
        }
    }

    /// <summary>The type of the next message; 0 when the speaker does not want the connection.</summary>
    public MessageType ReceiveOrEnd()
    {
        try
        {
            return Receive().Type;
        }
        catch (SocketException)
        {
            return 0; // It was reset, and not only closed.
        }
    }

    /// <summary>Reads on to the NOTIFICATION.</summary>
    public Notification ReceiveNotification()
    {
        while (true)
        {
            (MessageType type, byte[] body) = Receive();
            Assert.NotEqual((MessageType)0, type);
            if (type == MessageType.Notification) return Notification.Read(body);
        }
    }

    /// <summary>Ends the connection without a word.</summary>
    public void Disconnect() => socket.Dispose();

    public static void Eventually(Func<bool> condition, double seconds = 10) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(seconds)), $"not within {seconds} s");

    public async ValueTask DisposeAsync()
    {
        socket.Dispose();
        if (!isShared) await Speaker.StopAsync("the test has ended");
    }
}
