using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Programs;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// client - node - lan (a bridge) - b1, b2 ...: backends answer by way of the node, their gateway. The second balancer,
/// node2, stands between the same two networks. Balancers take packets in on eth1, the client's side.
/// </summary>
internal sealed class XdpBed : IDisposable
{
    public const string Vip4 = "192.0.2.1";
    public const string Vip6 = "2001:db8:f00::1";
    private static int count;
    private readonly List<BackendSide> sides = [];
    private readonly List<string> pins = [];
    private readonly List<BpfObject> links = [];

    /// <summary>A backend's program that knows no balancer lets everything pass.</summary>
    private readonly Dictionary<string, BpfObject> passes =
        XdpProgram.Skeleton("backend").Load(new Dictionary<string, int>());

    public XdpBed(int backends)
    {
        Bed = new Bed($"flxb{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
        Bed.AddHost("client");
        Bed.AddHost("edge");
        Bed.AddHost("lan");
        Bridge("edge");
        Bridge("lan");
        Join("client", "eth0", "edge", "203.0.113.10/24", "2001:db8:e::10/64");
        AddNode("node", 1);
        AddNode("node2", 2);
        for (int i = 1; i <= backends; i++)
        {
            Bed.AddHost($"b{i}");
            Join($"b{i}", "eth0", "lan", $"10.0.0.{10 + i}/24", $"2001:db8:1::{10 + i}/64");
            Bed.Ip($"b{i}", "route", "add", "default", "via", "10.0.0.1");
            Bed.Ip($"b{i}", "-6", "route", "add", "default", "via", "2001:db8:1::1");
        }

        Route(1);
        // Whoever computes no checksum has nothing for XDP to send on.
        Bed.Run("client", "ethtool", "-K", "eth0", "tx", "off");
    }

    public Bed Bed { get; }

    public ConcurrentQueue<string> Faults { get; } = new();

    /// <summary>The client's packets go by this node from now on; backends' answers by the first in any case.</summary>
    public void Route(int number)
    {
        Bed.Ip("client", "route", "replace", "default", "via", $"203.0.113.{number}");
        Bed.Ip("client", "-6", "route", "replace", "default", "via", $"2001:db8:e::{number}");
    }

    /// <summary>A client behind two routers, and between those a link that takes no more than this.</summary>
    public void AddFarClient(int mtu)
    {
        Bed.AddHost("isp", forwards: true);
        Bed.AddHost("home", forwards: true);
        Bed.AddHost("far");
        Join("isp", "eth0", "edge", "203.0.113.20/24", "2001:db8:e::20/64");
        Line("isp", "eth1", "home", "eth0", 1);
        Line("home", "eth1", "far", "eth0", 2);
        Bed.Ip("isp", "link", "set", "eth1", "mtu", $"{mtu}");
        Bed.Ip("home", "link", "set", "eth0", "mtu", $"{mtu}");
        Default("far", "198.51.2.1", "2001:db8:fa:2::1");
        Default("home", "198.51.1.1", "2001:db8:fa:1::1");
        Default("isp", "203.0.113.1", "2001:db8:e::1");
        foreach ((string host, string by4, string by6) in ((string, string, string)[])
            [("node", "203.0.113.20", "2001:db8:e::20"), ("isp", "198.51.1.2", "2001:db8:fa:1::2")])
        {
            Bed.Ip(host, "route", "add", "198.51.2.0/24", "via", by4);
            Bed.Ip(host, "-6", "route", "add", "2001:db8:fa:2::/64", "via", by6);
        }

        Bed.Ip("node", "route", "add", "198.51.1.0/24", "via", "203.0.113.20");
        Bed.Ip("node", "-6", "route", "add", "2001:db8:fa:1::/64", "via", "2001:db8:e::20");
        foreach ((string host, string device) in ((string, string)[])
            [("far", "eth0"), ("home", "eth0"), ("isp", "eth0")])
            Bed.Run(host, "ethtool", "-K", device, "tx", "off");
    }

    private void Line(string one, string oneDevice, string other, string otherDevice, int number)
    {
        Bed.AddLink(one, oneDevice, other, otherDevice);
        Bed.AddAddress(one, oneDevice, $"198.51.{number}.1/24");
        Bed.AddAddress(one, oneDevice, $"2001:db8:fa:{number}::1/64");
        Bed.AddAddress(other, otherDevice, $"198.51.{number}.2/24");
        Bed.AddAddress(other, otherDevice, $"2001:db8:fa:{number}::2/64");
    }

    private void Default(string host, string by4, string by6)
    {
        Bed.Ip(host, "route", "add", "default", "via", by4);
        Bed.Ip(host, "-6", "route", "add", "default", "via", by6);
    }

    public XdpOptions Options(string node) => OptionsAt(Pins(node));

    public static XdpOptions OptionsAt(string pins) => new()
    {
        Devices = ["eth1"],
        Key = new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        Pins = pins,
    };

    public XdpBalancer StartBalancer(string node, XdpOptions? options = null) =>
        In(node, () => XdpBalancer.Start(options ?? Options(node), TimeProvider.System, Faults.Enqueue));

    public BackendSide StartBackend(int number, int of, params SynCookies[] cookies)
    {
        BackendSide side = In($"b{number}", () => BackendSide.Start(
            new BackendSideOptions
            {
                Devices = ["eth0"],
                Vips = [IPAddress.Parse(Vip4), IPAddress.Parse(Vip6)],
                Balancers = [.. new[] { "10.0.0.1", "10.0.0.2", "2001:db8:1::1", "2001:db8:1::2" }
                    .Select(IPAddress.Parse)],
                Peers = [.. Enumerable.Range(1, of).Where(i => i != number).SelectMany(i => new[]
                    { IPAddress.Parse($"10.0.0.{10 + i}"), IPAddress.Parse($"2001:db8:1::{10 + i}") })],
                Cookies = cookies,
                Pins = Pins($"b{number}"),
            },
            Faults.Enqueue));
        sides.Add(side);
        return side;
    }

    public T In<T>(string host, Func<T> work) => NetworkNamespace.Run(Bed.NamespaceOf(host), work);

    public void In(string host, Action work) => In(host, () =>
    {
        work();
        return 0;
    });

    /// <summary>The balancer goes over to this table, and knows the way to everybody in it.</summary>
    public void Apply(string host, XdpBalancer balancer, VipTable table) => In(host, () =>
    {
        balancer.Apply(table);
        Tend(balancer);
    });

    /// <summary>In the balancer's namespace. Each call waits some milliseconds for who does not answer.</summary>
    public static void Tend(XdpBalancer balancer)
    {
        long begin = Stopwatch.GetTimestamp();
        do balancer.Tend();
        while (balancer.Unknown.Count > 0 && Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(5));
        Assert.Empty(balancer.Unknown);
    }

    /// <summary>A service of the backends with these numbers; a weight follows after a colon.</summary>
    public static VipTable Table(DeliveryMode mode, bool isIPv6Outside, params string[] backends) => new(1, [])
    {
        Services =
        [
            new ServiceEntry
            {
                Name = "web",
                Vips =
                [
                    new(IPAddress.Parse(Vip4), 6, 80), new(IPAddress.Parse(Vip6), 6, 80),
                    new(IPAddress.Parse(Vip4), 17, 80),
                ],
                Backends =
                [
                    .. backends.Select(text => text.Split(':')).Select(words => new BackendEntry(
                        IPAddress.Parse((isIPv6Outside ? "2001:db8:1::" : "10.0.0.")
                            + (10 + int.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture))),
                        words.Length > 1 ? int.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture) : 1)),
                ],
                Mode = mode,
                Slots = 1009,
            },
        ],
    };

    public void Dispose()
    {
        foreach (BackendSide side in sides) side.Dispose();
        foreach (string folder in pins.Where(Directory.Exists).ToList()) new PinFolder(folder).RemoveAll();
        foreach (BpfObject one in links.Concat(passes.Values)) one.Dispose();
        Bed.Dispose();
    }

    private string Pins(string host)
    {
        string folder = $"/sys/fs/bpf/{Bed.Prefix}-{host}";
        if (!pins.Contains(folder)) pins.Add(folder);
        return folder;
    }

    private void Bridge(string host)
    {
        Bed.Ip(host, "link", "add", "br0", "type", "bridge");
        Bed.Ip(host, "link", "set", "br0", "up");
    }

    private void Join(string host, string device, string bridge, string address4, string address6)
    {
        string port = $"p{host}{device}"[..Math.Min(15, $"p{host}{device}".Length)];
        Bed.AddLink(host, device, bridge, port);
        Bed.Ip(bridge, "link", "set", port, "master", "br0");
        Bed.AddAddress(host, device, address4);
        Bed.AddAddress(host, device, address6);
        // veth takes frames from XDP at the other end only where a program is at this one. (GRO would do for most of
        // them, but it would join the packets inside of tunnels, which no switch does.)
        (BpfObject? link, int error) = In(bridge,
            () => passes["program backend"].AttachXdp(Libc.InterfaceIndex(port), Libc.XDP_FLAGS_DRV_MODE));
        links.Add(link ?? throw new IOException($"{port}: errno {error}"));
    }

    /// <summary>The node's device on the clients' side, again after it was deleted.</summary>
    public void JoinNode(string name, int number) =>
        Join(name, "eth1", "edge", $"203.0.113.{number}/24", $"2001:db8:e::{number}/64");

    private void AddNode(string name, int number)
    {
        Bed.AddHost(name, forwards: true);
        JoinNode(name, number);
        Join(name, "eth0", "lan", $"10.0.0.{number}/24", $"2001:db8:1::{number}/64");
    }
}
