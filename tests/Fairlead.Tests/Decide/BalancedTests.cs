using System.Collections.Immutable;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Decide;

/// <summary>Services with `balance`: what the balancer is given, what backends are, and what is refused.</summary>
public class BalancedTests
{
    private const string Text = """
        fleet: f
        anycast: {subnets: [192.0.2.0/24, "2001:db8:f00::/40"], cover: [192.0.2.0/24, "2001:db8:f00::/44"]}
        balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}
        pops:
          nyc: {regional: ["2001:db8:f01::/48"], nodes: {n1: {addresses: [198.51.100.2, "2001:db8:1::2"]}}}
        services:
          web:
            host: "::1"
            ports: [tcp/80, udp/443]
            backends: {nyc: [198.51.100.5, 198.51.100.6, "2001:db8:1::5"]}
            weights: {198.51.100.5: 3}
            balance: {mode: gue, sticky: true, transition: 5m}
        """;

    [Fact]
    public void A_family_of_a_service_is_one_table_of_all_its_vips_and_ports()
    {
        VipTable table = NodeRoutes.VipsOf(Read(Text), new Plan(), Own("198.51.100.5", "2001:db8:1::5"), 7);
        Assert.Equal(["web/ipv4", "web/ipv6"], table.Services.Select(service => service.Name));
        ServiceEntry four = table.Services[0], six = table.Services[1];
        Assert.Equal(["192.0.2.1:80/tcp", "192.0.2.1:443/udp"], four.Vips.Select(vip => vip.ToString()));
        Assert.Equal(new BackendEntry(IPAddress.Parse("198.51.100.5"), 3), Assert.Single(four.Backends));
        Assert.Equal((DeliveryMode.Gue, true, TimeSpan.FromMinutes(5)), (four.Mode, four.IsSticky, four.Transition));
        Assert.Equal(
            [
                "[2001:db8:f00::1]:80/tcp", "[2001:db8:f00::1]:443/udp", "[2001:db8:f01::1]:80/tcp",
                "[2001:db8:f01::1]:443/udp",
            ],
            six.Vips.Select(vip => vip.ToString()));
        Assert.Equal(new BackendEntry(IPAddress.Parse("2001:db8:1::5")), Assert.Single(six.Backends));
        // What is left for the routes has no neighbour to go to: it ends here.
        Assert.All(table.Entries, entry => Assert.True(!entry.Local && entry.Backends.IsEmpty));
    }

    [Fact]
    public void Over_one_family_the_vips_of_both_go_to_the_same_backends()
    {
        FleetSpec fleet = Read(Over);
        VipTable table = NodeRoutes.VipsOf(fleet, new Plan(), Own("2001:db8:1::5"), 1);
        Assert.Equal(["web/ipv4", "web/ipv6"], table.Services.Select(service => service.Name));
        Assert.All(table.Services, service =>
            Assert.Equal("2001:db8:1::5", $"{Assert.Single(service.Backends).Address}"));
        Assert.All(table.Services, service => Assert.Equal("2001:db8:1::6", $"{Assert.Single(service.Down).Address}"));
        Assert.Equal(
            ["192.0.2.1/32", "2001:db8:f00::1/128", "2001:db8:f01::1/128"],
            NodeRoutes.Of(fleet, PlanOf("nyc"), Own("2001:db8:1::5"), 1).Routes
                .Select(route => route.Prefix).Where(prefix => prefix.IsHost).Order().Select(prefix => $"{prefix}"));
        BackendRole role = BackendRole.Of(fleet, [IPAddress.Parse("2001:db8:1::6")])!;
        Assert.Equal(
            ["192.0.2.1", "2001:db8:f00::1", "2001:db8:f01::1"], role.Vips.Select(vip => vip.ToString()));
        Assert.Equal(["2001:db8:1::2"], role.Balancers.Select(one => one.ToString()));
    }

    [Fact]
    public void Without_a_healthy_backend_all_stay_and_on_the_same_link_the_routes_stay_beneath()
    {
        VipTable table = NodeRoutes.VipsOf(Read(Text.Replace("mode: gue", "mode: l2")), new Plan(), Own(), 1);
        Assert.Equal(2, table.Services[0].Backends.Length);
        Assert.Equal(2, table.Entries.Single(entry => entry.Vip.IsIPv4).Backends.Length);
    }

