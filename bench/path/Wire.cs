using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Path;

/// <summary>
/// Two veth pairs: gen g0 - l0 lb l1 - s0 sink. Packets for 192.0.2.1 are made at g0; lb takes them, and whoever has them
/// in the end, g0 or s0, counts. All of it is on core 1, each part in a thread of its own, which has its own clock: what
/// is made is carried at once, from the core's own cache, as a card puts it there. With the parts on two cores most of
/// the time is lines of memory on their way from one to the other, and how long those take changes by the minute.
/// </summary>
internal sealed class Wire : IDisposable
{
    public const int Reals = 100;
    private const uint LiveFrames = 2, Batch = 64;
    private const uint Warm = 1 << 20, Packets = 1 << 21;
    private const int Rounds = 3, Tries = 30;
    private const byte Tcp = 6, Udp = 17, TcpBytes = 24;
    private const double WorkOfOthersMax = 0.1;
    private readonly List<BpfObject> links = [];
    private readonly Dictionary<string, BpfObject> programs;
    private readonly BpfArray<Source> sources;
    private readonly string balancer;
    private readonly string[] ends;

    public Wire()
    {
        Bed = new Bed($"flpath{Environment.ProcessId}");
        foreach (string host in (string[])["gen", "lb", "sink"]) Bed.AddHost(host, host == "lb");
        Bed.AddLink("gen", "g0", "lb", "l0");
        Bed.AddLink("lb", "l1", "sink", "s0");
        Bed.AddAddress("gen", "g0", "10.0.0.1/24");
        Bed.AddAddress("lb", "l0", "10.0.0.2/24");
        Bed.AddAddress("lb", "l1", "10.2.0.2/24");
        string there = MacOf("gen", "g0"), beyond = MacOf("sink", "s0");
        for (int i = 0; i < Reals; i++)
        {
            Bed.Ip("lb", "neigh", "add", $"10.0.0.{101 + i}", "lladdr", there, "dev", "l0");
            Bed.Ip("lb", "neigh", "add", $"10.2.0.{101 + i}", "lladdr", beyond, "dev", "l1");
        }

        using var skeleton = new StreamReader(
            Assembly.GetExecutingAssembly().GetManifestResourceStream("wire.skel")!);
        programs = new LightSkeleton(skeleton).Load(new Dictionary<string, int>());
        sources = new BpfArray<Source>(programs["sources"]);
        links.Add(Attach("gen", "g0", "take"));
        links.Add(Attach("sink", "s0", "take"));
        // With it what comes in has a thread of its own, whatever program is there, or none.
        Bed.Run("lb", "ethtool", "-K", "l0", "gro", "on");
        balancer = Pin("lb", "l0");
        ends = [Pin("gen", "g0"), Pin("sink", "s0")];
    }

    /// <summary>What a packet takes of the core: on its way through lb, and where it ends. Nanoseconds.</summary>
    public readonly record struct Cost(double Way, double End)
    {
        public double All => Way + End;
    }

    public Bed Bed { get; }

    /// <summary>A program of wire.bpf.c on a device, until the link is disposed of.</summary>
    public BpfObject Attach(string host, string device, string program) =>
        In(host, () => XdpPass.Attach(programs[$"program {program}"], device));

    public T In<T>(string host, Func<T> work) => NetworkNamespace.Run(Bed.NamespaceOf(host), work);

    public static Cost Less(Cost one, Cost other) => one.All < other.All ? one : other;

    /// <summary>
    /// A packet's cost with so many flows among them, in the round that was disturbed least. Each is UDP, or a SYN, and
    /// comes to an end of the wire, or its answer does.
    /// </summary>
    public Cost Measure(int flows, bool isSyn = false)
    {
        Fill(flows, isSyn);
        // What was there before may still be taken down, and on the core that is on trial. Then whatever has to be
        // compiled, learned or remembered is.
        Thread.Sleep(1000);
        Send(Warm);
        List<Cost> rounds = [];
        for (int i = 0; i < Tries && rounds.Count < Rounds; i++)
            if (Round() is { } cost) rounds.Add(cost);
        return rounds.Count > 0 ? rounds.Aggregate(Less) : throw new IOException("core 1 is never free: others work there");
    }

