using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Net;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.Dns.Server;

/// <summary>
/// One thread for all TCP clients (RFC 7766): queries may be pipelined, answers go out in their order, and every
/// client is bound by the limits of the options. Time comes from the provider's timestamps.
/// </summary>
internal sealed class TcpWorker(
    IReadOnlyList<Socket> listeners,
    DnsServerOptions options,
    Snapshot<DnsTable> table,
    AnswerGuard guard,
    TimeProvider time) : IDisposable
{
    private const int PollMilliseconds = 100;

    /// <summary>So many queries of one client before the others have their turn.</summary>
    private const int QueriesAtOnce = 32;

    /// <summary>Transfers of one client at a time; more are refused.</summary>
    private const int StreamsMax = 4;
    private const int StreamMessagesAtOnce = 4;
    private const int AcceptsAtOnce = 64;

    private readonly List<TcpConnection> connections = [];
    private readonly Dictionary<UInt128, int> countOfClient = [];
    private readonly byte[] answer = new byte[2 + ushort.MaxValue];
    private Libc.PollFd[] polled = new Libc.PollFd[64];
    private volatile bool stopping;

    public void Stop() => stopping = true;

    public void Run()
    {
        while (!stopping)
        {
            int count = Prepare();
            bool waiting = connections.Exists(connection => connection.HasMore);
            _ = Libc.Poll(ref polled[0], (nuint)count, waiting ? 0 : PollMilliseconds);
            long now = time.GetTimestamp();
            TimeSpan idle = IdleNow();
            guard.State.KeepaliveTenths = (int)(idle.TotalMilliseconds / 100);
            // Backwards, because a closed connection gives its place to the last one.
            for (int i = connections.Count - 1; i >= 0; i--)
            {
                bool ready = polled[listeners.Count + i].Returned != 0 || connections[i].HasMore;
                if (ready && !Serve(connections[i], now)) Close(i);
                else if (time.GetElapsedTime(connections[i].LastQueryAt, now) > idle) CloseIdle(i);
            }

            for (int i = 0; i < listeners.Count; i++)
            {
                if (polled[i].Returned == 0) continue;
                for (int more = AcceptsAtOnce; more > 0 && Accept(listeners[i], now); more--)
                {
                    // Nobody shall wait for a connection longer than for an answer.
                }
            }
        }
    }

    public void Dispose()
    {
        foreach (TcpConnection connection in connections) connection.Dispose();
        foreach (Socket listener in listeners) listener.Dispose();
    }

    private int Prepare()
    {
        int count = listeners.Count + connections.Count;
        if (polled.Length < count) polled = new Libc.PollFd[count * 2];
        for (int i = 0; i < listeners.Count; i++)
            polled[i] = new Libc.PollFd { Fd = (int)listeners[i].Handle, Events = Libc.POLLIN };
        for (int i = 0; i < connections.Count; i++)
        {
            TcpConnection connection = connections[i];
            polled[listeners.Count + i] = new Libc.PollFd
            {
                Fd = (int)connection.Socket.Handle,
                Events = connection.HasUnsent ? Libc.POLLOUT
                    : (short)((connection.InputEnded ? 0 : Libc.POLLIN)
                        | (connection.Streams.Count > 0 ? Libc.POLLOUT : 0)),
            };
        }

        return count;
    }

    /// <summary>False: the connection is over.</summary>
    private bool Serve(TcpConnection connection, long now)
    {
        if (connection.HasUnsent)
        {
            if (!connection.TrySendRest()) return false;
            if (connection.Streams.Count > 0 && !connection.HasUnsent) connection.LastQueryAt = now;
        }
        else if (!connection.HasMore && !connection.InputEnded && !connection.TryReceive())
        {
            if (connection.IsInMessage) guard.Counters.Add(DnsCounter.TcpClosedFormat);
            return false;
        }

        guard.At(time.GetUtcNow(), TimeSpan.Zero);
        return ServeQueries(connection, now) && ServeStreams(connection) && !connection.IsDone;
    }

    private bool ServeQueries(TcpConnection connection, long now)
    {
        DnsTable current = table.Current;
        connection.HasMore = false;
        var asker = new Asker(connection.Client, Transport.Tcp);
        for (int i = 0; i < QueriesAtOnce && !connection.HasUnsent; i++)
        {
            if (!connection.TryTake(out ReadOnlySpan<byte> query)) return true;
            connection.LastQueryAt = now;
            if (connection.Streams.Count < StreamsMax && guard.OpenStream(query, asker) is { } stream)
            {
                guard.Counters.Add(DnsCounter.Transfers);
                connection.Streams.Add(stream);
                continue;
            }

            int length = guard.Answer(current, query, asker, answer.AsSpan(2));
            if (length == 0)
            {
                // What we would not answer in a datagram has no place in a stream either: it is out of step.
                guard.Counters.Add(DnsCounter.TcpClosedFormat);
                return false;
            }

            if (!TrySend(connection, length)) return false;
        }

        connection.HasMore = !connection.HasUnsent;
        return true;
    }

    // A few messages a turn, of one transfer after the other; queries of the same client come in between.
    private bool ServeStreams(TcpConnection connection)
    {
        for (int i = 0; i < StreamMessagesAtOnce && connection.Streams.Count > 0 && !connection.HasUnsent; i++)
        {
            IAnswerStream stream = connection.Streams[0];
            int length = guard.Next(stream, answer.AsSpan(2));
            // A broken transfer must not look like a whole one: the connection goes with it (RFC 5936 §2.2).
            if (length < 0) return false;
            if (length > 0)
            {
                if (!TrySend(connection, length)) return false;
                continue;
            }

            connection.Streams.RemoveAt(0);
            stream.Dispose();
        }

        return true;
    }

    private bool TrySend(TcpConnection connection, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(answer, (ushort)length);
        return connection.TrySend(answer.AsSpan(0, 2 + length));
    }

    // RFC 7766 §6.2.3 and RFC 7828 §3.3.2: who has many clients gives each less time. From half of the connections on
    // the time goes down, to a fifth.
    private TimeSpan IdleNow()
    {
        double used = connections.Count / (double)options.TcpConnectionsMax;
        return options.TcpIdle * (1 - (1.6 * Math.Max(0, Math.Min(1, used) - 0.5)));
    }

    /// <summary>False: nobody waits any more.</summary>
    private bool Accept(Socket listener, long now)
    {
        Socket socket;
        try
        {
            socket = listener.Accept();
        }
        catch (SocketException fault)
        {
            if (fault.SocketErrorCode == SocketError.WouldBlock) return false;
            // The client was gone before we came. Out of descriptors: a quiet client gives way, the next poll tries
            // again.
            guard.Counters.Add(DnsCounter.TcpRefusedTotal);
            if (fault.SocketErrorCode == SocketError.TooManyOpenSockets && connections.Count > 0) EvictIdlest(now);
            return false;
        }

        TakeIn(socket, now);
        return true;
    }

    private void TakeIn(Socket socket, long now)
    {
        UInt128 client = Prefix.BitsOf(((IPEndPoint)socket.RemoteEndPoint!).Address);
        UInt128 group = GroupOf(client);
        if (countOfClient.GetValueOrDefault(group) >= options.TcpConnectionsPerClientMax)
        {
            guard.Counters.Add(DnsCounter.TcpRefusedClient);
            socket.Dispose();
            return;
        }

        if (connections.Count >= options.TcpConnectionsMax && !EvictIdlest(now))
        {
            guard.Counters.Add(DnsCounter.TcpRefusedTotal);
            socket.Dispose();
            return;
        }

        socket.Blocking = false;
        socket.NoDelay = true;
        countOfClient[group] = countOfClient.GetValueOrDefault(group) + 1;
        connections.Add(new TcpConnection(socket, client, now));
        guard.Counters.Add(DnsCounter.TcpAccepted);
    }

    // One host has a whole /64 to call from (RFC 7766 §6.2.2 leaves the measure to us).
    private static UInt128 GroupOf(UInt128 client) =>
        Prefix.OfMapped(client, 128).IsIPv4 ? client : Prefix.OfMapped(client, 64).Bits;

    // Who has been quiet for a second gives way; if none has, all are at work and the new one must come again.
    private bool EvictIdlest(long now)
    {
        int idlest = 0;
        for (int i = 1; i < connections.Count; i++)
        {
            if (connections[i].LastQueryAt < connections[idlest].LastQueryAt) idlest = i;
        }

        if (time.GetElapsedTime(connections[idlest].LastQueryAt, now) < TimeSpan.FromSeconds(1)) return false;
        guard.Counters.Add(DnsCounter.TcpEvicted);
        Close(idlest);
        return true;
    }

    private void CloseIdle(int index)
    {
        guard.Counters.Add(DnsCounter.TcpClosedIdle);
        Close(index);
    }

    private void Close(int index)
    {
        TcpConnection connection = connections[index];
        UInt128 group = GroupOf(connection.Client);
        int left = countOfClient.GetValueOrDefault(group) - 1;
        if (left > 0) countOfClient[group] = left;
        else countOfClient.Remove(group);
        connections[index] = connections[^1];
        connections.RemoveAt(connections.Count - 1);
        connection.Dispose();
    }
}
