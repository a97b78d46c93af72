using Fairlead.Bgp.Wire;
using Fairlead.Net.Linux;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Session;

/// <summary>
/// What waits to be sent on one connection. UPDATEs are written only while there is room beside a reserve for
/// KEEPALIVE and NOTIFICATION; what does not fit stays in the difference of tables, where newer wishes replace it.
/// </summary>
public sealed class SendQueue
{
    private const int Capacity = 64 * 1024;
    private const int Reserve = 2 * Message.SizeMax;
    private byte[] buffer = [];
    private int start;
    private int end;

    public bool IsEmpty => start == end;

    /// <summary>Room for UPDATEs.</summary>
    public WireWriter UpdateWriter()
    {
        Compact();
        return new WireWriter(buffer.AsSpan(end, Math.Max(0, Capacity - Reserve - end)));
    }

    /// <summary>Room for anything else.</summary>
    public WireWriter ControlWriter()
    {
        Compact();
        return new WireWriter(buffer.AsSpan(end));
    }

    /// <summary>What was written is to be sent; gives it.</summary>
    public ReadOnlySpan<byte> Commit(in WireWriter writer)
    {
        ReadOnlySpan<byte> written = buffer.AsSpan(end, writer.Position);
        end += writer.Position;
        return written;
    }

    /// <summary>Sends what the socket takes. Gives the octets sent, or a negative errno that is not EAGAIN.</summary>
    public int Flush(KernelSocket socket)
    {
        int total = 0;
        while (!IsEmpty)
        {
            int sent = socket.Send(buffer.AsSpan(start, end - start));
            if (sent is -Libc.EAGAIN or -Libc.EINTR) return total;
            if (sent < 0) return sent;
            start += sent;
            total += sent;
        }

        start = end = 0;
        return total;
    }

    private void Compact()
    {
        if (buffer.Length == 0) buffer = new byte[Capacity]; // Most connections of a peer never stand.
        if (start == 0) return;
        buffer.AsSpan(start, end - start).CopyTo(buffer);
        (start, end) = (0, end - start);
    }
}