    [Fact]
    public void A_drained_backend_has_no_weight_left_and_is_not_down()
    {
        NodeReport own = Own("198.51.100.5");
        own = own with { Pools = [own.Pools[0] with { Draining = [IPAddress.Parse("198.51.100.6")] }] };
        VipTable table = NodeRoutes.VipsOf(Read(Text.Replace("mode: gue", "mode: l2")), new Plan(), own, 1);
        Assert.Equal(["198.51.100.5 3", "198.51.100.6 0"],
            table.Services[0].Backends.Select(one => $"{one.Address} {one.Weight}"));
        Assert.Empty(table.Services[0].Down);
        // The kernel's routes have no weight 0: they leave it out.
        Assert.Equal("198.51.100.5", $"{Assert.Single(table.Entries.First(entry => entry.Vip.IsIPv4).Backends)}");
        // While no other is up, nobody is sent here any more; what comes all the same is not thrown away.
        own = own with { Pools = [own.Pools[0] with { Healthy = [] }] };
        Assert.Equal(["198.51.100.5 3", "198.51.100.6 1"],
            NodeRoutes.VipsOf(Read(Text), new Plan(), own, 1).Services[0].Backends
                .Select(one => $"{one.Address} {one.Weight}"));
    }

    [Fact]
    public void A_backend_in_its_slow_start_has_its_share_of_its_weight()
    {
        NodeReport own = Own("198.51.100.5", "198.51.100.6", "2001:db8:1::5");
        own = own with
        {
            Pools = [own.Pools[0] with { Warming = [new WarmingBackend(IPAddress.Parse("198.51.100.5"), 20)] }],
        };
        VipTable table = NodeRoutes.VipsOf(Read(Text), new Plan(), own, 1);
        Assert.Equal(["198.51.100.5 60", "198.51.100.6 100"],
            table.Services[0].Backends.Select(one => $"{one.Address} {one.Weight}"));
        Assert.Equal(1, Assert.Single(table.Services[1].Backends).Weight);
    }

    [Fact]
    public void Without_a_healthy_backend_a_service_that_spills_goes_to_the_nearest_pop_that_serves()
    {
        FleetSpec fleet = Read(Spilling);
        Plan plan = PlanOf("lon", "tyo");
        VipTable table = NodeRoutes.VipsOf(fleet, plan, Own(), 1);
        // IPv6 is up nowhere else; and who may spill here is every node of the others.
        Assert.Equal(
            new BackendEntry(IPAddress.Parse("203.0.113.2")) { IsElsewhere = true },
            Assert.Single(table.Services[0].Backends));
        Assert.Equal("2001:db8:1::5", Assert.Single(table.Services[1].Backends).Address.ToString());
        Assert.Equal(["203.0.113.2", "203.0.113.3", "203.0.113.66"], table.Spillers.Select(one => $"{one}").Order());
        // The next one, when the nearest has no balancer that stands, or no backend.
        Assert.Equal("203.0.113.66", NextOf(PlanOf("tyo")));
        Assert.Equal("203.0.113.66", NextOf(plan with
        {
            Pops = [.. plan.Pops.Select(pop => pop.Pop == "lon" ? pop with { Balancers = [] } : pop)],
        }));
        // While every pool seems down at once nobody is the better choice, and all of its own stay.
        Plan held = plan with { Services = [plan.Services[0] with { HeldIPv4 = true }] };
        Assert.Equal(2, NodeRoutes.VipsOf(fleet, held, Own(), 1).Services[0].Backends.Length);

        string NextOf(Plan other) =>
            $"{Assert.Single(NodeRoutes.VipsOf(fleet, other, Own(), 1).Services[0].Backends).Address}";
    }

    [Fact]
    public void While_it_has_backends_those_to_whom_a_service_would_spill_are_there_and_get_nothing_new()
    {
        VipTable table = NodeRoutes.VipsOf(Read(Spilling), PlanOf("nyc", "lon"), Own("198.51.100.6"), 1);
        Assert.Equal(
            ["198.51.100.6 1", "203.0.113.2 0"],
            table.Services[0].Backends.Select(backend => $"{backend.Address} {backend.Weight}"));
    }

    [Fact]
    public void What_is_only_sent_on_is_the_last_choice_and_no_aggregate_leans_on_it()
    {
        FleetSpec fleet = Read(Spilling);
        RouteSet routes = NodeRoutes.Of(fleet, PlanOf("lon"), Own(), 1);
        Route host = Assert.Single(routes.Routes);
        Assert.Equal(("192.0.2.1/32", true), ($"{host.Prefix}", host.GracefulShutdown));
        Assert.Contains(
            RouteWhy.Of(fleet, PlanOf("lon"), Own(), host.Prefix),
            line => line == "packets that come all the same are sent on to 203.0.113.2 (spill)");
        Assert.Empty(NodeRoutes.Of(Read(Spilling.Replace(", spill: true", "")), PlanOf("lon"), Own(), 1).Routes);
        Assert.Contains(NodeRoutes.Of(fleet, PlanOf("nyc", "lon"), Own("198.51.100.5"), 1).Routes,
            route => $"{route.Prefix}" == "192.0.2.0/24");
    }

