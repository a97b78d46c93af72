using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int MSG_TRUNC = 0x20;
    public const int MSG_WAITFORONE = 0x10000;

    // Blocks, so the GC transition stays: SuppressGCTransition is only for calls under a microsecond.
    [LibraryImport("libc", EntryPoint = "recvmmsg", SetLastError = true)]
    public static partial int RecvMMsg(int fd, MMsgHdr* messages, uint count, int flags, void* timeout);

    [LibraryImport("libc", EntryPoint = "sendmmsg", SetLastError = true)]
    public static partial int SendMMsg(int fd, MMsgHdr* messages, uint count, int flags);

    /// <summary>
    /// Waits until one of the descriptors is ready. First is the first of count entries that lie together.
    /// </summary>
    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(ref PollFd first, nuint count, int timeoutMilliseconds);

    /// <summary>struct mmsghdr with its msghdr, 64-bit: 64 bytes, padding after NameLength, Flags and Length.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    public struct MMsgHdr
    {
        [FieldOffset(0)] public byte* Name;
        [FieldOffset(8)] public uint NameLength;
        [FieldOffset(16)] public IoVec* Vector;
        [FieldOffset(24)] public nuint VectorLength;
        [FieldOffset(32)] public byte* Control;
        [FieldOffset(40)] public nuint ControlLength;
        [FieldOffset(48)] public int Flags;
        [FieldOffset(56)] public uint Length;
    }
}

/// <summary>
/// Datagrams in and out, many with one system call, in memory that is taken once. An answer leaves from the address
/// that its question came to, also on a wildcard socket (ip(7) IP_PKTINFO, ipv6(7) IPV6_PKTINFO). One thread's own.
/// </summary>
public sealed unsafe class UdpBatch : IDisposable
{
    private const int NameBytes = 28;     // struct sockaddr_in6, the larger one
    private const int ControlBytes = 64;  // one cmsg of packet information: 32 for IPv4, 40 for IPv6
    private const int CmsgHeaderBytes = 16;

    private readonly int capacity;
    private readonly int bufferBytes;
    private readonly byte* memory;
    private readonly Libc.MMsgHdr* received;
    private readonly Libc.MMsgHdr* replies;
    private readonly Libc.IoVec* vectors;
    private readonly byte* names;
    private readonly byte* controls;
    private readonly byte* buffers;
    private int used;
    private int replyCount;
    private bool disposed;

    /// <summary>Room for so many datagrams of so many bytes, and as many answers.</summary>
    public UdpBatch(int capacity, int bufferBytes)
    {
        (this.capacity, this.bufferBytes) = (capacity, bufferBytes);
        // One block: headers of both directions, their vectors, peer addresses, control data, buffers of both.
        nuint each = (2 * 64) + (2 * 16) + 32 + ControlBytes + (2 * (nuint)bufferBytes);
        memory = (byte*)NativeMemory.AlignedAlloc(each * (nuint)capacity, 64);
        NativeMemory.Clear(memory, each * (nuint)capacity);
        received = (Libc.MMsgHdr*)memory;
        replies = received + capacity;
        vectors = (Libc.IoVec*)(replies + capacity);
        names = (byte*)(vectors + (2 * capacity));
        controls = names + (32 * capacity);
        buffers = controls + (ControlBytes * capacity);
        used = capacity;
        for (int i = 0; i < capacity; i++)
        {
            vectors[i] = new Libc.IoVec { Base = buffers + (i * bufferBytes), Length = (nuint)bufferBytes };
            received[i] = new Libc.MMsgHdr
            {
                Name = names + (32 * i),
                Vector = vectors + i,
                VectorLength = 1,
                Control = controls + (ControlBytes * i),
            };
        }
    }

