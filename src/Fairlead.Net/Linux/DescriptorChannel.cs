using System.Runtime.InteropServices;
using System.Text;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int AF_UNIX = 1;
    public const int SOCK_SEQPACKET = 5;
    public const int SCM_RIGHTS = 1;
    public const int SO_PEERCRED = 17;
    public const int MSG_CMSG_CLOEXEC = 0x40000000;
    public const int SHUT_RDWR = 2;

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    public static partial nint SendMsg(int fd, MsgHdr* message, int flags);
}

/// <summary>
/// Short messages between two processes of one machine, each a number and, where asked, a descriptor (unix(7):
/// SOCK_SEQPACKET under an abstract name, SCM_RIGHTS). One owner; Dispose closes it.
/// </summary>
public sealed unsafe class DescriptorChannel : IDisposable
{
    private const int Backlog = 4;
    private const int CredentialBytes = 12; // struct ucred: process, user, group.
    private const int AddressBytes = 110; // struct sockaddr_un.
    private const int ControlBytes = 24; // struct cmsghdr and one descriptor, padded.

    private int fd;

    private DescriptorChannel(int fd) => this.fd = fd;

    public int Fd => fd;

    /// <summary>Others can connect to it by this name. IOException when the kernel lets nobody.</summary>
    public static DescriptorChannel Listen(string name)
    {
        var channel = new DescriptorChannel(Socket(Libc.SOCK_NONBLOCK));
        byte* address = stackalloc byte[AddressBytes];
        int length = Address(address, name);
        if (Libc.Bind(channel.fd, address, length) == 0 && Libc.Listen(channel.fd, Backlog) == 0) return channel;
        channel.Dispose();
        throw new IOException($"listening at @{name}: errno {Marshal.GetLastPInvokeError()}");
    }

    /// <summary>Null when nobody listens there.</summary>
    public static DescriptorChannel? Connect(string name)
    {
        var channel = new DescriptorChannel(Socket(0));
        byte* address = stackalloc byte[AddressBytes];
        if (Libc.Connect(channel.fd, address, Address(address, name)) == 0) return channel;
        channel.Dispose();
        return null;
    }

    /// <summary>The connection of this process; others that wait are sent away. Null when none of it waits.</summary>
    public DescriptorChannel? Accept(int process)
    {
        int* credentials = stackalloc int[CredentialBytes / sizeof(int)];
        int accepted;
        while ((accepted = Libc.Accept4(fd, null, null, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC)) >= 0)
        {
            var channel = new DescriptorChannel(accepted);
            int length = CredentialBytes;
            if (Libc.GetSockOpt(accepted, Libc.SOL_SOCKET, Libc.SO_PEERCRED, credentials, &length) == 0
                && credentials[0] == process)
                return channel;
            channel.Dispose();
        }

        return null;
    }

    /// <summary>False when the other side does not take it: it is gone, or far behind.</summary>
    public bool Send(int number, int descriptor = -1)
    {
        byte* control = stackalloc byte[ControlBytes];
        var part = new Libc.IoVec { Base = &number, Length = sizeof(int) };
        var message = new Libc.MsgHdr { Vectors = &part, VectorCount = 1 };
        if (descriptor >= 0)
        {
            nuint length = (nuint)(sizeof(Libc.CMsgHdr) + sizeof(int));
            var header = (Libc.CMsgHdr*)control;
            (header->Length, header->Level, header->Kind) = (length, Libc.SOL_SOCKET, Libc.SCM_RIGHTS);
            *(int*)(header + 1) = descriptor;
            message.Control = control;
            message.ControlLength = ControlBytes;
        }

        return Libc.SendMsg(fd, &message, Libc.MSG_NOSIGNAL) == sizeof(int);
    }

    /// <summary>
    /// Waits for the next message; its descriptor is the caller's to close, -1 when it has none. False when the other
    /// side is gone.
    /// </summary>
    public bool Receive(out int number, out int descriptor)
    {
        byte* control = stackalloc byte[ControlBytes];
        int read = 0;
        var part = new Libc.IoVec { Base = &read, Length = sizeof(int) };
        var message = new Libc.MsgHdr { Vectors = &part, VectorCount = 1 };
        message.Control = control;
        message.ControlLength = ControlBytes;
        nint length;
        while ((length = Libc.RecvMsg(fd, &message, Libc.MSG_CMSG_CLOEXEC)) < 0
            && Marshal.GetLastPInvokeError() == Libc.EINTR)
        {
        }

        bool carries = length > 0 && message.ControlLength >= (nuint)(sizeof(Libc.CMsgHdr) + sizeof(int))
            && ((Libc.CMsgHdr*)control)->Kind == Libc.SCM_RIGHTS;
        (number, descriptor) = (read, carries ? *(int*)((Libc.CMsgHdr*)control + 1) : -1);
        return length == sizeof(int);
    }

    public void Dispose() => Libc.CloseOnce(ref fd);

    private static int Socket(int flags)
    {
        int fd = Libc.Socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET | Libc.SOCK_CLOEXEC | flags, 0);
        return fd >= 0 ? fd : throw new IOException($"socket: errno {Marshal.GetLastPInvokeError()}");
    }

    // struct sockaddr_un: the family, and an abstract name behind a zero byte.
    private static int Address(byte* into, string name)
    {
        var bytes = new Span<byte>(into, AddressBytes);
        bytes.Clear();
        BitConverter.TryWriteBytes(bytes, (ushort)Libc.AF_UNIX);
        return 3 + Encoding.ASCII.GetBytes(name, bytes[3..]);
    }
}
