using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>Many flows through the kernel's own run of the program: where they go, and that they stay there.</summary>
public sealed class FlowTests : IDisposable
{
    private const byte Syn = 2, Ack = 16;
    private readonly Dictionary<string, BpfObject> loaded = XdpProgram.LoadBalancer(
        BalancerSizes.Least with { ExceptionBuckets = 1 << 13 });
    private readonly KernelTables tables;
    private readonly byte[] after = new byte[256];
    private readonly uint now = KernelTables.Seconds(TimeProvider.System);

    public FlowTests() => tables = new KernelTables(loaded, new FlowHash(11, 22), TimeSpan.FromMinutes(15));

    [InteropFact]
    public void The_kernel_and_the_program_agree_on_every_flows_backend()
    {
        var random = new Random(1);
        HashSet<int> set = [.. Enumerable.Range(1, 100)];
        VipTable table = Apply(set, []);
        for (int i = 0; i < 20_000; i++)
        {
            Flow flow = Any(random);
            FlowStory story = FlowStory.Tell(tables, table.Services[0], flow, now);
            Assert.Equal(story.Goes!.GetAddressBytes()[3], Send(flow, i % 2 == 0 ? Syn : Ack));
        }
    }

    [InteropFact]
    public void In_the_kernel_a_flow_whose_backend_is_up_never_moves()
    {
        var random = new Random(2);
        HashSet<int> set = [.. Enumerable.Range(1, 40)], leaving = [];
        Apply(set, leaving);
        Flow[] flows = [.. Enumerable.Range(0, 5_000).Select(_ => Any(random))];
        int[] owners = [.. flows.Select(flow => Send(flow, Syn))];
        for (int change = 0; change < 60; change++)
        {
            int one = random.Next(1, 60);
            bool isNew = set.Add(one);
            if (!isNew && random.Next(2) == 0) leaving.Add(one);
            else if (!isNew && set.Count > 30 && set.Count - leaving.Count > 20) set.Remove(one);
            leaving.IntersectWith(set);
            if (change % 9 == 0) leaving.Clear();
            Apply(set, leaving);
            for (int i = 0; i < flows.Length; i++)
            {
                if (set.Contains(owners[i]))
                {
                    Assert.Equal((change, i, owners[i]), (change, i, Send(flows[i], Ack)));
                    continue;
                }

                flows[i] = Any(random);
                owners[i] = Send(flows[i], Syn);
                Assert.DoesNotContain(owners[i], leaving);
            }

            // The time of a change passes.
            if (change % 10 == 9) tables.Tidy(now + 61);
        }
    }

    [InteropFact]
    public void The_kernel_and_the_program_agree_on_whose_a_quic_packet_is()
    {
        var random = new Random(4);
        Dictionary<string, BpfObject> larger = XdpProgram.LoadBalancer(
            BalancerSizes.Least with { QuicIds = 4096, QuicServices = 4 });
        using var room = new KernelTables(larger, new FlowHash(11, 22), TimeSpan.FromMinutes(15));
        var mac = new PhysicalAddress([2, 0, 0, 0, 0, 1]);
        int byId = 0;
        for (int round = 0; round < 100; round++)
        {
            ServiceEntry service = new()
            {
                Name = "q",
                Vips = [new(IPAddress.Parse("192.0.2.1"), 17, 80)],
                Backends = [.. Enumerable.Range(1, 20).Select(i =>
                    new BackendEntry(new IPAddress([10, 0, 0, (byte)i])))],
                Quic = [.. Enumerable.Range(0, 7).Where(_ => random.Next(4) > 0).Select(i => AnyConfig(i, random))],
                Mode = DeliveryMode.Ip,
                Slots = 251,
            };
            var table = new VipTable(1, []) { Services = [service] };
            // What has no room is not taken: too many ids, and too many services that have some.
            Assert.Equal(service.Quic.IsEmpty, tables.Fits(table));
            VipTable four = table with
            {
                Services = [.. Enumerable.Range(0, 4).Select(i => service with { Name = $"q{i}" })],
            };
            Assert.Equal(service.Quic.IsEmpty, room.Fits(four));
            Assert.True(room.Fits(table));
            room.Apply(table, now, _ => new NextHop(1, mac, mac, IPAddress.Parse("10.0.0.1")));
            for (int i = 0; i < 200; i++)
            {
                Flow flow = Any(random) with { Protocol = 17 };
                byte[] payload = AnyPacket(service.Quic, random);
                IPAddress? made = QuicConnectionId.BackendOf(service, payload);
                if (made is not null) byId++;
                IPAddress goes = made ?? FlowStory.Tell(room, service, flow, now).Goes!;
                Assert.Equal((round, i, goes.GetAddressBytes()[3]),
                    (round, i, SendUdp(larger["program balancer"], flow, payload)));
            }
        }

        Assert.InRange(byId, 8_000, 15_000);
        foreach (BpfObject one in larger.Values) one.Dispose();
    }

    /// <summary>Of any length and with or without a key, for twenty backends.</summary>
    private static QuicConfig AnyConfig(int number, Random random)
    {
        int bytes = random.Next(1, 16);
        byte[] first = new byte[bytes], key = new byte[16];
        random.NextBytes(first);
        random.NextBytes(key);
        return new QuicConfig
        {
            Config = number,
            NonceBytes = random.Next(4, 20 - bytes),
            Key = random.Next(5) == 0 ? "" : Convert.ToHexString(key),
            Ids =
            [
                .. Enumerable.Range(1, 20).Select(i => new QuicServerId(
                    Convert.ToHexString([.. first[..^1], (byte)(first[^1] + i)]), new IPAddress([10, 0, 0, (byte)i]))),
            ],
        };
    }

