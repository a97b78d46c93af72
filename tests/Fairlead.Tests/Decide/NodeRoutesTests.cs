using System.Net;
using Fairlead.Balancer;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Decide;

public class NodeRoutesTests
{
    private static readonly string[] WebVips =
        ["192.0.2.1/32", "2001:db8:f00::1/128", "2001:db8:f01::1/128", "2001:db8:f02::1/128", "2001:db8:f03::1/128"];

    private static readonly string[] DnsVips =
    [
        "192.0.2.83/32", "2001:db8:f00::53/128", "2001:db8:f01::53/128", "2001:db8:f02::53/128", "2001:db8:f03::53/128",
    ];

    private static readonly string[] LondonsAggregates = ["192.0.2.0/24", "2001:db8:f00::/44", "2001:db8:f02::/48"];

    [Fact]
    public void A_healthy_node_announces_every_vip_the_cover_and_its_own_regional_prefix() =>
        Assert.Equal(
            WebVips.Concat(DnsVips).Concat(LondonsAggregates).Order(), new Situation().Announced("lon1").Order());

    [Fact]
    public void An_own_pool_that_is_down_withdraws_its_services_hosts_only()
    {
        string[] announced = new Situation().Fails("web", "lon").Announced("lon1");

        Assert.Empty(announced.Intersect(WebVips));
        Assert.Equal(DnsVips.Concat(LondonsAggregates).Order(), announced.Order());
    }

    [Fact]
    public void A_pool_without_healthy_ipv4_withdraws_the_hosts_of_ipv4_only()
    {
        string[] announced = new Situation().Fails("web", "lon", onlyIPv4: true).Announced("lon1");

        Assert.DoesNotContain("192.0.2.1/32", announced);
        Assert.Equal(WebVips.Skip(1), announced.Intersect(WebVips));
    }

    [Fact]
    public void The_pool_of_another_pop_takes_nothing_away() =>
        Assert.Equal(new Situation().Announced("lon1"), new Situation().Fails("web", "tyo").Announced("lon1"));

    [Fact]
    public void An_aggregate_has_a_living_host_behind_it_as_its_next_hop()
    {
        Route cover = new Situation().Routes("lon1").Single(route => route.Prefix == Prefix.Parse("2001:db8:f00::/44"));
        Assert.Equal(IPAddress.Parse("2001:db8:f00::1"), cover.NextHop);

        var sick = new Situation();
        cover = sick.Fails("web", "lon").Routes("lon1").Single(r => r.Prefix == Prefix.Parse("192.0.2.0/24"));
        Assert.Equal(IPAddress.Parse("192.0.2.83"), cover.NextHop);

        Assert.Empty(sick.Fails("dns", "lon").Routes("lon1"));
    }

    [Fact]
    public void What_has_not_been_checked_is_not_announced() =>
        Assert.Empty(new Situation().NotChecked("lon").Announced("lon1"));

    [Fact]
    public void While_a_drain_depreferes_the_aggregates_carry_graceful_shutdown_and_the_hosts_do_not()
    {
        // Both survivors have announced Tokyo's prefix for longer than one settle time (2 s), and DNS is empty.
        Situation drained = new Situation { OwnPop = "tyo" }.Drains("tyo", 60)
            .Announces("nyc", "2001:db8:f03::/48", 3).Announces("lon", "2001:db8:f03::/48", 3);

        Assert.Equal(PopState.DrainingDeprefer, drained.Plan().Pop("tyo")!.State);
        Assert.All(
            drained.Routes("tyo1"), route => Assert.Equal(!route.Prefix.IsHost, route.GracefulShutdown));
    }

    [Theory]
    [InlineData(0.5, PopState.DrainingAnnounce, 3)]
    [InlineData(2.5, PopState.DrainingDeprefer, 3)]
    [InlineData(4.5, PopState.DrainingWithdraw, 0)]
    [InlineData(6.5, PopState.Drained, 0)]
    public void The_stages_of_a_drain_follow_what_the_survivors_announce(double taken, PopState state, int aggregates)
    {
        Situation drained = new Situation { OwnPop = "tyo" }.Drains("tyo", 60)
            .Announces("nyc", "2001:db8:f03::/48", taken);

        Assert.Equal(state, drained.Plan().Pop("tyo")!.State);
        Assert.Equal(aggregates, drained.Routes("tyo1").Count(route => !route.Prefix.IsHost));
        Assert.Equal(state == PopState.Drained, drained.Routes("tyo1").IsEmpty);
    }

    [Fact]
    public void Nobody_is_withdrawn_before_the_resolvers_have_forgotten_or_when_nobody_has_taken_over()
    {
        Plan early = new Situation().Drains("tyo", 1).Announces("nyc", "2001:db8:f03::/48", 60).Plan();
        Assert.Equal((PopState.DrainingDns, AggregateStance.Announce, false),
            (early.Pop("tyo")!.State, early.Pop("tyo")!.Aggregates, early.Pop("tyo")!.InDns));

        Plan alone = new Situation().Drains("tyo", 3000).Plan();
        Assert.Equal((PopState.DrainingAnnounce, AggregateStance.Announce),
            (alone.Pop("tyo")!.State, alone.Pop("tyo")!.Aggregates));
    }

