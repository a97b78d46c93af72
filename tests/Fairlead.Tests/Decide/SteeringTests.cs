using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Decide;

public class SteeringTests
{
    private static readonly Place Osaka = new("AS", "JP", 34.7, 135.5);
    private static readonly Place Sydney = new("OC", "AU", -33.9, 151.2);

    private static readonly string Steered = File.ReadAllText(ThreeCities.FleetFile).Replace(
        "      anycast: {service: web, answer: anycast, ttl: 60s}",
        "      anycast: {service: web, answer: anycast, ttl: 60s}\n"
        + "      direct: {service: web, answer: backends, ttl: 5s}", StringComparison.Ordinal);

    [Theory]
    [InlineData(34.7, 135.5, "tyo", "lon", "nyc")] // Osaka: over Siberia, London is nearer than New York.
    [InlineData(-33.9, 151.2, "tyo", "nyc", "lon")] // Sydney
    [InlineData(48.9, 2.4, "lon", "nyc", "tyo")] // Paris
    [InlineData(-34.6, -58.4, "nyc", "lon", "tyo")] // Buenos Aires
    [InlineData(21.3, -157.9, "tyo", "nyc", "lon")] // Honolulu, across the date line
    [InlineData(90, 0, "lon", "nyc", "tyo")]
    public void A_region_prefers_the_pops_by_great_circle(
        double latitude, double longitude, string first, string second, string third)
    {
        var regions = new ClientView(ThreeCities.Fleet, byDistance: true, null);

        int region = regions.RegionOf(new Place(null, null, latitude, longitude));

        Assert.Equal($"{first} {second} {third}", regions.Regions[region].ToString());
        Assert.Equal(region, regions.RegionOf(new Place("XX", "XX", latitude, longitude)));
    }

    [Fact]
    public void A_place_without_coordinates_is_region_0_and_equal_orders_share_a_region()
    {
        var regions = new ClientView(ThreeCities.Fleet, byDistance: true, null);

        Assert.Equal(0, regions.RegionOf(new Place("EU", "DE", null, null)));
        Assert.Equal(0, regions.RegionOf(new Place(null, null, 52, null)));
        Assert.Equal("nyc lon tyo", regions.Regions[0].ToString());
        for (double longitude = -180; longitude < 180; longitude += 7)
        {
            for (double latitude = -90; latitude <= 90; latitude += 9)
                regions.RegionOf(new Place(null, null, latitude, longitude));
        }

        Assert.InRange(regions.Regions.Count, 4, 6); // Three pops have six orders.
    }

    [Fact]
    public void Networks_that_say_the_same_share_a_region_however_many_they_are()
    {
        string[] lists = ["nyc", "lon", "tyo", "lon nyc"];
        var map = new MapSpec
        {
            Name = "many",
            Default = ["tyo", MapSpec.Nearest],
            Networks =
            [
                .. Enumerable.Range(0, 50_000).Select(i => KeyValuePair.Create(
                    $"10.{i >> 8}.{i & 255}.0/24", lists[i % 4].Split(' ').ToImmutableArray())),
            ],
        };
        var view = new ClientView(ThreeCities.Fleet, byDistance: false, map);

        view.Compile(World);

        // As many as there are lists, the default among them: a plan is compiled so often, and not once a network.
        Assert.Equal(5, view.Regions.Count);
        for (int i = 0; i < 50_000; i += 997)
        {
            UInt128 client = Prefix.BitsOf(IPAddress.Parse($"10.{i >> 8}.{i & 255}.9"));
            Assert.Equal(lists[i % 4], view.Regions[view.Table.Find(client, 128).Region].ToString());
            Assert.Equal($"networks.10.{i >> 8}.{i & 255}.0/24", view.EntryOf(World, client));
        }

        Assert.Equal("default", view.EntryOf(World, Prefix.BitsOf(IPAddress.Parse("192.0.2.1"))));
    }

