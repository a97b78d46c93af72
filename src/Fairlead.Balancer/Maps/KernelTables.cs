using System.Collections.Immutable;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Maps;

/// <summary>
/// Writes the balancer's table into the kernel: into the copy that no packet reads, which one word then makes the one
/// that all read. What stands in the kernel is the only state there is; a new process reads it back (TakeOver).
/// </summary>
public sealed class KernelTables : IDisposable
{
    /// <summary>
    /// Longer than a check needs to change its mind twice, and short beside the time in which a server starts anew:
    /// then its connections are gone, and those that began meanwhile count.
    /// </summary>
    private const uint FallenSeconds = 10;

    private readonly BpfArray<FlControl> control;
    private readonly BpfArray<FlVip> vips;
    private readonly BpfArray<FlService> services;
    private readonly BpfArray<FlSlot> slots;
    private readonly BpfArray<FlBackend> backends;
    private readonly BpfArray<FlAddress> spillers;
    private readonly QuicTable quic;
    private readonly IReadOnlyDictionary<string, BpfObject> maps;
    private readonly Dirt[] dirty = [new(), new()];
    private readonly TableSpace space;
    private readonly Dictionary<ulong, ServiceState> states = [];
    private readonly Dictionary<VipPort, (uint Number, uint Service)> vipNumbers = [];
    private readonly FlBackend[] rows;
    private readonly HashSet<uint> released = [];
    // As told last; null: an earlier process told them.
    private ImmutableArray<IPAddress>? elsewhere = [];
    private uint generation;
    private bool isSettled = true;
    private bool hasTakenOver;

    /// <summary>
    /// On these maps. Those of an earlier process are taken over as they are; a key that is not theirs is refused, for
    /// it would move every flow.
    /// </summary>
    public KernelTables(IReadOnlyDictionary<string, BpfObject> maps, FlowHash key, TimeSpan idle)
    {
        this.maps = maps;
        control = new(maps["control"]);
        vips = new(maps["vips"]);
        services = new(maps["services"]);
        slots = new(maps["slots"]);
        backends = new(maps["backends"]);
        spillers = new(maps["spillers"]);
        quic = new(maps);
        Exceptions = new(maps["exceptions"]);
        Fragments = new(maps["fragments"]);
        Sizes = new BalancerSizes(vips.Length / 2, services.Length / 2, slots.Length / 2, backends.Length / 2,
            Exceptions.Length, Fragments.Length)
        {
            QuicIds = quic.Ids,
            QuicServices = quic.Services,
        };
        space = new TableSpace(Sizes);
        rows = new FlBackend[Sizes.Backends];
        Key = key;
        ref FlControl settings = ref control[0];
        if (settings.Abi != 0)
        {
            if (settings.Abi != Layout.Abi || settings.Key0 != key.Key0 || settings.Key1 != key.Key1)
                throw new InvalidDataException("the tables in the kernel have another layout or another key");
            TakeOver();
        }

        (settings.Key0, settings.Key1) = (key.Key0, key.Key1);
        settings.ExceptionMask = (uint)Exceptions.Length - 1;
        settings.FragmentMask = (uint)Fragments.Length - 1;
        settings.IdleSeconds = (uint)Math.Clamp(idle.TotalSeconds, 1, ushort.MaxValue);
        settings.Abi = Layout.Abi;
    }

    public BalancerSizes Sizes { get; }

    public FlowHash Key { get; }

    public BpfArray<FlBucket> Exceptions { get; }

    public BpfArray<FlBucket> Fragments { get; }

    /// <summary>What the tables take in memory, counters aside.</summary>
    public long Bytes => control.Bytes + vips.Bytes + services.Bytes + slots.Bytes + backends.Bytes
        + spillers.Bytes + quic.Bytes + Exceptions.Bytes + Fragments.Bytes;

    public uint IdleSeconds => control[0].IdleSeconds;

    /// <summary>The VIPs in the kernel, with the numbers of their counters.</summary>
    public IReadOnlyDictionary<VipPort, (uint Number, uint Service)> Vips => vipNumbers;

