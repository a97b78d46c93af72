using System.Collections.Immutable;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Balancer;

/// <summary>
/// Two balancers of the same VIPs, whose checks saw different things at different times, and a flow that goes over from
/// one to the other.
/// </summary>
public class OtherBalancerTests
{
    private const int Slots = 251;

    /// <summary>
    /// Any two histories of verdicts within the transition. Lost is a flow of a slot alone that more than three
    /// backends which are up have owned, on one balancer or the other: a slot has three places.
    /// </summary>
    [Fact]
    public void A_flow_goes_to_its_backend_at_the_other_or_by_the_second_chance() => Property.Holds(60, random =>
    {
        Balancer[] both = [new(), new()];
        foreach (Balancer one in both) one.Apply(AnySet(random), []);
        int lost = 0, found = 0;
        for (int step = 0; step < 12; step++)
        {
            Balancer one = both[random.Next(2)], other = both[0] == one ? both[1] : both[0];
            switch (random.Next(4))
            {
                case 0:
                    one.Apply(AnySet(random), one.Others);
                    break;
                case 1:
                    one.Apply(one.Set, other.Told());
                    break;
                default:
                    one.Begin(random, 200);
                    break;
            }

            one.SendAll();
        }

        foreach (Balancer one in both)
        {
            Balancer other = both[0] == one ? both[1] : both[0];
            other.Apply(other.Set, one.Told());
            other.SendAll();
            foreach ((int at, uint backend) in one.Flows.Where(flow => other.Lives(flow.Backend)))
            {
                bool isFound = other.Named(at).Contains(backend);
                (found, lost) = isFound ? (found + 1, lost) : (found, lost + 1);
                if (isFound) continue;
                HashSet<uint> owners = [.. one.OwnersOf(at).Concat(other.OwnersOf(at)).Where(other.Lives)];
                Assert.True(owners.Count > 3,
                    $"slot {at} does not name {backend}, it names {string.Join(' ', other.Named(at))}");
            }
        }

        Assert.True(found > lost);
    });

    /// <summary>What a new balancer does not remember goes where the old one sends what it does not remember.</summary>
    [Theory]
    [InlineData(DeliveryMode.L2)]
    [InlineData(DeliveryMode.Gue)]
    public void A_balancer_without_flows_makes_its_table_as_the_other_has_it(DeliveryMode mode) =>
        Property.Holds(30, random =>
        {
            var old = new Balancer(mode);
            old.Apply(AnySet(random), []);
            old.Begin(random, 1);
            for (int change = random.Next(4); change > 0; change--) old.Apply(AnySet(random), []);
            var fresh = new Balancer(mode);
            // As its checks answer one by one.
            fresh.Apply(AnySet(random), []);
            fresh.Apply(AnySet(random), old.Told());
            fresh.Apply(old.Set, old.Told());
            for (int at = 0; at < Slots; at++)
                Assert.Equal(Transition.Unremembered(old.SlotAt(at)), Transition.Unremembered(fresh.SlotAt(at)));
        });

    [Fact]
    public void What_changes_before_the_first_packet_leaves_nothing_in_change() => Property.Holds(10, random =>
    {
        var balancer = new Balancer(DeliveryMode.L2);
        for (int i = 0; i < 5; i++) balancer.Apply(AnySet(random), []);
        Assert.All(Enumerable.Range(0, Slots), at => Assert.Equal(SlotState.Steady, balancer.SlotAt(at).State));
        Assert.Empty(balancer.State.Past);
    });

    [Fact]
    public void Without_a_second_chance_a_balancers_own_flows_decide_alone() => Property.Holds(10, random =>
    {
        Balancer one = new(DeliveryMode.L2), other = new(DeliveryMode.L2);
        one.Apply(AnySet(random), []);
        one.Begin(random, 1);
        other.Apply(AnySet(random), []);
        other.Begin(random, 1);
        Slot[] before = [.. Enumerable.Range(0, Slots).Select(one.SlotAt)];
        one.Apply(one.Set, other.Told());
        for (int at = 0; at < Slots; at++) Assert.Equal(before[at], one.SlotAt(at));
    });

    [Fact]
    public void In_whatever_order_backends_come_up_at_the_start_the_rule_is_the_same() => Property.Holds(20, random =>
    {
        ImmutableArray<BackendEntry> all = AnySet(random);
        BackendEntry late = all[random.Next(all.Length)];
        Balancer one = new(DeliveryMode.L2), other = new(DeliveryMode.L2);
        one.Apply(all, []);
        other.State.Fallen[Prefix.Host(late.Address)] = (late.Address.GetAddressBytes()[3], 1010);
        other.Apply(all.Remove(late), [], late);
        other.Begin(random, 100);
        // A third one learns from it.
        Balancer third = new(DeliveryMode.L2);
        other.State.Fallen.Clear();
        other.Apply(all, []);
        other.SendAll();
        third.Apply(all, other.Told());
        for (int at = 0; at < Slots; at++)
        {
            Assert.Equal(one.SlotAt(at).Owner, Transition.Unremembered(other.SlotAt(at)));
            Assert.Equal(one.SlotAt(at).Owner, Transition.Unremembered(third.SlotAt(at)));
        }
    });