    [Fact]
    public void More_nodes_than_the_kernels_table_has_room_for_cannot_spill()
    {
        string nodes = string.Join(", ", Enumerable.Range(1, VipTable.SpillersMax)
            .Select(i => $"t{i}: {{addresses: [\"2001:db8:66::{i:x}\"]}}"));
        _ = FleetReader.Read("f.yaml", Spilling.Replace("t1: {addresses: [203.0.113.66]}", nodes),
            out IReadOnlyList<SpecProblem> problems);
        Assert.Contains(problems, problem => problem.ToString().Contains("at most 256", StringComparison.Ordinal));
    }

    [Fact]
    public void A_service_without_balance_is_the_routes_alone() => Assert.Empty(
        NodeRoutes.VipsOf(Read(Text.Replace("    balance: {mode: gue, sticky: true, transition: 5m}", "")
            .Replace("    weights: {198.51.100.5: 3}\n", "")), new Plan(), Own(), 1).Services);

    [Fact]
    public void Until_the_balancers_table_stands_what_it_takes_is_not_announced_and_the_rest_is()
    {
        var situation = new Situation();
        NodeReport report = situation.Report("lon1");
        Assert.Superset(new HashSet<string> { "192.0.2.1/32", "192.0.2.83/32" }, Told(report));
        NodeReport before = report with { Balances = false };
        Assert.DoesNotContain("192.0.2.1/32", Told(before));
        Assert.Contains("192.0.2.83/32", Told(before));
        ImmutableArray<string> why =
            RouteWhy.Of(situation.Fleet, situation.Plan(), before, Prefix.Parse("192.0.2.1/32"));
        Assert.Contains(why, line => line.Contains("the balancer's table", StringComparison.Ordinal));

        HashSet<string> Told(NodeReport own) =>
            [.. NodeRoutes.Of(situation.Fleet, situation.Plan(), own, 1).Routes.Select(route => $"{route.Prefix}")];
    }

    [Fact]
    public void A_backend_holds_the_vips_of_its_families_and_opens_the_tunnels_of_its_pops_nodes()
    {
        BackendRole role = BackendRole.Of(Read(Text), [IPAddress.Parse("198.51.100.6"), IPAddress.Loopback])!;
        Assert.Equal(["192.0.2.1"], role.Vips.Select(vip => vip.ToString()));
        Assert.Equal(["198.51.100.2"], role.Balancers.Select(one => one.ToString()));
        Assert.Equal(["198.51.100.5"], role.Peers.Select(one => one.ToString()));
        Assert.Equal("web", Assert.Single(role.Services));
        // On the node's own link nothing is wrapped; without GUE nothing is passed on.
        BackendRole plain =
            BackendRole.Of(Read(Text.Replace("mode: gue", "mode: l2")), [IPAddress.Parse("198.51.100.6")])!;
        Assert.True(plain.Balancers.IsEmpty && plain.Peers.IsEmpty && plain.Vips.Length == 1);
        FleetSpec tunnel = Read(Text.Replace("mode: gue", "mode: ip"));
        Assert.Empty(BackendRole.Of(tunnel, [IPAddress.Parse("198.51.100.6")])!.Peers);
        Assert.Null(BackendRole.Of(Read(Text), [IPAddress.Parse("198.51.100.2")]));
    }

    [Fact]
    public void A_backend_knows_where_its_services_ask_for_SYN_cookies()
    {
        IPAddress[] own = [IPAddress.Parse("198.51.100.6"), IPAddress.Parse("2001:db8:1::5")];
        BackendRole without = BackendRole.Of(Read(Text), own)!;
        Assert.Empty(without.Cookies);
        BackendRole role = BackendRole.Of(Read(Text.Replace("sticky: true", "synCookies: 500")), own)!;
        SynCookies web = Assert.Single(role.Cookies);
        // Its TCP ports on the VIPs that it holds; UDP has no SYN.
        Assert.Equal(["192.0.2.1:80/tcp", "[2001:db8:f00::1]:80/tcp", "[2001:db8:f01::1]:80/tcp"],
            web.Vips.Select(vip => vip.ToString()));
        Assert.Equal((500, false), (web.Rate, web.IsUnwrapped));
        SynCookies plain = Assert.Single(
            BackendRole.Of(Read(Text.Replace("mode: gue, sticky: true", "mode: l2, synCookies: 0")), own)!.Cookies);
        Assert.Equal((0, true), (plain.Rate, plain.IsUnwrapped));
        // Another rate is another role, the same file the same.
        Assert.NotEqual(role, BackendRole.Of(Read(Text.Replace("sticky: true", "synCookies: 501")), own));
        Assert.Equal(role, BackendRole.Of(Read(Text.Replace("sticky: true", "synCookies: 500")), own));
        Assert.NotEqual(role, without);
    }