    internal IReadOnlyDictionary<ulong, ServiceState> States => states;

    /// <summary>The monotonic clock in seconds, which the kernel's program reads, too.</summary>
    public static uint Seconds(TimeProvider clock) => (uint)(clock.GetTimestamp() / clock.TimestampFrequency);

    public static ulong NameOf(string service) => new FlowHash(0, 0).OfBytes(Encoding.UTF8.GetBytes(service));

    /// <summary>Whether Apply has room for this table, beside what still goes on.</summary>
    public bool Fits(VipTable table)
    {
        var kept = new HashSet<ulong>();
        var added = new List<int>();
        int newBackends = 0, newQuics = 0;
        bool sameVips = true;
        foreach (ServiceEntry entry in table.Services)
        {
            bool isKept = states.TryGetValue(NameOf(entry.Name), out ServiceState? state)
                && state.Slots.Length == entry.Slots;
            if (isKept) kept.Add(state!.Name);
            else added.Add(entry.Slots);
            newQuics += !entry.Quic.IsEmpty && !(isKept && state!.QuicNumber != 0) ? 1 : 0;
            if (isKept && entry.Equals(state!.Entry)) continue;
            sameVips &= isKept && state!.Entry is { } before && before.IsSticky == entry.IsSticky
                && before.Vips.SequenceEqual(entry.Vips);
            newBackends += isKept
                ? entry.Backends.Count(backend => state!.NumberOf(backend.Address) == 0) : entry.Backends.Length;
            newBackends += entry.Down.Length;
        }

        // An eighth full: a place is found within the probes there are.
        if (8 * BalancerSizes.QuicIdsOf(table) > Sizes.QuicIds || newQuics > space.FreeQuics) return false;
        int[] freed = [.. states.Values.Where(one => !kept.Contains(one.Name)).Select(one => one.Slots.Length)];
        if (sameVips && freed.Length == 0) return space.HasRoom(added, freed, newBackends, 0);
        uint[] hashes =
            [.. VipRow.Of(table).Select(vip => PlaceTable.Hash(vip.Address0, vip.Address1, vip.PortProtocol))];
        return space.HasRoom(added, freed, newBackends, hashes.Length)
            && PlaceTable.TryPlace(hashes, Sizes.Vips, out _, out _);
    }

    /// <summary>
    /// Goes over to this table, which Fits. `way` tells how a backend is reached; null: it is not, and packets for it
    /// are dropped and counted until it is. With `sameWays`, no way has changed since the last time. Packets see the
    /// table when this returns; what is left to do after it, Settle does.
    /// </summary>
    public void Apply(VipTable table, uint now, Func<IPAddress, NextHop?> way, bool sameWays = false)
    {
        Settle();
        bool changed = false;
        var sizes = new Dictionary<ulong, int>();
        foreach (ServiceEntry entry in table.Services)
        {
            if (!Maglev.IsPrime(entry.Slots))
                throw new IOException($"service {entry.Name}: {entry.Slots} slots: the number must be a prime");
            foreach ((string path, string message) in QuicConfig.Problems(entry.Quic))
                throw new IOException($"service {entry.Name}: quic{path}: {message}");
            sizes[NameOf(entry.Name)] = entry.Slots;
        }

        Spillers.Check(table.Spillers);
        // A service of another size is another one to the kernel: its flows go where the new one has them.
        foreach (ServiceState gone in states.Values
            .Where(state => sizes.GetValueOrDefault(state.Name) != state.Slots.Length).ToList())
            changed |= Remove(gone);
        var turning = new List<(ServiceState State, ServiceEntry Entry)>();
        foreach (ServiceEntry entry in table.Services)
        {
            ulong name = NameOf(entry.Name);
            if (sameWays && states.TryGetValue(name, out ServiceState? state) && entry.Equals(state.Entry)) continue;
            changed |= Update(entry, name, now, way, turning);
        }

        // Each is by itself, and this is nearly all of the work.
        Parallel.ForEach(turning, one => SlotTurn.Turn(one.State, one.Entry, now));
        turning.ForEach(one => one.State.Entry = one.Entry);
        changed |= PlaceVips(table);
        if (elsewhere is not { } told || !table.Spillers.AsSpan().SequenceEqual(told.AsSpan()))
        {
            elsewhere = table.Spillers;
            SoilVips();
            changed = true;
        }

        if (changed) Publish();
    }