    /// <summary>A check that is wrong for some seconds: the flows of before are still where they were.</summary>
    [Fact]
    public void A_backend_that_comes_back_at_once_finds_its_flows() => Property.Holds(20, random =>
    {
        var balancer = new Balancer(DeliveryMode.L2);
        ImmutableArray<BackendEntry> all = AnySet(random);
        balancer.Apply(all, []);
        balancer.Begin(random, 1);
        uint[] before = [.. Enumerable.Range(0, Slots).Select(at => balancer.SlotAt(at).Owner)];
        BackendEntry falls = all[random.Next(all.Length)];
        Prefix address = Prefix.Host(falls.Address);
        balancer.State.Fallen[address] = (balancer.State.Numbers[address], 1010);
        balancer.Apply(all.Remove(falls), []);
        // Who begins meanwhile is remembered.
        Assert.All(Enumerable.Range(0, Slots), at => Assert.True(
            before[at] == balancer.SlotAt(at).Owner || balancer.SlotAt(at).State == SlotState.Changing));
        balancer.State.Fallen.Clear();
        balancer.Apply(all, []);
        Assert.Equal(before, Enumerable.Range(0, Slots).Select(at => Transition.Unremembered(balancer.SlotAt(at))));
    });

    [Fact]
    public void A_backend_that_stays_away_is_forgotten()
    {
        var balancer = new Balancer(DeliveryMode.L2);
        BackendEntry[] two = [new(IPAddress.Parse("10.0.0.1")), new(IPAddress.Parse("10.0.0.2"))];
        balancer.Apply([.. two], []);
        balancer.Begin(new Random(1), 1);
        balancer.State.Fallen[Prefix.Host(two[0].Address)] = (1, 1010);
        balancer.Apply([two[1]], []);
        Assert.Contains(balancer.State.Slots, slot => slot.Read() is { State: SlotState.Changing, Former: 1 });
        Assert.Empty(balancer.State.Forget(1009));
        Assert.Equal([1u], balancer.State.Forget(1010));
        Assert.All(balancer.State.Slots, slot => Assert.False(slot.Read() is { Owner: 1 } or { Former: 1 }));
    }

    private static ImmutableArray<BackendEntry> AnySet(Random random)
    {
        BackendEntry[] all = [.. Enumerable.Range(1, 6).Select(i => new BackendEntry(
            new IPAddress([10, 0, 0, (byte)i]), random.Next(8) == 0 ? 0 : 1))];
        ImmutableArray<BackendEntry> some = [.. all.Where(_ => random.Next(4) > 0)];
        return some.Any(backend => backend.Weight > 0) ? some : [all[0] with { Weight = 1 }];
    }

    /// <summary>The tables' way with a service, and pick_changing of bpf/pick.h as a model.</summary>
    private sealed class Balancer(DeliveryMode mode = DeliveryMode.Gue)
    {
        private readonly List<uint[]> owners = [];
        private readonly List<(int Slot, uint Backend, bool IsRemembered)> flows = [];

        public ServiceState State { get; } = new(1, 1, 0, new FlSlot[Slots]);

        public ImmutableArray<BackendEntry> Set { get; private set; } = [];

        public ImmutableArray<OtherBalancer> Others { get; private set; } = [];

        public IEnumerable<(int Slot, uint Backend)> Flows => flows.Select(flow => (flow.Slot, flow.Backend));

        public void Apply(
            ImmutableArray<BackendEntry> set, ImmutableArray<OtherBalancer> others, params BackendEntry[] down)
        {
            (Set, Others) = (set, others);
            State.Numbers.Clear();
            foreach (BackendEntry backend in set)
                State.Numbers[Prefix.Host(backend.Address)] = backend.Address.GetAddressBytes()[3];
            var entry = new ServiceEntry
            {
                Name = "s",
                Vips = [],
                Backends = set,
                Others = others,
                Down = [.. down],
                Mode = mode,
                Slots = Slots,
            };
            SlotTurn.Turn(State, entry, 1000);
            State.Entry = entry;
            flows.RemoveAll(flow => !Lives(flow.Backend));
            if (State.HasCarried) owners.Add([.. Enumerable.Range(0, Slots).Select(at => SlotAt(at).Owner)]);
        }

        public ImmutableArray<OtherBalancer> Told() => !State.HasCarried ? []
            : [new OtherBalancer([.. State.Past.Select(past => past.Set).Reverse(), Set])];

        public void Begin(Random random, int count)
        {
            if (!State.HasCarried) owners.Add([.. Enumerable.Range(0, Slots).Select(at => SlotAt(at).Owner)]);
            State.HasCarried = true;
            for (int i = 0; i < count; i++)
            {
                int at = random.Next(Slots);
                flows.Add((at, SlotAt(at).Owner, SlotAt(at).State == SlotState.Changing));
            }
        }

        /// <summary>A packet of each flow: those that are here never move.</summary>
        public void SendAll()
        {
            for (int i = 0; i < flows.Count; i++)
            {
                (int at, uint backend, bool isRemembered) = flows[i];
                Slot slot = SlotAt(at);
                if (isRemembered && slot.State != SlotState.Steady) continue;
                Assert.Equal(backend, Transition.Unremembered(slot));
                flows[i] = (at, backend, slot.State == SlotState.Changing);
            }
        }

        public bool Lives(uint number) => State.Numbers.ContainsValue(number);

        public Slot SlotAt(int at) => State.Slots[at].Read();

        public uint[] Named(int at) => [SlotAt(at).Owner, SlotAt(at).Former, SlotAt(at).Third];

        public IEnumerable<uint> OwnersOf(int at) => owners.Select(then => then[at]);
    }
}
