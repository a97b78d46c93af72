using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Fairlead.InteropTests.Node;

/// <summary>
/// The real node with its BFD process, BIRD as its router, and what becomes of the sessions when one dies.
/// </summary>
public partial class BfdProcessTests
{
    private const string Routers = """r1: {addresses: [10.0.0.1, "2001:db8:1::1"]}""";

    [InteropFact("bird", "ip", "chrt")]
    public void The_bfd_process_is_killed_and_the_sessions_go_on()
    {
        using NodeBed bed = WithBfd("1s");
        Process node = StartUp(bed, "3.000");
        (string Session, TimeSpan Since)[] sessions = Sessions(bed);
        int before = Child(node);

        bed.Until(() => Kill(before), "the process dies");
        bed.AwaitLog("BFD is started again", 20);
        bed.Until(() => Child(node) is var now && now > 0 && now != before, "another one", 20);
        // Longer than BIRD waits for a packet.
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(5)) AssertSame(sessions, Sessions(bed));

        Assert.DoesNotContain("PeerDown", bed.LogText, StringComparison.Ordinal);
    }

    [InteropFact("bird", "ip", "chrt")]
    public void A_stopped_node_is_told_of_at_once_and_comes_back()
    {
        using NodeBed bed = WithBfd("2s", ", strict: true");
        Process node = StartUp(bed, "6.000");
        // Not once: a router that hears of it twice within a millisecond may not have heard of it at all.
        for (int round = 0; round < 4; round++)
        {
            bed.Until(() => Established(bed) == 2, "both sessions are up", 30);
            NodeBed.Signal(node, "STOP");
            bed.Until(() => Established(bed) == 0, "BGP has ended long before the 6 s of BFD are over", 4);
            NodeBed.Signal(node, "CONT");
        }

        bed.Until(() => bed.Bird.BfdTimeouts().Count == 2, "both are up again", 30);
    }

    [InteropFact("bird", "ip", "chrt")]
    public void The_bfd_process_ends_with_its_node()
    {
        using NodeBed bed = WithBfd("1s");
        Process node = StartUp(bed, "3.000");
        int child = Child(node);

        node.Kill();
        NodeBed.AwaitExit(node, 10);

        bed.Until(() => !Directory.Exists($"/proc/{child}"), "it is gone");
        bed.Until(() => bed.Bird.BfdTimeouts().Count == 0, "and its sessions");
    }

    [InteropFact("bird", "ip", "chrt")]
    public void The_sessions_of_a_killed_node_end_though_its_sockets_are_still_open()
    {
        using var bed = new NodeBed();
        _ = bed.Bird;
        Process node = bed.StartNode();
        bed.Until(() => Sockets(bed).Length == 2 && Established(bed) == 2, "both sessions are up", 60);
        bed.Until(
            () => Child(node) is > 0 and var child && Sockets(bed).All(one => Has(child, one)), "both are held", 20);
        // Ours too now, so that the kernel has no reason to end them: only the last will has.
        SafeFileHandle[] ours = [.. Sockets(bed).Select(inode => Take(node, inode))];
        node.Kill();
        NodeBed.AwaitExit(node, 10);

        bed.Until(() => Established(bed) == 0, "BIRD sees them end");
        foreach (SafeFileHandle socket in ours) socket.Dispose();
    }

    [InteropFact("bird", "ip", "chrt")]
    public void A_strict_node_begins_no_session_before_bfd_is_up()
    {
        using NodeBed bed = WithBfd("300ms", ", strict: true");
        bed.Bird.Ask("disable bfd1");
        bed.StartNode();
        bed.AwaitLog(" runs");
        bed.Until(() => bed.Json("bgp").EnumerateArray()
            .All(peer => peer.GetProperty("lastError").GetString() == "waits for BFD"), "both sessions wait", 20);
        Assert.Equal(0, Established(bed));

        bed.Bird.Ask("enable bfd1");
        bed.Until(() => Established(bed) == 2, "both sessions are up", 30);
        Assert.Equal(2, bed.Bird.BfdTimeouts().Count);
    }

    private static NodeBed WithBfd(string interval, string more = "")
    {
        var bed = new NodeBed(NodeBed.TwoPops.Replace(
            Routers,
            Routers.Replace("]}", $"], bfd: {{interval: {interval}, multiplier: 3{more}}}}}", StringComparison.Ordinal),
            StringComparison.Ordinal));
        _ = bed.Bird;
        return bed;
    }

    private static Process StartUp(NodeBed bed, string timeout)
    {
        Process node = bed.StartNode();
        bed.Until(() => bed.Bird.BfdTimeouts() is [var one, var other] && one == timeout && other == timeout,
            $"BFD is up with {timeout} s on both", 60);
        return node;
    }

    // Address and state of each session, and the time of day of its last change.
    private static (string Session, TimeSpan Since)[] Sessions(NodeBed bed) =>
    [
        .. bed.Bird.Ask("show bfd sessions").Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(columns => columns.Length >= 6 && columns[0] != "IP").OrderBy(columns => columns[0])
            .Select(columns => ($"{columns[0]} {columns[2]}",
                TimeSpan.Parse(columns[3], CultureInfo.InvariantCulture))),
    ];

    // BIRD counts back from now on two clocks, so that the same change is a millisecond earlier or later each time.
    private static void AssertSame((string Session, TimeSpan Since)[] before, (string Session, TimeSpan Since)[] now)
    {
        Assert.Equal(before.Select(one => one.Session), now.Select(one => one.Session));
        foreach ((TimeSpan one, TimeSpan other) in before.Zip(now, (one, other) => (one.Since, other.Since)))
            Assert.InRange((one - other).Duration(), TimeSpan.Zero, TimeSpan.FromMilliseconds(50));
    }

    private static int Child(Process node) => Directory.GetDirectories($"/proc/{node.Id}/task")
        .SelectMany(task => File.ReadAllText($"{task}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Select(id => int.Parse(id, CultureInfo.InvariantCulture))
        .FirstOrDefault(id => File.ReadAllText($"/proc/{id}/cmdline")
            .Contains("bfd-process", StringComparison.Ordinal));

    private static int Established(NodeBed bed) => bed.Bird.Ask("show protocols").Split('\n')
        .Count(line => line.Contains("Established", StringComparison.Ordinal));

    // The inodes of the established connections with a router's BGP port, at either end.
    private static string[] Sockets(NodeBed bed) =>
    [
        .. bed.Bed.Run("n1", "cat", "/proc/net/tcp", "/proc/net/tcp6").Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(columns => columns.Length > 9 && columns[3] == "01"
                && (columns[1].EndsWith(":00B3", StringComparison.Ordinal)
                    || columns[2].EndsWith(":00B3", StringComparison.Ordinal)))
            .Select(columns => columns[9]),
    ];

    private static bool Has(int process, string inode) => Descriptor(process, inode) is not null;

    private static string? Descriptor(int process, string inode) => Directory.GetFiles($"/proc/{process}/fd")
        .FirstOrDefault(file => new FileInfo(file).LinkTarget == $"socket:[{inode}]");

    // pidfd_open(2) and pidfd_getfd(2).
    private static SafeFileHandle Take(Process node, string inode)
    {
        int number = int.Parse(Path.GetFileName(Descriptor(node.Id, inode)!), CultureInfo.InvariantCulture);
        using var process = new SafeFileHandle(SystemCall(434, node.Id, 0, 0), ownsHandle: true);
        var ours = new SafeFileHandle(SystemCall(438, process.DangerousGetHandle(), number, 0), ownsHandle: true);
        Assert.False(ours.IsInvalid, $"descriptor {number}: errno {Marshal.GetLastPInvokeError()}");
        return ours;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint first, nint second, nint third);

    private static bool Kill(int process)
    {
        using Process child = Process.GetProcessById(process);
        child.Kill();
        return true;
    }
}
