using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Fairlead.Net.Linux;

/// <summary>
/// A non-blocking socket for the threads that poll by themselves: TCP MD5 signatures, TTL security and hop limits are
/// the kernel's, and no call throws: each gives 0 or the errno. It lives in the network namespace of the thread that
/// made it. One owner; Dispose closes it.
/// </summary>
public sealed unsafe class KernelSocket : IDisposable
{
    private const int Md5KeyLengthMax = 80;
    private const int Md5StructSize = 216;

    private int fd;

    private KernelSocket(int fd, AddressFamily family) => (this.fd, Family) = (fd, family);

    public int Fd => fd;

    public AddressFamily Family { get; }

    private bool IsIPv4 => Family == AddressFamily.InterNetwork;

    /// <summary>A TCP socket. IOException when the kernel gives none (out of descriptors).</summary>
    public static KernelSocket Tcp(AddressFamily family) => Make(family, Libc.SOCK_STREAM);

    /// <summary>A UDP socket. IOException when the kernel gives none (out of descriptors).</summary>
    public static KernelSocket Udp(AddressFamily family) => Make(family, Libc.SOCK_DGRAM);

    /// <summary>
    /// An ICMP or ICMPv6 socket that sends and hears echoes. The kernel's own kind first, which needs no privilege
    /// where net.ipv4.ping_group_range allows it; then a raw one, which needs CAP_NET_RAW. IOException when there is
    /// neither.
    /// </summary>
    public static KernelSocket Icmp(AddressFamily family, out bool isRaw)
    {
        bool isIPv4 = family == AddressFamily.InterNetwork;
        (int number, int protocol) = isIPv4 ? (Libc.AF_INET, Libc.IPPROTO_ICMP) : (Libc.AF_INET6, Libc.IPPROTO_ICMPV6);
        int flags = Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC;
        isRaw = false;
        int fd = Libc.Socket(number, Libc.SOCK_DGRAM | flags, protocol);
        if (fd >= 0) return new KernelSocket(fd, family);
        isRaw = true;
        fd = Libc.Socket(number, Libc.SOCK_RAW | flags, protocol);
        return fd >= 0
            ? new KernelSocket(fd, family)
            : throw new IOException($"socket for ICMP: errno {Marshal.GetLastPInvokeError()}");
    }

    public int Bind(IPAddress address, int port)
    {
        byte* bytes = stackalloc byte[SocketAddressBytes.SizeMax];
        int length = SocketAddressBytes.Write(new Span<byte>(bytes, SocketAddressBytes.SizeMax), address, port);
        return Errno(Libc.Bind(Fd, bytes, length));
    }

    public int Listen(int backlog) => Errno(Libc.Listen(Fd, backlog));

    /// <summary>Begins to connect; EINPROGRESS is the usual answer for TCP.</summary>
    public int Connect(IPAddress address, int port)
    {
        byte* bytes = stackalloc byte[SocketAddressBytes.SizeMax];
        int length = SocketAddressBytes.Write(new Span<byte>(bytes, SocketAddressBytes.SizeMax), address, port);
        return Errno(Libc.Connect(Fd, bytes, length));
    }

