using System.Net;
using Fairlead.Balancer;

namespace Fairlead.Tests.Balancer;

public class TransitionTests
{
    /// <summary>The whole table: 1 is the owner, 2 the former owner, 3 the third or, as 4, somebody else.</summary>
    [Theory]
    [InlineData("Steady 1 0 0", 3u, "12", "Changing 3 1 0")]
    [InlineData("Steady 1 0 0", 3u, "2", "Steady 3 0 0")]
    [InlineData("Steady 0 0 0", 3u, "2", "Steady 3 0 0")]
    [InlineData("Steady 1 0 0", 0u, "1", "Changing 0 1 0")]
    [InlineData("Changing 1 2 0", 1u, "12", "Changing 1 2 0")]
    [InlineData("Changing 1 2 0", 3u, "123", "Changing 3 2 1")]
    [InlineData("Changing 1 2 0", 3u, "23", "Changing 3 2 0")]
    [InlineData("Changing 1 2 0", 2u, "12", "Settled 2 1 0")]
    [InlineData("Changing 1 2 0", 2u, "2", "Settled 2 0 0")]
    [InlineData("Changing 1 2 0", 1u, "1", "Settled 1 0 0")]
    [InlineData("Changing 1 2 0", 3u, "13", "Settled 3 1 0")]
    [InlineData("Changing 1 2 0", 3u, "3", "Settled 3 0 0")]
    [InlineData("Changing 1 2 3", 1u, "12", "Changing 1 2 0")]
    [InlineData("Changing 1 2 3", 4u, "1234", "Changing 4 2 1")]
    [InlineData("Changing 1 2 3", 4u, "234", "Changing 4 2 3")]
    [InlineData("Changing 1 2 3", 3u, "123", "Changing 3 2 1")]
    [InlineData("Changing 1 2 3", 2u, "123", "Settled 2 1 3")]
    [InlineData("Changing 1 2 3", 1u, "13", "Settled 1 3 0")]
    [InlineData("Changing 1 2 3", 4u, "134", "Settled 4 1 3")]
    [InlineData("Settled 1 2 0", 1u, "12", "Settled 1 2 0")]
    [InlineData("Settled 1 2 0", 3u, "123", "Changing 3 1 2")]
    [InlineData("Settled 1 2 0", 2u, "12", "Changing 2 1 0")]
    [InlineData("Settled 1 2 0", 3u, "23", "Settled 3 2 0")]
    [InlineData("Settled 1 2 0", 3u, "3", "Settled 3 0 0")]
    [InlineData("Settled 1 2 3", 4u, "1234", "Changing 4 1 2")]
    [InlineData("Settled 1 2 3", 2u, "123", "Changing 2 1 3")]
    public void A_slot_goes_over_to_an_owner(string slot, uint owner, string living, string next) =>
        Assert.Equal(next, Words(Transition.Next(
            Read(slot), owner, number => living.Contains($"{number}", StringComparison.Ordinal))));

    [Fact]
    public void A_change_ends_and_is_forgotten()
    {
        Assert.Equal("Settled 1 2 0", Words(Transition.End(Read("Changing 1 2 0"))));
        Assert.Equal("Steady 1 0 0", Words(Transition.Forget(Read("Settled 1 2 0"))));
        Assert.Equal("Steady 1 0 0", Words(Transition.End(Read("Steady 1 0 0"))));
        Assert.Equal("Changing 1 2 0", Words(Transition.Forget(Read("Changing 1 2 0"))));
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
                slots[i] = Transition.Next(slots[i], (uint)owners[i], number => set.Contains((int)number));
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

    /// <summary>
    /// Two changes within each transition, and then the traffic of all flows goes to a balancer that has not seen one
    /// of their packets: one that made the same changes, and one that only knows the sets. Whom it sends a packet to,
    /// or one of those that it names beside, is the backend of the flow.
    /// </summary>
    [Fact]
    public void After_two_changes_a_balancer_that_saw_no_packet_still_finds_every_flow() => Property.Holds(3, random =>
    {
        const int Slots = 1009, Flows = 3_000, Rounds = 20;
        var set = new SortedSet<int>(Enumerable.Range(1, 20));
        var leaving = new HashSet<int>();
        for (int round = 0; round < Rounds; round++)
        {
            // A transition is over: everybody is where the slots say.
            List<int[]> sets = [Owners(set, leaving, Slots)];
            Slot[] slots = [.. sets[0].Select(owner => new Slot(SlotState.Steady, (uint)owner, 0))];
            List<(int Slot, int Backend)> flows = [];
            Begin();
            for (int change = 0; change < 2; change++)
            {
                Change(random, set, leaving, least: 12);
                sets.Add(Owners(set, leaving, Slots));
                for (int i = 0; i < Slots; i++) slots[i] = Transition.Next(slots[i], (uint)sets[^1][i], Lives);
                flows.RemoveAll(flow => !set.Contains(flow.Backend));
                Begin();
            }

            foreach ((int at, int backend) in flows)
            {
                Assert.Contains((uint)backend, Named(slots[at]));
                Slot fresh = sets.Aggregate(new Slot(), (slot, owners) => Transition.Next(
                    slot, Lives((uint)owners[at]) ? (uint)owners[at] : 0, Lives));
                Assert.Contains((uint)backend, Named(fresh));
            }

            void Begin() => flows.AddRange(Enumerable.Range(0, Flows)
                .Select(_ => random.Next(Slots)).Select(slot => (slot, sets[^1][slot])));
        }

        bool Lives(uint number) => set.Contains((int)number);

        static uint[] Named(Slot slot) => [slot.Owner, slot.Former, slot.Third];
    });

    private static void Change(Random random, SortedSet<int> set, HashSet<int> leaving, int least = 60)
    {
        switch (random.Next(3))
        {
            case 0 when set.Count < 2 * least:
                set.Add(Enumerable.Range(1, 200).First(number => !set.Contains(number)));
                break;
            case 1 when set.Count - leaving.Count > least / 2:
                leaving.Add(set.ElementAt(random.Next(set.Count)));
                break;
            default:
                int gone = leaving.Count > 0 && random.Next(2) == 0
                    ? leaving.First() : set.ElementAt(random.Next(set.Count));
                if (set.Count - leaving.Count < least) leaving.Clear();
                else leaving.Remove(gone);
                if (set.Count > least + least / 3) set.Remove(gone);
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
        uint[] owners = [.. parts[1..].Select(uint.Parse)];
        return new Slot(Enum.Parse<SlotState>(parts[0]), owners[0], owners[1], owners[2]);
    }

    private static string Words(Slot slot) => $"{slot.State} {slot.Owner} {slot.Former} {slot.Third}";
}