    [Fact]
    public void Distances_are_those_of_a_globe()
    {
        const double EarthRadiusKm = 6371;
        Assert.InRange(PlaceSpec.Distance(40.71, -74.01, 51.51, -0.13) * EarthRadiusKm, 5_540, 5_600);
        Assert.Equal(0, PlaceSpec.Distance(10, 20, 10, 20), 9);
        Assert.Equal(Math.PI, PlaceSpec.Distance(0, 0, 0, 180), 9);
        Assert.Equal(Math.PI, PlaceSpec.Distance(90, 13, -90, 77), 9);
        Property.Holds(500, random =>
        {
            double Latitude() => (random.NextDouble() * 180) - 90;
            double Longitude() => (random.NextDouble() * 360) - 180;
            (double a, double b, double c, double d) = (Latitude(), Longitude(), Latitude(), Longitude());
            Assert.Equal(PlaceSpec.Distance(a, b, c, d), PlaceSpec.Distance(c, d, a, b), 9);
            Assert.InRange(PlaceSpec.Distance(a, b, c, d), 0, Math.PI);
        });
    }

    [Fact]
    public void A_regional_name_gives_the_vip_of_the_nearest_pop_that_is_up()
    {
        Assert.Equal(["2001:db8:f03::1"], Aaaa("www", Osaka, new Situation()));
        Assert.Equal(["2001:db8:f02::1"], Aaaa("www", Osaka, new Situation().Fails("web", "tyo")));
        Assert.Equal(["2001:db8:f01::1"], Aaaa("www", Sydney, new Situation().Fails("web", "tyo")));
        Assert.Equal(["2001:db8:f02::1"], Aaaa("www", Osaka, new Situation().Silent("tyo", 60)));
        Assert.Equal(["2001:db8:f02::1"], Aaaa("www", Osaka, new Situation().Drains("tyo", 1)));
    }

    [Fact]
    public void A_family_without_regional_prefixes_is_answered_with_the_anycast_vip() =>
        Assert.Equal(["192.0.2.1"], Answer("www", Osaka, new Situation()).A.Select(a => a.ToString()));

    [Fact]
    public void An_anycast_name_is_the_same_everywhere_so_that_its_scope_is_zero()
    {
        var fleet = new Situation().Fails("web", "tyo");
        SteeredName name = Name(fleet, World, "anycast");

        SteeredRegion only = Assert.Single(name.ByRegion);
        Assert.All(only.A.Answers, a => Assert.Equal("2001:db8:f00::1", Assert.Single(a.Aaaa).ToString()));
        Assert.All(only.A.Answers, a => Assert.Equal("192.0.2.1", Assert.Single(a.A).ToString()));
        Assert.Equal(60u, name.TtlSeconds);
    }

    [Fact]
    public void A_cname_names_the_target_of_the_nearest_pop_that_is_up()
    {
        Assert.Equal("asia.cdn.example.com.", Answer("cdn", Osaka, new Situation()).Cname!.ToString());
        Assert.Equal("eu.cdn.example.com.",
            Answer("cdn", Osaka, new Situation().Fails("web", "tyo")).Cname!.ToString());
        Assert.Empty(Answer("cdn", Osaka, new Situation()).Aaaa);
    }

    [Fact]
    public void Backends_are_the_healthy_ones_of_the_nearest_pop_or_all_of_it_when_nothing_is_known()
    {
        FleetSpec fleet = ThreeCities.Read(Steered);

        Assert.Equal(["2001:db8:3::b1", "2001:db8:3::b2"], Aaaa("direct", Osaka, new Situation(fleet)));
        Assert.Equal(["2001:db8:3::b2"],
            Aaaa("direct", Osaka, new Situation(fleet).BackendFails("tyo", "2001:db8:3::b1")));
        Assert.Equal(["2001:db8:2::b1", "2001:db8:2::b2"],
            Aaaa("direct", Osaka, new Situation(fleet).Fails("web", "tyo")));
        SteeredAnswer fresh = Only(Name(new Plan(), fleet, World, "direct").ByRegion[0]);
        Assert.Equal(["2001:db8:1::b1", "2001:db8:1::b2"], fresh.Aaaa.Select(a => a.ToString()));
    }

