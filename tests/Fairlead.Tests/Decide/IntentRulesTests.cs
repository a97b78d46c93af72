using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Fleet;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Decide;

public class IntentRulesTests
{
    [Fact]
    public void A_drain_is_taken_while_others_stand() => Assert.Empty(new Situation().Refusals(Situation.Drain("tyo")));

    [Fact]
    public void A_drain_without_a_survivor_is_refused_by_I2_with_the_numbers()
    {
        Situation lonely = new Situation { OwnPop = "tyo" }.Silent("nyc", 60).LostItsSessions("lon");

        string refusal = Assert.Single(lonely.Refusals(Situation.Drain("tyo")));

        Assert.StartsWith("I2: no pop would be left", refusal, StringComparison.Ordinal);
        Assert.Contains("of 2 others", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void The_last_pop_that_is_not_drained_cannot_be_drained()
    {
        Situation others = new Situation().Drains("nyc", 60).Drains("tyo", 60);

        Assert.StartsWith("I2: ", Assert.Single(others.Refusals(Situation.Drain("lon"))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_survivor_must_announce_the_cover_for_the_settle_time()
    {
        Situation young = new Situation().Silent("nyc", 60).LostItsSessions("lon")
            .Announces("lon", "192.0.2.0/24", 1).Announces("lon", "2001:db8:f00::/44", 60);

        Assert.StartsWith("I2: ", Assert.Single(young.Refusals(Situation.Drain("tyo"))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_drain_is_refused_while_a_service_is_up_nowhere_else()
    {
        Situation only = new Situation().Fails("web", "nyc").Fails("web", "lon");

        Assert.Equal(["I2: service web is up in tyo and in none of nyc, lon"], only.Refusals(Situation.Drain("tyo")));
        Assert.Empty(only.Refusals(Situation.Drain("lon")));
    }

    [Fact]
    public void A_second_drain_of_a_pop_is_told_who_was_first() =>
        Assert.Contains("works on the roof",
            Assert.Single(new Situation().Drains("tyo", 60).Refusals(Situation.Drain("tyo"))),
            StringComparison.Ordinal);

    [Fact]
    public void A_backend_is_drained_while_its_pool_can_do_without_it()
    {
        var situation = new Situation();
        string backend = $"{situation.Fleet.Service("web")!.Backends["tyo"][0]}";
        Assert.Empty(situation.Refusals(Backend(backend)));
        // Where the pool is down already nobody is worse off.
        Assert.Empty(new Situation().Fails("web", "tyo").Refusals(Backend(backend)));

        FleetSpec all = situation.Fleet with
        {
            Services = [.. situation.Fleet.Services.Select(one => one with { MinHealthy = new Quota(0, 100) })],
        };
        Assert.All(new Situation(all).Refusals(Backend(backend)),
            refusal => Assert.Contains("drain the pop instead", refusal, StringComparison.Ordinal));
        Assert.NotEmpty(new Situation(all).Refusals(Backend(backend)));
        Assert.Equal("no service has a backend 203.0.113.1", Assert.Single(situation.Refusals(Backend("203.0.113.1"))));
        Assert.Contains("needs its address", Assert.Single(situation.Refusals(Backend(null))),
            StringComparison.Ordinal);

        static Intent Backend(string? address) => Situation.Drain("") with
        {
            Kind = IntentKind.DrainBackend,
            Backend = address is null ? null : System.Net.IPAddress.Parse(address),
        };
    }

    [Fact]
    public void An_unknown_pop_is_named_with_the_nearest_one() =>
        Assert.Equal(["unknown pop \"lonn\"; did you mean \"lon\"? (known: nyc, lon, tyo)"],
            new Situation().Refusals(Situation.Drain("lonn")));

    [Theory]
    [InlineData("203.0.113.0/24")]
    [InlineData("192.0.0.0/16")]
    [InlineData("0.0.0.0/0")]
    [InlineData("2001:db8::/32")]
    public void An_announcement_outside_the_anycast_subnets_is_refused_by_I1(string prefix) =>
        Assert.StartsWith($"I1: {prefix} is outside every anycast subnet (192.0.2.0/24, 2001:db8:f00::/44)",
            Assert.Single(new Situation().Refusals(Situation.Announce("lon", prefix))), StringComparison.Ordinal);

    [Theory]
    [InlineData("192.0.2.0/24")]
    [InlineData("192.0.2.128/25")]
    [InlineData("2001:db8:f0e::/48")]
    public void An_announcement_inside_them_is_taken(string prefix) =>
        Assert.Empty(new Situation().Refusals(Situation.Announce("lon", prefix)));

    [Fact]
    public void An_announcement_needs_a_prefix() =>
        Assert.Equal(["an announcement needs a prefix"], new Situation().Refusals(Situation.Announce("lon", null)));

    [Theory]
    [InlineData("lon", "192.0.2.1/32", null)]
    [InlineData("", "2001:db8:f02::1/128", null)]
    [InlineData("lon", "203.0.113.1/32", "I1: 203.0.113.1/32 is outside every anycast subnet")]
    [InlineData("lon", "2001:db8:f00::/44", "I2: 2001:db8:f00::/44 holds 2001:db8:f00::/44, and with it")]
    [InlineData("lon", "192.0.2.0/24", "I2: 192.0.2.0/24 holds 192.0.2.0/24, and with it")]
    [InlineData("nyc", "192.0.2.1/32", "no router of nyc takes BLACKHOLE")]
    [InlineData("lonn", "192.0.2.1/32", "unknown pop \"lonn\"")]
    [InlineData("lon", null, "an announcement needs a prefix")]
    public void A_blackhole_stays_inside_the_subnets_takes_no_aggregate_and_needs_a_router_that_takes_it(
        string pop, string? prefix, string? refusal)
    {
        string[] refusals = new Situation(Variants.Blackholes).Refusals(Situation.Blackhole(pop, prefix));
        if (refusal is null) Assert.Empty(refusals);
        else Assert.StartsWith(refusal, refusals[0], StringComparison.Ordinal);
    }

    [Fact]
    public void A_blackhole_is_the_first_of_the_routes_to_its_prefix_and_ends_with_its_intent()
    {
        Intent intent = Situation.Blackhole("", "192.0.2.1/32");
        Situation situation = new Situation(Variants.Blackholes).With(intent);
        Route[] routes = [.. situation.Routes("lon1").Where(route => route.Prefix == Prefix.Parse("192.0.2.1/32"))];

        Assert.Equal([true, false], routes.Select(route => route.Blackhole));
        Assert.Contains(
            RouteWhy.Of(situation.Fleet, situation.Plan(), situation.Report("lon1"), Prefix.Parse("192.0.2.1/32")),
            line => line.EndsWith("thrown away (blackhole): under attack; told to lon-edge", StringComparison.Ordinal));
        Situation over = new Situation(Variants.Blackholes).With(intent with { Until = Situation.Now });
        Assert.DoesNotContain(over.Routes("lon1"), route => route.Blackhole);
    }

    [Fact]
    public void A_fleet_of_one_pop_is_never_drained()
    {
        FleetSpec one = FleetFiles.Read(
            File.ReadAllText(Path.Combine(Fixture.Repository, "examples", "announcer.yaml")));

        Assert.StartsWith("I2: ",
            Assert.Single(new Situation(one) { OwnPop = "rack1" }.Refusals(Situation.Drain("rack1"))),
            StringComparison.Ordinal);
    }
}
