using System.Collections.Immutable;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Decide;

public class AnnouncePolicyTests
{
    private static readonly Prefix Vip = Prefix.Parse("192.0.2.1/32");
    private static readonly Prefix Cover = Prefix.Parse("192.0.2.0/24");

    [Fact]
    public void A_service_that_is_never_announced_in_a_pop_is_not_in_dns_there_either()
    {
        Situation never = With(new AnnounceSpec { Pops = In("lon", AnnounceWhen.Never) });

        Assert.DoesNotContain(never.Routes("lon1"), route => route.Prefix == Vip);
        Assert.Contains(never.Routes("tyo1"), route => route.Prefix == Vip);
        Assert.DoesNotContain("lon", never.Plan().Service("web")!.UpIPv6);
    }

    [Fact]
    public void A_service_that_is_always_announced_stays_when_its_pool_fails()
    {
        Situation always = With(new AnnounceSpec { When = AnnounceWhen.Always }).Fails("web", "lon");

        Assert.Contains(always.Routes("lon1"), route => route.Prefix == Vip);
    }

    [Fact]
    public void Routes_carry_what_the_service_says()
    {
        Route route = With(new AnnounceSpec { Med = 50, Prepend = 2, Communities = [0xfc000064] })
            .Routes("lon1").First(one => one.Prefix == Vip);

        Assert.Equal((50u, 2), (route.Med!.Value, route.Prepend));
        Assert.Equal<uint>([0xfc000064u], route.Communities);
    }

    [Fact]
    public void A_failing_pool_is_told_as_the_last_choice_and_the_aggregate_leans_on_another_service()
    {
        var failing = new FailingSpec { For = TimeSpan.FromSeconds(5), Med = 1000, Prepend = 3 };
        ImmutableArray<Route> routes = With(new AnnounceSpec { Med = 10, Failing = failing })
            .Stands("web", "lon", HostStance.Deprefer).Routes("lon1");

        Route host = routes.First(one => one.Prefix == Vip);
        Assert.Equal((1000u, 3), (host.Med!.Value, host.Prepend));
        Assert.True(host.GracefulShutdown);
        Route cover = routes.First(one => one.Prefix == Cover);
        Assert.Equal("192.0.2.83", cover.NextHop!.ToString());
        Assert.False(cover.GracefulShutdown);
    }

    [Fact]
    public void An_aggregate_that_leans_on_a_failing_pool_alone_is_the_last_choice_too()
    {
        var failing = new FailingSpec { For = TimeSpan.FromSeconds(5) };
        Route cover = With(new AnnounceSpec { Failing = failing }).Stands("web", "lon", HostStance.Deprefer)
            .Fails("dns", "lon").Routes("lon1").First(one => one.Prefix == Cover);

        Assert.True(cover.GracefulShutdown);
    }

    [Fact]
    public void A_pool_that_warms_up_is_not_announced_though_it_is_healthy() =>
        Assert.DoesNotContain(
            With(new AnnounceSpec { WarmUp = TimeSpan.FromSeconds(9) })
                .Stands("web", "lon", HostStance.Withdraw).Routes("lon1"),
            route => route.Prefix == Vip);

    private static ImmutableSortedDictionary<string, AnnounceWhen> In(string pop, AnnounceWhen when) =>
        ImmutableSortedDictionary<string, AnnounceWhen>.Empty.Add(pop, when);

    private static Situation With(AnnounceSpec announce) => new(ThreeCities.Fleet with
    {
        Services =
        [
            .. ThreeCities.Fleet.Services.Select(
                service => service.Name == "web" ? service with { Announce = announce } : service),
        ],
    });
}
