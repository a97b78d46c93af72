using System.Collections.Immutable;
using System.Net;
using System.Text;
using Fairlead.Balancer;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Decide;

/// <summary>What a node makes of the sets that the pop's other nodes tell of.</summary>
public class OtherBalancersTests
{
    private const string Text = """
        fleet: f
        store: {etcd: ["http://198.51.100.7:2379"]}
        anycast: {subnets: [192.0.2.0/24], cover: [192.0.2.0/24]}
        balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}
        pops:
          nyc:
            nodes:
              n1: {addresses: [198.51.100.2]}
              n2: {addresses: [198.51.100.3]}
              n3: {addresses: [198.51.100.4]}
          lon: {nodes: {l1: {addresses: [198.51.100.18]}}}
        services:
          web:
            host: "::1"
            ports: [tcp/80]
            backends: {nyc: [198.51.100.5, 198.51.100.6], lon: [198.51.100.21]}
            balance: {mode: gue, transition: 5m}
        """;

    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddDays(20_000);

    [Fact]
    public void Sets_come_oldest_first_with_the_one_of_now_at_the_end()
    {
        OtherBalancer other = Assert.Single(Of(View("n2", 100, [(".5 .6", 20), (".6", 250)], up: ".5"))["web/ipv4"]);
        Assert.Equal(["198.51.100.6", "198.51.100.5 198.51.100.6", "198.51.100.5"], other.Sets.Select(
            set => string.Join(' ', set.Select(backend => backend.Address))));
    }

    [Fact]
    public void A_set_counts_until_its_transition_is_over_also_of_a_node_that_is_silent()
    {
        NodeView view = View("n2", 100, [(".6", 250)]);
        Assert.Equal(2, Of(view)["web/ipv4"][0].Sets.Length);
        Assert.Single(Of(view with { HeardAt = Now.AddSeconds(-60) })["web/ipv4"][0].Sets);
        Assert.Empty(Of(view with { HeardAt = Now.AddMinutes(-5) }));
        // A clock that went back makes nothing older than it was told.
        Assert.Equal(2, Of(view with { HeardAt = Now.AddHours(1) })["web/ipv4"][0].Sets.Length);
    }

    [Fact]
    public void Who_runs_longest_comes_first_and_only_nodes_of_the_pop_that_carry_the_service_count()
    {
        NodeView old = View("n3", 10, [], up: ".5"), young = View("n2", 100, [], up: ".6");
        NodeView idle = View("n2", 5, []) with { };
        idle = idle with { Report = idle.Report with { Carried = [] } };
        Assert.Equal(["198.51.100.5", "198.51.100.6"], Of(young, old)["web/ipv4"]
            .Select(other => $"{Assert.Single(Assert.Single(other.Sets)).Address}"));
        Assert.Empty(Of(idle, View("n1", 1, []), View("n9", 1, []), View("l1", 1, [], pop: "lon")));
    }

    [Fact]
    public void The_table_gets_them_by_the_services_name()
    {
        VipTable table = NodeRoutes.VipsOf(Fleet(), new Plan(), View("n1", 1, []).Report, 1);
        Assert.Same(table, OtherBalancers.With(table, Of(), []));
        Assert.Single(OtherBalancers.With(table, Of(View("n2", 1, [])), []).Services[0].Others);
    }

    [Fact]
    public void A_backend_that_this_node_alone_finds_down_keeps_its_flows_for_some_seconds()
    {
        NodeReport own = View("n1", 1, [], up: ".6").Report;
        NodeView other = View("n2", 1, []);
        ImmutableArray<Doubt> doubts = Doubts(other);
        Assert.Equal(new Doubt("web/ipv4", IPAddress.Parse("198.51.100.5")), Assert.Single(doubts));
        VipTable alone = NodeRoutes.VipsOf(Fleet(), new Plan(), own, 1);
        ServiceEntry table = OtherBalancers.With(alone, Of(other), doubts).Services[0];
        Assert.Equal(["198.51.100.6 1", "198.51.100.5 0"], table.Backends.Select(b => $"{b.Address} {b.Weight}"));
        Assert.Empty(table.Down);
        // Both find it down; or the other one is not heard any more.
        Assert.Empty(Doubts(View("n2", 1, [], up: ".6")));
        Assert.Empty(Doubts(other with { HeardAt = Now.AddSeconds(-30) }));

        var times = new DoubtTimes();
        Assert.Single(times.Follow(doubts, Now));
        Assert.Single(times.Follow(doubts, Now.AddSeconds(9)));
        Assert.Empty(times.Follow(doubts, Now.AddSeconds(10)));
        Assert.Empty(times.Follow([], Now.AddSeconds(11)));
        Assert.Single(times.Follow(doubts, Now.AddSeconds(12)));

        ImmutableArray<Doubt> Doubts(NodeView view) => OtherBalancers.Doubts(
            Fleet(), new World { OwnPop = "nyc", Store = default, Nodes = [view] }, own, Of(view), Now);
    }