    [Theory]
    [InlineData("ports: [tcp/80, udp/443]\n    backends: {nyc: [198.51.100.5, 198.51.100.6, \"2001:db8:1::5\"]}\n"
        + "    weights: {198.51.100.5: 3}\n    balance: {mode: gue, sticky: true",
        "ports: [udp/443]\n    check: {kind: icmp}\n    backends: {nyc: [198.51.100.5]}\n"
        + "    balance: {mode: gue, synCookies: 5", "the service has no TCP port")]
    [InlineData("sticky: true", "synCookies: -1", "expected a number from 0")]
    [InlineData("balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}\n", "", "needs the fleet's")]
    [InlineData(", devices: [eth0]", "", "the balancer has no device here")]
    [InlineData("0b0c0d0e0f", "0b0c0d0e", "expected 32 hex digits, found something else (it is not shown here)")]
    [InlineData("    host: \"::1\"\n", "", "has VIPs to balance")]
    [InlineData("sticky: true", "slots: 16382", "16382 is not prime: the next one is 16411")]
    [InlineData("sticky: true", "slots: 1", "expected a number from 2")]
    [InlineData(
        "backends: {nyc: [198.51.100.5, 198.51.100.6, \"2001:db8:1::5\"]}", "onNodes: true",
        "nobody to balance between")]
    [InlineData("[eth0]", "[\"eth 0\"]", "expected a network device")]
    [InlineData("sticky: true", "spill: true", "no other pop has backends of it")]
    [InlineData("sticky: true", "over: ipv6", "VIPs of both families go to one, and 198.51.100.5 is of the other")]
    [InlineData("mode: gue, sticky: true", "mode: l2, over: ipv6", "mode l2 does not wrap packets")]
    public void What_cannot_be_balanced_is_refused_with_its_reason(string from, string to, string reason)
    {
        string text = Text.ReplaceLineEndings("\n");
        Assert.Contains(from, text, StringComparison.Ordinal);
        _ = FleetReader.Read("f.yaml", text.Replace(from, to), out IReadOnlyList<SpecProblem> problems);
        Assert.Contains(problems, problem => problem.ToString().Contains(reason, StringComparison.Ordinal));
    }

    private static readonly string Over = Text
        .Replace("mode: gue, sticky: true", "mode: ip, over: ipv6")
        .Replace("198.51.100.5, 198.51.100.6, \"2001:db8:1::5\"", "\"2001:db8:1::5\", \"2001:db8:1::6\"")
        .Replace("    weights: {198.51.100.5: 3}\n", "");

    private static readonly string Spilling = Text
        .Replace("mode: gue, sticky: true", "mode: gue, spill: true")
        .Replace("\"2001:db8:1::5\"]}", "\"2001:db8:1::5\"], lon: [203.0.113.5], tyo: [203.0.113.69]}")
        .Replace("fleet: f", "fleet: f\nstore: {etcd: [\"http://127.0.0.1:2379\"]}")
        .Replace("services:", """
              tyo: {place: {city: Tokyo, latitude: 35.7, longitude: 139.7}, nodes: {t1: {addresses: [203.0.113.66]}}}
              lon:
                place: {city: London, latitude: 51.5, longitude: -0.1}
                nodes: {l1: {addresses: [203.0.113.2]}, l2: {addresses: [203.0.113.3]}}
            services:
            """)
        .Replace("nyc: {regional", "nyc: {place: {city: New York, latitude: 40.7, longitude: -74.0}, regional");