    /// <summary>Mostly one to a server's id, sometimes a damaged or short one, or nothing of QUIC.</summary>
    private static byte[] AnyPacket(ImmutableArray<QuicConfig> configs, Random random)
    {
        byte[] rest = new byte[random.Next(8, 40)];
        random.NextBytes(rest);
        if (configs.IsEmpty || random.Next(4) == 0) return rest;
        QuicConfig config = configs[random.Next(configs.Length)];
        byte[] nonce = new byte[config.NonceBytes];
        random.NextBytes(nonce);
        byte[] id = QuicConnectionId.Write(
            config, Convert.FromHexString(config.Ids[random.Next(config.Ids.Length)].Id), nonce);
        int more = random.Next(3) == 0 ? random.Next(-2, 20 - id.Length) : 0;
        if (random.Next(8) == 0) id[random.Next(id.Length)] ^= (byte)(1 << random.Next(8));
        return random.Next(2) == 0
            ? [0x40, .. id, .. rest]
            : [0xc0, 0, 0, 0, 1, (byte)(id.Length + more), .. id, .. rest];
    }

    private int SendUdp(BpfObject program, Flow flow, byte[] payload)
    {
        byte[] frame = [.. new byte[42], .. payload];
        frame[12] = 8;
        (frame[14], frame[22], frame[23]) = (0x45, 64, 17);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), (ushort)(28 + payload.Length));
        flow.From.Address.TryWriteBytes(frame.AsSpan(26), out _);
        flow.To.Address.TryWriteBytes(frame.AsSpan(30), out _);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(34), (ushort)flow.From.Port);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(36), (ushort)flow.To.Port);
        Assert.Equal(3u, program.Run(frame, after, out _));
        return after[33];
    }

    [InteropFact]
    public void A_flood_of_two_million_connections_moves_nobody()
    {
        var random = new Random(3);
        Apply([1], []);
        Flow[] old = [.. Enumerable.Range(0, 2_000).Select(_ => Any(random))];
        Assert.All(old, flow => Assert.Equal(1, Send(flow, Syn)));
        // Every slot changes hands: the worst there is.
        Apply([1, 2], [1]);
        Flow[] young = [.. Enumerable.Range(0, 2_000).Select(_ => Any(random))];
        Assert.All(young, flow => Assert.Equal(2, Send(flow, Syn)));
        Assert.All(young, flow => Assert.Equal(2, Send(flow, Ack)));
        Assert.All(old, flow => Assert.Equal(1, Send(flow, Ack)));

        for (int i = 0; i < 2_000_000; i++) Send(Any(random), Syn);

        Assert.All(young, flow => Assert.Equal(2, Send(flow, Ack)));
        Assert.All(old, flow => Assert.Equal(1, Send(flow, Ack)));
        // Who found no room went where its later packets will go.
        var counts = new FlVipCount[BpfPerCpu.Cpus];
        BpfPerCpu.Read<FlVipCount>(loaded["vip_counts"], 1, counts);
        Assert.True(counts.Sum(count => (long)count.Reason[(int)PacketReason.NoRoom]) > 100_000);
    }

    public void Dispose()
    {
        tables.Dispose();
        foreach (BpfObject one in loaded.Values) one.Dispose();
    }

    private static Flow Any(Random random) => new(
        new IPEndPoint(random.NextInt64(1, uint.MaxValue), random.Next(1, 65536)), IPEndPoint.Parse("192.0.2.1:80"), 6);

    /// <summary>The backend that the frame goes to: the last byte of its address.</summary>
    private int Send(Flow flow, byte flags)
    {
        Span<byte> frame = stackalloc byte[54];
        frame.Clear();
        frame[12] = 8;
        (frame[14], frame[22], frame[23]) = (0x45, 64, 6);
        BinaryPrimitives.WriteUInt16BigEndian(frame[16..], 40);
        flow.From.Address.TryWriteBytes(frame[26..], out _);
        flow.To.Address.TryWriteBytes(frame[30..], out _);
        BinaryPrimitives.WriteUInt16BigEndian(frame[34..], (ushort)flow.From.Port);
        BinaryPrimitives.WriteUInt16BigEndian(frame[36..], (ushort)flow.To.Port);
        (frame[46], frame[47]) = (0x50, flags);
        Assert.Equal(3u, loaded["program balancer"].Run(frame, after, out _));
        return after[33];
    }

    private VipTable Apply(HashSet<int> set, HashSet<int> leaving)
    {
        var table = new VipTable(1, [])
        {
            Services =
            [
                new ServiceEntry
                {
                    Name = "s",
                    Vips = [new(IPAddress.Parse("192.0.2.1"), 6, 80)],
                    Backends = [.. set.Select(number =>
                        new BackendEntry(new IPAddress([10, 0, 0, (byte)number]), leaving.Contains(number) ? 0 : 1))],
                    Mode = DeliveryMode.Ip,
                    Slots = 4093,
                    Transition = TimeSpan.FromMinutes(1),
                },
            ],
        };
        var mac = new PhysicalAddress([2, 0, 0, 0, 0, 1]);
        tables.Apply(table, now, _ => new NextHop(1, mac, mac, IPAddress.Parse("10.0.0.1")));
        return table;
    }
}
