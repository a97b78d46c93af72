using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Health;
using Fairlead.Tests.Dns;

namespace Fairlead.Tests.Decide;

/// <summary>Which of a pop's servers a name with "answer: backends" names: pick, weights, kind none.</summary>
public class PickTests
{
    private const string Zone = "$TTL 60\n@ SOA ns h 1 1 1 1 60\n@ NS ns.example.net.\n";

    private static readonly string[] All = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

    [Fact]
    public void All_healthy_servers_are_named_without_a_pick()
    {
        Assert.Equal(All, Answers("", All).Distinct().Order());
        Assert.Equal(["192.0.2.1", "192.0.2.3"], Answers("", "192.0.2.1", "192.0.2.3").Distinct().Order());
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3")]
    [InlineData("192.0.2.2", "192.0.2.2", "192.0.2.3")]
    [InlineData("192.0.2.3", "192.0.2.3")]
    [InlineData("192.0.2.1")] // Nothing is known to be healthy: then the first of all.
    public void The_first_healthy_one_in_the_files_order_is_named_and_the_others_stand_by(
        string named, params string[] healthy) =>
        Assert.Equal([named], Answers("pick: first, ", healthy).Distinct());

    [Fact]
    public void One_by_weight_is_as_often_named_as_its_weight_says()
    {
        const string Weighted = "pick: one, weights: {192.0.2.1: 5, 192.0.2.2: 3, 192.0.2.3: 0}, ";
        Dictionary<string, int> times = Answers(Weighted, All).CountBy(address => address).ToDictionary();
        Assert.Equal(["192.0.2.1", "192.0.2.2"], times.Keys.Order());
        Assert.InRange(times["192.0.2.1"], 998, 1002); // of 1600: exactly 5 of 8, over the long run
        // A server without a weight weighs 1, and what is down hands its share to the others.
        times = Answers("pick: one, weights: {192.0.2.1: 3}, ", "192.0.2.1", "192.0.2.3").CountBy(address => address)
            .ToDictionary();
        Assert.Equal(["192.0.2.1", "192.0.2.3"], times.Keys.Order());
        Assert.InRange(times["192.0.2.1"], 1198, 1202);
    }

    [Fact]
    public void Servers_that_all_weigh_nothing_are_all_named() =>
        Assert.Equal(["192.0.2.1"], Answers("pick: one, weights: {192.0.2.1: 0}, ", "192.0.2.1").Distinct());

    [Fact]
    public void A_service_without_a_check_says_so()
    {
        Assert.Equal(CheckKind.None, Fleet("").Service("web")!.Check.Kind);
    }

    private static FleetSpec Fleet(string pick)
    {
        const string Yaml = """
            fleet: pick
            pops: {here: {nodes: {ns1: {addresses: [198.51.100.1]}}}}
            services:
              web: {ports: [tcp/80], check: {kind: none}, PICKbackends: {here: [ALL]}}
            zones:
              example.com: {file: x.zone, steer: {www: {service: web, answer: backends, policy: [up]}}}
            """;
        string yaml = Yaml.Replace("PICK", pick, StringComparison.Ordinal)
            .Replace("ALL", string.Join(", ", All), StringComparison.Ordinal);
        FleetFile? file = FleetReader.Read("x.yaml", yaml, out IReadOnlyList<SpecProblem> problems);
        Tidy.Tree.AssertNone(problems.Select(problem => problem.ToString()));
        return file!.Spec;
    }

    // The addresses of 1600 answers.
    private static List<string> Answers(string pick, params string[] healthy)
    {
        FleetSpec fleet = Fleet(pick);
        ImmutableArray<IPAddress> up = [.. healthy.Select(IPAddress.Parse)];
        var plan = new Plan
        {
            Pops = [new PopPlan("here", PopState.Up, "", true, AggregateStance.Announce, true, false)],
            Services =
            [
                new ServicePlan("web", ["here"], ["here"], false, false,
                    ImmutableSortedDictionary<string, ImmutableArray<IPAddress>>.Empty.Add("here", up)),
            ],
        };
        var views = new ClientViews(fleet, Geography.Unknown);
        DnsTable table = DnsTable.Create(
            1, [DnsTestBed.Load("example.com", Zone)], RegionMap.Empty, Steering.Of(fleet, plan, views), "");
        var said = new List<string>();
        for (int i = 0; i < 1600; i++)
        {
            Reply reply = DnsTestBed.Ask("www.example.com", RecordType.A, table: table);
            Assert.NotEmpty(reply.Answers);
            if (pick.Length > 0) Assert.Single(reply.Answers);
            said.AddRange(reply.Answers.Select(answer => answer[(answer.LastIndexOf(' ') + 1)..]));
        }

        return said;
    }
}
