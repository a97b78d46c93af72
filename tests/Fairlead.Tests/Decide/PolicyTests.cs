using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Dns;

namespace Fairlead.Tests.Decide;

/// <summary>From a policy in the fleet file to what a client is answered.</summary>
public class PolicyTests
{
    private const string Maps = """
          maps:
            any:
              default: [nyc]
              continents: {AS: [tyo, lon], EU: [lon], NA: [nyc, lon]}
              countries: {FR: [tyo]}
              subdivisions: {US-MA: [lon, nyc]}
              asns: {64511: [tyo, nyc]}
              networks: {10.4.200.0/24: [nyc]}

        """;

    [Theory]
    [InlineData(PolicyBed.Osaka, "tyo")] // By continent.
    [InlineData(PolicyBed.Paris, "tyo")] // A country wins over its continent,
    [InlineData(PolicyBed.Boston, "lon")] // a subdivision over its country,
    [InlineData("10.4.130.1", "tyo")] // an AS over the subdivision,
    [InlineData("10.4.200.1", "nyc")] // and a network over all.
    [InlineData(PolicyBed.Sydney, "nyc")] // What no entry names has the default,
    [InlineData("192.0.2.200", "nyc")] // and so has a client of unknown place.
    public void A_map_gives_the_most_specific_entrys_order(string client, string pop) =>
        Assert.Equal([pop], new PolicyBed("{service: web, policy: [up, {map: any}]}", Maps).Pops(client));

    [Fact]
    public void A_map_falls_to_its_next_pop_and_never_to_one_that_it_does_not_name()
    {
        var bed = new PolicyBed("{service: web, policy: [up, {map: any}]}", Maps);
        bed.Situation.Fails("web", "tyo");

        Assert.Equal(["lon"], bed.Pops(PolicyBed.Osaka));
        Assert.Equal(["tyo"], bed.Pops(PolicyBed.Paris)); // Nothing else is named: better a sick pop than none.
    }

    [Fact]
    public void Failover_goes_down_its_list()
    {
        var bed = new PolicyBed("{service: web, policy: [up, {failover: [lon, tyo, nyc]}]}");

        Assert.Equal(["lon"], bed.Pops(PolicyBed.Boston));
        bed.Situation.Fails("web", "lon");
        Assert.Equal(["tyo"], bed.Pops(PolicyBed.Boston));
    }

    [Fact]
    public void Weights_come_out_exact_over_the_long_run_for_each_type_alone()
    {
        var bed = new PolicyBed("{service: web, policy: [up, {weighted: {nyc: 3, lon: 1, tyo: 0}}]}");
        DnsTable table = bed.Table();
        var counts = new Dictionary<string, int> { ["nyc"] = 0, ["lon"] = 0 };

        for (int i = 0; i < 4000; i++)
        {
            _ = bed.Ask(PolicyBed.Osaka, RecordType.A, table: table); // A client asks for both, in turn.
            counts[Assert.Single(bed.Pops(PolicyBed.Osaka, table))]++;
        }

        Assert.InRange(counts["nyc"], 2990, 3010);
        Assert.Equal(0, bed.Ask(PolicyBed.Osaka, subnet: "10.1.0.0/24", table: table).Scope);
        bed.Situation.Fails("web", "nyc");
        Assert.All(Enumerable.Range(0, 20), _ => Assert.Equal(["lon"], bed.Pops(PolicyBed.Osaka)));
    }

    [Fact]
    public void Spread_keeps_each_subnet_at_its_pop_and_a_lost_pop_moves_only_its_own()
    {
        var bed = new PolicyBed("{service: web, policy: [up, spread]}");
        DnsTable before = bed.Table();
        DnsTable after = new PolicyBed("{service: web, policy: [up, spread]}") is var other
            ? other.Table(other.Situation.Fails("web", "lon").Plan())
            : before;
        string[] subnets = [.. PolicyBed.Subnets(512)];

        string[] first = [.. subnets.Select(client => bed.Pops(client, before).Single())];
        string[] second = [.. subnets.Select(client => bed.Pops(client, after).Single())];

        Assert.Equal(first, subnets.Select(client => bed.Pops(client, before).Single()));
        Assert.All(first.GroupBy(pop => pop), share => Assert.InRange(share.Count(), 110, 240));
        Assert.All(first.Zip(second), pair => Assert.True(pair.First == pair.Second || pair.First == "lon"));
        Assert.DoesNotContain("lon", second);
        // All of a /24 is one subnet, and that is what the scope says.
        Assert.Equal(bed.Pops("10.1.5.1", before), bed.Pops("10.1.5.254", before));
        Assert.Equal(24, bed.Ask(PolicyBed.Osaka, subnet: "10.1.5.0/28", table: before).Scope);
        Assert.Equal(20, bed.Ask(PolicyBed.Osaka, subnet: "10.1.0.0/20", table: before).Scope);
    }

