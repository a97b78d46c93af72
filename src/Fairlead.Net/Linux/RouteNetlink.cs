using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>How an XDP program runs on a device (IFLA_XDP_ATTACHED).</summary>
public enum XdpAttachment : byte
{
    None = 0,
    Native = 1,
    Generic = 2,
    Hardware = 3,
}

/// <summary>
/// A device. Its address is null where it has none of six bytes; a VLAN's frames leave by the device below, with a tag.
/// </summary>
public sealed record KernelLink(
    uint Index, string Name, PhysicalAddress? Address, int Mtu, uint Below, ushort Vlan, XdpAttachment Xdp);

/// <summary>The way to one address: no gateway where it is on the link itself.</summary>
public sealed record KernelRoute(uint Device, IPAddress? Gateway, IPAddress Source);

/// <summary>What has changed in the kernel since one asked last.</summary>
[Flags]
public enum KernelChanges
{
    None = 0,
    Routes = 1,
    Neighbours = 2,
    All = Routes | Neighbours,
}

/// <summary>
/// Devices, routes and neighbours as the kernel has them (rtnetlink(7)), and word of what changes. It speaks of the
/// network namespace of the thread that made it. One owner.
/// </summary>
public sealed unsafe class RouteNetlink : IDisposable
{
    private const int Family = 16, Route = 0;
    private const ushort Error = 2, Done = 3;
    private const ushort NewLink = 16, GetLink = 18, NewRoute = 24, GetRoute = 26, NewNeighbour = 28;
    private const ushort DeleteNeighbour = 29, GetNeighbour = 30;
    private const ushort Request = 1, Dump = 0x300;
    private const byte Unicast = 1;
    // Links, neighbours, IPv4 addresses, routes and rules, IPv6 addresses, routes and rules.
    private const uint Groups = 1 | 4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x40000;
    // Without NUD_INCOMPLETE and NUD_FAILED: their addresses are none.
    private const ushort Answers = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;
    // A reply takes about a kilobyte of the socket's buffer, which holds two hundred.
    private const int BatchMax = 64;

    private int asking;
    private int hearing;
    // The kernel fills up to 32 KiB of one datagram.
    private readonly byte[] buffer = new byte[1 << 16];
    private uint sequence;

    public RouteNetlink()
    {
        asking = Open(0, 0);
        hearing = Open(Groups, Libc.SOCK_NONBLOCK);
    }

    public List<KernelLink> Links()
    {
        var links = new List<KernelLink>();
        Span<byte> question = stackalloc byte[16]; // struct ifinfomsg
        question.Clear();
        Ask(GetLink, question, NewLink, body =>
        {
            if (ReadLink(body) is { } link) links.Add(link);
        });
        return links;
    }

    /// <summary>Neighbours whose address is known, by device and IP address.</summary>
    public Dictionary<(uint Device, IPAddress Address), PhysicalAddress> Neighbours()
    {
        var neighbours = new Dictionary<(uint, IPAddress), PhysicalAddress>();
        Span<byte> question = stackalloc byte[12]; // struct ndmsg
        question.Clear();
        Ask(GetNeighbour, question, NewNeighbour, body =>
        {
            if (body.Length < 12 || (Netlink.U16(body[8..]) & Answers) == 0) return;
            ReadOnlySpan<byte> all = body[12..];
            ReadOnlySpan<byte> to = NetlinkAttributes.Find(all, 1), address = NetlinkAttributes.Find(all, 2);
            if (to.Length is 4 or 16 && address.Length == 6)
                neighbours[(Netlink.U32(body[4..]), new IPAddress(to))] = new PhysicalAddress(address.ToArray());
        });
        return neighbours;
    }

