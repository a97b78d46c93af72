using System.Collections.Immutable;
using System.Net;
using System.Runtime.CompilerServices;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer.Maps;

/// <summary>Who owned each slot under a set, by number, and who was in it.</summary>
internal readonly record struct PastOwners(uint[] Owners, Func<uint, bool> Lives);

/// <summary>What stands in the kernel of one service; KernelTables alone changes it.</summary>
internal sealed class ServiceState(uint id, ulong name, uint first, FlSlot[] slots)
{
    public uint Id => id;

    /// <summary>The hash of its name: what the kernel keeps, and a new process finds it by.</summary>
    public ulong Name => name;

    /// <summary>Where its slots begin.</summary>
    public uint First => first;

    public FlSlot[] Slots => slots;

    /// <summary>The number of each backend that lives, by its address.</summary>
    public Dictionary<Prefix, uint> Numbers { get; init; } = [];

    /// <summary>
    /// Those that left the set a moment ago, with the second in which they are forgotten. Nothing is sent to them, but
    /// their slots know them: who comes back soon was mostly not away, and finds its flows where they were.
    /// </summary>
    public Dictionary<Prefix, (uint Number, uint Until)> Fallen { get; init; } = [];

    /// <summary>As it was last applied; null when it was found in the kernel.</summary>
    public ServiceEntry? Entry { get; set; }

    public uint Flags { get; set; }

    /// <summary>Its number among those with QUIC configurations; 0: it has none.</summary>
    public uint QuicNumber { get; set; }

    /// <summary>A row for each number of a configuration; with QuicNumber 0 none.</summary>
    public FlQuicConfig[] QuicConfigs { get; set; } = [];

    public FlQuicId[] QuicIds { get; set; } = [];

    /// <summary>When the changing slots settle, in the kernel's monotonic seconds.</summary>
    public uint ChangingUntil { get; set; }

    /// <summary>
    /// Whether a packet has gone to a backend: before, there is no flow that a change could move, and no change to
    /// remember.
    /// </summary>
    public bool HasCarried { get; set; }

    /// <summary>The sets before the one of now, the newest first, each with the second that ended it.</summary>
    public List<(ImmutableArray<BackendEntry> Set, uint Until)> Past { get; init; } = [];

    /// <summary>The set of now; those that fell are in it, with weight 0, as their slots know them.</summary>
    public ImmutableArray<BackendEntry> Set { get; set; } = [];

    /// <summary>
    /// Whether some slot is settled, as of the last turn; who was found in the kernel is looked through.
    /// </summary>
    public bool HasSettled { get; private set; } = Array.Exists(slots, slot => slot.Read().State == SlotState.Settled);

    /// <summary>
    /// What another balancer must know to take over its flows: the sets within its transition. Null: it has none.
    /// </summary>
    public CarriedService? Carried(uint now)
    {
        if (!HasCarried || Entry is null) return null;
        int most = (int)Entry.Transition.TotalSeconds;
        Past.RemoveAll(past => (int)(now - past.Until) >= most);
        return new CarriedService(
            Entry.Name, [.. Past.Select(past => new FormerSet(past.Set, (int)(now - past.Until)))]);
    }

    public uint? KnownNumber(Prefix address) => Numbers.TryGetValue(address, out uint number) ? number
        : Fallen.TryGetValue(address, out (uint Number, uint Until) fallen) ? fallen.Number : null;

    public IEnumerable<uint> AllNumbers => Numbers.Values.Concat(Fallen.Values.Select(fallen => fallen.Number));

    public uint NumberOf(IPAddress address) => Numbers.GetValueOrDefault(Prefix.Host(address));

    /// <summary>
    /// Goes over to these owners (a number a slot). `others` are the owners that other balancers had, one after the
    /// other: a service that has carried nothing yet takes those of the first as its own past, and all others are
    /// named. True: some slot is changing that was not before, or changes anew.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Turn(ReadOnlySpan<uint> owners, IReadOnlyList<PastOwners[]> others, HashSet<uint> living)
    {
        HasSettled = false;
        if (!HasCarried && others.Count == 0)
        {
            for (int i = 0; i < slots.Length; i++) slots[i] = FlSlot.Of(new Slot(SlotState.Steady, owners[i], 0));
            return false;
        }

        bool begins = false;
        Func<uint, bool> lives = living.Contains;
        for (int i = 0; i < slots.Length; i++)
        {
            Slot slot = slots[i].Read(), next = HasCarried ? slot : default;
            if (others.Count == 0 && slot.State == SlotState.Steady && slot.Owner == owners[i]) continue;
            if (!HasCarried) next = Through(others[0], i);
            next = Transition.Next(next, owners[i], lives);
            for (int other = HasCarried ? 0 : 1; other < others.Count; other++)
                next = Transition.Naming(next, Through(others[other], i), lives);
            HasSettled |= next.State == SlotState.Settled;
            if (next == slot) continue;
            begins |= next.State == SlotState.Changing || (next.State == SlotState.Settled && others.Count > 0);
            slots[i] = FlSlot.Of(next);
        }

        return begins;
    }

    /// <summary>A slot as it stands where these sets came one after the other; who is in one was alive then.</summary>
    private static Slot Through(PastOwners[] sets, int at)
    {
        Slot slot = default;
        foreach (PastOwners set in sets) slot = Transition.Next(slot, set.Owners[at], set.Lives);
        return slot;
    }

    /// <summary>Gives up those who fell and did not come back. Their numbers: nobody's any more.</summary>
    public IReadOnlyList<uint> Forget(uint now)
    {
        if (!HasCarried) return [];
        KeyValuePair<Prefix, (uint Number, uint Until)>[] gone =
            [.. Fallen.Where(fallen => (int)(now - fallen.Value.Until) >= 0)];
        if (gone.Length == 0) return [];
        foreach ((Prefix address, _) in gone) Fallen.Remove(address);
        Set = Set.RemoveAll(backend => Array.Exists(gone, fallen => fallen.Key == Prefix.Host(backend.Address)));
        HashSet<uint> known = [.. AllNumbers];
        Turn(slot => Transition.Next(slot, slot.Owner, known.Contains));
        return [.. gone.Select(fallen => fallen.Value.Number)];
    }

    /// <summary>Every slot by this rule. False: nothing changed.</summary>
    public bool Turn(Func<Slot, Slot> rule)
    {
        bool changed = false;
        HasSettled = false;
        foreach (ref FlSlot slot in slots.AsSpan())
        {
            Slot old = slot.Read(), next = rule(old);
            HasSettled |= next.State == SlotState.Settled;
            if (next == old) continue;
            changed = true;
            slot = FlSlot.Of(next);
        }

        return changed;
    }
}
