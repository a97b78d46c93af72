using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Simulation;

/// <summary>The invariants I1 to I7 of the architecture, over seeded fault schedules.</summary>
public class InvariantTests
{
    private static readonly FleetSpec Cities = Variants.Blackholes;
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(20);

    // Silence is death after a while, a report is one heartbeat old, and news may come late.
    private static readonly TimeSpan ToKnow =
        Cities.Safety.DeadAfter + Cities.Store.Heartbeat + TimeSpan.FromSeconds(1);

    private static FleetSimulation Started(Random random)
    {
        var fleet = new FleetSimulation(Cities, random);
        fleet.Run(Settled);
        Assert.All(fleet.Nodes, node => Assert.All(node.Plan!.Pops, pop => Assert.Equal(PopState.Up, pop.State)));
        return fleet;
    }

    [Fact]
    public void Nothing_outside_the_anycast_subnets_is_announced_and_no_cover_is_lost_whatever_happens() =>
        Property.Holds(100, random =>
    {
        FleetSimulation fleet = Started(random);
        DateTimeOffset whole = fleet.Now;
        for (int fault = 0; fault < 12; fault++)
        {
            Break(fleet, random);
            Attack(fleet, fault);
            fleet.Run(TimeSpan.FromMilliseconds(random.Next(100, 8_000)), () => CheckSafety(fleet, ref whole));
        }

        Mend(fleet);
        fleet.Run(Settled * 2, () => CheckSafety(fleet, ref whole));
        Assert.All(fleet.Nodes, node => Assert.All(node.Plan!.Pops, pop => Assert.Equal(PopState.Up, pop.State)));
        Assert.All(fleet.Nodes, node => Assert.DoesNotContain(node.Plan!.Pops, pop => pop.Rescued));
    });

    [Fact]
    public void A_dead_pops_prefix_is_announced_by_the_others_and_its_address_leaves_dns() =>
        Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        PopSpec victim = Cities.Pops[random.Next(Cities.Pops.Length)];
        foreach (SimulatedNode node in fleet.Of(victim.Name)) node.Kill();

        fleet.Run(Cities.Safety.DeadAfter + TimeSpan.FromSeconds(2));