    /// <summary>
    /// What a change leaves to do once packets see it: waits until none of them reads the former copy, writes it, too,
    /// so that the next change finds it as it should be, and gives numbers back. Some milliseconds, mostly of waiting.
    /// </summary>
    public void Settle()
    {
        if (isSettled) return;
        // Every program that began before the word changed has ended after this (membarrier(2): an RCU grace period).
        if (Libc.MemBarrier(Libc.MEMBARRIER_CMD_GLOBAL) != 0)
            throw new IOException($"membarrier: errno {Marshal.GetLastPInvokeError()} (nohz_full has none)");
        WriteCopy(1 - (int)(control[0].Active & 1));
        isSettled = true;
        if (hasTakenOver) RemoveLeftovers();
        if (released.Count == 0) return;
        Maps.Exceptions.Remove(Exceptions, released);
        Maps.Exceptions.Remove(Fragments, released);
        foreach (uint number in released)
        {
            BpfPerCpu.Write<FlBackendCount>(maps["backend_counts"], number, new FlBackendCount[BpfPerCpu.Cpus]);
            space.GiveBackBackend(number);
        }

        released.Clear();
    }

    /// <summary>
    /// What time brings: changes that are over settle, and slots of which nobody is remembered any more become steady.
    /// Called every few seconds.
    /// </summary>
    public void Tidy(uint now)
    {
        Settle();
        bool changed = false;
        List<ServiceState> settled =
            [.. states.Values.Where(state => state.HasSettled && state.ChangingUntil == 0)];
        if (settled.Count > 0)
        {
            Dictionary<uint, int> counts = Maps.Exceptions.Count(Exceptions, now, IdleSeconds);
            foreach (ServiceState state in settled.Where(state => !state.Numbers.Values.Any(counts.ContainsKey)))
                if (state.Turn(Transition.Forget)) changed |= Soil(state);
        }

        foreach (ServiceState state in states.Values.Where(state => state.Fallen.Count > 0))
        {
            Look(state);
            IReadOnlyList<uint> gone = state.Forget(now);
            foreach (uint number in gone) changed |= Write(number, default) | Soil(state);
            released.UnionWith(gone);
        }

        foreach (ServiceState state in states.Values.Where(state => state.ChangingUntil != 0))
        {
            if ((int)(now - state.ChangingUntil) < 0) continue;
            state.ChangingUntil = 0;
            _ = state.Turn(Transition.End);
            changed |= Soil(state);
        }

        if (changed) Publish();
    }

    public FlBackend BackendAt(uint number) => rows[number];

    /// <summary>Where the kernel finds a slot of the service, as it stands there now.</summary>
    public Slot SlotAt(string service, int slot)
    {
        ref FlCopy copy = ref control[0].Copy[(int)control[0].Active & 1];
        return slots[(int)(copy.SlotFirst + states[NameOf(service)].First) + slot].Read();
    }

    public void Dispose()
    {
        control.Dispose();
        vips.Dispose();
        services.Dispose();
        slots.Dispose();
        backends.Dispose();
        spillers.Dispose();
        quic.Dispose();
        Exceptions.Dispose();
        Fragments.Dispose();
    }