    /// <summary>The service's IPv4 is up in these; of London's two balancers one stands.</summary>
    private static Plan PlanOf(params string[] up) => new()
    {
        Pops =
        [
            .. new[] { "nyc", "tyo", "lon" }.Select(pop =>
                new PopPlan(pop, PopState.Up, "", true, AggregateStance.Announce, true, false)
                {
                    Balancers = [$"{pop[0]}1"],
                }),
        ],
        Services =
        [
            new ServicePlan("web", [.. up], [], false, false,
                ImmutableSortedDictionary<string, ImmutableArray<IPAddress>>.Empty),
        ],
    };
    private const string Quic = """
        , quic: [{config: 0, nonce: 4, ids: {198.51.100.5: 0a, 198.51.100.6: [0b, 0c], "2001:db8:1::5": 0a}},
            {config: 1, nonce: 13, key: 8f95f09245765f80256934e50c66207f, ids: {198.51.100.5: 0a0b0c}}]}
        """;

    [Fact]
    public void Quic_ids_are_given_to_the_table_of_their_backends_family_and_pop()
    {
        string text = Text.Replace(", transition: 5m}", ", transition: 5m" + Quic)
            .Replace("backends: {nyc: [", "backends: {lon: [203.0.113.5], nyc: [")
            .Replace("  nyc: {regional", "  lon: {}\n  nyc: {regional")
            .Replace("198.51.100.5: 0a,", "198.51.100.5: 0a, 203.0.113.5: 0d,");
        VipTable table = NodeRoutes.VipsOf(Read(text), new Plan(), Own("198.51.100.5"), 1);
        Assert.Equal(
            ["0 198.51.100.5 0a, 198.51.100.6 0b, 198.51.100.6 0c", "1 198.51.100.5 0a0b0c"],
            table.Services[0].Quic.Select(Show));
        Assert.Equal(["0 2001:db8:1::5 0a"], table.Services[1].Quic.Select(Show));
        Assert.Equal((13, 16, "8f95f09245765f80256934e50c66207f"),
            (table.Services[0].Quic[1].NonceBytes, table.Services[0].Quic[1].Bytes, table.Services[0].Quic[1].Key));
        Assert.NotEqual(table.Services[0],
            table.Services[0] with { Quic = [table.Services[0].Quic[0] with { NonceBytes = 5 }] });

        static string Show(QuicConfig config) =>
            $"{config.Config} {string.Join(", ", config.Ids.Select(id => $"{id.Backend} {id.Id}"))}";
    }

    [Theory]
    [InlineData("{config: 0, nonce: 4, ids", "{config: 7, nonce: 4, ids", "12:72: configuration 7: there are 0 to 6")]
    [InlineData("config: 1", "config: 0", "13:14: configuration 0 stands here twice")]
    [InlineData("nonce: 4", "nonce: 3", "12:82: a nonce has 4 bytes at least, not 3")]
    [InlineData("50c66207f", "50c66207", "13:33: a key is 32 hex digits")]
    [InlineData("198.51.100.5: 0a,", "198.51.100.7: 0a,", "12:91: 198.51.100.7 is none of the backends")]
    [InlineData("[0b, 0c]", "0a", "12:109: server id 0a is that of 198.51.100.5 already")]
    [InlineData("[0b, 0c]", "0b0c", "12:109: server ids 0a and 0b0c differ in length")]
    [InlineData("[0b, 0c]", "0g", "12:109: \"0g\" is no server id")]
    [InlineData("nonce: 13", "nonce: 17", "13:72: server ids of 3 bytes and a nonce of 17 are more than the 19")]
    [InlineData("udp/443", "tcp/443", "12:62: QUIC goes over UDP, and the service has no udp port")]
    public void What_is_wrong_with_quic_ids_is_told_at_its_place_and_the_key_is_not(
        string from, string to, string expected)
    {
        string text = Text.Replace(", transition: 5m}", ", transition: 5m" + Quic).ReplaceLineEndings("\n");
        Assert.Contains(from, text, StringComparison.Ordinal);
        _ = FleetReader.Read("f.yaml", text.Replace(from, to), out IReadOnlyList<SpecProblem> problems);
        string told = string.Join('\n', problems);
        Assert.Contains($"f.yaml:{expected}", told, StringComparison.Ordinal);
        Assert.DoesNotContain("8f95f0", told, StringComparison.Ordinal);
    }

    private static FleetSpec Read(string text)
    {
        FleetFile? file = FleetReader.Read("f.yaml", text, out IReadOnlyList<SpecProblem> problems);
        Assert.True(file is not null, string.Join('\n', problems));
        return file!.Spec;
    }

    private static NodeReport Own(params string[] healthy) => new()
    {
        Pop = "nyc",
        Node = "n1",
        Sequence = 1,
        Started = DateTimeOffset.UnixEpoch,
        Pools = [new PoolReport("web", "nyc", true, [.. healthy.Select(IPAddress.Parse)])],
        Announced = [],
    };
}
