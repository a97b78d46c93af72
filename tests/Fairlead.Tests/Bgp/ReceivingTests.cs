using System.Globalization;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Bgp;

public class ReceivingTests
{
    private static readonly DateTimeOffset At = DateTimeOffset.UnixEpoch;

    [Fact]
    public void The_table_is_what_a_plain_model_holds() => Property.Holds(300, random =>
    {
        var budget = new ReceivedBudget();
        var table = new AdjRibIn(budget);
        var model = new Dictionary<PathPrefix, (uint? Med, bool Stale)>();
        for (int step = 0; step < 60; step++)
        {
            BgpFamily family = random.Next(2) == 0 ? BgpFamily.IPv4Unicast : BgpFamily.IPv6Unicast;
            int what = random.Next(12);
            if (what == 0)
            {
                table.BeginAgain(family);
                foreach (PathPrefix path in model.Keys.Where(path => IsOf(path, family)).ToArray())
                    model[path] = model[path] with { Stale = true };
            }
            else if (what == 1)
            {
                table.Sweep(family);
                foreach ((PathPrefix path, (_, bool stale)) in model.ToArray())
                {
                    if (stale && IsOf(path, family)) model.Remove(path);
                }
            }
            else
            {
                UpdateContent content = AnyUpdate(random);
                table.Take(content, At);
                foreach (PathPrefix path in content.Withdrawn) model.Remove(path);
                foreach (PathPrefix path in content.Announced) model[path] = (content.Med, false);
            }

            Assert.Equal(model.Count, table.Count);
            Assert.Equal(model.Count, budget.Routes);
            Assert.Equal(model.Keys.Count(path => path.Prefix.IsIPv4), table.CountOf(BgpFamily.IPv4Unicast));
            Prefix around = random.Next(2) == 0 ? Prefix.Parse("198.18.0.0/15") : Prefix.Parse("2001:db8::/32");
            Assert.Equal(
                model.Where(entry => around.Contains(entry.Key.Prefix)).Select(e => (e.Key, e.Value.Med, e.Value.Stale))
                    .ToHashSet(),
                table.Inside(around).Select(r => (r.Path, r.Attributes.Med, r.Stale)).ToHashSet());
        }

        table.Clear();
        Assert.Equal((0, 0L), (budget.Routes, budget.Bytes));
    });

    [Fact]
    public void Beyond_the_budget_routes_are_counted_and_not_kept() => Property.Holds(200, random =>
    {
        int routesMax = random.Next(1, 40);
        long bytesMax = random.Next(1, 20_000);
        var budget = new ReceivedBudget(routesMax, bytesMax);
        AdjRibIn[] tables = [new AdjRibIn(budget), new AdjRibIn(budget)];
        for (int step = 0; step < 60; step++)
        {
            tables[random.Next(2)].Take(AnyUpdate(random), At);
            Assert.InRange(budget.Routes, 0, routesMax);
            Assert.InRange(budget.Bytes, 0, bytesMax);
            Assert.Equal(budget.Routes, tables.Sum(table => table.Count));
        }

        Assert.True(tables.Sum(table => table.NotKept) > 0 || routesMax > 20);
        foreach (AdjRibIn table in tables) table.Clear();
        Assert.Equal((0, 0L), (budget.Routes, budget.Bytes));
    });

    [Fact]
    public void The_longest_prefix_around_an_address_is_found()
    {
        var table = new AdjRibIn(new ReceivedBudget());
        var content = new UpdateContent { FieldCount = 2 };
        content.Announced.Add(new PathPrefix(Prefix.Parse("198.18.0.0/15")));
        content.Announced.Add(new PathPrefix(Prefix.Parse("198.18.4.0/22")));
        table.Take(content, At);
        Assert.Equal(Prefix.Parse("198.18.4.0/22"), table.LongestAround(Prefix.Parse("198.18.5.7")));
        Assert.Equal(Prefix.Parse("198.18.0.0/15"), table.LongestAround(Prefix.Parse("198.18.9.0/24")));
        Assert.Null(table.LongestAround(Prefix.Parse("192.0.2.1")));
        Assert.Null(table.LongestAround(Prefix.Parse("2001:db8::1")));
    }

    // Each pair differs in what one step of RFC 4271 §9.1.2.2 looks at, and in all later steps the other way round.
    public static TheoryData<string, string, string> Steps => new()
    {
        { "not long-lived stale", "pref 1", "stale pref 9" },
        { "preference", "pref 9 path 1,2,3", "pref 8 path 1" },
        { "length of the path", "path 1,2 origin 2", "path 1,2,3 origin 0" },
        { "origin", "path 1 origin 0 med 9", "path 1 origin 1 med 0" },
        { "MED of the same neighbor", "path 1 med 3 internal", "path 1 med 4" },
        { "from outside", "path 1 med 3 id 9", "path 1 med 3 internal id 1" },
        { "no MED between neighbors", "path 1 med 9 id 1", "path 2 med 3 id 2" },
        { "router id", "id 1 clusters 3 address 9", "id 2 address 1" },
        { "clusters", "id 1 clusters 1 address 9", "id 1 clusters 2 address 1" },
        { "address", "id 1 address 1", "id 1 address 9" },
    };