    [Fact]
    public void Shedding_moves_that_share_of_a_pops_users_to_the_next_one_and_nobody_elses()
    {
        var bed = new PolicyBed("{service: web, policy: [up, geo, {shed: {tyo: 20%}}]}");
        DnsTable table = bed.Table();

        string[] osaka = [.. Enumerable.Range(0, 256).Select(i => bed.Pops($"10.1.{i}.7", table).Single())];
        string[] paris = [.. Enumerable.Range(0, 256).Select(i => bed.Pops($"10.3.{i}.7", table).Single())];

        Assert.InRange(osaka.Count(pop => pop == "lon"), 30, 72);
        Assert.DoesNotContain("nyc", osaka);
        Assert.All(paris, pop => Assert.Equal("lon", pop));
        Assert.Equal(24, bed.Ask(PolicyBed.Osaka, subnet: "10.1.5.0/24", table: table).Scope);
        Assert.InRange(bed.Ask(PolicyBed.Paris, subnet: "10.3.5.0/24", table: table).Scope, 1, 16);
    }

    [Fact]
    public void Multi_gives_the_addresses_of_the_first_pops()
    {
        var bed = new PolicyBed("{service: web, policy: [up, geo, {multi: 2}]}");
        Assert.Equal(["tyo", "lon"], bed.Pops(PolicyBed.Osaka));

        var many = new PolicyBed("{service: web, answer: backends, policy: [up, geo, {multi: 3}]}");
        Assert.Equal(["tyo", "tyo", "lon"], many.Pops(PolicyBed.Osaka));
        Assert.Equal(3, many.Ask(PolicyBed.Osaka, RecordType.A).Answers.Count);
    }

