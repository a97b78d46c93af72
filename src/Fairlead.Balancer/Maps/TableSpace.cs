namespace Fairlead.Balancer.Maps;

/// <summary>
/// How large the kernel's tables are; each of the first four has two copies of it. Buckets hold eight.
/// </summary>
public sealed record BalancerSizes(
    int Vips, int Services, int Slots, int Backends, int ExceptionBuckets, int FragmentBuckets)
{
    /// <summary>
    /// Some services of the usual size; a quarter of a million remembered flows. Four times as many cost each packet
    /// of theirs twice the time: the kernel maps such tables in small pages.
    /// </summary>
    public static readonly BalancerSizes Least = new(256, 16, 8 * 16381, 256, 1 << 15, 1 << 10);

    /// <summary>Places for server ids, and services that have some.</summary>
    public int QuicIds { get; init; } = 64;

    public int QuicServices { get; init; } = 8;

    /// <summary>What this table needs, with room to grow, and no less than Least.</summary>
    public static BalancerSizes For(VipTable table)
    {
        int vips = table.Services.Sum(service => service.Vips.Length * (service.IsSticky ? 2 : 1));
        int backends = table.Services.Sum(service => service.Backends.Length);
        return new BalancerSizes(
            Math.Max(Least.Vips, Power(vips) * 8),
            Math.Max(Least.Services, table.Services.Length * 3 / 2 + 1),
            Math.Max(Least.Slots, table.Services.Sum(service => service.Slots) * 3 / 2),
            Math.Max(Least.Backends, backends * 2 + 1),
            Least.ExceptionBuckets,
            Least.FragmentBuckets)
        {
            QuicIds = Math.Max(Least.QuicIds, Power(QuicIdsOf(table)) * 8),
            QuicServices = Math.Max(
                Least.QuicServices, table.Services.Count(service => !service.Quic.IsEmpty) * 3 / 2 + 1),
        };
    }

    /// <summary>The larger of both, in each.</summary>
    public BalancerSizes Or(BalancerSizes other) => new(
        Math.Max(Vips, other.Vips), Math.Max(Services, other.Services), Math.Max(Slots, other.Slots),
        Math.Max(Backends, other.Backends), ExceptionBuckets, FragmentBuckets)
    {
        QuicIds = Math.Max(QuicIds, other.QuicIds),
        QuicServices = Math.Max(QuicServices, other.QuicServices),
    };

    /// <summary>Twice as large in what grows with the table.</summary>
    public BalancerSizes Doubled() => this with
    {
        Vips = 2 * Vips,
        Services = 2 * Services,
        Slots = 2 * Slots,
        Backends = 2 * Backends,
        QuicIds = 2 * QuicIds,
        QuicServices = 2 * QuicServices,
    };

    public static int QuicIdsOf(VipTable table) =>
        table.Services.Sum(service => service.Quic.Sum(config => config.Ids.Length));

    private static int Power(int number) =>
        (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, number));
}

/// <summary>Which places of the tables are free. Number 0 is nobody in each of them.</summary>
internal sealed class TableSpace(BalancerSizes sizes)
{
    private readonly Numbers services = new(sizes.Services, "services");
    private readonly Numbers backends = new(Math.Min(sizes.Backends, (int)Layout.BackendMask + 1), "backends");
    private readonly Numbers vips = new(sizes.Vips, "VIPs");
    private readonly Numbers quics = new(sizes.QuicServices, "services with QUIC ids");
    private readonly Dictionary<int, Queue<uint>> freeSlots = [];
    private uint slotsEnd;

    public int FreeQuics => quics.Free;

    /// <summary>
    /// Whether there is room for services of these sizes once others of those sizes are gone, and for so many more.
    /// </summary>
    public bool HasRoom(IReadOnlyCollection<int> added, IReadOnlyCollection<int> gone, int newBackends, int allVips)
    {
        if (added.Count > services.Free + gone.Count || newBackends > backends.Free || allVips >= sizes.Vips)
            return false;
        long more = slotsEnd;
        foreach (IGrouping<int, int> size in added.GroupBy(slots => slots))
        {
            int free = freeSlots.TryGetValue(size.Key, out Queue<uint>? runs) ? runs.Count : 0;
            more += size.Key * Math.Max(0L, size.Count() - free - gone.Count(slots => slots == size.Key));
        }

        return more <= sizes.Slots;
    }

    public uint TakeService() => services.Take();

    public uint TakeBackend() => backends.Take();

    public uint TakeVip() => vips.Take();

    public uint TakeQuic() => quics.Take();

    /// <summary>A run of slots; services are mostly of one size, so runs are used again as they are.</summary>
    public uint TakeSlots(int count)
    {
        if (freeSlots.TryGetValue(count, out Queue<uint>? free) && free.TryDequeue(out uint first)) return first;
        if (slotsEnd + (long)count > sizes.Slots) throw new InvalidOperationException("the balancer's slots are full");
        first = slotsEnd;
        slotsEnd += (uint)count;
        return first;
    }

    public void GiveBack(ServiceState gone)
    {
        services.GiveBack(gone.Id);
        if (gone.QuicNumber != 0) quics.GiveBack(gone.QuicNumber);
        if (!freeSlots.TryGetValue(gone.Slots.Length, out Queue<uint>? free))
            freeSlots[gone.Slots.Length] = free = new();
        free.Enqueue(gone.First);
    }

    public void GiveBackBackend(uint number) => backends.GiveBack(number);

    public void GiveBackVip(uint number) => vips.GiveBack(number);

    public void GiveBackQuic(uint number) => quics.GiveBack(number);

    /// <summary>
    /// The service was found in the kernel: its places are taken. Gaps before them are lost until a reload.
    /// </summary>
    public void Hold(ServiceState state)
    {
        services.Hold(state.Id);
        if (state.QuicNumber != 0) quics.Hold(state.QuicNumber);
        slotsEnd = Math.Max(slotsEnd, state.First + (uint)state.Slots.Length);
    }

    public void HoldBackend(uint number) => backends.Hold(number);

    public void HoldVip(uint number) => vips.Hold(number);

    private sealed class Numbers(int end, string what)
    {
        // First in, first out: a number that was given back rests as long as there are others.
        private readonly Queue<uint> free = new();
        private readonly HashSet<uint> held = [];
        private uint next = 1;

        public int Free => end - 1 - held.Count;

        public uint Take()
        {
            while (next < end)
                if (held.Add(next++)) return next - 1;
            if (!free.TryDequeue(out uint number))
                throw new InvalidOperationException($"the balancer's {what} are full");
            held.Add(number);
            return number;
        }

        public void GiveBack(uint number)
        {
            held.Remove(number);
            free.Enqueue(number);
        }

        public void Hold(uint number) => held.Add(number);
    }
}
