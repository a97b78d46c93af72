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

/// <summary>A slot; backends are numbers, and 0 is nobody.</summary>
public readonly record struct Slot(SlotState State, uint Owner, uint Former);

/// <summary>
/// How a slot goes over to another owner without moving a flow. The rule under all of it: which backend has the flows
/// that are not remembered? In a changing slot the former owner, in the others the owner.
/// </summary>
public static class Transition
{
    /// <summary>The slot under its new owner. A backend lives that is in the table, also with weight 0.</summary>
    public static Slot Next(Slot slot, uint owner, bool lives, bool formerLives) => slot.State switch
    {
        SlotState.Changing when formerLives => (owner == slot.Owner, owner == slot.Former) switch
        {
            (true, _) => slot,
            // It goes back: those that are not remembered are the new owner's already.
            (_, true) => new(SlotState.Settled, owner, lives ? slot.Owner : 0),
            // The owner's flows are remembered, so only the former one's need the slot.
            _ => new(SlotState.Changing, owner, slot.Former),
        },
        // Those that were not remembered have died with the former owner.
        SlotState.Changing => new(SlotState.Settled, owner, lives && owner != slot.Owner ? slot.Owner : 0),
        _ when owner == slot.Owner => slot,
        // As above, with the owner; and nothing is remembered in a steady slot.
        SlotState.Steady when !lives => new(SlotState.Steady, owner, 0),
        SlotState.Settled when !lives => new(SlotState.Settled, owner, formerLives ? slot.Former : 0),
        _ => new(SlotState.Changing, owner, slot.Owner),
    };

    /// <summary>The time is over: whoever has sent a packet since the change is remembered.</summary>
    public static Slot End(Slot slot) =>
        slot.State == SlotState.Changing ? slot with { State = SlotState.Settled } : slot;

    /// <summary>Nobody is remembered any more.</summary>
    public static Slot Forget(Slot slot) =>
        slot.State == SlotState.Settled ? new(SlotState.Steady, slot.Owner, 0) : slot;
}
