using System.Collections.Concurrent;
using System.Net;
using Fairlead.Balancer;
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

        Route("node", 1, "replace");
        // Whoever computes no checksum has nothing for XDP to send on.
        Bed.Run("client", "ethtool", "-K", "eth0", "tx", "off");
    }

    public Bed Bed { get; }

    public ConcurrentQueue<string> Faults { get; } = new();

    /// <summary>The client's packets go by this node from now on; backends' answers by the first in any case.</summary>
    public void Route(string node, int number, string verb = "replace")
    {
        _ = node;
        Bed.Ip("client", "route", verb, "default", "via", $"203.0.113.{number}");
        Bed.Ip("client", "-6", "route", verb, "default", "via", $"2001:db8:e::{number}");
    }

    public XdpOptions Options(string node) => new()
    {
        Devices = ["eth1"],
        Key = new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        Pins = Pins(node),
    };

    public XdpBalancer StartBalancer(string node, XdpOptions? options = null) =>
        In(node, () => XdpBalancer.Start(options ?? Options(node), TimeProvider.System, Faults.Enqueue));

    public BackendSide StartBackend(int number, int of)
    {
        BackendSide side = In($"b{number}", () => BackendSide.Start(
            new BackendSideOptions
            {
                Devices = ["eth0"],
                Vips = [IPAddress.Parse(Vip4), IPAddress.Parse(Vip6)],
                Balancers = [.. new[] { "10.0.0.1", "10.0.0.2", "2001:db8:1::1", "2001:db8:1::2" }.Select(IPAddress.Parse)],
                Peers = [.. Enumerable.Range(1, of).Where(i => i != number).SelectMany(i => new[]
                    { IPAddress.Parse($"10.0.0.{10 + i}"), IPAddress.Parse($"2001:db8:1::{10 + i}") })],
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
        foreach (string folder in pins.Where(Directory.Exists).ToList()) new Fairlead.Balancer.Programs.PinFolder(folder).RemoveAll();
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
        // veth takes frames from XDP only where NAPI runs at the other end, and that is so with GRO.
        Bed.Run(bridge, "ethtool", "-K", port, "gro", "on");
        Bed.AddAddress(host, device, address4);
        Bed.AddAddress(host, device, address6);
    }

    private void AddNode(string name, int number)
    {
        Bed.AddHost(name, forwards: true);
        Join(name, "eth1", "edge", $"203.0.113.{number}/24", $"2001:db8:e::{number}/64");
        Join(name, "eth0", "lan", $"10.0.0.{number}/24", $"2001:db8:1::{number}/64");
    }
}
