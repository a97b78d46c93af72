using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>Where packets go that no other route takes. Interface: where a link-local address is one.</summary>
public sealed record Gateway(IPAddress Address, string Interface);

/// <summary>
/// The default gateways of the network namespace of the calling thread, as the kernel's main table has them.
/// </summary>
public static class DefaultGateways
{
    // RTF_UP and RTF_GATEWAY: the route stands, and leads to a neighbour, not to the link itself.
    private const uint UsableFlags = 0x3;

    private const int V4Columns = 8;
    private const int V6Columns = 10;

    /// <summary>The one with the best metric; null: there is none.</summary>
    public static Gateway? Of(AddressFamily family) => family == AddressFamily.InterNetwork
        ? ParseV4(Read("/proc/thread-self/net/route"))
        : ParseV6(Read("/proc/thread-self/net/ipv6_route"));

    /// <summary>Columns: interface, destination, gateway, flags, references, uses, metric, mask.</summary>
    public static Gateway? ParseV4(string table) => Best(table, V4Columns, columns =>
    {
        bool isDefault = columns[1] == "00000000" && columns[7] == "00000000";
        if (!isDefault || !TryHex(columns[3], out uint flags) || (flags & UsableFlags) != UsableFlags
            || !TryHex(columns[2], out uint address)
            || !uint.TryParse(columns[6], NumberStyles.None, CultureInfo.InvariantCulture, out uint metric))
            return null;
        // The kernel prints the address as a number of this machine's byte order.
        byte[] bytes = BitConverter.GetBytes(address);
        return (metric, new Gateway(new IPAddress(bytes), columns[0]));
    });

    /// <summary>
    /// Columns: destination, its length, source, its length, gateway, metric, references, uses, flags, interface.
    /// </summary>
    public static Gateway? ParseV6(string table) => Best(table, V6Columns, columns =>
    {
        bool isDefault = columns[1] == "00" && columns[0].All(c => c == '0');
        if (!isDefault || !TryHex(columns[8], out uint flags) || (flags & UsableFlags) != UsableFlags
            || columns[4].Length != 32 || columns[4].Any(c => !char.IsAsciiHexDigit(c))
            || !TryHex(columns[5], out uint metric)) return null;
        return (metric, new Gateway(new IPAddress(Convert.FromHexString(columns[4])), columns[9]));
    });

    private static Gateway? Best(string table, int columns, Func<string[], (uint Metric, Gateway Gateway)?> read)
    {
        (uint Metric, Gateway Gateway)? best = null;
        foreach (string line in table.Split('\n'))
        {
            string[] words = line.Split(default(char[]), StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < columns || read(words) is not { } found) continue;
            if (best is null || found.Metric < best.Value.Metric) best = found;
        }

        return best?.Gateway;
    }

    private static bool TryHex(string text, out uint value) =>
        uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);

    // A kernel without IPv6 has no such file.
    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return "";
        }
    }
}

/// <summary>
/// Tells that routes of the network namespace of its maker have changed (rtnetlink). What has changed is not read: who
/// is told looks at the table, so that a lost message is no lost change.
/// </summary>
public sealed unsafe class RouteWatch : IDisposable
{
    private const int NetlinkFamily = 16;
    private const int RoutingProtocol = 0;

    // RTMGRP_IPV4_ROUTE and RTMGRP_IPV6_ROUTE.
    private const uint RouteGroups = 0x40 | 0x400;

    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    private readonly EventPoll poll = new();
    private readonly Action changed;
    private readonly Thread thread;
    private int fd;
    private volatile bool ends;

    /// <summary>IOException when the kernel gives no socket.</summary>
    /// <param name="changed">Called from the watch's own thread, once for changes that come together.</param>
    public RouteWatch(Action changed)
    {
        this.changed = changed;
        fd = Libc.Socket(
            NetlinkFamily, Libc.SOCK_RAW | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC, RoutingProtocol);
        // struct sockaddr_nl: family u16, padding, port id u32 (0: the kernel gives one), groups u32.
        byte* address = stackalloc byte[12];
        var bytes = new Span<byte>(address, 12);
        bytes.Clear();
        BitConverter.TryWriteBytes(bytes, (ushort)NetlinkFamily);
        BitConverter.TryWriteBytes(bytes[8..], RouteGroups);
        int error = fd < 0 || Libc.Bind(fd, address, 12) != 0
            ? Marshal.GetLastPInvokeError()
            : poll.Add(fd, 0, write: false);
        if (error != 0)
        {
            Libc.CloseOnce(ref fd);
            poll.Dispose();
            throw new IOException($"rtnetlink: errno {error}");
        }

        thread = new Thread(Run) { Name = "routes", IsBackground = true };
        thread.Start();
    }

    public void Dispose()
    {
        ends = true;
        poll.Wake();
        thread.Join();
        Libc.CloseOnce(ref fd);
        poll.Dispose();
    }

    private void Run()
    {
        Span<long> ready = stackalloc long[1];
        while (!ends)
        {
            if (poll.Wait(TimeSpan.MaxValue, ready) == 0) continue;
            TakeAll();
            // A route is replaced by a withdrawal and an announcement: the table between them says nothing.
            while (!ends && poll.Wait(Gathering, ready) > 0) TakeAll();
            if (!ends) changed();
        }
    }

    private void TakeAll()
    {
        byte* buffer = stackalloc byte[8192];
        // ENOBUFS says that messages were lost: there were changes, and that is all we want to know.
        while (true)
        {
            nint read = Libc.Recv(fd, buffer, 8192, Libc.MSG_DONTWAIT);
            if (read < 0 && Marshal.GetLastPInvokeError() != Libc.ENOBUFS) return;
        }
    }
}
