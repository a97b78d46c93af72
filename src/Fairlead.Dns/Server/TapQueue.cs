using System.Buffers.Binary;
using Fairlead.Dns.Answering;

namespace Fairlead.Dns.Server;

/// <summary>
/// Answers of one thread on their way to the tap: a ring of bytes in fixed memory, one writer and one reader, no lock.
/// Frames stand in it as they go over the wire (length and payload), and one that does not fit is dropped and counted.
/// </summary>
internal sealed class TapQueue(int bytes)
{
    /// <summary>In place of a length: the rest of the ring is empty, go on at its beginning.</summary>
    private const uint Skip = uint.MaxValue;
    private const int AroundBytes = 128; // What a frame has beside the two messages, at most.

    private readonly byte[] ring = new byte[bytes];
    private long written;
    private long read;

    /// <summary>The writer's: what it had to leave out.</summary>
    public long Dropped { get; private set; }

    public void Add(
        in Asker asker, ReadOnlySpan<byte> query, ReadOnlySpan<byte> response, DateTimeOffset asked,
        DateTimeOffset answered)
    {
        int need = 4 + query.Length + response.Length + AroundBytes;
        int at = (int)(written % ring.Length), toEnd = ring.Length - at;
        int taken = toEnd < need ? toEnd + need : need;
        if (need > ring.Length || written + taken - Volatile.Read(ref read) > ring.Length)
        {
            Dropped++;
            return;
        }

        long start = written;
        if (toEnd < need)
        {
            if (toEnd >= 4) BinaryPrimitives.WriteUInt32BigEndian(ring.AsSpan(at), Skip);
            start += toEnd;
            at = 0;
        }

        int length = TapMessage.Write(ring.AsSpan(at + 4, need - 4), asker, query, response, asked, answered);
        BinaryPrimitives.WriteUInt32BigEndian(ring.AsSpan(at), (uint)length);
        Volatile.Write(ref written, start + 4 + length);
    }

    /// <summary>Frames that lie together, ready to send; Took gives their room back.</summary>
    public ReadOnlyMemory<byte> Waiting()
    {
        long end = Volatile.Read(ref written);
        while (read < end)
        {
            int at = (int)(read % ring.Length), toEnd = ring.Length - at, stop = at;
            while (read + (stop - at) < end && ring.Length - stop >= 4
                && BinaryPrimitives.ReadUInt32BigEndian(ring.AsSpan(stop)) is var length and not Skip)
                stop += 4 + (int)length;
            if (stop > at) return ring.AsMemory(at, stop - at);
            Volatile.Write(ref read, read + toEnd);
        }

        return default;
    }

    public void Took(int count) => Volatile.Write(ref read, read + count);
}