    /// <summary>
    /// Brings a service's rows up to date; whose slots must be worked out is added to `turning`. False: nothing
    /// changed that the kernel sees.
    /// </summary>
    private bool Update(ServiceEntry entry, ulong name, uint now, Func<IPAddress, NextHop?> way,
        List<(ServiceState State, ServiceEntry Entry)> turning)
    {
        if (!states.TryGetValue(name, out ServiceState? state))
        {
            state = new ServiceState(space.TakeService(), name, space.TakeSlots(entry.Slots), new FlSlot[entry.Slots]);
            states[name] = state;
        }

        Look(state);
        bool changed = !entry.Equals(state.Entry);
        HashSet<Prefix> set = [.. entry.Backends.Select(backend => Prefix.Host(backend.Address))];
        foreach (Prefix gone in state.Numbers.Keys.Where(address => !set.Contains(address)).ToList())
        {
            state.Numbers.Remove(gone, out uint number);
            if (state.HasCarried) state.Fallen[gone] = (number, now + FallenSeconds);
            else released.Add(number);
            _ = Write(number, state.HasCarried ? BackendRow.Fallen(rows[number]) : default);
        }

        // While nothing is carried, those that are down have all the time to come up.
        foreach (BackendEntry down in entry.Down.Where(_ => !state.HasCarried))
        {
            uint number = state.KnownNumber(Prefix.Host(down.Address)) ?? space.TakeBackend();
            state.Fallen[Prefix.Host(down.Address)] = (number, now + FallenSeconds);
            changed |= Write(number, BackendRow.Fallen(BackendRow.Of(entry, down, null, (ushort)state.Id)));
        }

        foreach (BackendEntry backend in entry.Backends)
        {
            Prefix address = Prefix.Host(backend.Address);
            uint number = state.Numbers[address] = state.KnownNumber(address) ?? space.TakeBackend();
            state.Fallen.Remove(address);
            // A way that stands in the kernel is good until there is another: a new process has not looked yet.
            NextHop? hop = way(backend.Address) ?? BackendRow.WayOf(rows[number]);
            changed |= Write(number, BackendRow.Of(entry, backend, hop, (ushort)state.Id));
        }

        if (entry.Equals(state.Entry)) return changed;
        uint flags = (entry.IsSticky ? Layout.Sticky : 0) | (entry.FollowsFragments ? Layout.Fragments : 0);
        // Ids speak of backends' numbers, which may be others now.
        if (flags != state.Flags || !entry.Quic.IsEmpty || state.QuicNumber != 0) SoilVips();
        QuicTable.Set(state, entry, space);
        state.Flags = flags;
        turning.Add((state, entry));
        return Soil(state);
    }

    /// <summary>Whether it has carried packets by now. What is counted once stays counted.</summary>
    private void Look(ServiceState state)
    {
        if (state.HasCarried || state.Entry is null) return;
        var counts = new FlVipCount[BpfPerCpu.Cpus];
        foreach (VipPort vip in state.Entry.Vips)
        {
            if (!vipNumbers.TryGetValue(vip, out var known) || known.Service != state.Id) continue;
            BpfPerCpu.Read<FlVipCount>(maps["vip_counts"], known.Number, counts);
            if (!Array.Exists(counts, count => count.Packets > 0)) continue;
            state.HasCarried = true;
            return;
        }
    }

    /// <summary>The services that have carried flows, with the sets that they had within their transition.</summary>
    public IEnumerable<CarriedService> Carried(uint now)
    {
        foreach (ServiceState state in states.Values)
        {
            Look(state);
            if (state.Carried(now) is { } carried) yield return carried;
        }
    }

    private bool Remove(ServiceState gone)
    {
        foreach (uint number in gone.AllNumbers)
        {
            _ = Write(number, default);
            released.Add(number);
        }

        states.Remove(gone.Name);
        if (gone.QuicNumber != 0) SoilVips();
        space.GiveBack(gone);
        return true;
    }

    /// <summary>
    /// Marks a service to be written into both copies. True, for those who ask whether anything changed.
    /// </summary>
    private bool Soil(ServiceState state)
    {
        foreach (Dirt copy in dirty) copy.Services.Add(state);
        return true;
    }

    private void SoilVips()
    {
        foreach (Dirt copy in dirty) copy.HasVips = true;
    }

    private bool Write(uint number, FlBackend row)
    {
        if (FlBackend.AreSame(rows[number], row)) return false;
        rows[number] = row;
        foreach (Dirt copy in dirty) copy.Backends.Add(number);
        return true;
    }

