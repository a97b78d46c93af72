using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;

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
            bed.Apply("node", balancer, table);
            await using var clients = new TcpCrowd(bed);
            await clients.OpenAsync(XdpBed.Vip4, 20);
            await clients.OpenAsync(XdpBed.Vip6, 20);
            Assert.True(clients.Broken.Count == 0, $"{mode} {isIPv6}: {string.Join('\n', clients.Broken)}");
            Assert.Equal(
                ["b1 2001:db8:e::10", "b1 203.0.113.10", "b2 2001:db8:e::10", "b2 203.0.113.10"],
                clients.Hellos.Select(hello => $"{hello.Backend} {hello.Client}").Distinct()
                    .Order(StringComparer.Ordinal));
        }

        Assert.Empty(bed.Faults);
    }

    [InteropFact("ip", "ethtool")]
    public async Task A_pop_without_backends_sends_on_to_the_next_ones_balancer_and_its_flows_stay_there()
    {
        using var bed = new XdpBed(3);
        await using var servers = new TcpCrowd(bed);
        for (int i = 1; i <= 3; i++)
        {
            bed.StartBackend(i, 3);
            servers.Serve(i);
        }

        // node is the pop without backends, node2 the next one: it takes in what comes from the other on eth0.
        XdpOptions far = bed.Options("node2") with { Devices = ["eth0"] };
        using XdpBalancer there = bed.StartBalancer("node2", far), here = bed.StartBalancer("node");
        VipTable taking = XdpBed.Table(DeliveryMode.Ip, false, "1", "2") with
        {
            Spillers = [IPAddress.Parse("10.0.0.1")],
        };
        bed.Apply("node2", there, taking);
        bed.Apply("node", here, Spilling(1));
        await using var clients = new TcpCrowd(bed);
        await clients.OpenAsync(XdpBed.Vip4, 100);
        await clients.OpenAsync(XdpBed.Vip6, 100);
        Assert.True(clients.Broken.Count == 0, string.Join('\n', clients.Broken));
        Assert.Equal(
            ["b1 2001:db8:e::10", "b1 203.0.113.10", "b2 2001:db8:e::10", "b2 203.0.113.10"],
            clients.Hellos.Select(hello => $"{hello.Backend} {hello.Client}").Distinct().Order(StringComparer.Ordinal));
        Assert.True(there.Vips().Sum(vip => (long)vip.Reasons.GetValueOrDefault(PacketReason.FromElsewhere)) > 400);

        // Its own backend is back: what went on goes on, and what is new stays here.
        bed.Apply("node", here, Spilling(0, "3"));
        await using var later = new TcpCrowd(bed);
        await later.OpenAsync(XdpBed.Vip4, 50);
        Assert.Equal(["b3"], later.Hellos.Select(hello => hello.Backend).Distinct());
        long answers = clients.Answers;
        Assert.True(SpinWait.SpinUntil(() => clients.Answers - answers > 2000, TimeSpan.FromSeconds(20)));
        Assert.True(clients.Broken.Count == 0, string.Join('\n', clients.Broken));
        Assert.InRange(clients.TakeLongest(), TimeSpan.Zero, StallMax);

        // Two that each take the other for alive are no loop.
        bed.Apply("node", here, Spilling(1));
        VipTable back = Spilling(1, to: "10.0.0.1") with { Spillers = taking.Spillers };
        bed.Apply("node2", there, back);
        Assert.True(SpinWait.SpinUntil(
            () => there.Vips().Any(vip => vip.Reasons.ContainsKey(PacketReason.SpilledTwice)),
            TimeSpan.FromSeconds(10)));
        Assert.Empty(bed.Faults);

        static VipTable Spilling(int weight, string? own = null, string to = "10.0.0.2")
        {
            VipTable table = XdpBed.Table(DeliveryMode.Ip, false, own is null ? [] : [own]);
            var elsewhere = new BackendEntry(IPAddress.Parse(to), weight) { IsElsewhere = true };
            return table with
            {
                Services = [table.Services[0] with { Backends = [.. table.Services[0].Backends, elsewhere] }],
            };
        }
    }

    [InteropFact("ip", "ethtool")]
    public async Task Two_thousand_connections_live_through_changes_of_backends_and_a_new_process()
    {
        using var bed = new XdpBed(3);
        await using var crowd = new TcpCrowd(bed);
        for (int i = 1; i <= 3; i++)
        {
            bed.StartBackend(i, 3);
            crowd.Serve(i);
        }

        XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1", "2"));
        await crowd.OpenAsync(XdpBed.Vip4, 1000);
        await crowd.OpenAsync(XdpBed.Vip6, 1000);
        await Unharmed(crowd, "opening");

        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1", "2", "3"));
        await Unharmed(crowd, "a backend added");
        await crowd.OpenAsync(XdpBed.Vip4, 60);
        Assert.Contains(crowd.Hellos, hello => hello.Backend == "b3");

        // Weight 0: nothing new for b2, and nothing lost.
        VipTable drained = XdpBed.Table(DeliveryMode.Ip, false, "1", "2:0", "3");
        bed.Apply("node", balancer, drained);
        crowd.Hellos.Clear();
        await crowd.OpenAsync(XdpBed.Vip4, 40);
        Assert.DoesNotContain(crowd.Hellos, hello => hello.Backend == "b2");
        await Unharmed(crowd, "a backend drained");

        // What a killed process leaves is what is pinned: the next one starts from there.
        balancer.Dispose();
        await Unharmed(crowd, "the process gone");
        balancer = bed.StartBalancer("node");
        Assert.True(balancer.HasTakenOver);
        bed.Apply("node", balancer, drained);
        await Unharmed(crowd, "the next process");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1", "2", "3"));
        await Unharmed(crowd, "the backend back");

        // More services than the tables hold: larger ones take their place.
        VipTable many = XdpBed.Table(DeliveryMode.Ip, false, "1", "2", "3");
        many = many with
        {
            Services = [.. many.Services, .. Enumerable.Range(1, 40).Select(i => many.Services[0] with
                { Name = $"s{i}", Vips = [new(IPAddress.Parse($"192.0.2.{100 + i}"), 6, 80)] })],
        };
        bed.Apply("node", balancer, many);
        await Unharmed(crowd, "larger tables");
        Assert.Empty(bed.Faults);
        balancer.Dispose();
    }

    [InteropFact("ip", "ethtool", "dotnet")]
    public async Task Two_thousand_connections_live_through_kill_9_of_the_balancers_process()
    {
        using var bed = new XdpBed(3);
        await using var crowd = new TcpCrowd(bed);
        for (int i = 1; i <= 3; i++)
        {
            bed.StartBackend(i, 3);
            crowd.Serve(i);
        }

        using var first = new BalancerProcess(bed, "node");
        Assert.False(first.HasTakenOver);
        first.Apply("1 2");
        await crowd.OpenAsync(XdpBed.Vip4, 1000);
        first.Apply("1 2 3");
        await crowd.OpenAsync(XdpBed.Vip6, 1000);
        await Unharmed(crowd, "opening");
        first.Kill();
        await Unharmed(crowd, "killed");

        using var second = new BalancerProcess(bed, "node");
        Assert.True(second.HasTakenOver);
        await Unharmed(crowd, "taken over");
        second.Apply("1 2:0 3");
        await Unharmed(crowd, "a backend drained");
        // Killed in the middle of it, wherever that is.
        second.Tell("1 2 3");
        second.Kill();
        await Unharmed(crowd, "killed in a change");

        using var third = new BalancerProcess(bed, "node");
        Assert.True(third.HasTakenOver);
        third.Apply("1 2 3");
        await Unharmed(crowd, "taken over again");
        crowd.Hellos.Clear();
        await crowd.OpenAsync(XdpBed.Vip4, 60);
        Assert.Equal(["b1", "b2", "b3"], crowd.Hellos.Select(hello => hello.Backend).Distinct().Order());
        await Unharmed(crowd, "new connections");
    }

    [InteropFact("ip", "ethtool")]
    public async Task Two_thousand_connections_go_over_to_a_balancer_that_has_never_seen_them()
    {
        using var bed = new XdpBed(3);
        await using var crowd = new TcpCrowd(bed);
        BackendSide[] sides = [.. Enumerable.Range(1, 3).Select(i => bed.StartBackend(i, 3))];
        for (int i = 1; i <= 3; i++) crowd.Serve(i);
        VipTable before = XdpBed.Table(DeliveryMode.Gue, false, "1", "2");
        VipTable after = XdpBed.Table(DeliveryMode.Gue, false, "1", "2", "3");
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, before);
        await crowd.OpenAsync(XdpBed.Vip4, 900);
        await crowd.OpenAsync(XdpBed.Vip6, 900);
        bed.Apply("node", balancer, after);
        await crowd.OpenAsync(XdpBed.Vip4, 100);
        await crowd.OpenAsync(XdpBed.Vip6, 100);
        Assert.Contains(crowd.Hellos, hello => hello.Backend == "b3");
        await Unharmed(crowd, "a backend added");

        // It knows the set before and the set now. Whose a flow is that began after the change, a backend tells.
        using XdpBalancer other = bed.StartBalancer("node2");
        var first = new OtherBalancer([before.Services[0].Backends, after.Services[0].Backends]);
        bed.Apply("node2", other, after with { Services = [after.Services[0] with { Others = [first] }] });
        bed.Route(2);
        await Unharmed(crowd, "another balancer");
        Assert.True(sides.Sum(side => (long)side.Counts()[BackendReason.PassedOn]) > 0, "nobody was passed on");
        Assert.Empty(bed.Faults);
    }

    private static async Task Unharmed(TcpCrowd crowd, string what)
    {
        long answers = crowd.Answers;
        crowd.TakeLongest();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        // Every connection has asked some times since.
        while (crowd.Answers < answers + 3 * 2000) await Task.Delay(50, patience.Token);
        TimeSpan longest = crowd.TakeLongest();
        Assert.True(crowd.Broken.Count == 0,
            $"{what}: {crowd.Broken.Count} broke: {string.Join('\n', crowd.Broken.Take(5))}");
        Assert.True(longest < StallMax, $"{what}: one waited {longest.TotalMilliseconds:0} ms");
    }

    [InteropFact("ip", "ethtool")]
    public void Another_program_on_the_device_stays_and_is_named()
    {
        using var bed = new XdpBed(0);
        using BpfObject foreign = XdpProgram.Skeleton("backend").Load(new Dictionary<string, int>())["program backend"];
        (BpfObject? link, _) = bed.In(
            "node", () => foreign.AttachXdp(Libc.InterfaceIndex("eth1"), Libc.XDP_FLAGS_DRV_MODE));
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
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1"));
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
    public async Task A_bulk_transfer_finds_its_way_where_the_tunnel_leaves_less_room()
    {
        using var bed = new XdpBed(1);
        bed.StartBackend(1, 1);
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Gue, false, "1"));
        // 1456 bytes are left in GUE: the client learns it by the balancer's answer.
        foreach (string vip in (string[])[XdpBed.Vip4, XdpBed.Vip6])
        {
            (int there, int back) = await Bulk.BothWaysAsync(bed, "client", vip);
            Assert.True((there, back) == (Bulk.Bytes, Bulk.Bytes),
                $"{vip}: {there} there, {back} back");
        }

        Assert.Equal(2, balancer.Vips().Count(vip => vip.Reasons.ContainsKey(PacketReason.TooBigAnswered)));
    }

    [InteropFact("ip", "ethtool")]
    public async Task A_bulk_transfer_to_a_client_behind_a_smaller_link_completes()
    {
        using var bed = new XdpBed(1);
        bed.StartBackend(1, 1);
        bed.AddFarClient(mtu: 1400);
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1"));
        // The client says 1460; the backend learns by ICMP errors to the VIP, which the balancer brings to it.
        foreach (string vip in (string[])[XdpBed.Vip4, XdpBed.Vip6])
        {
            (int There, int Back) moved = await Bulk.BothWaysAsync(bed, "far", vip);
            Assert.True(moved == (Bulk.Bytes, Bulk.Bytes), $"{vip}: {moved}");
        }
        Assert.Equal(2, balancer.Vips().Count(vip => vip.Reasons.ContainsKey(PacketReason.ByError)));
    }

    [InteropFact("ip", "ethtool")]
    public async Task A_device_that_goes_and_comes_back_is_balanced_again_and_told_of_once()
    {
        using var bed = new XdpBed(1);
        bed.StartBackend(1, 1);
        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1"));
        Assert.Equal([new XdpDevice("eth1", XdpAttachment.Native)], bed.In("node", () => balancer.Devices));

        bed.Bed.Ip("node", "link", "delete", "eth1");
        for (int i = 0; i < 3; i++) bed.In("node", balancer.Tend);
        Assert.Equal("there is no device eth1: see `ip link`", Assert.Single(bed.Faults));
        Assert.Equal([new XdpDevice("eth1", XdpAttachment.None)], bed.In("node", () => balancer.Devices));

        bed.JoinNode("node", 1);
        bed.In("node", balancer.Tend);
        Assert.Equal("eth1 is back, and balanced again", bed.Faults.Last());
        Assert.Equal([new XdpDevice("eth1", XdpAttachment.Native)], bed.In("node", () => balancer.Devices));
        await using var crowd = new TcpCrowd(bed);
        crowd.Serve(1);
        await crowd.OpenAsync(XdpBed.Vip4, 5);
        Assert.Equal((5, 0), (crowd.Hellos.Count, crowd.Broken.Count));
    }

    [InteropFact("ip", "ethtool")]
    public async Task A_service_whose_slots_or_addresses_family_change_is_another_one()
    {
        using var bed = new XdpBed(1);
        await using var servers = new TcpCrowd(bed);
        bed.StartBackend(1, 1);
        servers.Serve(1);
        using XdpBalancer balancer = bed.StartBalancer("node");
        VipTable table = XdpBed.Table(DeliveryMode.Ip, false, "1");
        foreach (VipTable next in (VipTable[])
            [table, table with { Services = [table.Services[0] with { Slots = 2003 }] },
                XdpBed.Table(DeliveryMode.Gue, true, "1")])
        {
            bed.Apply("node", balancer, next);
            await using var crowd = new TcpCrowd(bed);
            await crowd.OpenAsync(XdpBed.Vip4, 5);
            Assert.Equal((5, 0), (crowd.Hellos.Count, crowd.Broken.Count));
        }

        IOException refusal = Assert.Throws<IOException>(() => balancer.Apply(
            table with { Services = [table.Services[0] with { Slots = 1000 }] }));
        Assert.Equal("service web: 1000 slots: the number must be a prime", refusal.Message);
    }

    [InteropFact("ip", "ethtool")]
    public async Task A_table_waits_for_no_neighbour_and_new_connections_go_where_there_is_a_way()
    {
        using var bed = new XdpBed(2);
        await using var crowd = new TcpCrowd(bed);
        for (int i = 1; i <= 2; i++)
        {
            bed.StartBackend(i, 2);
            crowd.Serve(i);
        }

        using XdpBalancer balancer = bed.StartBalancer("node");
        bed.Apply("node", balancer, XdpBed.Table(DeliveryMode.Ip, false, "1", "2"));
        // Before its first packet a service has no former owners to stand in.
        await crowd.OpenAsync(XdpBed.Vip4, 1);
        // Nobody is 10.0.0.19: its neighbours' question has no answer, and until it has one it gets nothing.
        bed.In("node", () => balancer.Apply(XdpBed.Table(DeliveryMode.Ip, false, "1", "2", "9")));
        for (int i = 0; i < 3; i++) bed.In("node", balancer.Tend);
        Assert.Equal([IPAddress.Parse("10.0.0.19")], balancer.Unknown);
        await crowd.OpenAsync(XdpBed.Vip4, 60);
        Assert.Equal((61, 0), (crowd.Hellos.Count, crowd.Broken.Count));
        // A backend's end is in the kernel when Apply returns.
        bed.In("node", () => balancer.Apply(XdpBed.Table(DeliveryMode.Ip, false, "2", "9")));
        await using var after = new TcpCrowd(bed);
        await after.OpenAsync(XdpBed.Vip6, 20);
        Assert.All(after.Hellos, hello => Assert.Equal("b2", hello.Backend));
        Assert.Empty(bed.Faults);
    }

    [InteropFact("ip", "ethtool")]
    public void The_kernels_routes_neighbours_and_devices_are_read_as_ip_shows_them()
    {
        using var bed = new XdpBed(1);
        bed.Bed.Ip("node", "neighbour", "add", "10.0.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0");
        bed.Bed.Ip("node", "route", "add", "198.51.100.0/24", "via", "10.0.0.77");
        bed.Bed.Ip("node", "route", "add", "198.51.101.0/24", "via", "inet6", "2001:db8:1::77");
        bed.Bed.Ip("node", "route", "add", "unreachable", "198.51.102.0/24");
        using RouteNetlink kernel = bed.In("node", () => new RouteNetlink());
        var links = kernel.Links().ToDictionary(link => link.Name);
        Assert.Equal((1u, 65536, (ushort)0), (links["lo"].Index, links["lo"].Mtu, links["lo"].Vlan));
        Assert.Equal(
            bed.Bed.Run("node", "cat", "/sys/class/net/eth0/address").Trim().Replace(":", "", StringComparison.Ordinal),
            $"{links["eth0"].Address}", ignoreCase: true);
        Assert.Equal("020000000077", $"{kernel.Neighbours()[(links["eth0"].Index, IPAddress.Parse("10.0.0.77"))]}");

        string[] to = ["10.0.0.11", "198.51.100.1", "198.51.101.1", "198.51.102.1", "10.0.0.1", "2001:db8:1::11"];
        KernelRoute?[] routes = kernel.Routes([.. to.Select(IPAddress.Parse)]);
        Assert.Equal(
            ["eth0 () 10.0.0.1", "eth0 (10.0.0.77) 10.0.0.1", "eth0 (2001:db8:1::77) 10.0.0.1", "", "",
                "eth0 () 2001:db8:1::1"],
            routes.Select(way => way is null ? ""
                : $"{links.Values.Single(link => link.Index == way.Device).Name} ({way.Gateway}) {way.Source}"));

        // Word comes of what changes, and only of that.
        _ = kernel.TakeChanges(TimeSpan.Zero);
        bed.Bed.Ip("node", "neighbour", "add", "10.0.0.78", "lladdr", "02:00:00:00:00:78", "dev", "eth0");
        Assert.Equal(KernelChanges.Neighbours, kernel.TakeChanges(TimeSpan.FromMilliseconds(900)));
        bed.Bed.Ip("node", "route", "delete", "198.51.100.0/24");
        Assert.Equal(KernelChanges.Routes, kernel.TakeChanges(TimeSpan.FromMilliseconds(900)) & KernelChanges.Routes);
        IPAddress[] many = [.. Enumerable.Repeat(IPAddress.Parse("10.0.0.11"), 2000)];
        Assert.Equal(2000, kernel.Routes(many).Count(route => route is not null));
    }
}
