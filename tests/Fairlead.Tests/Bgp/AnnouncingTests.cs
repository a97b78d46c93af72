using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Bgp;

public class AnnouncingTests
{
    private static readonly ImmutableArray<Prefix> Subnets =
        [Prefix.Parse("198.18.0.0/15"), Prefix.Parse("2001:db8:a000::/36")];

    private static readonly Guard Guard = new(Subnets);

    [Theory]
    [InlineData("198.18.0.0/15", GuardReason.None)]
    [InlineData("198.19.255.255/32", GuardReason.None)]
    [InlineData("2001:db8:a001::53/128", GuardReason.None)]
    [InlineData("198.16.0.0/14", GuardReason.OutsideSubnets)] // Covers the subnet and more.
    [InlineData("198.20.0.0/24", GuardReason.OutsideSubnets)]
    [InlineData("2001:db8:b000::/48", GuardReason.OutsideSubnets)]
    [InlineData("0.0.0.0/0", GuardReason.DefaultRoute)]
    [InlineData("::/0", GuardReason.DefaultRoute)]
    public void The_guard_lets_through_what_lies_inside_the_subnets(string prefix, GuardReason expected) =>
        Assert.Equal(expected, Guard.Judge(new Route { Prefix = Prefix.Parse(prefix) }));

    [Theory]
    [InlineData("127.0.0.1/32")]
    [InlineData("0.0.0.0/8")]
    [InlineData("0.0.0.0/1")]
    [InlineData("169.254.1.0/24")]
    [InlineData("224.0.0.0/4")]
    [InlineData("255.255.255.255/32")]
    [InlineData("::1/128")]
    [InlineData("::/128")]
    [InlineData("fe80::/64")]
    [InlineData("ff02::1/128")]
    public void What_may_never_be_announced_is_refused_whatever_the_list_says(string prefix)
    {
        var careless = new Guard([Prefix.Parse("0.0.0.0/0"), Prefix.Parse("::/0")]);
        Assert.Equal(GuardReason.SpecialPurpose, careless.Judge(new Route { Prefix = Prefix.Parse(prefix) }));
        Assert.Equal(GuardReason.DefaultRoute, careless.Judge(new Route { Prefix = Prefix.Parse("0.0.0.0/0") }));
    }

    [Theory]
    [InlineData("198.18.1.0/24", "2001:db8::1")]
    [InlineData("198.18.1.0/24", "224.0.0.1")]
    [InlineData("2001:db8:a001::/48", "10.0.0.1")]
    [InlineData("2001:db8:a001::/48", "::ffff:10.0.0.1")]
    [InlineData("2001:db8:a001::/48", "fe80::1")]
    public void A_next_hop_that_cannot_be_one_is_refused(string prefix, string nextHop) => Assert.Equal(
        GuardReason.NextHop,
        Guard.Judge(new Route { Prefix = Prefix.Parse(prefix), NextHop = IPAddress.Parse(nextHop) }));

    [Fact]
    public void An_empty_guard_lets_nothing_through() => Property.Holds(500, random =>
        Assert.NotEqual(GuardReason.None, new Guard([]).Judge(AnyRoute(random))));

    [Fact]
    public void Nothing_outside_the_subnets_is_ever_on_the_wire() => Property.Holds(400, random =>
    {
        var routes = new RouteSet(1, [.. Enumerable.Range(0, random.Next(60)).Select(_ => AnyRoute(random))]);
        var model = new ModelPeer(External());
        model.Drain(new AdjRibOut(External()), GuardedRoutes.Sift(Guard, routes), random);

        Assert.All(model.Table.Keys, prefix => Assert.Contains(Subnets, subnet => subnet.Contains(prefix)));
        Assert.All(model.Table.Keys, prefix => Assert.Contains(routes.Routes, route => route.Prefix == prefix));
    });

