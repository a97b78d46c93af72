using System.Diagnostics;
using System.Net;
using Fairlead.Balancer;

namespace Fairlead.InteropTests.Balancer;

/// <summary>SYN cookies that a backend's program gives, as its kernel and its clients meet them.</summary>
public sealed class SynCookieTests
{
    private const int Flood = 100_000;

    [InteropFact("ip", "ethtool", "sysctl")]
    public async Task Connections_that_a_cookie_opened_carry_data_both_ways_and_the_kernel_never_saw_their_SYN()
    {
        foreach ((DeliveryMode mode, bool isIPv6Outside) in ((DeliveryMode, bool)[])
            [(DeliveryMode.L2, false), (DeliveryMode.Ip, true), (DeliveryMode.Gue, false), (DeliveryMode.Gue, true)])
        {
            using XdpBed bed = Bed(kernel: 2);
            BackendSide side = bed.StartBackend(1, 1, Cookies(0, mode));
            using XdpBalancer balancer = bed.StartBalancer("node");
            bed.Apply("node", balancer, XdpBed.Table(mode, isIPv6Outside, "1"));
            long sent = SynFlood.Counter(bed, "b1", "SyncookiesSent");
            long taken = SynFlood.Counter(bed, "b1", "SyncookiesRecv");
            foreach (string vip in (string[])[XdpBed.Vip4, XdpBed.Vip6])
            {
                (int There, int Back) moved = await Bulk.BothWaysAsync(bed, "client", vip);
                Assert.True(moved == (Bulk.Bytes, Bulk.Bytes), $"{mode} {isIPv6Outside} {vip}: {moved}");
            }

            Assert.Equal((mode, 0L), (mode, SynFlood.Counter(bed, "b1", "SyncookiesSent") - sent));
            Assert.Equal((mode, 2L), (mode, SynFlood.Counter(bed, "b1", "SyncookiesRecv") - taken));
            Assert.Equal((mode, 2ul, 0ul), (mode, side.Counts()[BackendReason.Cookie],
                side.Counts()[BackendReason.NoCookie]));
            Assert.Empty(bed.Faults);
            bed.In("b1", side.Remove);
            Assert.Equal("0 0", $"{Setting(bed, "net.ipv4.conf.lo.forwarding")} "
                + Setting(bed, "net.ipv6.conf.lo.forwarding"));
        }
    }

    [InteropFact("ip", "ethtool", "sysctl")]
    public async Task A_flood_leaves_connections_alone_and_lets_new_ones_in_and_the_kernel_gets_what_it_was_promised()
    {
        const int rate = 200;
        foreach (DeliveryMode mode in (DeliveryMode[])[DeliveryMode.Gue, DeliveryMode.L2])
        {
            using XdpBed bed = Bed(kernel: 2);
            await using var crowd = new TcpCrowd(bed);
            crowd.Serve(1);
            BackendSide side = bed.StartBackend(1, 1, Cookies(rate, mode));
            using XdpBalancer balancer = bed.StartBalancer("node");
            bed.Apply("node", balancer, XdpBed.Table(mode, false, "1"));
            await crowd.OpenAsync(XdpBed.Vip4, 100);
            await crowd.OpenAsync(XdpBed.Vip6, 100);
            long answers = crowd.Answers, before = SynFlood.Counter(bed, "b1", "SyncookiesSent");
            ulong cookies = side.Counts()[BackendReason.Cookie];

            // With tcp_syncookies 2 the kernel counts each SYN that it gets as a cookie of its own.
            long begin = Stopwatch.GetTimestamp();
            Task flood = SynFlood.SendAsync(bed.Bed.NamespaceOf("client"), XdpBed.Vip4, Flood, () => Seen(side));
            await crowd.OpenAsync(XdpBed.Vip4, 50);
            await crowd.OpenAsync(XdpBed.Vip6, 50);
            await flood;
            long got = SynFlood.Counter(bed, "b1", "SyncookiesSent") - before;
            TimeSpan took = Stopwatch.GetElapsedTime(begin);
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            while (crowd.Answers < answers + 3 * 300 && crowd.Broken.Count == 0) await Task.Delay(20, patience.Token);
            Assert.True(crowd.Broken.Count == 0, string.Join('\n', crowd.Broken.Take(9)));
            double most = rate * (took.TotalSeconds + 0.1) + 1;
            Assert.True(got <= most && got >= rate / 10, $"{mode}: {got} of at most {most:0} in {took}");
            Assert.InRange(side.Counts()[BackendReason.Cookie] - cookies, Flood - (ulong)most, Flood + 200ul);
            Assert.Empty(bed.Faults);
        }
    }

