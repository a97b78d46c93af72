using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Node;

namespace Fairlead.Bench.PlanChange;

/// <summary>The three-cities fleet with so many steered names, and its world with nyc up or silent.</summary>
internal sealed class World3 : IDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly string folder = Directory.CreateTempSubdirectory("plan-change-").FullName;

    public World3(string from, int names)
    {
        var text = new StringBuilder(File.ReadAllText(Path.Combine(from, "three-cities.fleet.yaml")));
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

        foreach (string beside in new[] { "example.com.zone", "three-cities.places.csv" })
            File.Copy(Path.Combine(from, beside), Path.Combine(folder, beside));
        File.WriteAllText(Path.Combine(folder, "plain.yaml"), text.ToString());
        File.WriteAllText(Path.Combine(folder, "signed.yaml"), text + "\ndns: {dnssec: {keys: keys}}\n");
        new KeyFolder(Path.Combine(folder, "keys")).Generate(
            DnsName.Parse("example.com"), KeyRole.Csk, Now.AddDays(-30),
            new KeyTiming { TtlMax = TimeSpan.FromHours(1) });
        Fleet = Load(signed: false).Spec;
    }

    public FleetSpec Fleet { get; }

    /// <summary>The fleet as a node reads it, with no signature but those of the zone itself.</summary>
    public LoadedFleet Load(bool signed) =>
        LoadedFleet.Read(Path.Combine(folder, signed ? "signed.yaml" : "plain.yaml"),
            out IReadOnlyList<SpecProblem> problems, signAt: Now)
        ?? throw new InvalidDataException(string.Join('\n', problems));

    public void Dispose() => Directory.Delete(folder, recursive: true);

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