    [Fact]
    public void After_any_sequence_of_sets_the_peer_has_what_is_wanted() => Property.Holds(60, random =>
    {
        AnnounceContext context = random.Next(5) switch
        {
            0 => External(),
            1 => External() with { FourOctetAs = false },
            2 => External() with { MessageSizeMax = Message.ExtendedSizeMax, OnlyToCustomer = true },
            // RFC 8950: all routes over IPv6.
            3 => External() with { LocalAddress = IPAddress.Parse("2001:db8:9::1"), IPv6NextHop = true },
            _ => External() with { External = false },
        };
        var ribOut = new AdjRibOut(context);
        var model = new ModelPeer(context);
        for (int step = 0; step < 6; step++)
        {
            int count = random.Next(120);
            var routes = new RouteSet(step, [.. Enumerable.Range(0, count).Select(_ => InsideRoute(random))]);
            GuardedRoutes wanted = GuardedRoutes.Sift(Guard, routes);
            if (random.Next(4) == 0) ribOut.Refresh(BgpFamily.IPv4Unicast);
            model.Drain(ribOut, wanted, random);

            var expected = new Dictionary<Prefix, PathAttributes>();
            foreach (Guarded guarded in wanted.Routes)
            {
                bool ours = guarded.Route.OnlyPeers.IsEmpty || guarded.Route.OnlyPeers.Contains(context.Peer);
                if (ours) expected.TryAdd(guarded.Prefix, ribOut.AttributesOf(guarded.Route)!);
            }

            Assert.Equal(expected.Count, ribOut.Count);
            Assert.Equal(
                expected.OrderBy(e => e.Key).Select(e => (e.Key, e.Value)),
                model.Table.OrderBy(e => e.Key).Select(e => (e.Key, e.Value)));
        }

        Assert.Equal(2, model.EndsOfRib); // Once for each family, after the first table.
    });

    [Fact]
    public void A_replaced_next_hop_is_announced_before_the_old_route_goes()
    {
        var ribOut = new AdjRibOut(External());
        var model = new ModelPeer(External());
        model.Drain(ribOut, Sifted("198.18.1.1/32", "198.18.1.2/32"), new Random(1));
        model.Order.Clear();

        model.Drain(ribOut, Sifted("198.18.1.3/32", "198.18.1.2/32"), new Random(1));

        Assert.Equal(["+198.18.1.3/32", "-198.18.1.1/32"], model.Order);
    }

    [Fact]
    public void What_is_told_already_is_not_told_again()
    {
        var ribOut = new AdjRibOut(External());
        var model = new ModelPeer(External());
        model.Drain(ribOut, Sifted("198.18.1.1/32"), new Random(1));
        int before = model.Messages;
        model.Drain(ribOut, Sifted("198.18.1.1/32"), new Random(2));
        Assert.Equal(before, model.Messages);
    }

    [Fact]
    public void A_thousand_routes_go_in_few_messages()
    {
        var model = new ModelPeer(External());
        var ribOut = new AdjRibOut(External());
        string[] prefixes =
        [
            .. Enumerable.Range(0, 1000).Select(i => $"198.18.{i / 250}.{i % 250}/32"),
            .. Enumerable.Range(0, 1000).Select(i => $"2001:db8:a000::{i + 1:x}/128"),
        ];

        model.Drain(ribOut, Sifted(prefixes), room: 1 << 20);
        Assert.Equal(2000, model.Table.Count);
        Assert.InRange(model.Messages, 1, 2 + 2 + 5);
        model.Messages = 0;
        model.Drain(ribOut, Sifted(), room: 1 << 20);
        Assert.Empty(model.Table);
        Assert.InRange(model.Messages, 1, 2 + 5);
    }

    [Fact]
    public void A_prefix_that_is_there_twice_counts_for_the_peer_it_names_first()
    {
        var routes = new RouteSet(1,
        [
            new Route { Prefix = Prefix.Parse("198.18.1.0/24"), Med = 1, OnlyPeers = ["other"] },
            new Route { Prefix = Prefix.Parse("198.18.1.0/24"), Med = 2, OnlyPeers = ["peer"] },
            new Route { Prefix = Prefix.Parse("198.18.1.0/24"), Med = 3 },
        ]);
        var model = new ModelPeer(External());
        model.Drain(new AdjRibOut(External()), GuardedRoutes.Sift(Guard, routes), new Random(1));
        Assert.Equal(2u, Assert.Single(model.Table).Value.Med);
    }

    [Fact]
    public void The_internet_is_told_no_host_route_and_all_it_is_told_leads_to_us()
    {
        var routes = new RouteSet(1,
        [
            new Route { Prefix = Prefix.Parse("198.18.1.0/24"), NextHop = IPAddress.Parse("198.18.1.1") },
            new Route { Prefix = Prefix.Parse("198.18.1.0/25") },
            new Route { Prefix = Prefix.Parse("198.18.1.1/32") },
        ]);
        AnnounceContext internet = External() with { Export = ExportPolicy.Plain with { ToInternet = true } };
        var model = new ModelPeer(internet);
        model.Drain(new AdjRibOut(internet), GuardedRoutes.Sift(Guard, routes), new Random(1));

        (Prefix prefix, PathAttributes told) = Assert.Single(model.Table);
        Assert.Equal("198.18.1.0/24", prefix.ToString());
        Assert.Equal(internet.LocalAddress, told.NextHop);
    }

