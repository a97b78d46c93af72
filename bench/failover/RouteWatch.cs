using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Fairlead.Bench.Failover;

/// <summary>Sees the kernel's routes change as they do (rtnetlink(7)), in the namespace of the thread that makes it.</summary>
internal sealed unsafe partial class RouteWatch : IDisposable
{
    private const int AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0x80000, NETLINK_ROUTE = 0;
    private const uint RTMGRP_IPV4_ROUTE = 0x40;
    private const int RTM_NEWROUTE = 24, HeaderBytes = 16, RouteBytes = 12, RTA_DST = 1, RTA_GATEWAY = 5;

    private readonly Socket socket;
    private readonly byte[] buffer = new byte[65536];

    public RouteWatch()
    {
        int fd = OpenSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        byte* address = stackalloc byte[12];
        new Span<byte>(address, 12).Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(new Span<byte>(address, 2), AF_NETLINK);
        BinaryPrimitives.WriteUInt32LittleEndian(new Span<byte>(address + 8, 4), RTMGRP_IPV4_ROUTE);
        if (fd < 0 || Bind(fd, address, 12) != 0) throw new IOException($"netlink: errno {Marshal.GetLastPInvokeError()}");
        socket = new Socket(new SafeSocketHandle(fd, ownsHandle: true)) { ReceiveTimeout = 30_000 };
    }

    /// <summary>Waits until the prefix leads to the gateway; gives the timestamp (Stopwatch) of that word.</summary>
    public long Await(IPAddress host, IPAddress gateway)
    {
        while (true)
        {
            int length = socket.Receive(buffer);
            long at = Stopwatch.GetTimestamp();
            if (Says(buffer.AsSpan(0, length), host.GetAddressBytes(), gateway.GetAddressBytes())) return at;
        }
    }

    public void Dispose() => socket.Dispose();

    private static bool Says(ReadOnlySpan<byte> messages, byte[] host, byte[] gateway)
    {
        while (messages.Length >= HeaderBytes + RouteBytes)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(messages);
            if (BinaryPrimitives.ReadUInt16LittleEndian(messages[4..]) == RTM_NEWROUTE)
            {
                bool toHost = false, byGateway = false;
                ReadOnlySpan<byte> attributes = messages[(HeaderBytes + RouteBytes)..length];
                while (attributes.Length >= 4)
                {
                    int size = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
                    int type = BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]);
                    toHost |= type == RTA_DST && attributes[4..size].SequenceEqual(host);
                    byGateway |= type == RTA_GATEWAY && attributes[4..size].SequenceEqual(gateway);
                    attributes = attributes[Math.Min(attributes.Length, (size + 3) & ~3)..];
                }

                if (toHost && byGateway) return true;
            }

            messages = messages[Math.Min(messages.Length, (length + 3) & ~3)..];
        }

        return false;
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int fd, byte* address, int length);
}
