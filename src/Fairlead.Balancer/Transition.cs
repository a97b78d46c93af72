namespace Fairlead.Balancer;

/// <summary>What the kernel does in a slot (bpf/fairlead.h).</summary>
public enum SlotState : byte
{
    /// <summary>All packets are the owner's.</summary>
    Steady = 0,

    /// <summary>
    /// Flows that are not remembered are the former owner's; a TCP flow that begins is the owner's, and remembered.
    /// </summary>
    Changing = 1,

    /// <summary>Flows that are remembered stay where they are; all others are the owner's.</summary>
    Settled = 2,
}

/// <summary>
/// A slot; backends are numbers, and 0 is nobody. The third owned it between the former one and the owner; no packet
/// goes there by the slot, but a flow that a balancer has not seen may be its.
/// </summary>
public readonly record struct Slot(SlotState State, uint Owner, uint Former, uint Third = 0);

/// <summary>
/// How a slot goes over to another owner without moving a flow. The rule under all of it: which backend has the flows
/// that are not remembered? In a changing slot the former owner, in the others the owner. Of more than three owners
/// within one transition, those in the middle are forgotten: their flows stay with the balancer that remembers them.
/// </summary>
public static class Transition
{
    /// <summary>The slot under its new owner. A backend lives that is in the table, also with weight 0.</summary>
    public static Slot Next(Slot slot, uint owner, Func<uint, bool> lives)
    {
        uint was = lives(slot.Owner) ? slot.Owner : 0;
        uint former = lives(slot.Former) ? slot.Former : 0, third = lives(slot.Third) ? slot.Third : 0;
        // The newest of those in the middle: most of its flows are still there.
        uint middle = was != owner && was != 0 ? was : third;
        return slot.State switch
        {
            SlotState.Changing when former != 0 && owner == slot.Owner => slot with { Third = third },
            // It goes back: those that are not remembered are the new owner's already.
            SlotState.Changing when owner == former => Of(SlotState.Settled, owner, was, third),
            // The owner's flows are remembered, so only the former one's need the slot.
            SlotState.Changing when former != 0 => Of(SlotState.Changing, owner, former, middle),
            // Those that were not remembered have died with the former owner.
            SlotState.Changing => Of(SlotState.Settled, owner, was, third),
            _ when owner == slot.Owner => slot with { Former = former, Third = third },
            // As above, with the owner; and nothing is remembered in a steady slot.
            SlotState.Steady when was == 0 => new(SlotState.Steady, owner, 0),
            SlotState.Settled when was == 0 => Of(SlotState.Settled, owner, former, third),
            _ => Of(SlotState.Changing, owner, was, former != owner && former != 0 ? former : third),
        };
    }

    /// <summary>Nobody is named twice, and the third is nobody without a former one.</summary>
    private static Slot Of(SlotState state, uint owner, uint former, uint third)
    {
        if (former == owner) former = 0;
        if (third == owner || third == former) third = 0;
        return former == 0 ? new(state, owner, third) : new(state, owner, former, third);
    }

    /// <summary>To whom flows go that are not remembered.</summary>
    public static uint Unremembered(Slot slot) =>
        slot.State == SlotState.Changing && slot.Former != 0 ? slot.Former : slot.Owner;

    /// <summary>
    /// The slot with its owners at another balancer named, too, where there is room: first the one to whom that one
    /// sends what it does not remember. Where flows go does not change by it, for it is those that are here already
    /// which the slot was made for; only the second chance knows of more.
    /// </summary>
    public static Slot Naming(Slot slot, Slot other, Func<uint, bool> lives)
    {
        foreach (uint number in (ReadOnlySpan<uint>)[Unremembered(other), other.Owner, other.Former, other.Third])
        {
            if (number == 0 || slot.Owner == 0 || !lives(number)) continue;
            if (number == slot.Owner || number == slot.Former || number == slot.Third) continue;
            // Of a settled slot the former one is but a name.
            if (slot.Former == 0) slot = new(SlotState.Settled, slot.Owner, number, slot.Third);
            else if (slot.Third == 0) slot = slot with { Third = number };
        }

        return slot;
    }

    /// <summary>The time is over: whoever has sent a packet since the change is remembered.</summary>
    public static Slot End(Slot slot) =>
        slot.State == SlotState.Changing ? slot with { State = SlotState.Settled } : slot;

    /// <summary>Nobody is remembered any more.</summary>
    public static Slot Forget(Slot slot) =>
        slot.State == SlotState.Settled ? new(SlotState.Steady, slot.Owner, 0) : slot;
}