    /// <summary>
    /// The way that the kernel itself would go to each address, rules and all; null: there is none, or it is our own.
    /// </summary>
    public KernelRoute?[] Routes(ReadOnlySpan<IPAddress> to)
    {
        var routes = new KernelRoute?[to.Length];
        for (int at = 0; at < to.Length; at += BatchMax)
        {
            ReadOnlySpan<IPAddress> batch = to[at..Math.Min(to.Length, at + BatchMax)];
            int bytes = 0;
            uint first = sequence;
            foreach (IPAddress address in batch) bytes += WriteQuestion(buffer.AsSpan(bytes), address);
            Send(buffer.AsSpan(0, bytes));
            for (int left = batch.Length; left > 0;)
            {
                var messages = new NetlinkReader(buffer.AsSpan(0, Receive(asking)));
                while (messages.Next())
                {
                    uint number = messages.Header.Sequence - first - 1;
                    if (number >= batch.Length) continue;
                    left--;
                    if (messages.Header.Kind == NewRoute) routes[at + (int)number] = ReadRoute(messages.Body);
                }
            }
        }

        return routes;
    }

    /// <summary>What has changed since the last time. Waits until there is something, or the time is over.</summary>
    public KernelChanges TakeChanges(TimeSpan wait)
    {
        var changes = KernelChanges.None;
        var poll = new Libc.PollFd { Fd = hearing, Events = Libc.POLLIN };
        var timeout = new Libc.TimeSpec { Nanoseconds = wait.Ticks * TimeSpan.NanosecondsPerTick };
        _ = Libc.PPoll(&poll, 1, &timeout, null);
        while (true)
        {
            int bytes = Receive(hearing);
            if (bytes == -Libc.EAGAIN) return changes;
            // Some word was lost: everything may have changed.
            if (bytes == -Libc.ENOBUFS) changes |= KernelChanges.All;
            var messages = new NetlinkReader(buffer.AsSpan(0, Math.Max(0, bytes)));
            while (messages.Next())
            {
                changes |= messages.Header.Kind is NewNeighbour or DeleteNeighbour
                    ? KernelChanges.Neighbours : KernelChanges.Routes;
            }
        }
    }

    public void Dispose()
    {
        Libc.CloseOnce(ref asking);
        Libc.CloseOnce(ref hearing);
    }

    private static int Open(uint groups, int flags)
    {
        int fd = Libc.Socket(Family, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC | flags, Route);
        if (fd < 0) throw new IOException($"rtnetlink: no socket: errno {Marshal.GetLastPInvokeError()}");
        // struct sockaddr_nl: family u16, padding u16, port u32 (0: the kernel chooses), groups u32.
        byte* address = stackalloc byte[12];
        new Span<byte>(address, 12).Clear();
        *(ushort*)address = Family;
        *(uint*)(address + 8) = groups;
        if (Libc.Bind(fd, address, 12) == 0) return fd;
        int error = Marshal.GetLastPInvokeError();
        Libc.CloseOnce(ref fd);
        throw new IOException($"rtnetlink: bind: errno {error}");
    }

    private void Ask(ushort kind, ReadOnlySpan<byte> question, ushort answer, Action<ReadOnlySpan<byte>> take)
    {
        Span<byte> message = stackalloc byte[NetlinkHeader.Bytes + question.Length];
        WriteHeader(message, kind, Request | Dump);
        question.CopyTo(message[NetlinkHeader.Bytes..]);
        Send(message);
        while (true)
        {
            var messages = new NetlinkReader(buffer.AsSpan(0, Receive(asking)));
            while (messages.Next())
            {
                if (messages.Header.Sequence != sequence) continue;
                if (messages.Header.Kind == Done) return;
                if (messages.Header.Kind == Error)
                    throw new IOException($"rtnetlink: question {kind}: errno {-(int)Netlink.U32(messages.Body)}");
                if (messages.Header.Kind == answer) take(messages.Body);
            }
        }
    }

    private void WriteHeader(Span<byte> message, ushort kind, int flags)
    {
        var header = new NetlinkHeader
        {
            Length = (uint)message.Length,
            Kind = kind,
            Flags = (ushort)flags,
            Sequence = ++sequence,
        };
        MemoryMarshal.Write(message, header);
    }