    /// <summary>The next waiting connection and who made it; null when there is none.</summary>
    public KernelSocket? Accept(out IPAddress? from)
    {
        byte* bytes = stackalloc byte[SocketAddressBytes.SizeMax];
        int length = SocketAddressBytes.SizeMax;
        int fd = Libc.Accept4(Fd, bytes, &length, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
        from = fd < 0 ? null : SocketAddressBytes.Read(new ReadOnlySpan<byte>(bytes, length), out _);
        return fd < 0 ? null : new KernelSocket(fd, Family);
    }

    /// <summary>Our own address on this socket, once it is bound or connected.</summary>
    public IPAddress? LocalAddress(out int port)
    {
        byte* bytes = stackalloc byte[SocketAddressBytes.SizeMax];
        int length = SocketAddressBytes.SizeMax;
        port = 0;
        return Libc.GetSockName(Fd, bytes, &length) != 0
            ? null
            : SocketAddressBytes.Read(new ReadOnlySpan<byte>(bytes, length), out port);
    }

    /// <summary>How many bytes went out; a negative errno when none did (-EAGAIN: the buffer is full).</summary>
    public int Send(ReadOnlySpan<byte> data)
    {
        fixed (byte* bytes = data)
        {
            nint sent = Libc.Send(Fd, bytes, data.Length, Libc.MSG_NOSIGNAL | Libc.MSG_DONTWAIT);
            return sent >= 0 ? (int)sent : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>
    /// How many bytes came; 0: the peer has closed; a negative errno otherwise (-EAGAIN: nothing waits).
    /// </summary>
    public int Receive(Span<byte> into)
    {
        fixed (byte* bytes = into)
        {
            nint read = Libc.Recv(Fd, bytes, into.Length, Libc.MSG_DONTWAIT);
            return read >= 0 ? (int)read : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Says that we send no more; what is queued still goes out.</summary>
    public int FinishSending() => Errno(Libc.Shutdown(Fd, Libc.SHUT_WR));

    /// <summary>The error that waits on the socket (how a connect ended); 0 when there is none.</summary>
    public int PendingError()
    {
        int value = 0, length = sizeof(int);
        return Libc.GetSockOpt(Fd, Libc.SOL_SOCKET, Libc.SO_ERROR, &value, &length) == 0
            ? value
            : Marshal.GetLastPInvokeError();
    }

    public int ReuseAddress() => Set(Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);

    public int NoDelay() => Set(Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1);

    /// <summary>
    /// Close resets the connection: it leaves no TIME_WAIT behind, of which who connects often would gather thousands.
    /// </summary>
    public int ResetOnClose()
    {
        long linger = 1; // struct linger: on, and no time at all.
        return Errno(Libc.SetSockOpt(Fd, Libc.SOL_SOCKET, Libc.SO_LINGER, &linger, sizeof(long)));
    }

    public int OnlyIPv6() => IsIPv4 ? 0 : Set(Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1);

    /// <summary>The TTL or hop limit of what we send.</summary>
    public int SendHops(int hops) => IsIPv4
        ? Set(Libc.IPPROTO_IP, Libc.IP_TTL, hops)
        : Set(Libc.IPPROTO_IPV6, Libc.IPV6_UNICAST_HOPS, hops);

    /// <summary>RFC 5082 §3: the kernel drops TCP segments that came with less. 0 takes any.</summary>
    public int RequireHops(int hops) => IsIPv4
        ? Set(Libc.IPPROTO_IP, Libc.IP_MINTTL, hops)
        : Set(Libc.IPPROTO_IPV6, Libc.IPV6_MINHOPCOUNT, hops);

    /// <summary>Each received datagram tells the TTL or hop limit it came with.</summary>
    public int TellHops() => IsIPv4
        ? Set(Libc.IPPROTO_IP, Libc.IP_RECVTTL, 1)
        : Set(Libc.IPPROTO_IPV6, Libc.IPV6_RECVHOPLIMIT, 1);

    /// <summary>The DSCP and ECN byte; routing protocols send CS6 (0xc0, RFC 4594 §3.2).</summary>
    public int TrafficClass(int value) => IsIPv4
        ? Set(Libc.IPPROTO_IP, Libc.IP_TOS, value)
        : Set(Libc.IPPROTO_IPV6, Libc.IPV6_TCLASS, value);

    /// <summary>
    /// RFC 2385: segments to and from this peer carry an MD5 signature, made and checked by the kernel. An empty
    /// password takes the key away. On a listener it must be set before the peer connects.
    /// </summary>
    public int Md5Password(IPAddress peer, string password)
    {
        // struct tcp_md5sig: sockaddr_storage (128), flags u8, prefix length u8, key length u16, ifindex i32, key[80].
        byte* option = stackalloc byte[Md5StructSize];
        var bytes = new Span<byte>(option, Md5StructSize);
        bytes.Clear();
        SocketAddressBytes.Write(bytes, peer, 0);
        int length = Encoding.UTF8.GetByteCount(password);
        if (length > Md5KeyLengthMax) return Libc.EINVAL;
        BitConverter.TryWriteBytes(bytes[130..], (ushort)length);
        Encoding.UTF8.GetBytes(password, bytes[136..]);
        return Errno(Libc.SetSockOpt(Fd, Libc.IPPROTO_TCP, Libc.TCP_MD5SIG, option, Md5StructSize));
    }

    public void Dispose() => Libc.CloseOnce(ref fd);

    private static KernelSocket Make(AddressFamily family, int kind)
    {
        int number = family == AddressFamily.InterNetwork ? Libc.AF_INET : Libc.AF_INET6;
        int fd = Libc.Socket(number, kind | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, 0);
        return fd >= 0
            ? new KernelSocket(fd, family)
            : throw new IOException($"socket: errno {Marshal.GetLastPInvokeError()}");
    }

    private static int Errno(int result) => result >= 0 ? 0 : Marshal.GetLastPInvokeError();

    private int Set(int level, int name, int value) => Errno(Libc.SetSockOpt(Fd, level, name, &value, sizeof(int)));
}
