using System.Net;
using System.Runtime.CompilerServices;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer.Maps;

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

    /// <summary>As it was last applied; null when it was found in the kernel.</summary>
    public ServiceEntry? Entry { get; set; }

    public uint Flags { get; set; }

    /// <summary>fl_service's: bytes of a server id, four bits for each configuration.</summary>
    public uint QuicLengths { get; set; }

    public FlQuicId[] QuicIds { get; set; } = [];

    /// <summary>When the changing slots settle, in the kernel's monotonic seconds.</summary>
    public uint ChangingUntil { get; set; }

    public bool IsFresh { get; set; } = true;

    /// <summary>
    /// Whether some slot is settled, as of the last turn; who was found in the kernel is looked through.
    /// </summary>
    public bool HasSettled { get; private set; } = Array.Exists(slots, slot => slot.Read().State == SlotState.Settled);

    public uint NumberOf(IPAddress address) => Numbers.GetValueOrDefault(Prefix.Host(address));

    /// <summary>
    /// Goes over to these owners (a number a slot). A service that is new here takes the owners of before first, the
    /// oldest first, as a balancer did that was there then. True: some slot is changing that was not before, or changes
    /// anew.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Turn(ReadOnlySpan<uint> owners, IReadOnlyList<uint[]> before, HashSet<uint> living)
    {
        if (IsFresh && before.Count == 0)
        {
            for (int i = 0; i < slots.Length; i++) slots[i] = FlSlot.Of(new Slot(SlotState.Steady, owners[i], 0));
            return IsFresh = false;
        }

        bool begins = false;
        HasSettled = false;
        Func<uint, bool> lives = living.Contains;
        for (int i = 0; i < slots.Length; i++)
        {
            Slot slot = slots[i].Read(), next = slot;
            if (slot.State == SlotState.Steady && slot.Owner == owners[i]) continue;
            foreach (uint[] then in before) next = Transition.Next(next, then[i], lives);
            next = Transition.Next(next, owners[i], lives);
            HasSettled |= next.State == SlotState.Settled;
            if (next == slot) continue;
            begins |= next.State == SlotState.Changing || (next.State == SlotState.Settled && before.Count > 0);
            slots[i] = FlSlot.Of(next);
        }

        IsFresh = false;
        return begins;
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