    /// <summary>struct rtmsg with the destination behind it. Gives its bytes.</summary>
    private int WriteQuestion(Span<byte> into, IPAddress to)
    {
        bool isIPv4 = to.AddressFamily == AddressFamily.InterNetwork;
        int address = isIPv4 ? 4 : 16, bytes = NetlinkHeader.Bytes + 12 + 4 + address;
        Span<byte> message = into[..bytes];
        message.Clear();
        WriteHeader(message, GetRoute, Request);
        message[16] = (byte)(isIPv4 ? Libc.AF_INET : Libc.AF_INET6);
        message[17] = (byte)(8 * address);
        MemoryMarshal.Write(message[28..], (ushort)(4 + address));
        MemoryMarshal.Write(message[30..], (ushort)1); // RTA_DST
        to.TryWriteBytes(message[32..], out _);
        return bytes;
    }

    private void Send(ReadOnlySpan<byte> message)
    {
        fixed (byte* data = message)
        {
            if (Libc.Send(asking, data, message.Length, 0) != message.Length)
                throw new IOException($"rtnetlink: send: errno {Marshal.GetLastPInvokeError()}");
        }
    }

    /// <summary>The bytes of one datagram; -EAGAIN and -ENOBUFS where one hears, else IOException.</summary>
    private int Receive(int fd)
    {
        fixed (byte* data = buffer)
        {
            while (true)
            {
                nint read = Libc.Recv(fd, data, buffer.Length, 0);
                if (read >= 0) return (int)read;
                int error = Marshal.GetLastPInvokeError();
                if (error == Libc.EINTR) continue;
                if (fd == hearing && error is Libc.EAGAIN or Libc.ENOBUFS) return -error;
                throw new IOException($"rtnetlink: no answer: errno {error}");
            }
        }
    }

    private static KernelLink? ReadLink(ReadOnlySpan<byte> body)
    {
        if (body.Length < 16) return null;
        ReadOnlySpan<byte> all = body[16..];
        ReadOnlySpan<byte> address = NetlinkAttributes.Find(all, 1), info = NetlinkAttributes.Find(all, 18);
        bool isVlan = Netlink.Text(NetlinkAttributes.Find(info, 1)) == "vlan";
        return new KernelLink(
            Netlink.U32(body[4..]),
            Netlink.Text(NetlinkAttributes.Find(all, 3)),
            address.Length == 6 ? new PhysicalAddress(address.ToArray()) : null,
            (int)Netlink.U32(NetlinkAttributes.Find(all, 4)),
            Netlink.U32(NetlinkAttributes.Find(all, 5)),
            isVlan ? Netlink.U16(NetlinkAttributes.Find(NetlinkAttributes.Find(info, 2), 1)) : (ushort)0,
            (XdpAttachment)Netlink.U8(NetlinkAttributes.Find(NetlinkAttributes.Find(all, 43), 2)));
    }

    private static KernelRoute? ReadRoute(ReadOnlySpan<byte> body)
    {
        if (body.Length < 12 || body[7] != Unicast) return null;
        ReadOnlySpan<byte> all = body[12..];
        ReadOnlySpan<byte> source = NetlinkAttributes.Find(all, 7), gateway = NetlinkAttributes.Find(all, 5);
        // RTA_VIA: the family, then a gateway of the other family.
        ReadOnlySpan<byte> via = NetlinkAttributes.Find(all, 18);
        if (gateway.IsEmpty && via.Length > 2) gateway = via[2..];
        if (source.Length is not (4 or 16)) return null;
        return new KernelRoute(Netlink.U32(NetlinkAttributes.Find(all, 4)),
            gateway.Length is 4 or 16 ? new IPAddress(gateway) : null, new IPAddress(source));
    }
}
