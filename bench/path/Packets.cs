using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Path;

/// <summary>What a packet takes of a core: by the balancer, the least that XDP can do, and nftables' DNAT.</summary>
internal sealed class Packets : IDisposable
{
    public static readonly IPAddress Vip = IPAddress.Parse("192.0.2.1");
    private const int Clients = 1 << 16;
    private readonly Wire wire = new();

    /// <summary>By a program of wire.bpf.c.</summary>
    public Wire.Cost By(string program, int flows)
    {
        using BpfObject link = wire.Attach("lb", "l0", program);
        return wire.Measure(flows);
    }

    public Wire.Cost Balanced(DeliveryMode mode, int flows)
    {
        using XdpBalancer balancer = Balance(wire.Bed.Prefix, "l0", wire.In, mode,
            [.. Enumerable.Range(101, Wire.Reals).Select(i => $"10.0.0.{i}")], 17);
        try
        {
            return wire.Measure(flows);
        }
        finally
        {
            balancer.Remove();
        }
    }

    public Wire.Cost Translated(int flows)
    {
        string map = string.Join(", ", Enumerable.Range(0, Wire.Reals).Select(i => $"{i} : 10.2.0.{101 + i}"));
        string file = System.IO.Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, $$"""
                table ip t {
                  chain pre {
                    type nat hook prerouting priority dstnat;
                    ip daddr {{Vip}} udp dport 80 dnat to jhash ip saddr . udp sport mod {{Wire.Reals}} map { {{map}} }
                  }
                }
                """);
            wire.Bed.Run("lb", "nft", "-f", file);
            return wire.Measure(flows);
        }
        finally
        {
            wire.Bed.Run("lb", "nft", "flush", "ruleset");
            File.Delete(file);
        }
    }

    /// <summary>A SYN, answered with a cookie by the backend's kernel: in its own stack, or ahead of it.</summary>
    public Wire.Cost Cookie(bool isAhead)
    {
        wire.Bed.Run("lb", "sysctl", "-qw", "net.ipv4.tcp_syncookies=2");
        wire.Bed.Ip("lb", "address", "replace", $"{Vip}/32", "dev", "lo");
        wire.Bed.Ip("lb", "route", "replace", "10.64.0.0/10", "via", "10.0.0.101");
        using Socket listener = wire.In("lb", () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(Vip, 80));
        listener.Listen();
        if (!isAhead) return wire.Measure(Clients, isSyn: true);
        var options = new BackendSideOptions
        {
            Devices = ["l0"],
            Vips = [Vip],
            Balancers = [],
            Cookies = [new SynCookies { Rate = 0, IsUnwrapped = true, Vips = [new VipPort(Vip, 6, 80)] }],
            Pins = $"/sys/fs/bpf/{wire.Bed.Prefix}",
        };
        using BackendSide side = wire.In("lb", () => BackendSide.Start(options, Console.Error.WriteLine));
        try
        {
            Wire.Cost cost = wire.Measure(Clients, isSyn: true);
            IReadOnlyDictionary<BackendReason, ulong> counts = side.Counts();
            return counts[BackendReason.NoCookie] == 0 && counts[BackendReason.Cookie] > 0 ? cost
                : throw new IOException($"{counts[BackendReason.NoCookie]} SYNs went to the kernel");
        }
        finally
        {
            wire.In("lb", () =>
            {
                side.Remove();
                return 0;
            });
        }
    }

    public void Dispose() => wire.Dispose();

    /// <summary>A balancer of one service with these backends, with the way to each of them known.</summary>
    public static XdpBalancer Balance(
        string name, string device, Func<string, Func<XdpBalancer>, XdpBalancer> run, DeliveryMode mode,
        IReadOnlyList<string> backends, byte protocol) => run("lb", () =>
        {
            var options = new XdpOptions
            {
                Devices = [device],
                Key = new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
                Pins = $"/sys/fs/bpf/{name}",
            };
            XdpBalancer balancer = XdpBalancer.Start(options, TimeProvider.System, Console.Error.WriteLine);
            balancer.Apply(new VipTable(1, [])
            {
                Services =
                [
                    new ServiceEntry
                    {
                        Name = "path",
                        Vips = [new VipPort(Vip, protocol, 80)],
                        Backends = [.. backends.Select(one => new BackendEntry(IPAddress.Parse(one)))],
                        Mode = mode,
                    },
                ],
            });
            for (int i = 0; i < 100 && (i == 0 || balancer.Unknown.Count > 0); i++) balancer.Tend();
            return balancer.Unknown.Count == 0 ? balancer
                : throw new IOException($"no way is known to {balancer.Unknown[0]}");
        });
}