    /// <summary>
    /// Null: others had too much of the core, and a part of the way may be in nobody's account; or those who carry had it
    /// too little.
    /// </summary>
    private Cost? Round()
    {
        long taken = Taken(), way = Cores.Ran(balancer), end = ends.Sum(Cores.Ran);
        double busy = Cores.Busy(1);
        long made = Send(Packets);
        busy = (Cores.Busy(1) - busy) * 1e9;
        long lost = (long)sources[0].Number - Taken();
        taken = Taken() - taken;
        way = Cores.Ran(balancer) - way;
        end = ends.Sum(Cores.Ran) - end;
        if (taken < Packets / 32 || made + way + end < busy * (1 - WorkOfOthersMax)) return null;
        // What still waits in a queue is not lost.
        if (lost > taken / 100) throw new IOException($"{lost} of {lost + taken} packets are lost");
        return new Cost(way / (double)taken, end / (double)taken);
    }

    public void Dispose()
    {
        sources.Dispose();
        foreach (BpfObject one in links.Concat(programs.Values)) one.Dispose();
        Bed.Dispose();
    }

    /// <summary>Each batch is carried before the next one is made. Gives the nanoseconds that making them took.</summary>
    private unsafe long Send(uint packets) => In("gen", () =>
    {
        string thread = $"self/task/{Libc.GetTid()}";
        Command.Run("taskset", "-pc", "1", $"{Libc.GetTid()}");
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        uint* about = stackalloc uint[] { 0, Source.Bytes, 0, Libc.InterfaceIndex("g0"), 0, 0 };
        byte* frame = stackalloc byte[Source.Bytes];
        new Span<byte>(frame, Source.Bytes).Clear();
        var run = new Libc.BpfAttributes
        {
            RunFd = programs["program make"].Fd,
            DataIn = frame,
            DataSizeIn = Source.Bytes,
            ContextIn = about,
            ContextSizeIn = 6 * sizeof(uint),
            Repeat = packets,
            RunFlags = LiveFrames,
            RunBatch = Batch,
        };
        // Those that were lost before are not waited for.
        sources[0].Number = (ulong)Taken();
        long before = Cores.Ran(thread);
        _ = BpfObject.Check(Libc.Bpf(Libc.BPF_PROG_TEST_RUN, ref run), "no live frames");
        return Cores.Ran(thread) - before;
    });

    /// <summary>
    /// Who carries comes first: before all else that wants the core (sched(7)), so that no queue grows longer than a batch.
    /// </summary>
    private string Pin(string host, string device)
    {
        string thread = Cores.Pin(Bed, host, device, 1);
        Command.Run("chrt", "-f", "-p", "1", thread);
        return thread;
    }

    private long Taken()
    {
        long[] counts = new long[BpfPerCpu.Cpus];
        BpfPerCpu.Read<long>(programs["taken"], 0, counts);
        return counts.Sum();
    }

    private void Fill(int flows, bool isSyn)
    {
        byte[] frame = new byte[Source.Bytes];
        PhysicalAddress.Parse(MacOf("lb", "l0")).GetAddressBytes().CopyTo(frame, 0);
        PhysicalAddress.Parse(MacOf("gen", "g0")).GetAddressBytes().CopyTo(frame, 6);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), 0x0800);
        Span<byte> ip = frame.AsSpan(14), transport = ip[20..];
        (ip[0], ip[8], ip[9]) = (0x45, 64, isSyn ? Tcp : Udp);
        int length = isSyn ? 20 + TcpBytes : Source.Bytes - 14;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)length);
        IPAddress.Parse("192.0.2.1").TryWriteBytes(ip[16..], out _);
        BinaryPrimitives.WriteUInt16BigEndian(transport, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], 80);
        if (isSyn)
        {
            // Six words of header, SYN, a window, and an MSS of 1460.
            (transport[12], transport[13]) = (0x60, 0x02);
            BinaryPrimitives.WriteUInt16BigEndian(transport[14..], 0xffff);
            BinaryPrimitives.WriteUInt32BigEndian(transport[20..], 0x020405b4);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], Source.Bytes - 34);
        }

        ref Source source = ref sources[0];
        (source.Mask, source.Sum) = ((uint)flows - 1, SumOf(ip[..20]));
        source.TcpSum = isSyn ? SumOf(ip[12..(20 + TcpBytes)]) + Tcp + TcpBytes : 0;
        frame.CopyTo(source.Frame);
    }

    private static uint SumOf(Span<byte> words)
    {
        uint sum = 0;
        for (int at = 0; at < words.Length; at += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(words[at..]);
        return sum;
    }

    private string MacOf(string host, string device) =>
        Bed.Run(host, "cat", $"/sys/class/net/{device}/address").Trim();

    /// <summary>struct source of wire.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Source
    {
        public const int Bytes = 60;

        public ulong Number;
        public uint Mask;
        public uint Sum;
        public uint TcpSum;
        public uint Reserved;
        public FrameBytes Frame;
    }

    [InlineArray(64)]
    private struct FrameBytes
    {
        private byte first;
    }
}