    [Fact]
    public void Below_the_least_number_all_are_taken_as_up()
    {
        var bed = new PolicyBed("{service: web, policy: [up, {min: 50%}, geo]}");
        bed.Situation.Fails("web", "tyo");
        Assert.Equal(["lon"], bed.Pops(PolicyBed.Osaka));
        bed.Situation.Fails("web", "lon");
        Assert.Equal(["tyo"], bed.Pops(PolicyBed.Osaka));
        Assert.Contains("web/tyo panic", bed.Why(PolicyBed.Osaka).Answers[0].Label, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_up_nothing_is_dropped() =>
        Assert.Equal(["tyo"], new PolicyBed("{service: web, policy: [geo]}")
        { Situation = new Situation().Fails("web", "tyo") }.Pops(PolicyBed.Osaka));

    [Theory]
    [InlineData("*/tyo", "lon")]
    [InlineData("web/tyo", "lon")]
    [InlineData("www.example.com/t*", "lon")]
    [InlineData("other.example.com/tyo", "tyo")]
    [InlineData("www.example.com/nyc", "tyo")]
    public void An_override_takes_a_pop_out_of_the_names_that_its_pattern_fits(string pattern, string pop)
    {
        var bed = new PolicyBed("{service: web}");
        bed.Situation.With(Override(pattern, up: false));
        Assert.Equal([pop], bed.Pops(PolicyBed.Osaka));
    }

    [Fact]
    public void An_override_can_call_a_pop_up_and_the_most_special_one_wins_and_it_ends()
    {
        var bed = new PolicyBed("{service: web}");
        bed.Situation.Fails("web", "tyo").With(Override("*/*", up: false)).With(Override("web/tyo", up: true));
        Assert.Equal(["tyo"], bed.Pops(PolicyBed.Osaka));
        bed.Situation.With(Override("www.example.com/tyo", up: false));
        bed.Situation.With(Override("*/lon", up: true) with { Until = Situation.Now });
        Assert.NotEqual(["lon"], bed.Pops(PolicyBed.Osaka));
    }

    [Fact]
    public void A_scope_spans_regions_that_are_answered_alike_for_now()
    {
        var bed = new PolicyBed("{service: web}");
        int apart = bed.Ask(PolicyBed.Paris, subnet: "10.3.5.0/24").Scope;
        // Without tyo Osaka and Paris are both answered with London; 10.2.0.0/15 holds Paris and Sydney (New York).
        bed.Situation.Fails("web", "tyo").Fails("web", "nyc");
        Assert.Equal(16, apart);
        Assert.Equal(0, bed.Ask(PolicyBed.Paris, subnet: "10.3.5.0/24").Scope);
    }

    [Fact]
    public void All_clients_within_a_scope_have_the_answer() => Property.Holds(60, random =>
    {
        string[] policies =
            ["[up, geo]", "[up, {map: any}]", "[up, geo, {shed: {tyo: 30%, lon: 10%}}]", "[up, spread]"];
        var bed = new PolicyBed($"{{service: web, policy: {policies[random.Next(4)]}}}", Maps);
        if (random.Next(2) == 0) bed.Situation.Fails("web", "lon");
        DnsTable table = bed.Table();
        for (int i = 0; i < 20; i++)
        {
            int told = random.Next(8, 33);
            Prefix subnet = Prefix.OfMapped(
                Prefix.Parse($"10.{random.Next(6)}.{random.Next(256)}.0/24").Bits, 96 + told);
            Reply reply = bed.Ask("192.0.2.1", subnet: subnet.ToString(), table: table);
            Assert.InRange(reply.Scope, 0, told);
            // A scope as long as what was told says no more than that: the client's own answer.
            if (reply.Scope == told) continue;
            Prefix scope = Prefix.OfMapped(subnet.Bits, 96 + reply.Scope);
            for (int j = 0; j < 8; j++)
            {
                UInt128 hosts = (UInt128.One << (32 - reply.Scope)) - 1;
                Prefix other = Prefix.OfMapped(scope.Bits | ((uint)random.Next() & hosts), Math.Max(120, 96 + told));
                Assert.Equal(reply.Answers, bed.Ask("192.0.2.1", subnet: $"{other}", table: table).Answers);
            }
        }
    });

    [Fact]
    public void An_alias_stands_at_the_apex_with_the_steered_names_addresses()
    {
        var bed = new PolicyBed("{service: web, ttl: 20s}\n      \"@\": {alias: www, ttl: 10s}");
        Reply apex = bed.Ask(PolicyBed.Osaka, name: "example.com");

        Assert.Equal(["example.com. 10 AAAA 2001:db8:f03::1"], apex.Answers);
        Assert.Single(bed.Ask(PolicyBed.Osaka, RecordType.Soa, name: "example.com").Answers);
    }

    [Fact]
    public void A_reflecting_name_says_what_is_seen_of_the_asker()
    {
        var bed = new PolicyBed("{service: web}\n      whoami: {reflect: true}");
        Reply reply = bed.Ask("192.0.2.9", RecordType.Txt, "10.1.5.0/24", name: "whoami.example.com");

        string hex = reply.Answers.Single().Split(' ')[^1];
        string text = System.Text.Encoding.ASCII.GetString(Convert.FromHexString(hex));
        Assert.Equal("\u0012resolver=192.0.2.9\u0012subnet=10.1.5.0/24\u0012region=tyo lon nyc", text);
        Assert.Equal(24, reply.Scope);
        Assert.Empty(bed.Ask("192.0.2.9", RecordType.A, name: "whoami.example.com").Answers);
    }

    [Fact]
    public void Why_names_each_step_and_what_it_dropped_and_for_what()
    {
        var bed = new PolicyBed("{service: web, policy: [up, geo, {shed: {lon: 100%}}]}");
        bed.Situation.Fails("web", "tyo").With(Override("*/nyc", up: true));
        DnsWhy why = bed.Why(PolicyBed.Osaka);

        Assert.Equal("AS JP 34.7,135.5 (10.1.0.0 to 10.1.255.255)", why.Place);
        Assert.Equal("up geo shed lon=100%", string.Join(' ', why.Steps.Select(step => step.Step)));
        Assert.Equal("tyo: service web is down there for IPv6", Assert.Single(why.Steps[0].Notes));
        Assert.Equal("lon nyc", string.Join(' ', why.Steps[1].Left));
        Assert.Equal("nyc lon", string.Join(' ', why.Steps[2].Left));
        Assert.Equal("2001:db8:f01::1", why.Answers.Single().Answer);
        Assert.Equal(bed.Ask(PolicyBed.Osaka).Answers.Single().Split(' ')[^1], why.Answers.Single().Answer);
    }

    private static Intent Override(string pattern, bool up) => new()
    {
        Id = $"override-{pattern}",
        Kind = IntentKind.Override,
        Pop = "",
        Pattern = pattern,
        Up = up,
        Reason = "line work",
        At = Situation.Now.AddMinutes(-1),
        Until = Situation.Now.AddMinutes(29),
    };
}