    [Fact]
    public void More_backends_than_an_answer_holds_are_cut_and_end_nothing()
    {
        string many = string.Join(", ", Enumerable.Range(1, 60).Select(i => $"10.0.0.{i}"));
        FleetSpec fleet = ThreeCities.Read(Steered.Replace(
            "tyo: [198.51.100.37, 198.51.100.38, ", $"tyo: [{many}, ", StringComparison.Ordinal));

        Assert.Equal(32, Answer("direct", Osaka, new Situation(fleet)).A.Length);
    }

    [Fact]
    public void A_dead_pop_is_never_named_while_another_one_lives() => Property.Holds(400, random =>
    {
        FleetSpec fleet = ThreeCities.Read(Steered);
        string[] pops = ["nyc", "lon", "tyo"];
        string own = pops[random.Next(3)];
        var situation = new Situation(fleet) { OwnPop = own };
        if (random.Next(2) == 0) situation.Goes();
        foreach (string pop in pops)
        {
            if (random.Next(3) == 0) situation.Silent(pop, 60);
            if (random.Next(3) == 0) situation.Fails("web", pop, onlyIPv4: random.Next(2) == 0);
            if (random.Next(4) == 0) situation.Drains(pop, random.Next(100));
        }

        Plan plan = situation.Plan();
        string[] dead = [.. plan.Pops.Where(pop => pop.State == PopState.Dead).Select(pop => pop.Pop)];
        ServicePlan web = plan.Service("web")!;
        foreach (SteeredName name in Steering.Of(fleet, plan, new ClientViews(fleet, World)).Names)
        {
            foreach (SteeredAnswer answer in name.ByRegion.SelectMany(region => region.Answers))
            {
                Assert.DoesNotContain(answer.Aaaa, a => dead.Any(pop => PopOf(fleet, a) == pop));
                Assert.DoesNotContain(answer.A, a => dead.Any(pop => PopOf(fleet, a) == pop));
                // I7: nor one that is down while one that is up, and in DNS, is left.
                bool other = web.UpIPv6.Any(pop => plan.Pop(pop)!.InDns);
                if (!other) continue;
                Assert.DoesNotContain(answer.Aaaa, a => PopOf(fleet, a) is { } pop && !web.UpIPv6.Contains(pop));
            }
        }
    });

    private static string? PopOf(FleetSpec fleet, IPAddress address) => fleet.Pops.FirstOrDefault(pop =>
        pop.Regional.Concat(pop.Networks).Any(prefix => prefix.Contains(address)))?.Name;

    private static string[] Aaaa(string name, Place place, Situation situation) =>
        [.. Answer(name, place, situation).Aaaa.Select(address => address.ToString())];

    // One network a place, so that views have regions of them.
    private static readonly Geography World = Geography.Of(
        [(Prefix.Parse("10.1.0.0/16"), Osaka), (Prefix.Parse("10.2.0.0/16"), Sydney)]);

    private static SteeredAnswer Answer(string name, Place place, Situation situation)
    {
        var views = new ClientViews(situation.Fleet, World);
        SteerSpec steer = situation.Fleet.Zones.Single().Steer.Single(one => one.Name == name);
        return Only(Name(situation, World, name).ByRegion[views.Of(steer).RegionOf(place)]);
    }

    private static SteeredAnswer Only(SteeredRegion region) => region.Cname is { } cname
        ? Assert.Single(cname.Answers)
        : new SteeredAnswer { A = Assert.Single(region.A.Answers).A, Aaaa = Assert.Single(region.Aaaa.Answers).Aaaa };

    private static SteeredName Name(Situation situation, Geography geography, string name) =>
        Name(situation.Plan(), situation.Fleet, geography, name);

    private static SteeredName Name(Plan plan, FleetSpec fleet, Geography geography, string name)
    {
        DnsName.TryParse($"{name}.example.com.", out DnsName? owner);
        return Steering.Of(fleet, plan, new ClientViews(fleet, geography)).Names.Single(one => one.Owner.Equals(owner));
    }
}