    private bool PlaceVips(VipTable table)
    {
        bool changed = false;
        var wanted = new Dictionary<VipPort, uint>();
        foreach (ServiceEntry entry in table.Services)
            foreach (VipPort vip in entry.Vips) wanted[vip] = states[NameOf(entry.Name)].Id;
        foreach (VipPort gone in vipNumbers.Keys.Where(vip => !wanted.ContainsKey(vip)).ToList())
        {
            space.GiveBackVip(vipNumbers[gone].Number);
            changed |= vipNumbers.Remove(gone);
        }

        foreach ((VipPort vip, uint service) in wanted)
        {
            if (vipNumbers.TryGetValue(vip, out (uint Number, uint Service) known) && known.Service == service)
                continue;
            changed = true;
            if (known.Number == 0)
            {
                known.Number = space.TakeVip();
                BpfPerCpu.Write<FlVipCount>(maps["vip_counts"], known.Number, new FlVipCount[BpfPerCpu.Cpus]);
            }

            vipNumbers[vip] = (known.Number, service);
        }

        if (changed) SoilVips();
        return changed;
    }

    /// <summary>Brings the copy that is not read up to date, and has it read.</summary>
    private void Publish()
    {
        Settle();
        ref FlControl settings = ref control[0];
        int into = 1 - (int)(settings.Active & 1);
        generation++;
        WriteCopy(into);
        Volatile.Write(ref settings.Active, (uint)into);
        isSettled = false;
    }

    private void WriteCopy(int into)
    {
        ref FlCopy copy = ref control[0].Copy[into];
        copy.VipFirst = (uint)(into * Sizes.Vips);
        copy.ServiceFirst = (uint)(into * Sizes.Services);
        copy.SlotFirst = (uint)(into * Sizes.Slots);
        copy.BackendFirst = (uint)(into * Sizes.Backends);
        copy.Generation = generation;
        foreach (uint number in dirty[into].Backends) backends[(int)(copy.BackendFirst + number)] = rows[number];
        foreach (ServiceState state in dirty[into].Services.Where(one => states.GetValueOrDefault(one.Name) == one))
        {
            state.Slots.CopyTo(slots.Slice((int)(copy.SlotFirst + state.First), state.Slots.Length));
            services[(int)(copy.ServiceFirst + state.Id)] = new FlService
            {
                Name = state.Name,
                First = state.First,
                Slots = (uint)state.Slots.Length,
                Flags = state.Flags,
                ChangingUntil = state.ChangingUntil,
                QuicFirst = QuicTable.FirstOf(state),
            };
        }

        if (dirty[into].HasVips)
        {
            HashSet<uint> sticky = [.. states.Values.Where(s => (s.Flags & Layout.Sticky) != 0).Select(s => s.Id)];
            (copy.VipMask, bool anyPort) =
                VipRow.Fill(vipNumbers, sticky, vips.Slice((int)copy.VipFirst, Sizes.Vips));
            copy.AnyPort = anyPort ? 1u : 0;
            quic.Write(ref copy, into, states.Values);
            copy.SpillerMask = Spillers.Fill(
                elsewhere ?? [], spillers.Slice(into * Layout.Spillers, Layout.Spillers));
        }

        dirty[into].Clear();
    }

    /// <summary>All that stands in other tables, also in larger ones than theirs.</summary>
    public void CopyFrom(KernelTables other)
    {
        foreach (ServiceState state in other.states.Values)
        {
            uint first = space.TakeSlots(state.Slots.Length);
            states[state.Name] = new ServiceState(state.Id, state.Name, first, state.Slots)
            {
                Numbers = state.Numbers,
                HasCarried = state.HasCarried,
                Past = state.Past,
                Fallen = state.Fallen,
                Entry = state.Entry,
                Flags = state.Flags,
                QuicNumber = state.QuicNumber,
                QuicConfigs = state.QuicConfigs,
                QuicIds = state.QuicIds,
                ChangingUntil = state.ChangingUntil,
            };
            space.Hold(states[state.Name]);
            Soil(states[state.Name]);
            foreach (uint number in state.AllNumbers) space.HoldBackend(number);
        }

        foreach ((VipPort vip, (uint Number, uint Service) known) in other.vipNumbers)
        {
            vipNumbers[vip] = known;
            space.HoldVip(known.Number);
        }

        for (uint number = 1; number < other.rows.Length; number++) _ = Write(number, other.rows[number]);
        Copy(other.Exceptions, Exceptions);
        Copy(other.Fragments, Fragments);
        CopyCounts<FlVipCount>(other, "vip_counts", other.Sizes.Vips);
        CopyCounts<FlBackendCount>(other, "backend_counts", other.Sizes.Backends);
        generation = other.generation;
        elsewhere = other.elsewhere;
        SoilVips();
        Publish();
        Settle();
    }

