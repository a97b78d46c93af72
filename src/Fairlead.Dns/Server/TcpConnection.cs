using System.Buffers.Binary;
using System.Net.Sockets;

namespace Fairlead.Dns.Server;

/// <summary>
/// One TCP client: what it sent and has not been answered, what was answered and it has not taken. While an answer
/// waits to be taken nothing more is read, so a client that never reads costs two small buffers and then its time. Its
/// transfers go on only as it takes them.
/// </summary>
internal sealed class TcpConnection(Socket socket, UInt128 client, long now) : IDisposable
{
    private const int InitialBytes = 1024;
    private const int MessageBytesMax = 2 + ushort.MaxValue;

    private byte[] received = new byte[InitialBytes];
    private int receivedStart;
    private int receivedCount;
    private byte[] unsent = [];
    private int unsentStart;
    private int unsentCount;

    public Socket Socket => socket;

    public UInt128 Client => client;

    /// <summary>The timestamp of the last whole query, or of the beginning.</summary>
    public long LastQueryAt { get; set; } = now;

    /// <summary>
    /// Whole queries may be waiting though the socket is silent: the last turn ended before they did.
    /// </summary>
    public bool HasMore { get; set; }

    /// <summary>The client asks nothing more, and only waits for what it has asked for.</summary>
    public bool InputEnded { get; private set; }

    public bool IsDone => InputEnded && Streams.Count == 0 && !HasUnsent;

    public bool HasUnsent => unsentCount > 0;

    public bool IsInMessage => receivedCount > 0;

    /// <summary>Transfers under way, in the order they were asked for.</summary>
    public List<IAnswerStream> Streams { get; } = new(0);

    /// <summary>False when the client has ended or broken the connection.</summary>
    public bool TryReceive()
    {
        if (receivedStart > 0)
        {
            received.AsSpan(receivedStart, receivedCount).CopyTo(received);
            receivedStart = 0;
        }

        if (receivedCount == MessageBytesMax) return true; // Full, so it holds a whole query: serve that first.
        if (receivedCount == received.Length)
            Array.Resize(ref received, Math.Min(received.Length * 4, MessageBytesMax));
        int count = socket.Receive(received.AsSpan(receivedCount), SocketFlags.None, out SocketError error);
        if (error is SocketError.WouldBlock or SocketError.Interrupted) return true;
        if (error != SocketError.Success) return false;
        // RFC 7766 §6.2.4: who will ask nothing more may still want its transfer.
        if (count == 0) return InputEnded = Streams.Count > 0 && !IsInMessage;
        receivedCount += count;
        return true;
    }

    /// <summary>Takes the next whole query out, if it is there; it lies in the buffer until the next receive.</summary>
    public bool TryTake(out ReadOnlySpan<byte> query)
    {
        query = default;
        if (receivedCount < 2) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(received.AsSpan(receivedStart));
        if (receivedCount < 2 + length) return false;
        query = received.AsSpan(receivedStart + 2, length);
        receivedStart += 2 + length;
        receivedCount -= 2 + length;
        return true;
    }

    /// <summary>
    /// Sends bytes (length and message); what the kernel does not take is kept. False: the connection is broken.
    /// </summary>
    public bool TrySend(ReadOnlySpan<byte> bytes)
    {
        int sent = socket.Send(bytes, SocketFlags.None, out SocketError error);
        if (error is SocketError.WouldBlock or SocketError.Interrupted) sent = 0;
        else if (error != SocketError.Success) return false;
        if (sent == bytes.Length) return true;
        unsent = bytes[sent..].ToArray();
        (unsentStart, unsentCount) = (0, unsent.Length);
        return true;
    }

    public bool TrySendRest()
    {
        int sent = socket.Send(unsent.AsSpan(unsentStart, unsentCount), SocketFlags.None, out SocketError error);
        if (error is SocketError.WouldBlock or SocketError.Interrupted) return true;
        if (error != SocketError.Success) return false;
        unsentStart += sent;
        unsentCount -= sent;
        if (unsentCount == 0) unsent = [];
        return true;
    }

    public void Dispose()
    {
        foreach (IAnswerStream stream in Streams) stream.Dispose();
        socket.Dispose();
    }
}
