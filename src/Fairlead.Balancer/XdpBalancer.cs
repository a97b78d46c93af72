using System.Net;
using System.Numerics;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer;

/// <summary>What the balancer stands on.</summary>
public sealed record XdpOptions
{
    /// <summary>Where clients' packets come in.</summary>
    public required IReadOnlyList<string> Devices { get; init; }

    /// <summary>Sixteen bytes, the same on every balancer of these VIPs, and nobody else's to know.</summary>
    public required ReadOnlyMemory<byte> Key { get; init; }

    /// <summary>Where links and maps outlive the process. Each balancer of a machine has its own.</summary>
    public string Pins { get; init; } = "/sys/fs/bpf/fairlead";

    /// <summary>A flow that is remembered and silent for so long may be forgotten.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// How many flows of changing slots can be remembered at the same time, up to the next power of two. It is said
    /// when the first process starts: those after it find the table as it is.
    /// </summary>
    public int RememberedFlows { get; init; } = BalancerSizes.Least.ExceptionBuckets * Layout.Ways;
}

/// <summary>
/// The balancer in the kernel: attaches the program, keeps its tables as the input table says, reads its counters. The
/// kernel goes on without this process; the next one finds what stands there by its pins and goes on with it, also
/// with another version of the program. One owner calls it, from one thread at a time.
/// </summary>
public sealed class XdpBalancer : IDisposable
{
    private readonly XdpOptions options;
    private readonly TimeProvider clock;
    private readonly PinFolder pins;
    private readonly XdpDevices devices;
    private readonly NextHops hops;
    private Dictionary<string, BpfObject> objects;
    private string load;
    private VipTable table = VipTable.Empty;
    private IReadOnlyCollection<IPAddress> backends = [];

    private XdpBalancer(XdpOptions options, TimeProvider clock, Action<string> onFault)
    {
        this.options = options;
        this.clock = clock;
        pins = new PinFolder(options.Pins);
        devices = new XdpDevices(pins, onFault);
        hops = new NextHops();
        uint buckets = (uint)Math.Clamp(options.RememberedFlows / Layout.Ways, 1, 1 << 24);
        (objects, load, Tables) = TakeOver() ?? Load(
            BalancerSizes.Least with { ExceptionBuckets = (int)BitOperations.RoundUpToPowerOf2(buckets) });
        foreach (string other in pins.Loads.Where(name => name != load).ToList()) pins.RemoveLoad(other);
        Tap = new PacketTap(clock, FlowHash.OfKey(options.Key.Span));
        Tap.Use(objects);
        devices.Attach(options.Devices, objects["program balancer"]);
    }

    /// <summary>Shows packets; any thread may call it.</summary>
    public PacketTap Tap { get; }

    /// <summary>The tables in the kernel, for tests and for what explains them.</summary>
    public KernelTables Tables { get; private set; }

    /// <summary>Whether the tables of an earlier process were found and kept.</summary>
    public bool HasTakenOver { get; private set; }

    /// <summary>
    /// Attaches the balancer. IOException with the reason where it cannot be: no right, no such device, another program
    /// on it. `onFault` hears of what works in another way than wished.
    /// </summary>
    public static XdpBalancer Start(XdpOptions options, TimeProvider clock, Action<string> onFault) =>
        new(options, clock, onFault);

    /// <summary>The devices, and whether each takes packets natively or the generic way.</summary>
    public IReadOnlyList<XdpDevice> Devices => devices.Read(options.Devices);

    /// <summary>Backends to which no way is known; what is for them is dropped, and counted as unreachable.</summary>
    public IReadOnlyList<IPAddress> Unknown => [.. hops.Unknown];

    /// <summary>Tend has more to do than one call does: call it again at once.</summary>
    public bool IsUnfinished => hops.IsUnfinished;

    /// <summary>
    /// Goes over to this table; packets see all of the old one or all of the new one. It waits for nobody: the ways to
    /// backends that are new are looked up by Tend. IOException, for the operator, says what cannot be.
    /// </summary>
    public void Apply(VipTable next)
    {
        for (int tries = 0; !Tables.Fits(next); tries++) Grow(next, tries);
        Tables.Apply(next, KernelTables.Seconds(clock), hops.Of, sameWays: true);
        if (next == table) return;
        table = next;
        Tap.Know(next);
        backends = [.. next.Services.SelectMany(service => service.Backends).Select(b => b.Address).Distinct()];
    }

    /// <summary>
    /// Once a second or so, and after each Apply: looks after devices and neighbours, and ends what is over. Some
    /// milliseconds.
    /// </summary>
    public void Tend()
    {
        Tables.Settle();
        devices.Tend(options.Devices, objects["program balancer"]);
        if (hops.Look(backends)) Tables.Apply(table, KernelTables.Seconds(clock), hops.Of);
        Tables.Tidy(KernelTables.Seconds(clock));
    }