    /// <summary>
    /// A bound datagram socket for a batch: shared port (SO_REUSEPORT), packet information on, IPv6 only when it is
    /// IPv6, and a receive that gives up after the wait. SocketException when the address cannot be had.
    /// </summary>
    public static Socket Bind(IPEndPoint local, TimeSpan wait, int kernelBufferBytes)
    {
        const int solSocket = 1, soReusePort = 15, soReceiveTimeout = 20, ipPktInfo = 8, v6ReceivePktInfo = 49;
        bool v6 = local.AddressFamily == AddressFamily.InterNetworkV6;
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (v6) socket.DualMode = false;
            socket.SetRawSocketOption(solSocket, soReusePort, One);
            socket.SetRawSocketOption(v6 ? 41 : 0, v6 ? v6ReceivePktInfo : ipPktInfo, One);
            Span<byte> time = stackalloc byte[16]; // struct timeval, 64-bit
            MemoryMarshal.Write(time, (long)wait.TotalSeconds);
            MemoryMarshal.Write(time[8..], (long)wait.Microseconds + (wait.Milliseconds * 1000L));
            socket.SetRawSocketOption(solSocket, soReceiveTimeout, time);
            socket.ReceiveBufferSize = kernelBufferBytes;
            socket.SendBufferSize = kernelBufferBytes;
            socket.Bind(local);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static ReadOnlySpan<byte> One => [1, 0, 0, 0];

    /// <summary>
    /// Waits for one datagram, then takes what else is queued. 0: interrupted or timed out. IOException: the socket
    /// is gone.
    /// </summary>
    public int Receive(int fd)
    {
        replyCount = 0;
        // The kernel overwrites both, in those that it has filled.
        for (; used > 0; used--)
        {
            received[used - 1].NameLength = NameBytes;
            received[used - 1].ControlLength = ControlBytes;
        }

        int count = Libc.RecvMMsg(fd, received, (uint)capacity, Libc.MSG_WAITFORONE, null);
        if (count >= 0) return used = count;
        used = capacity; // Nobody says which of them an error has touched.
        int error = Marshal.GetLastPInvokeError();
        // A refused answer of ours (ICMP) may come back as an error of the next receive; it concerns one peer only.
        const int refused = 111, hostUnreachable = 113, networkUnreachable = 101;
        return error is Libc.EINTR or Libc.EAGAIN or refused or hostUnreachable or networkUnreachable
            ? 0
            : throw new IOException($"recvmmsg: errno {error}");
    }

    /// <summary>The datagram, cut to the buffer when it was longer.</summary>
    public ReadOnlySpan<byte> Datagram(int index) => new(buffers + (index * bufferBytes), (int)received[index].Length);

    /// <summary>Who sent it, in the 128-bit space, IPv4 in mapped form.</summary>
    public UInt128 Source(int index)
    {
        var name = new ReadOnlySpan<byte>(names + (32 * index), NameBytes);
        if (MemoryMarshal.Read<ushort>(name) == (ushort)AddressFamily.InterNetwork)
            return ((UInt128)0xffffUL << 32) | BinaryPrimitives.ReadUInt32BigEndian(name[4..]);
        return BinaryPrimitives.ReadUInt128BigEndian(name[8..]);
    }

    public ushort SourcePort(int index) =>
        BinaryPrimitives.ReadUInt16BigEndian(new ReadOnlySpan<byte>(names + (32 * index) + 2, 2));

    /// <summary>Where the answer to this datagram is written.</summary>
    public Span<byte> ReplyBuffer(int index) => new(buffers + ((capacity + index) * bufferBytes), bufferBytes);

    /// <summary>Puts the answer, so many bytes of its ReplyBuffer, among those that Send sends.</summary>
    public void Reply(int index, int length)
    {
        Libc.MMsgHdr* question = received + index;
        Libc.IoVec* vector = vectors + capacity + replyCount;
        *vector = new Libc.IoVec { Base = buffers + ((capacity + index) * bufferBytes), Length = (nuint)length };
        ReleaseInterface(question->Control, (int)question->ControlLength);
        replies[replyCount++] = new Libc.MMsgHdr
        {
            Name = question->Name,
            NameLength = question->NameLength,
            Vector = vector,
            VectorLength = 1,
            Control = question->ControlLength > 0 ? question->Control : null,
            ControlLength = question->ControlLength,
        };
    }

    /// <summary>
    /// Sends the answers without ever waiting: a full queue loses them, as the network would. Gives how many were lost.
    /// </summary>
    public int Send(int fd)
    {
        int sent = 0, lost = 0;
        while (sent + lost < replyCount)
        {
            int now = Libc.SendMMsg(fd, replies + sent + lost, (uint)(replyCount - sent - lost), Libc.MSG_DONTWAIT);
            if (now > 0)
            {
                sent += now;
                continue;
            }

            int error = now < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error == Libc.EINTR) continue;
            // The first of those left cannot go (no route to it, a forbidden source); the others may.
            lost = error == Libc.EAGAIN ? replyCount - sent : lost + 1;
        }

        replyCount = 0;
        return lost;
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        NativeMemory.AlignedFree(memory);
    }

    // What the kernel told on the way in is the order on the way out: "send from this address". The interface is taken
    // out, since the way back may be another one; a link-local address (fe80::/10) needs it.
    private static void ReleaseInterface(byte* control, int length)
    {
        if (length < CmsgHeaderBytes + 12) return;
        bool v6 = *(int*)(control + 8) == 41;
        byte* data = control + CmsgHeaderBytes;
        if (!v6) *(int*)data = 0;
        else if (!(data[0] == 0xfe && (data[1] & 0xc0) == 0x80)) *(int*)(data + 16) = 0;
    }
}