    [Theory]
    [MemberData(nameof(Steps))]
    public void The_best_route_is_the_one_of_the_rfc(string step, string better, string worse)
    {
        SeenRoute good = RouteOf(better), bad = RouteOf(worse);
        Assert.True(ReferenceEquals(good, BestPath.Choose([good, bad])), step);
        Assert.True(ReferenceEquals(good, BestPath.Choose([bad, good])), step);
    }

    [Fact]
    public void Which_route_is_best_does_not_hang_on_the_order() => Property.Holds(1_000, random =>
    {
        List<SeenRoute> routes = [.. Enumerable.Range(1, random.Next(1, 7)).Select(i => RouteOf(
            $"pref {random.Next(2)} path {random.Next(1, 3)} med {random.Next(3)} id {random.Next(1, 3)} address {i}"
            + (random.Next(3) == 0 ? " internal" : "")))];
        SeenRoute? best = BestPath.Choose([.. routes]);
        SeenRoute[] mixed = [.. routes];
        random.Shuffle(mixed);
        Assert.Same(best, BestPath.Choose([.. mixed]));
    });

    [Fact]
    public void What_does_not_count_is_shown_and_never_best()
    {
        SeenRoute leak = RouteOf("pref 900") with { Ineligible = Ineligible.RouteLeak };
        SeenRoute[] marked = [.. BestPath.Mark([leak, RouteOf("pref 1")])];
        Assert.Equal([true, false], marked.Select(route => route.Best));
        Assert.Equal(1u, marked[0].Preference);
        Assert.All(BestPath.Mark([leak]), route => Assert.False(route.Best));
    }

    [Fact]
    public void A_route_in_graceful_shutdown_comes_last()
    {
        var leaving = new ReceivedAttributes { At = At, Communities = [Community.GracefulShutdown], LocalPref = 500 };
        Assert.Equal(0u, BestPath.PreferenceOf(leaving, ImportPolicy.Plain, external: true));
        Assert.Equal(0u, BestPath.PreferenceOf(leaving, ImportPolicy.Plain, external: false));
        ReceivedAttributes plain = leaving with { Communities = [] };
        Assert.Equal(100u, BestPath.PreferenceOf(plain, null, external: true));
        Assert.Equal(500u, BestPath.PreferenceOf(plain, null, external: false));
    }

    private static SeenRoute RouteOf(string text)
    {
        string[] words = text.Split(' ');
        string? Behind(string name) => words.SkipWhile(word => word != name).Skip(1).FirstOrDefault();
        uint Number(string name, uint other = 0) =>
            Behind(name) is { } number ? uint.Parse(number, CultureInfo.InvariantCulture) : other;
        string path = Behind("path") ?? "1";
        return new SeenRoute
        {
            Peer = text,
            PeerAddress = new IPAddress([10, 0, 0, (byte)Number("address", 1)]),
            PeerAs = new Asn(1),
            PeerRouterId = Number("id", 1),
            External = !words.Contains("internal"),
            Prefix = Prefix.Parse("198.18.1.0/24"),
            PathId = 0,
            Stale = false,
            Ineligible = Ineligible.None,
            Preference = Number("pref", 100),
            Attributes = new ReceivedAttributes
            {
                At = At,
                AsPath = [.. path.Split(',').Select(asn => new Asn(uint.Parse(asn, CultureInfo.InvariantCulture)))],
                Origin = (byte)Number("origin"),
                Med = Number("med"),
                ClusterList = [.. Enumerable.Repeat(1u, (int)Number("clusters"))],
                Communities = words.Contains("stale") ? [Community.LongLivedStale] : [],
            },
        };
    }

    private static bool IsOf(PathPrefix path, BgpFamily family) => BgpFamily.Of(path.Prefix.Family) == family;

    private static UpdateContent AnyUpdate(Random random)
    {
        var content = new UpdateContent { Med = (uint)random.Next(100) };
        for (int i = random.Next(8); i > 0; i--) content.Announced.Add(V4(random));
        content.FieldCount = content.Announced.Count;
        for (int i = random.Next(8); i > 0; i--) content.Announced.Add(V6(random));
        for (int i = random.Next(6); i > 0; i--) content.Withdrawn.Add(random.Next(2) == 0 ? V4(random) : V6(random));
        // A prefix that stands in both is announced (RFC 4271 §4.3).
        return content;
    }

    private static PathPrefix V4(Random random) => new(
        Prefix.Of(new IPAddress([198, 18, 0, (byte)random.Next(20)]), 32), (uint)random.Next(2));

    private static PathPrefix V6(Random random) => new(Prefix.Parse($"2001:db8::{random.Next(20):x}"), 0);
}