    [Fact]
    public void A_backend_that_this_node_drains_is_not_in_doubt_and_is_found()
    {
        NodeReport own = View("n1", 1, [], up: ".6").Report;
        own = own with { Pools = [own.Pools[0] with { Draining = [IPAddress.Parse("198.51.100.5")] }] };
        NodeView other = View("n2", 1, []);
        Assert.Empty(OtherBalancers.Doubts(
            Fleet(), new World { OwnPop = "nyc", Store = default, Nodes = [other] }, own, Of(other), Now));
        Assert.True(OtherBalancers.FindsAll(own, Of(other)));
    }

    [Fact]
    public void A_node_that_starts_finds_those_up_that_have_flows_at_another_one()
    {
        Assert.True(Finds(".5", Of()));
        Assert.True(Finds(".5 .6", Of(View("n2", 1, [], up: ".5"))));
        Assert.False(Finds(".5", Of(View("n2", 1, []))));
        // Who had some before and has none now does not count.
        Assert.True(Finds(".5", Of(View("n2", 1, [(".5 .6", 3)], up: ".5"))));

        static bool Finds(string up, ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others) =>
            OtherBalancers.FindsAll(View("n1", 1, [], up).Report, others);
    }

    [Theory]
    [InlineData("""{"pop":"a","node":"b","carried":null}""")]
    [InlineData("""
        {"pop":"a","node":"b","pools":[{"service":"s","pop":"a","known":true,"healthy":[],"draining":null}]}
        """)]
    [InlineData("""
        {"pop":"a","node":"b","pools":[{"service":"s","pop":"a","known":true,"healthy":[],"warming":[null]}]}
        """)]
    [InlineData("""
        {"pop":"a","node":"b","pools":[{"service":"s","pop":"a","known":true,"healthy":[],
        "warming":[{"address":"192.0.2.5","percent":-1}]}]}
        """)]
    [InlineData("""{"pop":"a","node":"b","carried":[null]}""")]
    [InlineData("""{"pop":"a","node":"b","carried":[{"service":"s"}]}""")]
    [InlineData("""{"pop":"a","node":"b","carried":[{"service":"s","former":[{"ageSeconds":1}]}]}""")]
    [InlineData("""{"pop":"a","node":"b","carried":[{"service":"s","former":[{"backends":[null],"ageSeconds":1}]}]}""")]
    [InlineData(
        """{"pop":"a","node":"b","carried":[{"service":"s","former":[{"backends":[{"weight":1}],"ageSeconds":1}]}]}""")]
    public void A_report_with_half_of_a_set_is_none(string text) =>
        Assert.False(FleetJson.Read<NodeReport>(Encoding.UTF8.GetBytes(text)) is { IsWhole: true });

    [Fact]
    public void A_report_reads_back_with_its_sets()
    {
        NodeReport report = View("n2", 1, [(".5 .6", 7)]).Report;
        NodeReport read = FleetJson.Read<NodeReport>(FleetJson.Write(report))!;
        Assert.True(read.IsWhole);
        FormerSet set = Assert.Single(Assert.Single(read.Carried).Former);
        Assert.Equal((7, 2), (set.AgeSeconds, set.Backends.Length));
    }

    private static ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> Of(params NodeView[] views) =>
        OtherBalancers.Of(Fleet(), new Plan(), new World { OwnPop = "nyc", Store = default, Nodes = [.. views] },
            View("n1", 1, []).Report, Now);

    private static FleetSpec Fleet()
    {
        FleetFile? file = FleetReader.Read("f.yaml", Text, out IReadOnlyList<SpecProblem> problems);
        Assert.True(file is not null, string.Join('\n', problems));
        return file!.Spec;
    }

    private static NodeView View(
        string node, int started, (string Set, int Age)[] former, string up = ".5 .6", string pop = "nyc") => new(
        new NodeReport
        {
            Pop = pop,
            Node = node,
            Sequence = 1,
            Started = DateTimeOffset.UnixEpoch.AddSeconds(started),
            Pools = [new PoolReport("web", pop, true, [.. Set(up).Select(backend => backend.Address)])],
            Carried =
            [
                new CarriedService("web/ipv4", [.. former.Select(one => new FormerSet([.. Set(one.Set)], one.Age))]),
            ],
        },
        Now, DateTimeOffset.UnixEpoch);

    private static IEnumerable<BackendEntry> Set(string ends) =>
        ends.Split(' ').Select(end => new BackendEntry(IPAddress.Parse("198.51.100" + end)));
}
