using System.Diagnostics;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;
using static Fairlead.InteropTests.Bgp.BirdRouter;

namespace Fairlead.InteropTests.Balancer;

/// <summary>The balancer between real kernels: what connections that are open go through, and survive.</summary>
public sealed class XdpBalancerTests
{
    private static readonly TimeSpan StallMax = TimeSpan.FromSeconds(1);

    [InteropFact("ip", "ethtool")]
    public async Task Backends_see_the_clients_address_in_every_mode()
    {
        using var bed = new XdpBed(2);
        await using var servers = new TcpCrowd(bed);
        for (int i = 1; i <= 2; i++)
        {
            bed.StartBackend(i, 2);
            servers.Serve(i);
        }

        using XdpBalancer balancer = bed.StartBalancer("node");
        foreach ((DeliveryMode mode, bool isIPv6) in ((DeliveryMode, bool)[])
            [(DeliveryMode.L2, false), (DeliveryMode.Ip, false), (DeliveryMode.Ip, true), (DeliveryMode.Gue, false),
                (DeliveryMode.Gue, true)])
        {
            // Another name each time: another service, which knows nothing of the one before.
            VipTable table = XdpBed.Table(mode, isIPv6, "1", "2");
            table = table with { Services = [table.Services[0] with { Name = $"{mode}{isIPv6}" }] };
            bed.In("node", () => balancer.Apply(table));
            await using var clients = new TcpCrowd(bed);
            await clients.OpenAsync(XdpBed.Vip4, 20);
            await clients.OpenAsync(XdpBed.Vip6, 20);
            Assert.True(clients.Broken.Count == 0, $"{mode} {isIPv6}: {string.Join('\n', clients.Broken)}");
            Assert.Equal(
                ["b1 2001:db8:e::10", "b1 203.0.113.10", "b2 2001:db8:e::10", "b2 203.0.113.10"],
                clients.Hellos.Select(hello => $"{hello.Backend} {hello.Client}").Distinct().Order(StringComparer.Ordinal));
        }

        Assert.Empty(bed.Faults);
    }

    [InteropFact("ip", "ethtool")]
    public async Task Two_thousand_connections_live_through_every_change_of_backends_and_balancers()
    {
        using var bed = new XdpBed(3);
        await using var crowd = new TcpCrowd(bed);
        BackendSide[] sides = [.. Enumerable.Range(1, 3).Select(i => bed.StartBackend(i, 3))];
        for (int i = 1; i <= 3; i++) crowd.Serve(i);
        VipTable first = XdpBed.Table(DeliveryMode.Gue, false, "1", "2");
        VipTable second = XdpBed.Table(DeliveryMode.Gue, false, "1", "2", "3");
        XdpBalancer balancer = bed.StartBalancer("node");
        bed.In("node", () => balancer.Apply(first));
        await crowd.OpenAsync(XdpBed.Vip4, 1000);
        await crowd.OpenAsync(XdpBed.Vip6, 1000);
        await Unharmed("opening");

        bed.In("node", () => balancer.Apply(second));
        await Unharmed("a backend added");
        await crowd.OpenAsync(XdpBed.Vip4, 60);
        Assert.Contains(crowd.Hellos, hello => hello.Backend == "b3");
        await Unharmed("new connections to it");

        // Weight 0: nothing new for b2, and nothing lost.
        VipTable third = XdpBed.Table(DeliveryMode.Gue, false, "1", "2:0", "3");
        bed.In("node", () => balancer.Apply(third));
        crowd.Hellos.Clear();
        await crowd.OpenAsync(XdpBed.Vip4, 40);
        Assert.DoesNotContain(crowd.Hellos, hello => hello.Backend == "b2");
        await Unharmed("a backend drained");

        // What a killed process leaves is what is pinned: the next one starts from there.
        balancer.Dispose();
        await Unharmed("the process gone");
        balancer = bed.StartBalancer("node");
        Assert.True(balancer.HasTakenOver);
        bed.In("node", () => balancer.Apply(third));
        await Unharmed("the next process");
        bed.In("node", () => balancer.Apply(second));
        await Unharmed("a backend back");

        // The second balancer has seen none of these flows, and knows the sets before and now.
        using XdpBalancer other = bed.StartBalancer("node2");
        VipTable told = second with { Services = [second.Services[0] with { Former = first.Services[0].Backends }] };
        bed.In("node2", () => other.Apply(told));
        bed.Route("node2", 2);
        await Unharmed("another balancer");
        Assert.True(sides.Sum(side => (long)side.Counts()[BackendReason.PassedOn]) > 0, "nobody was passed on");
        Assert.Empty(bed.Faults);
        balancer.Dispose();

        async Task Unharmed(string what)
        {
            long answers = crowd.Answers, connections = crowd.Hellos.Count;
            crowd.TakeLongest();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            // Every connection has asked some times since.
            while (crowd.Answers < answers + 3 * 2000) await Task.Delay(50, patience.Token);
            TimeSpan longest = crowd.TakeLongest();
            Assert.True(crowd.Broken.Count == 0, $"{what}: {crowd.Broken.Count} broke: {string.Join('\n', crowd.Broken.Take(5))}");
            Assert.True(longest < StallMax, $"{what}: one waited {longest.TotalMilliseconds:0} ms");
            _ = connections;
        }
    }