    private static void Copy(BpfArray<FlBucket> from, BpfArray<FlBucket> to)
    {
        // A table of another size has its entries in other buckets; ours have one size for life.
        if (from.Length == to.Length) from.Slice(0, from.Length).CopyTo(to.Slice(0, to.Length));
    }

    private void CopyCounts<T>(KernelTables from, string map, int count) where T : unmanaged
    {
        var values = new T[BpfPerCpu.Cpus];
        for (uint i = 0; i < count; i++)
        {
            BpfPerCpu.Read<T>(from.maps[map], i, values);
            BpfPerCpu.Write<T>(maps[map], i, values);
        }
    }

    /// <summary>Reads what an earlier process has left in the copy that packets read.</summary>
    private void TakeOver()
    {
        ref FlCopy copy = ref control[0].Copy[(int)control[0].Active & 1];
        generation = copy.Generation;
        backends.Slice((int)copy.BackendFirst, Sizes.Backends).CopyTo(rows);
        var used = new Dictionary<uint, ServiceState>();
        foreach (ref FlVip vip in vips.Slice((int)copy.VipFirst, (int)copy.VipMask + 1))
        {
            if (vip.Service == 0) continue;
            if (vip.OnlyFragments == 0)
            {
                var port = new VipPort(BackendRow.Address(vip), (byte)(vip.PortProtocol >> 16),
                    (ushort)IPAddress.NetworkToHostOrder((short)vip.PortProtocol));
                vipNumbers[port] = (vip.Number, vip.Service);
                space.HoldVip(vip.Number);
            }

            if (used.ContainsKey(vip.Service)) continue;
            FlService found = services[(int)(copy.ServiceFirst + vip.Service)];
            FlSlot[] owned = slots.Slice((int)(copy.SlotFirst + found.First), (int)found.Slots).ToArray();
            used[vip.Service] = states[found.Name] = new ServiceState(vip.Service, found.Name, found.First, owned)
            {
                HasCarried = true,
                Flags = found.Flags,
                ChangingUntil = found.ChangingUntil,
            };
            quic.Read(copy, used[vip.Service], found.QuicFirst);
            space.Hold(used[vip.Service]);
        }

        for (uint number = 1; number < Sizes.Backends; number++)
        {
            if (rows[number].Family == 0 || !used.TryGetValue(rows[number].Service, out ServiceState? state)) continue;
            state.Numbers[BackendRow.Backend(rows[number])] = number;
            space.HoldBackend(number);
        }

        // The other copy is of the generation before, or of half of one: it is written whole.
        foreach (ServiceState state in states.Values) Soil(state);
        foreach (Dirt half in dirty)
            half.Backends.UnionWith(Enumerable.Range(1, Sizes.Backends - 1).Select(i => (uint)i));
        SoilVips();
        elsewhere = null;
        // Nor may its packets be gone, nor the entries of backends that are: the process before may have died right
        // after it flipped.
        isSettled = false;
        hasTakenOver = true;
    }

    /// <summary>Takes out what is remembered for backends that are nobody's.</summary>
    private void RemoveLeftovers()
    {
        hasTakenOver = false;
        HashSet<uint> nobody = [.. Enumerable.Range(1, Sizes.Backends - 1).Select(number => (uint)number)
            .Where(number => rows[number].Family == 0)];
        Maps.Exceptions.Remove(Exceptions, nobody);
        Maps.Exceptions.Remove(Fragments, nobody);
    }
}
