using System.Net;
using System.Net.NetworkInformation;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// The balancer's program in the kernel with the tables that the packet cases speak of, attached to nothing. VIP number
/// n is 192.0.2.n and 2001:db8:f::n, port 80 by TCP and UDP; its backend is 10.0.0.(10+n) or 2001:db8:1::(10+n), and
/// that one's frames go to b(10+n).
/// </summary>
internal sealed class CaseBed : IDisposable
{
    private const int Last = 2;
    public static readonly FlowHash Key = new(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    private readonly Dictionary<string, BpfObject> loaded;

    public CaseBed()
    {
        BalancerSizes sizes = BalancerSizes.For(Table(Last)) with { ExceptionBuckets = 1024 };
        loaded = XdpProgram.LoadBalancer(sizes, log: true);
        Tables = new KernelTables(loaded, Key, TimeSpan.FromMinutes(5));
        Program = loaded["program balancer"];
        uint now = KernelTables.Seconds(TimeProvider.System);
        for (int stage = 0; stage <= Last; stage++) Tables.Apply(TableAt(stage), now, Way);
        // The one whose transition is over.
        Tables.Tidy(now + 10);
    }

    public BpfObject Program { get; }

    public KernelTables Tables { get; }

    public IReadOnlyDictionary<string, BpfObject> Maps => loaded;

    /// <summary>What the tables were last made of.</summary>
    public static VipTable Current => TableAt(Last);

    /// <summary>Nothing is remembered any more.</summary>
    public void Forget()
    {
        Tables.Exceptions.Slice(0, Tables.Exceptions.Length).Clear();
        Tables.Fragments.Slice(0, Tables.Fragments.Length).Clear();
    }

    public (uint Verdict, byte[] After) Run(byte[] frame)
    {
        byte[] after = new byte[4096];
        uint verdict = Program.Run(frame, after, out int length);
        return (verdict, after[..length]);
    }

    /// <summary>How often each reason was counted, over all VIPs and CPUs.</summary>
    public Dictionary<string, ulong> Reasons()
    {
        var counts = new FlVipCount[BpfPerCpu.Cpus];
        ulong[] sums = new ulong[Layout.Reasons];
        for (uint vip = 0; vip < Tables.Sizes.Vips; vip++)
        {
            BpfPerCpu.Read<FlVipCount>(loaded["vip_counts"], vip, counts);
            foreach (FlVipCount count in counts)
                for (int i = 0; i < sums.Length; i++) sums[i] += i == 0 ? count.Packets : count.Reason[i];
        }

        return Enum.GetValues<PacketReason>().ToDictionary(reason => $"{reason}", reason => sums[(int)reason]);
    }

    public void Dispose()
    {
        Tables.Dispose();
        foreach (BpfObject one in loaded.Values) one.Dispose();
    }

    private static NextHop? Way(IPAddress backend)
    {
        byte number = backend.GetAddressBytes()[^1];
        if (backend.GetAddressBytes().Length == 16)
            number = byte.Parse(backend.ToString().Split(':')[^1], System.Globalization.CultureInfo.InvariantCulture);
        if (number == 19) return null;
        IPAddress source = IPAddress.Parse(backend.ToString().Contains(':', StringComparison.Ordinal)
            ? "2001:db8:1::1" : "10.0.0.1");
        return new NextHop(number == 22 ? 7u : 1u, new PhysicalAddress([2, 0, 0, 0, 0, 1]),
            new PhysicalAddress([2, 0, 0, 0, 1, number]), source, 1500, number is 21 or 23 ? (ushort)100 : (ushort)0);
    }

    /// <summary>
    /// As a balancer makes it that has carried flows in the stages before: here no packet has come yet.
    /// </summary>
    private static VipTable TableAt(int stage)
    {
        VipTable[] before = [.. Enumerable.Range(0, stage).Select(Table)];
        VipTable now = Table(stage);
        return stage == 0 ? now : now with
        {
            Services =
            [
                .. now.Services.Select((service, i) => service with
                {
                    Others = [new OtherBalancer([.. before.Select(table => table.Services[i].Backends)])],
                }),
            ],
        };
    }

    private static VipTable Table(int stage) => new(1, [])
    {
        Spillers = [IPAddress.Parse("10.9.0.1"), IPAddress.Parse("2001:db8:9::1")],
        Services =
        [
            Service(1, DeliveryMode.L2, V4(11)),
            Service(2, DeliveryMode.Ip, V4(12)),
            Service(3, DeliveryMode.Ip, V6(13)),
            Service(4, DeliveryMode.Gue, V4(14)),
            Service(5, DeliveryMode.Gue, V6(15)),
            Service(6, DeliveryMode.Ip, V4(16)) with { IsSticky = true },
            Service(7, DeliveryMode.Ip, V4(17)) with { FollowsFragments = false },
            Service(8, DeliveryMode.Ip),
            Service(9, DeliveryMode.Ip, V4(19)),
            Service(10, DeliveryMode.Ip, V4(20)) with
            {
                Vips = [Vip("192.0.2.10", 6, 0), Vip("2001:db8:f::10", 17, 0)],
            },
            Service(11, DeliveryMode.Ip, V4(21)),
            Service(12, DeliveryMode.Gue, V4(22)),
            Service(13, DeliveryMode.L2, V4(23)),
            // From b34 to b44, b35 to b45 and so on; the former ones stay alive and take nothing new.
            Change(14, DeliveryMode.Ip, V4, stage > 0),
            Change(15, DeliveryMode.Gue, V4, stage > 0),
            Change(16, DeliveryMode.Gue, V6, stage > 0),
            Change(17, DeliveryMode.Gue, V4, stage > 0) with { Transition = TimeSpan.FromSeconds(5) },
            // The former owner goes away altogether.
            Service(18, DeliveryMode.Ip, V4(stage > 0 ? 48 : 38)),
            // Two changes within one transition: from b59 to b69 to b79, and b60 to b70 to b80.
            Changes(19, V4, stage),
            Changes(20, V6, stage),
            Service(21, DeliveryMode.Ip, V4(61), V4(62), V4(63)) with
            {
                Quic =
                [
                    new QuicConfig
                    {
                        Config = 0, NonceBytes = 4,
                        Ids = [new("c4605e", V4(61).Address), new("c4605f", V4(62).Address)],
                    },
                    new QuicConfig { Config = 1, NonceBytes = 5, Ids = [new("350d28b420", V4(63).Address)] },
                ],
            },
            // The draft's encrypted ids are of one key. Configuration 3 is 1 in its next generation, with another key.
            Service(22, DeliveryMode.Ip, V4(64), V4(65), V4(66), V4(67)) with
            {
                Quic =
                [
                    Secret(0, 4, "ed793a", "ed793b"), Secret(1, 5, "ed793a51d49b8f5fab65", "ed793a51d49b8f5fab66"),
                    Secret(2, 8, "ed793a51d49b8f5f", "ed793a51d49b8f60"),
                    Secret(3, 5, "ed793a51d49b8f5fab65", "ed793a51d49b8f5fab66") with
                        { Key = "000102030405060708090a0b0c0d0e0f" },
                ],
            },
            Service(23, DeliveryMode.Ip, V4(64), V4(65), V4(66), V4(67)) with
            {
                Quic = [Secret(0, 9, "ed793a51d49b8f5fab", "ed793a51d49b8f5fac")],
            },
            Service(24, DeliveryMode.L2, V4(68) with { IsElsewhere = true }),
        ],
    };

    private static QuicConfig Secret(int config, int nonceBytes, string first, string second) => new()
    {
        Config = config,
        NonceBytes = nonceBytes,
        Key = "8f95f09245765f80256934e50c66207f",
        Ids = [new(first, V4(64).Address), new(second, V4(65).Address)],
    };

    private static ServiceEntry Change(
        int number, DeliveryMode mode, Func<int, int, BackendEntry> backend, bool isAfter) => isAfter
            ? Service(number, mode, backend(20 + number, 0), backend(30 + number, 1))
            : Service(number, mode, backend(20 + number, 1));

    private static ServiceEntry Changes(int number, Func<int, int, BackendEntry> backend, int stage) =>
        Service(number, DeliveryMode.Gue, [.. Enumerable.Range(0, stage + 1)
            .Select(i => backend(40 + number + 10 * i, i == stage ? 1 : 0))]);

    private static ServiceEntry Service(int number, DeliveryMode mode, params BackendEntry[] backends) => new()
    {
        Name = $"s{number}",
        Vips =
        [
            Vip($"192.0.2.{number}", 6, 80), Vip($"192.0.2.{number}", 17, 80),
            Vip($"2001:db8:f::{number}", 6, 80), Vip($"2001:db8:f::{number}", 17, 80),
        ],
        Backends = [.. backends],
        Mode = mode,
        Slots = 251,
    };

    private static VipPort Vip(string address, byte protocol, ushort port) =>
        new(IPAddress.Parse(address), protocol, port);

    private static BackendEntry V4(int number, int weight = 1) => new(IPAddress.Parse($"10.0.0.{number}"), weight);

    private static BackendEntry V6(int number, int weight = 1) => new(IPAddress.Parse($"2001:db8:1::{number}"), weight);

    private static BackendEntry V4(int number) => V4(number, 1);

    private static BackendEntry V6(int number) => V6(number, 1);
}
