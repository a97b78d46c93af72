using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Dns;

/// <summary>What came of one run. Microseconds are from sending to receiving, of every answer.</summary>
internal sealed record Run(
    long Sent, long Answered, double Seconds, long BytesOut, long BytesIn, int[] Rcodes, int[] LatencyMicros)
{
    public long Lost => Sent - Answered;

    public double PerSecond => Answered / Seconds;

    public int Percentile(double share)
    {
        long left = (long)(Answered * share);
        for (int i = 0; i < LatencyMicros.Length; i++)
        {
            left -= LatencyMicros[i];
            if (left < 0) return i;
        }

        return LatencyMicros.Length;
    }
}

/// <summary>
/// Asks over one connected socket with many datagrams a system call and a bounded number of open questions, and ends by
/// itself. An answer that has not come in 200 ms is lost.
/// </summary>
internal sealed unsafe class Generator : IDisposable
{
    private const int Batch = 64;
    private const int ReceiveBytes = 2048;
    private const int LatencyMicrosMax = 500_000;
    private static readonly long LostAfter = Stopwatch.Frequency / 5;

    private readonly byte[][] queries;
    private readonly GCHandle[] pins;
    private readonly Socket socket;
    private readonly Libc.MMsgHdr* headers;
    private readonly Libc.IoVec* vectors;
    private readonly byte* buffers;
    private readonly long[] sentAt = new long[65536];
    private ushort nextId;
    private int open;

    public Generator(IPEndPoint server, byte[][] queries)
    {
        this.queries = queries;
        pins = [.. queries.Select(query => GCHandle.Alloc(query, GCHandleType.Pinned))];
        socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveBufferSize = 8 << 20,
            SendBufferSize = 8 << 20,
        };
        socket.Connect(server);
        socket.Blocking = false;
        headers = (Libc.MMsgHdr*)NativeMemory.AllocZeroed(2 * Batch, (nuint)sizeof(Libc.MMsgHdr));
        vectors = (Libc.IoVec*)NativeMemory.AllocZeroed(2 * Batch, (nuint)sizeof(Libc.IoVec));
        buffers = (byte*)NativeMemory.AllocZeroed(Batch, ReceiveBytes);
        for (int i = 0; i < 2 * Batch; i++)
        {
            headers[i] = new Libc.MMsgHdr { Vector = vectors + i, VectorLength = 1 };
            if (i >= Batch) vectors[i] = new() { Base = buffers + ((i - Batch) * ReceiveBytes), Length = ReceiveBytes };
        }
    }

    /// <summary>Asks for so long; perSecondMax 0 is as fast as the window allows.</summary>
    public Run Ask(TimeSpan time, int window, int perSecondMax = 0)
    {
        long begin = Stopwatch.GetTimestamp(), end = begin + (long)(time.TotalSeconds * Stopwatch.Frequency);
        var rcodes = new int[16];
        var latency = new int[LatencyMicrosMax + 1];
        long sent = 0, answered = 0, bytesOut = 0, bytesIn = 0, lastAnswer = begin, now = begin;
        Array.Clear(sentAt);
        open = 0;
        while (now < end || open > 0)
        {
            int room = Math.Min(window - open, Batch);
            if (perSecondMax > 0)
            {
                double due = (now - begin) / (double)Stopwatch.Frequency * perSecondMax;
                room = (int)Math.Clamp(due - sent, 0, room);
            }

            if (now < end && room > 0) sent += Send(room, now, ref bytesOut);
            int got;
            while ((got = Libc.RecvMMsg((int)socket.Handle, headers + Batch, Batch, Libc.MSG_DONTWAIT, null)) > 0)
            {
                now = Stopwatch.GetTimestamp();
                lastAnswer = now;
                for (int i = 0; i < got; i++) answered += Take(i, now, rcodes, latency, ref bytesIn);
                if (got < Batch) break;
            }

            now = Stopwatch.GetTimestamp();
            if (open > 0 && now - lastAnswer > LostAfter)
            {
                // Whatever is still open is lost; its late answers are no longer known by their ids.
                Array.Clear(sentAt);
                open = 0;
                lastAnswer = now;
            }
        }

        double seconds = (Math.Min(lastAnswer, end) - begin) / (double)Stopwatch.Frequency;
        return new Run(sent, answered, seconds, bytesOut, bytesIn, rcodes, latency);
    }

    public void Dispose()
    {
        socket.Dispose();
        foreach (GCHandle pin in pins) pin.Free();
        NativeMemory.Free(headers);
        NativeMemory.Free(vectors);
        NativeMemory.Free(buffers);
    }

    private int Send(int count, long now, ref long bytesOut)
    {
        for (int i = 0; i < count; i++)
        {
            ushort id = (ushort)(nextId + i);
            byte[] query = queries[id % queries.Length];
            BinaryPrimitives.WriteUInt16BigEndian(query, id);
            var memory = (void*)pins[id % queries.Length].AddrOfPinnedObject();
            vectors[i] = new() { Base = memory, Length = (nuint)query.Length };
        }

        int sent = Math.Max(0, Libc.SendMMsg((int)socket.Handle, headers, (uint)count, Libc.MSG_DONTWAIT));
        for (int i = 0; i < sent; i++)
        {
            ushort id = nextId++;
            if (sentAt[id] != 0) open--; // Lost: its number has come round again.
            sentAt[id] = now;
            bytesOut += queries[id % queries.Length].Length;
        }

        open += sent;
        return sent;
    }

    private int Take(int index, long now, int[] rcodes, int[] latency, ref long bytesIn)
    {
        byte* answer = buffers + (index * ReceiveBytes);
        int id = (answer[0] << 8) | answer[1];
        if (sentAt[id] == 0) return 0;
        long micros = (now - sentAt[id]) / (Stopwatch.Frequency / 1_000_000);
        latency[Math.Min(micros, LatencyMicrosMax)]++;
        sentAt[id] = 0;
        open--;
        rcodes[answer[3] & 0xf]++;
        bytesIn += headers[Batch + index].Length;
        return 1;
    }
}