    [Fact]
    public void The_living_announce_a_dead_pops_regional_prefix()
    {
        Situation dead = new Situation().Silent("nyc", 5);

        Assert.Equal(PopState.Dead, dead.Plan().Pop("nyc")!.State);
        Assert.Contains("2001:db8:f01::/48", dead.Announced("lon1"));
        Assert.Contains("2001:db8:f01::/48", dead.Announced("tyo1"));
        Assert.DoesNotContain("2001:db8:f03::/48", dead.Announced("lon1"));
    }

    [Fact]
    public void A_pop_on_its_way_out_rescues_nobody()
    {
        Situation both = new Situation { OwnPop = "tyo" }.Silent("nyc", 5).Drains("tyo", 60);

        Assert.DoesNotContain("2001:db8:f01::/48", both.Announced("tyo1"));
        Assert.Contains("2001:db8:f01::/48", both.Announced("lon1"));
    }

    [Fact]
    public void Silence_shorter_than_dead_after_or_that_the_store_has_not_witnessed_is_no_death()
    {
        double shortOfDeath = new Situation().Fleet.Safety.DeadAfter.TotalSeconds - 0.1;
        Assert.Equal(PopState.Up, new Situation().Silent("nyc", shortOfDeath).Plan().Pop("nyc")!.State);
        // The store itself is silent for as long: it is we who are deaf.
        var deaf = new Situation { Store = new StoreSight(Situation.Now.AddHours(-1), Situation.Now.AddSeconds(-60)) };
        Assert.Equal(PopState.Up, deaf.Goes().Silent("nyc", 60).Plan().Pop("nyc")!.State);
        // The pop that decides is alive, whatever the store says of it.
        Assert.NotEqual(PopState.Dead, new Situation { OwnPop = "nyc" }.Silent("nyc", 60).Plan().Pop("nyc")!.State);
    }

    [Fact]
    public void When_every_pool_fails_at_once_the_verdict_is_held_and_the_hosts_stay()
    {
        Situation panic = new Situation().Goes().Fails("web", "nyc").Fails("web", "lon").Fails("web", "tyo");

        Assert.True(panic.Plan().Service("web")!.Held);
        Assert.Equal(WebVips, panic.Announced("lon1").Intersect(WebVips));
        // The next turn, and a pop whose verdict was down before the panic.
        Assert.True(panic.Goes().Plan().Service("web")!.Held);
        Situation late = new Situation().Fails("web", "nyc").Goes().Fails("web", "lon").Fails("web", "tyo");
        Assert.Equal("lon tyo", string.Join(' ', late.Plan().Service("web")!.UpIPv6));
        Assert.Empty(late.Announced("nyc1").Intersect(WebVips));
    }

    [Fact]
    public void Families_are_held_apart_for_their_checks_do_not_fail_in_one_instant()
    {
        Situation four = new Situation().Goes();
        foreach (string pop in (string[])["nyc", "lon", "tyo"]) four.Fails("web", pop, onlyIPv4: true);
        ServicePlan web = four.Plan().Service("web")!;
        Assert.True(web is { Held: true, HeldIPv4: true, HeldIPv6: false });
        Assert.Equal(WebVips, four.Announced("lon1").Intersect(WebVips));

        four.Goes();
        foreach (string pop in (string[])["nyc", "lon", "tyo"]) four.Fails("web", pop);
        Assert.True(four.Plan().Service("web") is { HeldIPv4: true, HeldIPv6: true });
        Assert.Equal(WebVips, four.Announced("lon1").Intersect(WebVips));
        Assert.Equal(4, four.Plan().Service("web")!.Backends["lon"].Length);
    }

    [Fact]
    public void Vips_lead_to_the_healthy_backends_and_to_all_of_them_when_none_is()
    {
        var some = new Situation();
        VipEntry Entry(string vip) => NodeRoutes.VipsOf(some.Fleet, new Plan(), some.Report("lon1"), 1).Entries
            .Single(entry => entry.Vip == Prefix.Parse(vip));
        Assert.Equal(["198.51.100.21", "198.51.100.22"], Entry("192.0.2.1/32").Backends.Select(b => b.ToString()));
        Assert.True(Entry("192.0.2.83/32").Local);

        some.BackendFails("lon", "198.51.100.21").BackendFails("lon", "2001:db8:2::b1");
        Assert.Equal(["198.51.100.22"], Entry("192.0.2.1/32").Backends.Select(b => b.ToString()));
        Assert.Equal(["2001:db8:2::b2"], Entry("2001:db8:f01::1/128").Backends.Select(b => b.ToString()));

        some.Fails("web", "lon");
        Assert.Equal(2, Entry("192.0.2.1/32").Backends.Length);
    }

    [Fact]
    public void An_announcement_that_an_operator_asked_for_is_made_by_its_pop_until_it_ends()
    {
        Intent announce = Situation.Announce("lon", "192.0.2.128/25");

        Assert.Contains("192.0.2.128/25", new Situation().With(announce).Announced("lon1"));
        Assert.DoesNotContain("192.0.2.128/25", new Situation().With(announce).Announced("tyo1"));
        Intent over = announce with { Until = Situation.Now };
        Assert.DoesNotContain("192.0.2.128/25", new Situation().With(over).Announced("lon1"));
        Assert.Equal(announce.Until, new Situation().With(announce).LookAgain());
    }
}
