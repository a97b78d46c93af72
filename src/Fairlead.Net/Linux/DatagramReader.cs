using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>
/// Receives datagrams with the sender and the TTL or hop limit they came with (KernelSocket.TellHops). Its buffers
/// are native and its own, so that a read allocates nothing. One thread.
/// </summary>
public sealed unsafe class DatagramReader : IDisposable
{
    private const int ControlSize = 128;
    private readonly int capacity;
    private readonly byte* data;
    private readonly byte* name;
    private readonly byte* control;
    private int length;
    private int nameLength;

    public DatagramReader(int capacity)
    {
        this.capacity = capacity;
        data = (byte*)NativeMemory.AllocZeroed((nuint)(capacity + SocketAddressBytes.SizeMax + ControlSize));
        name = data + capacity;
        control = name + SocketAddressBytes.SizeMax;
    }

    public ReadOnlySpan<byte> Data => new(data, length);

    /// <summary>The sender as a socket address (SocketAddressBytes).</summary>
    public ReadOnlySpan<byte> Sender => new(name, nameLength);

    /// <summary>The TTL or hop limit; -1 when the kernel did not tell.</summary>
    public int Hops { get; private set; }

    /// <summary>Takes the next datagram. False when none waits.</summary>
    public bool TryRead(KernelSocket socket)
    {
        var vector = new Libc.IoVec { Base = data, Length = (nuint)capacity };
        var message = new Libc.MsgHdr
        {
            Name = name,
            NameLength = SocketAddressBytes.SizeMax,
            Vectors = &vector,
            VectorCount = 1,
            Control = control,
            ControlLength = ControlSize,
        };
        nint read = Libc.RecvMsg(socket.Fd, &message, Libc.MSG_DONTWAIT);
        if (read < 0) return false;
        (length, nameLength) = ((int)read, (int)message.NameLength);
        Hops = HopsOf(&message);
        return true;
    }

    public void Dispose() => NativeMemory.Free(data);

    private static int HopsOf(Libc.MsgHdr* message)
    {
        byte* at = (byte*)message->Control;
        byte* end = at + message->ControlLength;
        while (at + sizeof(Libc.CMsgHdr) + sizeof(int) <= end)
        {
            var header = (Libc.CMsgHdr*)at;
            bool v4 = header->Level == Libc.IPPROTO_IP && header->Kind == Libc.IP_TTL;
            bool v6 = header->Level == Libc.IPPROTO_IPV6 && header->Kind == Libc.IPV6_HOPLIMIT;
            if (v4 || v6) return *(int*)(at + sizeof(Libc.CMsgHdr));
            if (header->Length < (nuint)sizeof(Libc.CMsgHdr)) break;
            at += (header->Length + 7) & ~(nuint)7; // cmsg(3): each header is aligned to a word.
        }

        return -1;
    }
}