    [InteropFact("ip", "ethtool")]
    public void Another_program_on_the_device_stays_and_is_named()
    {
        using var bed = new XdpBed(0);
        using BpfObject foreign = XdpProgram.Skeleton("backend").Load(new Dictionary<string, int>())["program backend"];
        (BpfObject? link, _) = bed.In("node", () => foreign.AttachXdp(Libc.InterfaceIndex("eth1"), Libc.XDP_FLAGS_DRV_MODE));
        Assert.NotNull(link);
        using (link)
        {
            IOException refusal = Assert.Throws<IOException>(() => bed.StartBalancer("node"));
            Assert.Contains("eth1 runs another XDP program", refusal.Message, StringComparison.Ordinal);
            Assert.Contains("xdp", bed.Bed.Ip("node", "link", "show", "eth1"), StringComparison.Ordinal);
        }
    }

    [InteropFact("ip", "ethtool")]
    public void A_device_without_native_XDP_gets_the_generic_way_and_a_warning()
    {
        using var bed = new XdpBed(0);
        using XdpBalancer balancer = bed.StartBalancer("node", bed.Options("node") with { Devices = ["lo"] });
        Assert.Contains("lo: its driver does not take XDP", Assert.Single(bed.Faults), StringComparison.Ordinal);
        Assert.Contains("xdpgeneric", bed.Bed.Ip("node", "link", "show", "lo"), StringComparison.Ordinal);
        balancer.Remove();
        Assert.DoesNotContain("xdpgeneric", bed.Bed.Ip("node", "link", "show", "lo"), StringComparison.Ordinal);
    }

    [InteropFact("ip", "ethtool")]
    public async Task It_counts_and_explains_what_it_does()
    {
        using var bed = new XdpBed(1);
        await using var crowd = new TcpCrowd(bed);
        bed.StartBackend(1, 1);
        crowd.Serve(1);
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.In("node", () => balancer.Apply(XdpBed.Table(DeliveryMode.Ip, false, "1")));
        await crowd.OpenAsync(XdpBed.Vip4, 5);

        VipCount vip = balancer.Vips().Single(vip => $"{vip.Vip}" == $"{XdpBed.Vip4}:80/tcp");
        Assert.Equal(5ul, vip.Opened);
        Assert.InRange(vip.Packets, 15ul, ulong.MaxValue);
        BackendCount backend = Assert.Single(balancer.Backends());
        Assert.Equal(("web", "10.0.0.11", 5ul), (backend.Service, $"{backend.Backend}", backend.Opened));

        FlowStory? story = balancer.Explain(new Flow(
            IPEndPoint.Parse("203.0.113.10:40000"), IPEndPoint.Parse($"{XdpBed.Vip4}:80"), 6));
        Assert.Equal(("web", SlotState.Steady, "10.0.0.11"), (story!.Service, story.State, $"{story.Goes}"));
        Assert.Null(balancer.Explain(new Flow(
            IPEndPoint.Parse("203.0.113.10:40000"), IPEndPoint.Parse($"{XdpBed.Vip4}:81"), 6)));
    }

    [InteropFact("ip", "ethtool")]
    public async Task A_bulk_transfer_finds_its_way_through_smaller_links_on_both_sides()
    {
        using var bed = new XdpBed(1);
        bed.StartBackend(1, 1);
        // Between client and balancer, 1400 bytes: the backend learns it by an ICMP error that the balancer brings.
        bed.Bed.Ip("client", "link", "set", "eth0", "mtu", "1400");
        bed.Bed.Ip("node", "link", "set", "eth1", "mtu", "1400");
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.In("node", () => balancer.Apply(XdpBed.Table(DeliveryMode.Gue, false, "1")));
        const int Bytes = 2_000_000;
        foreach (string vip in (string[])[XdpBed.Vip4, XdpBed.Vip6])
        {
            // Its announced segment would hide that the way is narrow; without it the error alone tells.
            Assert.Equal((Bytes, Bytes), await Bulk.BothWaysAsync(bed, vip, Bytes));
        }

        // To the backend, 1460 bytes are left in GUE: the client learns it by the balancer's own answer.
        bed.Bed.Ip("client", "link", "set", "eth0", "mtu", "1500");
        bed.Bed.Ip("node", "link", "set", "eth1", "mtu", "1500");
        foreach (string vip in (string[])[XdpBed.Vip4, XdpBed.Vip6])
            Assert.Equal((Bytes, Bytes), await Bulk.BothWaysAsync(bed, vip, Bytes));
        Assert.Contains(balancer.Vips(), vip => vip.Reasons.ContainsKey(PacketReason.TooBigAnswered));
    }
}
