using System.Diagnostics;
using System.Net;
using Fairlead.Health;
using Fairlead.InteropTests.Dns;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;
using Fairlead.Tests.Health;

namespace Fairlead.InteropTests.Health;

/// <summary>Across a link between two namespaces: pings, a link that is cut, a DNS server that stands still.</summary>
public sealed class NetworkCheckTests : IDisposable
{
    private static int count;
    private readonly Bed bed = new($"flthlt{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-network").FullName;

    public NetworkCheckTests()
    {
        bed.AddHost("us");
        bed.AddHost("srv");
        bed.AddLink("us", "eth0", "srv", "eth0");
        foreach ((string host, int last) in new[] { ("us", 1), ("srv", 2) })
        {
            bed.AddAddress(host, "eth0", $"10.8.0.{last}/24");
            bed.AddAddress(host, "eth0", $"2001:db8:8::{last}/64");
        }
    }

    private static CheckSpec Quick(CheckKind kind) => new()
    {
        Kind = kind,
        Interval = TimeSpan.FromMilliseconds(200),
        Timeout = TimeSpan.FromMilliseconds(150),
        Fall = 2,
        Rise = 2,
    };

    public void Dispose()
    {
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("ip")]
    public Task A_raw_socket_pings_where_the_kernel_gives_no_other() => PingsAsync("1 0");

    [InteropFact("ip")]
    public Task The_kernels_own_socket_pings_where_it_may() => PingsAsync("0 0");

    private async Task PingsAsync(string groups)
    {
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        NetworkNamespace.Run(bed.NamespaceOf("us"), () =>
        {
            File.WriteAllText("/proc/sys/net/ipv4/ping_group_range", groups);
            engine.Apply(new CheckSet(
            [
                new Check("here", new IPEndPoint(IPAddress.Parse("10.8.0.2"), 0), Quick(CheckKind.Icmp)),
                new Check("here6", new IPEndPoint(IPAddress.Parse("2001:db8:8::2"), 0), Quick(CheckKind.Icmp)),
                // Two at once: each must hear its own answer.
                new Check("again", new IPEndPoint(IPAddress.Parse("10.8.0.2"), 0), Quick(CheckKind.Icmp).Apart(1)),
                new Check("nobody", new IPEndPoint(IPAddress.Parse("10.8.0.9"), 0), Quick(CheckKind.Icmp)),
                new Check("self", new IPEndPoint(IPAddress.Loopback, 0), Quick(CheckKind.Icmp)),
            ]));
            return 0;
        });
        bool Are(bool up, params string[] ids) => engine.Status().Where(status => ids.Contains(status.Check.Id))
            .All(status => status.State.Known && status.State.Up == up);
        await CheckBed.UntilAsync(() => Are(true, "here", "here6", "again", "self") && Are(false, "nobody"));

        bed.Ip("srv", "link", "set", "eth0", "down");
        await CheckBed.UntilAsync(() => Are(false, "here", "here6", "again"));
        Assert.True(Are(true, "self"));
        bed.Ip("srv", "link", "set", "eth0", "up");
        bed.AddAddress("srv", "eth0", "2001:db8:8::2/64"); // IPv6 addresses go with the link.
        await CheckBed.UntilAsync(() => Are(true, "here", "here6", "again"));
    }

    [InteropFact("ip", "knotd")]
    public async Task A_knot_that_stands_still_is_down_within_fall_tries()
    {
        File.WriteAllText(Path.Combine(folder, "zone"),
            $"{GeneratedZone.Origin}. 300 SOA ns hostmaster 1 60 60 60 60\n{GeneratedZone.Origin}. 300 NS ns\n"
            + $"www.{GeneratedZone.Origin}. 300 A 192.0.2.80\n");
        ReferenceServers.StartKnot(bed, folder);
        using Process knot = await KnotAsync();
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        CheckSpec asks = Quick(CheckKind.Dns) with
        {
            Name = $"www.{GeneratedZone.Origin}",
            Type = CheckRecordType.A,
            Answer = IPAddress.Parse("192.0.2.80"),
        };
        NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            engine.Apply(new CheckSet([new Check("knot", ReferenceServers.Knot, asks)]));
            return 0;
        });
        await CheckBed.UntilAsync(() => engine.Status()[0].State.Up);
        Assert.Equal("NOERROR, 192.0.2.80", engine.Status()[0].Detail);

        const int Stop = 19, Continue = 18;
        _ = Libc.Kill(knot.Id, Stop);
        long stopped = TimeProvider.System.GetTimestamp();
        await CheckBed.UntilAsync(() => !engine.Status()[0].State.Up);
        TimeSpan seen = TimeProvider.System.GetElapsedTime(stopped);
        _ = Libc.Kill(knot.Id, Continue);
        // Two tries and the second one's timeout, and what a busy machine adds.
        Assert.True(seen < TimeSpan.FromMilliseconds(1_500), $"{seen}");
        await CheckBed.UntilAsync(() => engine.Status()[0].State.Up);
    }

    private async Task<Process> KnotAsync()
    {
        Process? knot = null;
        bool IsOurs(Process one) =>
            File.ReadAllText($"/proc/{one.Id}/cmdline").Contains(folder, StringComparison.Ordinal);
        await CheckBed.UntilAsync(
            () => (knot = Process.GetProcessesByName("knotd").FirstOrDefault(IsOurs)) is not null);
        return knot!;
    }
}