    /// <summary>What another balancer must know of this one to take over its flows.</summary>
    public IEnumerable<CarriedService> Carried => Tables.Carried(KernelTables.Seconds(clock));

    /// <summary>What was counted of each VIP, over all CPUs.</summary>
    public IReadOnlyList<VipCount> Vips()
    {
        var counts = new FlVipCount[BpfPerCpu.Cpus];
        return
        [
            .. Tables.Vips.Select(vip => Read(vip.Key, vip.Value.Number)), Read(new VipPort(IPAddress.Any, 0, 0), 0),
        ];

        VipCount Read(VipPort vip, uint number)
        {
            BpfPerCpu.Read<FlVipCount>(objects["vip_counts"], number, counts);
            ulong[] reasons = new ulong[Layout.Reasons];
            foreach (FlVipCount count in counts)
                for (int i = 0; i < reasons.Length; i++) reasons[i] += count.Reason[i];
            return new VipCount(vip, Sum(counts, c => c.Packets), Sum(counts, c => c.Bytes), Sum(counts, c => c.Opened),
                Enum.GetValues<PacketReason>().Where(reason => reasons[(int)reason] > 0)
                    .ToDictionary(reason => reason, reason => reasons[(int)reason]));
        }
    }

    /// <summary>What was counted of each backend of each service, over all CPUs.</summary>
    public IReadOnlyList<BackendCount> Backends()
    {
        var counts = new FlBackendCount[BpfPerCpu.Cpus];
        var all = new List<BackendCount>();
        foreach (ServiceEntry service in table.Services)
        {
            foreach (BackendEntry backend in service.Backends)
            {
                uint number = Tables.States[KernelTables.NameOf(service.Name)].NumberOf(backend.Address);
                BpfPerCpu.Read<FlBackendCount>(objects["backend_counts"], number, counts);
                all.Add(new BackendCount(service.Name, backend.Address, Sum(counts, c => c.Packets),
                    Sum(counts, c => c.Bytes), Sum(counts, c => c.Opened), backend.Weight)
                {
                    IsElsewhere = backend.IsElsewhere,
                });
            }
        }

        return all;
    }

    /// <summary>
    /// Where this flow's packets go, and why; null: it is for no VIP, or for none that this process knows.
    /// </summary>
    public FlowStory? Explain(Flow flow) => Explain(flow, []);

    /// <summary>The same for a UDP packet to this QUIC connection id, by which it may go; empty: it has none.</summary>
    public FlowStory? Explain(Flow flow, ReadOnlySpan<byte> quicId)
    {
        ServiceEntry? service = Array.Find([.. table.Services], service => service.Vips.Any(vip =>
                vip.Address.Equals(flow.To.Address) && vip.Protocol == flow.Protocol && vip.Port == flow.To.Port))
            ?? Array.Find([.. table.Services], service => service.Vips.Any(vip =>
                vip.Address.Equals(flow.To.Address) && vip.Protocol == flow.Protocol && vip.Port == 0));
        if (service is null) return null;
        FlowStory story = FlowStory.Tell(Tables, service, flow, KernelTables.Seconds(clock));
        return flow.Protocol == 17 && QuicConnectionId.MadeBy(service.Quic, quicId) is { } made
            && Tables.States[KernelTables.NameOf(service.Name)].NumberOf(made) != 0
            ? story with { ByQuicId = made, Goes = made } : story;
    }

    /// <summary>Takes the balancer out of the kernel.</summary>
    public void Remove()
    {
        Dispose();
        pins.RemoveAll();
    }

    /// <summary>Lets go; what is pinned goes on.</summary>
    public void Dispose()
    {
        Tap.Dispose();
        hops.Dispose();
        devices.Dispose();
        Tables.Dispose();
        foreach (BpfObject one in objects.Values) one.Dispose();
    }

    private static ulong Sum<T>(T[] counts, Func<T, ulong> of)
    {
        ulong sum = 0;
        foreach (T count in counts) sum += of(count);
        return sum;
    }

    /// <summary>What the links of an earlier process run. Of another build: its state goes into a new load.</summary>
    private (Dictionary<string, BpfObject>, string, KernelTables)? TakeOver()
    {
        HashSet<uint> running = [];
        foreach (string device in pins.Devices)
        {
            using BpfObject? link = pins.Link(device);
            if (link is not null) running.Add(PinFolder.ProgramOf(link));
        }

        LightSkeleton skeleton = XdpProgram.Skeleton("balancer");
        IEnumerable<string> keys = [.. skeleton.Maps, .. skeleton.Programs.Select(name => "program " + name)];
        foreach (string name in pins.Loads)
        {
            if (pins.OpenLoad(name, keys) is not { } found) continue;
            if (!running.Contains(PinFolder.IdOf(found["program balancer"])) || Read(found) is not { } tables)
            {
                foreach (BpfObject one in found.Values) one.Dispose();
                continue;
            }

            HasTakenOver = true;
            if (name.StartsWith(XdpProgram.Identity("balancer") + "-", StringComparison.Ordinal))
                return (found, name, tables);
            return Renew(found, tables, tables.Sizes);
        }

        return null;
    }

