using System.Net;
using Fairlead.Balancer;

namespace Fairlead.Tests.Balancer;

public class TransitionTests
{
    /// <summary>The whole table: 1 is the owner, 2 the former owner, 3 somebody else.</summary>
    [Theory]
    [InlineData("Steady 1 0", 1u, true, false, "Steady 1 0")]
    [InlineData("Steady 1 0", 3u, true, false, "Changing 3 1")]
    [InlineData("Steady 1 0", 3u, false, false, "Steady 3 0")]
    [InlineData("Steady 0 0", 3u, false, false, "Steady 3 0")]
    [InlineData("Steady 1 0", 0u, true, false, "Changing 0 1")]
    [InlineData("Changing 1 2", 1u, true, true, "Changing 1 2")]
    [InlineData("Changing 1 2", 3u, true, true, "Changing 3 2")]
    [InlineData("Changing 1 2", 3u, false, true, "Changing 3 2")]
    [InlineData("Changing 1 2", 2u, true, true, "Settled 2 1")]
    [InlineData("Changing 1 2", 2u, false, true, "Settled 2 0")]
    [InlineData("Changing 1 2", 1u, true, false, "Settled 1 0")]
    [InlineData("Changing 1 2", 3u, true, false, "Settled 3 1")]
    [InlineData("Changing 1 2", 3u, false, false, "Settled 3 0")]
    [InlineData("Settled 1 2", 1u, true, true, "Settled 1 2")]
    [InlineData("Settled 1 2", 3u, true, true, "Changing 3 1")]
    [InlineData("Settled 1 2", 2u, true, true, "Changing 2 1")]
    [InlineData("Settled 1 2", 3u, false, true, "Settled 3 2")]
    [InlineData("Settled 1 2", 3u, false, false, "Settled 3 0")]
    public void A_slot_goes_over_to_an_owner(string slot, uint owner, bool lives, bool formerLives, string next) =>
        Assert.Equal(next, Words(Transition.Next(Read(slot), owner, lives, formerLives)));

    [Fact]
    public void A_change_ends_and_is_forgotten()
    {
        Assert.Equal("Settled 1 2", Words(Transition.End(Read("Changing 1 2"))));
        Assert.Equal("Steady 1 0", Words(Transition.Forget(Read("Settled 1 2"))));
        Assert.Equal("Steady 1 0", Words(Transition.End(Read("Steady 1 0"))));
        Assert.Equal("Changing 1 2", Words(Transition.Forget(Read("Changing 1 2"))));
    }

    /// <summary>
    /// 100,000 flows through 200 changes of the set, in the kernel's rules as a model: each sends between changes, new
    /// ones begin, transitions end now and then.
    /// </summary>
    [Fact]
    public void A_flow_whose_backend_is_up_never_moves() => Property.Holds(1, random =>
    {
        const int Slots = 4093, Flows = 100_000, Changes = 200;
        var slots = new Slot[Slots];
        var set = new SortedSet<int>(Enumerable.Range(1, 100));
        var leaving = new HashSet<int>();
        int[] owners = Owners(set, leaving, Slots);
        for (int i = 0; i < Slots; i++) slots[i] = new Slot(SlotState.Steady, (uint)owners[i], 0);
        int[] slotOf = [.. Enumerable.Range(0, Flows).Select(_ => random.Next(Slots))];
        uint[] backendOf = new uint[Flows], remembered = new uint[Flows];
        for (int flow = 0; flow < Flows; flow++) backendOf[flow] = Send(flow, isNew: true);
        long moved = 0, began = 0;
        for (int change = 0; change < Changes; change++)
        {
            Change(random, set, leaving);
            owners = Owners(set, leaving, Slots);
            for (int i = 0; i < Slots; i++)
            {
                slots[i] = Transition.Next(slots[i], (uint)owners[i],
                    set.Contains((int)slots[i].Owner), set.Contains((int)slots[i].Former));
            }

            for (int flow = 0; flow < Flows; flow++)
                if (!set.Contains((int)remembered[flow])) remembered[flow] = 0;
            for (int flow = 0; flow < Flows; flow++)
            {
                if (!set.Contains((int)backendOf[flow]) || random.Next(50) == 0)
                {
                    // Its backend is gone, or it ends: another one begins in its place.
                    (slotOf[flow], remembered[flow]) = (random.Next(Slots), 0);
                    backendOf[flow] = Send(flow, isNew: true);
                    Assert.DoesNotContain((int)backendOf[flow], leaving);
                    began++;
                }
                else if (Send(flow, isNew: false) != backendOf[flow])
                {
                    moved++;
                }
            }

            if (change % 7 == 6)
                for (int i = 0; i < Slots; i++) slots[i] = Transition.End(slots[i]);
        }

        Assert.Equal(0, moved);
        Assert.True(began > Flows);

        // pick_changing of bpf/pick.h.
        uint Send(int flow, bool isNew)
        {
            Slot slot = slots[slotOf[flow]];
            if (slot.State == SlotState.Steady) return slot.Owner;
            if (remembered[flow] != 0) return remembered[flow];
            if (slot.State == SlotState.Settled || !set.Contains((int)slot.Former)) return slot.Owner;
            return remembered[flow] = isNew ? slot.Owner : slot.Former;
        }
    });

    private static void Change(Random random, SortedSet<int> set, HashSet<int> leaving)
    {
        switch (random.Next(3))
        {
            case 0 when set.Count < 120:
                set.Add(Enumerable.Range(1, 200).First(number => !set.Contains(number)));
                break;
            case 1:
                leaving.Add(set.ElementAt(random.Next(set.Count)));
                break;
            default:
                int gone = leaving.Count > 0 && random.Next(2) == 0
                    ? leaving.First() : set.ElementAt(random.Next(set.Count));
                if (set.Count - leaving.Count < 60) leaving.Clear();
                else leaving.Remove(gone);
                if (set.Count > 80) set.Remove(gone);
                break;
        }

        leaving.IntersectWith(set);
    }

    private static int[] Owners(SortedSet<int> set, HashSet<int> leaving, int slots)
    {
        int[] numbers = [.. set];
        BackendEntry[] backends = [.. numbers.Select(number =>
            new BackendEntry(new IPAddress([10, 0, 0, (byte)number]), leaving.Contains(number) ? 0 : 1))];
        return [.. Maglev.Owners(backends, slots).Select(owner => numbers[owner])];
    }

    private static Slot Read(string words)
    {
        string[] parts = words.Split(' ');
        return new Slot(Enum.Parse<SlotState>(parts[0]), uint.Parse(parts[1]), uint.Parse(parts[2]));
    }

    private static string Words(Slot slot) => $"{slot.State} {slot.Owner} {slot.Former}";
}