    [InteropFact("ip", "ethtool", "sysctl")]
    public async Task Where_the_kernel_gives_cookies_only_in_need_its_full_queue_is_the_most_that_it_takes_besides()
    {
        using XdpBed bed = Bed(kernel: 1);
        await using var crowd = new TcpCrowd(bed);
        crowd.Serve(1);
        BackendSide side = bed.StartBackend(1, 1, Cookies(200, DeliveryMode.Gue));
        Assert.Contains("net.ipv4.tcp_syncookies is 1", Assert.Single(bed.Faults), StringComparison.Ordinal);
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Gue, false, "1"));
        await crowd.OpenAsync(XdpBed.Vip4, 100);
        await SynFlood.SendAsync(bed.Bed.NamespaceOf("client"), XdpBed.Vip4, Flood, () => Seen(side));
        await crowd.OpenAsync(XdpBed.Vip4, 50);
        Assert.True(crowd.Broken.Count == 0, string.Join('\n', crowd.Broken.Take(5)));
        Assert.InRange(side.Counts()[BackendReason.Cookie], Flood / 2ul, Flood + 150ul);
    }

    [InteropFact("ip", "ethtool", "sysctl")]
    public async Task Where_the_kernel_makes_no_cookies_or_no_way_back_is_known_it_answers_itself()
    {
        using XdpBed bed = Bed(kernel: 0);
        await using var crowd = new TcpCrowd(bed);
        crowd.Serve(1);
        BackendSide side = bed.StartBackend(1, 1, Cookies(0, DeliveryMode.Gue));
        Assert.Contains("net.ipv4.tcp_syncookies is 0", Assert.Single(bed.Faults), StringComparison.Ordinal);
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Gue, false, "1"));
        await crowd.OpenAsync(XdpBed.Vip4, 5);
        Assert.Equal((0ul, 5ul), (side.Counts()[BackendReason.Cookie], side.Counts()[BackendReason.NoCookie]));

        // What somebody sets for the whole machine takes the look-up away, and a turn gives it back.
        bed.Bed.Run("b1", "sysctl", "-qw", "net.ipv4.tcp_syncookies=2");
        bed.Bed.Run("b1", "sysctl", "-qw", "net.ipv4.conf.lo.forwarding=0");
        await crowd.OpenAsync(XdpBed.Vip4, 5);
        Assert.Equal((0ul, 10ul), (side.Counts()[BackendReason.Cookie], side.Counts()[BackendReason.NoCookie]));
        bed.In("b1", side.Tend);
        await crowd.OpenAsync(XdpBed.Vip4, 5);
        Assert.Equal((5ul, 10ul), (side.Counts()[BackendReason.Cookie], side.Counts()[BackendReason.NoCookie]));
        Assert.True(crowd.Broken.Count == 0, string.Join('\n', crowd.Broken.Take(5)));
    }

    /// <summary>One backend, which knows its gateway, and a gateway that has a place for answers to a flood.</summary>
    private static XdpBed Bed(int kernel)
    {
        var bed = new XdpBed(1);
        try
        {
            bed.Bed.Run("b1", "sysctl", "-qw", $"net.ipv4.tcp_syncookies={kernel}");
            bed.Bed.Ip("node", "route", "add", "blackhole", "198.18.0.0/15");
            string gateway = bed.Bed.Run("node", "cat", "/sys/class/net/eth0/address").Trim();
            foreach (string address in (string[])["10.0.0.1", "2001:db8:1::1"])
            {
                bed.Bed.Ip("b1", "neighbour", "replace", address, "lladdr", gateway, "dev", "eth0", "nud", "permanent");
            }

            return bed;
        }
        catch
        {
            bed.Dispose();
            throw;
        }
    }

    /// <summary>All packets that the backend's program has looked at.</summary>
    private static ulong Seen(BackendSide side) => side.Counts().Values.Aggregate(0ul, (sum, one) => sum + one);

    private static string Setting(XdpBed bed, string name) => bed.Bed.Run("b1", "sysctl", "-n", name).Trim();

    private static SynCookies Cookies(int rate, DeliveryMode mode) => new()
    {
        Rate = rate,
        IsUnwrapped = mode == DeliveryMode.L2,
        Vips = [.. new[] { XdpBed.Vip4, XdpBed.Vip6 }.Select(vip => new VipPort(IPAddress.Parse(vip), 6, 80))],
    };
}