    /// <summary>
    /// Tables that this program understands; null: another layout or key, from which nothing can be kept.
    /// </summary>
    private KernelTables? Read(Dictionary<string, BpfObject> found)
    {
        try
        {
            return new KernelTables(found, FlowHash.OfKey(options.Key.Span), options.Idle);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private (Dictionary<string, BpfObject>, string, KernelTables) Load(BalancerSizes sizes)
    {
        Dictionary<string, BpfObject> fresh = XdpProgram.LoadBalancer(sizes);
        var tables = new KernelTables(fresh, FlowHash.OfKey(options.Key.Span), options.Idle);
        return (fresh, pins.PinLoad(XdpProgram.Identity("balancer"), fresh), tables);
    }

    /// <summary>A new load with the state of an old one.</summary>
    private (Dictionary<string, BpfObject>, string, KernelTables) Renew(
        Dictionary<string, BpfObject> old, KernelTables tables, BalancerSizes sizes)
    {
        (Dictionary<string, BpfObject> fresh, string name, KernelTables next) = Load(sizes);
        next.CopyFrom(tables);
        tables.Dispose();
        foreach (BpfObject one in old.Values) one.Dispose();
        return (fresh, name, next);
    }

    /// <summary>
    /// Larger tables: those of the kernel cannot grow. Flows that come to be remembered between the copy and the
    /// exchange, some milliseconds, are not remembered after it.
    /// </summary>
    private void Grow(VipTable next, int tries)
    {
        if (tries > 3 || next.Services.Sum(service => (long)service.Backends.Length) > Layout.BackendMask / 2)
        {
            throw new IOException(
                $"{next.Services.Length} services are more than one balancer's tables hold: divide them over more");
        }

        // What there is needs its place, too, until the next table is there.
        BalancerSizes sizes = Tables.Sizes.Or(BalancerSizes.For(next));
        string before = load;
        (objects, load, Tables) = Renew(objects, Tables, tries == 0 ? sizes : sizes.Doubled());
        devices.Exchange(options.Devices, objects["program balancer"]);
        Tap.Use(objects);
        pins.RemoveLoad(before);
    }
}

/// <summary>
/// What was counted of a VIP; 0.0.0.0 with protocol 0 stands for what is for none. Reasons that are not 0.
/// </summary>
public sealed record VipCount(
    VipPort Vip, ulong Packets, ulong Bytes, ulong Opened, IReadOnlyDictionary<PacketReason, ulong> Reasons);

/// <summary>What was counted of a service's backend, and its weight as it stands.</summary>
public sealed record BackendCount(
    string Service, IPAddress Backend, ulong Packets, ulong Bytes, ulong Opened, int Weight)
{
    /// <summary>It is a balancer elsewhere, which the service spills to.</summary>
    public bool IsElsewhere { get; init; }
}

/// <summary>Where a flow goes: its slot, the owners, and what is remembered of it.</summary>
public sealed record FlowStory(
    string Service, ulong Hash, int Slot, SlotState State, IPAddress? Owner, IPAddress? Former, IPAddress? Remembered,
    int RememberedSeconds, IPAddress? Goes)
{
    /// <summary>Who owned the slot between the former owner and this one.</summary>
    public IPAddress? Third { get; init; }

    /// <summary>The backend that made the QUIC connection id; null: the slot decides.</summary>
    public IPAddress? ByQuicId { get; init; }

    public static FlowStory Tell(KernelTables tables, ServiceEntry service, Flow flow, uint now)
    {
        ulong hash = tables.Key.Of(flow);
        int at = FlowHash.Slot(tables.Key.PlaceOf(flow, service.IsSticky), service.Slots);
        Slot slot = tables.SlotAt(service.Name, at);
        ExceptionEntry? entry = Exceptions.Find(tables.Exceptions, hash, now);
        bool isRemembered = slot.State != SlotState.Steady && flow.Protocol == 6 && entry is not null;
        bool staysFormer = slot.State == SlotState.Changing && slot.Former != 0;
        return new FlowStory(service.Name, hash, at, slot.State, Address(slot.Owner), Address(slot.Former),
            isRemembered ? Address(entry!.Value.Backend) : null, isRemembered ? entry!.Value.AgeSeconds : 0,
            isRemembered ? Address(entry!.Value.Backend) : staysFormer ? Address(slot.Former) : Address(slot.Owner))
        {
            Third = Address(slot.Third),
        };

        IPAddress? Address(uint number) => tables.BackendAt(number) is { Family: not 0 } row
            ? BackendRow.Backend(row).Address : null;
    }
}
