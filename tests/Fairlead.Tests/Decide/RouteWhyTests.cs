using Fairlead.Fleet.Decide;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Decide;

public class RouteWhyTests
{
    [Fact]
    public void A_host_route_names_its_pool_and_what_comes_of_it()
    {
        string[] up = Why(new Situation(), "192.0.2.1/32");
        Assert.Contains(up, line => line.StartsWith("service web: ", StringComparison.Ordinal));
        Assert.Equal("wanted: 192.0.2.1/32", up[^1]);

        string[] down = Why(new Situation().Fails("web", "lon"), "192.0.2.1/32");
        Assert.Contains(down, line => line.Contains(": 0 of ", StringComparison.Ordinal));
        Assert.Equal("not wanted", down[^1]);
    }

    [Fact]
    public void A_pool_that_warms_up_says_so() =>
        Assert.Contains(
            Why(new Situation().Stands("web", "lon", HostStance.Withdraw), "192.0.2.1/32"),
            line => line.StartsWith("it was down, and must be healthy for", StringComparison.Ordinal));

    [Fact]
    public void An_aggregate_says_whose_it_is_and_what_it_leans_on()
    {
        string[] own = Why(new Situation(), "2001:db8:f02::/48");
        Assert.Contains("this pop's own regional prefix", own);
        Assert.StartsWith("wanted: 2001:db8:f02::/48, next hop ", own[^1], StringComparison.Ordinal);

        string[] others = Why(new Situation(), "2001:db8:f03::/48");
        Assert.Contains("the regional prefix of pop tyo, which is Up", others);
        Assert.Equal("not wanted", others[^1]);

        string[] bare = Why(new Situation().Fails("web", "lon").Fails("dns", "lon"), "192.0.2.0/24");
        Assert.Contains("no host route inside it is announced here, so nothing stands behind it", bare);
    }

    [Fact]
    public void What_the_fleet_has_nothing_to_say_of_is_one_line() =>
        Assert.Equal(
            ["203.0.113.0/24 is no VIP, no aggregate, and nobody has asked for it"],
            Why(new Situation(), "203.0.113.0/24"));

    private static string[] Why(Situation situation, string prefix) =>
        [.. RouteWhy.Of(situation.Fleet, situation.Plan(), situation.Report("lon1"), Prefix.Parse(prefix))];
}