    [Fact]
    public void A_blackhole_goes_before_all_else_to_peers_that_take_it_and_to_no_other()
    {
        var routes = new RouteSet(1,
        [
            new Route { Prefix = Prefix.Parse("198.18.1.1/32"), Blackhole = true },
            new Route { Prefix = Prefix.Parse("203.0.113.1/32"), Blackhole = true }, // I1.
            new Route { Prefix = Prefix.Parse("198.18.1.1/32"), Med = 5 },
        ]);
        foreach ((bool toInternet, bool without) in ((bool, bool)[])
            [(false, false), (true, false), (false, true), (true, true)])
        {
            AnnounceContext context = External() with
            {
                Export = ExportPolicy.Plain with { ToInternet = toInternet, WithoutBlackholes = without },
            };
            var model = new ModelPeer(context);
            model.Drain(new AdjRibOut(context), GuardedRoutes.Sift(Guard, routes), new Random(1));

            if (toInternet && without) Assert.Empty(model.Table);
            else if (without) Assert.Equal(5u, Assert.Single(model.Table).Value.Med);
            else
                Assert.Equal("blackhole no-export",
                    string.Join(' ', Assert.Single(model.Table).Value.Communities.Select(Community.Format)));
        }
    }

    private static GuardedRoutes Sifted(params string[] prefixes)
    {
        // The session runs over IPv4, so IPv6 routes have to name their next hop.
        var routes = prefixes.Select(Prefix.Parse).Select(prefix => new Route
        {
            Prefix = prefix,
            NextHop = prefix.IsIPv4 ? null : IPAddress.Parse("2001:db8:a000::1"),
        });
        return GuardedRoutes.Sift(Guard, new RouteSet(1, [.. routes]));
    }

    private static AnnounceContext External() => new()
    {
        Peer = "peer",
        LocalAs = new Asn(4_200_000_001),
        External = true,
        FourOctetAs = true,
        Families = [BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast],
        LocalAddress = IPAddress.Parse("10.9.0.1"),
        Export = ExportPolicy.Plain,
    };

    private static Route AnyRoute(Random random)
    {
        byte[] bytes = new byte[random.Next(2) == 0 ? 4 : 16];
        random.NextBytes(bytes);
        byte[][] near = [[198, 18], [198, 16], [0x20, 0x01, 0x0d, 0xb8, 0xa0], [0x20, 0x01, 0x0d, 0xb8, 0xb0]];
        byte[] start = near[random.Next(4)];
        if (random.Next(3) > 0 && start.Length <= bytes.Length) start.CopyTo(bytes, 0);
        return new Route
        {
            Prefix = Prefix.Of(new IPAddress(bytes), random.Next((bytes.Length * 8) + 1)),
            NextHop = bytes.Length == 16 ? IPAddress.Parse("2001:db8:a000::1") : null,
        };
    }

    private static Route InsideRoute(Random random)
    {
        bool v4 = random.Next(2) == 0;
        string[] only = random.Next(5) switch { 0 => ["other"], 1 => ["peer", "other"], _ => [] };
        return new Route
        {
            Prefix = v4
                ? Prefix.Of(new IPAddress([198, 18, 0, (byte)random.Next(80)]), random.Next(24, 33))
                : Prefix.Of(IPAddress.Parse($"2001:db8:a000::{random.Next(80):x}"), random.Next(120, 129)),
            NextHop = !v4 ? IPAddress.Parse("2001:db8:a000::9")
                : random.Next(2) == 0 ? null
                : IPAddress.Parse("198.18.0.9"),
            Med = random.Next(2) == 0 ? null : (uint)random.Next(3),
            Prepend = random.Next(3),
            Communities = [.. Enumerable.Range(0, random.Next(3)).Select(_ => (uint)random.Next(5)).Distinct()],
            ExtendedCommunities = random.Next(2) == 0 ? [] : [0x0002_fde8_0000_0000UL],
            LargeCommunities = random.Next(2) == 0 ? [] : [new LargeCommunity(65000, 1, 2)],
            GracefulShutdown = random.Next(8) == 0,
            Blackhole = random.Next(8) == 0,
            LocalPref = random.Next(3) == 0 ? 200 : null,
            OnlyPeers = [.. only],
        };
    }
}