        foreach (SimulatedNode node in fleet.Alive)
        {
            Assert.Equal(PopState.Dead, node.Plan!.Pop(victim.Name)!.State);
            Assert.False(node.Plan.Pop(victim.Name)!.InDns);
            Assert.DoesNotContain(victim.Name, node.Plan.Service("web")!.UpIPv6);
            Assert.All(victim.Regional, regional => Assert.True(node.Announces(regional)));
        }
    });

    [Fact]
    public void Losing_the_store_changes_no_announcement_and_no_answer() => Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        if (random.Next(2) == 0) fleet.Drain("tyo");
        fleet.Run(Settled);
        string[] before = Standing(fleet);

        fleet.StoreUp = false;
        fleet.Run(TimeSpan.FromMinutes(1));

        Assert.Equal(before, Standing(fleet));
    });

    [Fact]
    public void A_node_that_is_cut_off_from_the_store_holds_everybody_else_for_alive() => Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        SimulatedNode lonely = fleet.Nodes[random.Next(fleet.Nodes.Count)];
        lonely.CutOff = true;

        fleet.Run(TimeSpan.FromMinutes(1));

        Assert.All(lonely.Plan!.Pops, pop => Assert.Equal(PopState.Up, pop.State));
    });

    [Fact]
    public void A_drain_makes_before_it_breaks_and_loses_no_announcement() => Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        PopSpec pop = Cities.Pops[random.Next(Cities.Pops.Length)];
        fleet.Drain(pop.Name);

        fleet.Run(Settled, () =>
            Assert.All(pop.Regional, regional => Assert.True(fleet.IsAnnounced(regional), "nobody announces it")));

        Assert.All(fleet.Nodes, node => Assert.Equal(PopState.Drained, node.Plan!.Pop(pop.Name)!.State));
        Assert.All(fleet.Of(pop.Name), node => Assert.Empty(node.Routes));

        fleet.Undrain(pop.Name);
        fleet.Run(Settled, () =>
            Assert.All(pop.Regional, regional => Assert.True(fleet.IsAnnounced(regional), "nobody announces it")));
        Assert.All(fleet.Nodes, node => Assert.Equal(PopState.Up, node.Plan!.Pop(pop.Name)!.State));
    });

    [Fact]
    public void A_drain_turns_back_when_the_last_survivor_dies_in_the_middle_of_it() => Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        fleet.Drain("tyo");
        fleet.Run(TimeSpan.FromMilliseconds(random.Next(100, 15_000)));
        foreach (SimulatedNode node in fleet.Nodes.Where(node => node.Pop.Name != "tyo")) node.Kill();

        fleet.Run(Cities.Safety.DeadAfter + TimeSpan.FromSeconds(2));

        Assert.All(Cities.Cover, cover => Assert.True(fleet.IsAnnounced(cover)));
    });

    [Fact]
    public void When_every_pool_fails_at_once_the_verdict_is_held() => Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        foreach (SimulatedNode node in fleet.Nodes) node.Healthy.Remove("web");

        fleet.Run(TimeSpan.FromSeconds(30));

        Assert.All(fleet.Nodes, node => Assert.True(node.Plan!.Service("web")!.Held));
        Assert.All(Cities.AllVips(Cities.Service("web")!), vip => Assert.True(fleet.IsAnnounced(vip)));
    });

    [Fact]
    public void The_same_inputs_make_the_same_plan_in_whatever_order_they_come() => Property.Holds(25, random =>
    {
        FleetSimulation fleet = Started(random);
        Break(fleet, random);
        fleet.Run(TimeSpan.FromSeconds(3));
        World world = fleet.Alive.First().World!;
        NodeView[] shuffled = [.. world.Nodes];
        random.Shuffle(shuffled);

        Plan one = Decision.Decide(Cities, world, fleet.Now).Plan;
        Plan other = Decision.Decide(Cities, world with { Nodes = [.. shuffled] }, fleet.Now).Plan;

        Assert.Equal(FleetJson.Write(one), FleetJson.Write(other));
    });

    private static string[] Standing(FleetSimulation fleet) =>
    [
        .. fleet.Alive.Select(node => string.Join(' ', node.Routes.Select(route => route.Prefix).Order())
            + string.Join(' ',
                node.Plan!.Services.Select(service => $"{service.Service}: {string.Join(',', service.UpIPv6)}"))
            + string.Join(' ', node.Plan.Pops.Select(pop => $"{pop.Pop} {pop.State} {pop.InDns}"))),
    ];

    private static void CheckSafety(FleetSimulation fleet, ref DateTimeOffset whole)
    {
        foreach (Route route in fleet.Alive.SelectMany(node => node.Routes))
            Assert.True(Cities.AnycastSubnets.Any(subnet => subnet.Contains(route.Prefix)), $"I1: {route.Prefix}");
        foreach (Route route in fleet.Alive.SelectMany(node => node.Routes).Where(route => route.Blackhole))
            Assert.DoesNotContain(Cities.Aggregates, aggregate => route.Prefix.Contains(aggregate));
        foreach (SimulatedNode node in fleet.Alive)
        {
            // I7: no name is given to a pop that is down while another is up and in DNS.
            string[] good = [.. node.Plan!.Service("web")!.UpIPv6.Where(pop => node.Plan.Pop(pop)!.InDns)];
            Assert.DoesNotContain(good, pop => node.Plan.Pop(pop)!.State == PopState.Dead);
        }

        // I2: while a node that can be heard runs with a healthy service, somebody announces the cover; a drained pop
        // that is the last to serve comes back as soon as it can know.
        bool serves = fleet.StoreUp && fleet.Alive.Any(node => !node.CutOff && node.Healthy.Count > 0);
        if (!serves || Cities.Cover.All(fleet.IsAnnounced)) whole = fleet.Now;
        Assert.True(fleet.Now - whole <= ToKnow, $"I2: nobody announces a cover from {whole:T} to {fleet.Now:T}");
    }

    private static void Break(FleetSimulation fleet, Random random)
    {
        SimulatedNode node = fleet.Nodes[random.Next(fleet.Nodes.Count)];
        string pop = Cities.Pops[random.Next(Cities.Pops.Length)].Name;
        switch (random.Next(11))
        {
            case 0 when fleet.Alive.Count() > 1: node.Kill(); break;
            case 1 when !node.Running: node.Start(fleet.Now); break;
            case 2: fleet.StoreUp = !fleet.StoreUp; break;
            case 3: node.CutOff = !node.CutOff; break;
            case 4: node.Healthy.Remove("web"); break;
            case 5: node.Healthy.Add("web"); break;
            case 6: fleet.Undrain(pop); fleet.Drain(pop); break;
            case 7: fleet.Undrain(pop); break;
            case 8: node.Healthy.Remove("dns"); break;
            default: node.Healthy.Add("dns"); break;
        }
    }

    /// <summary>An operator under attack, whom the rules let do some of it.</summary>
    private static void Attack(FleetSimulation fleet, int turn)
    {
        string[] attacked =
            ["192.0.2.1/32", "203.0.113.1/32", "2001:db8:f02::1/128", "192.0.2.0/24", "2001:db8:f00::/44"];
        fleet.Blackhole(turn % 2 == 0 ? "" : "lon", attacked[turn % attacked.Length]);
    }

    private static void Mend(FleetSimulation fleet)
    {
        fleet.StoreUp = true;
        foreach (PopSpec pop in Cities.Pops) fleet.Undrain(pop.Name);
        foreach (SimulatedNode node in fleet.Nodes)
        {
            if (!node.Running) node.Start(fleet.Now);
            node.CutOff = false;
            node.Healthy.UnionWith(["web", "dns"]);
        }
    }
}
