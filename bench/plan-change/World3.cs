using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;

namespace Fairlead.Bench.PlanChange;

/// <summary>The three-cities fleet with so many steered names, and its world with nyc up or silent.</summary>
internal sealed class World3
{
    public static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    public World3(string folder, int names)
    {
        var text = new StringBuilder(File.ReadAllText(Path.Combine(folder, "three-cities.fleet.yaml")));
        // What a fleet of some size has: most names say the same, some shed, some are answered with two addresses.
        for (int i = 0; i < names; i++)
        {
            string policy = (i % 10) switch
            {
                0 => ", policy: [up, geo, {shed: {lon: 10%}}]",
                1 => ", policy: [up, geo, {multi: 2}]",
                2 => ", policy: [up, {failover: [nyc, tyo, lon]}]",
                _ => "",
            };
            text.Append(CultureInfo.InvariantCulture, $"      n{i:D4}: {{service: web, ttl: 5s{policy}}}\n");
        }

        Fleet = FleetReader.Read("fleet.yaml", text.ToString(), out IReadOnlyList<SpecProblem> problems)?.Spec
            ?? throw new InvalidDataException(string.Join('\n', problems));
        string map = File.ReadAllText(Path.Combine(folder, "three-cities.places.csv"));
        Views = new ClientViews(Fleet, Geography.Of(CidrMap.Read("places.csv", map).Places));
    }

    public FleetSpec Fleet { get; }

    public ClientViews Views { get; }

    /// <summary>What lon sees: everything stands, or nyc has been silent for longer than it may.</summary>
    public World At(bool nycIsUp, Plan? previous) => new()
    {
        OwnPop = "lon",
        Store = new StoreSight(Now.AddHours(-1), Now),
        Previous = previous,
        Nodes = [.. Fleet.Pops.SelectMany(pop => pop.Nodes.Select(node => View(pop, node, nycIsUp)))],
    };

    private NodeView View(PopSpec pop, NodeSpec node, bool nycIsUp)
    {
        ImmutableArray<PoolReport> pools =
        [
            .. Fleet.Services.Select(
                service => new PoolReport(service.Name, pop.Name, true, service.PoolOf(pop, node))),
        ];
        var report = new NodeReport
        {
            Pop = pop.Name,
            Node = node.Name,
            Started = Now.AddDays(-1),
            Pools = pools,
            Announced = [.. Fleet.Cover.Concat(pop.Regional).Select(prefix => new AnnouncedReport(prefix, 3_600_000))],
        };
        DateTimeOffset heardAt = pop.Name != "nyc" || nycIsUp ? Now : Now.AddMinutes(-1);
        return new NodeView(report, heardAt, Now.AddHours(-1));
    }
}
