using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Dns;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Decide;

/// <summary>The three cities with one steered name of the test's own, asked over the wire form.</summary>
internal sealed class PolicyBed
{
    public const string Osaka = "10.1.0.1";
    public const string Sydney = "10.2.0.1";
    public const string Paris = "10.3.0.1";
    public const string Boston = "10.4.0.1";

    private static readonly Geography World = new(
        AddressRuns.Compile<Place?>(
        [
            (Prefix.Parse("10.1.0.0/16"), new Place("AS", "JP", 34.7, 135.5)),
            (Prefix.Parse("10.2.0.0/16"), new Place("OC", "AU", -33.9, 151.2)),
            (Prefix.Parse("10.3.0.0/16"), new Place("EU", "FR", 48.9, 2.4) { Subdivision = "IDF" }),
            (Prefix.Parse("10.4.0.0/16"), new Place("NA", "US", 42.4, -71.1) { Subdivision = "MA" }),
        ], null),
        AddressRuns.Compile<Asn?>([(Prefix.Parse("10.4.128.0/17"), new Asn(64511))], null));

    private readonly ClientViews views;

    /// <summary>entry: what stands behind "www:" in the fleet file; more: further lines of the file.</summary>
    public PolicyBed(string entry, string geo = "")
    {
        string text = File.ReadAllText(ThreeCities.FleetFile)
            .Replace("      www: {service: web, ttl: 2s}\n", $"      www: {entry}\n", StringComparison.Ordinal)
            .Replace("  map: three-cities.places.csv\n", $"  map: three-cities.places.csv\n{geo}",
                StringComparison.Ordinal);
        Fleet = ThreeCities.Read(text);
        views = new ClientViews(Fleet, World);
        Situation = new Situation(Fleet);
    }

    public FleetSpec Fleet { get; }

    public Situation Situation { get; set; }

    public DnsTable Table(Plan? plan = null)
    {
        string zone = File.ReadAllText(Path.Combine(Fixture.Repository, "lab", "topologies", "example.com.zone"));
        return DnsTable.Create(1, [DnsTestBed.Load("example.com", zone)], RegionMap.Empty,
            Steering.Of(Fleet, plan ?? Situation.Plan(), views), "node-1");
    }

    public Reply Ask(
        string client, RecordType type = RecordType.Aaaa, string? subnet = null, DnsTable? table = null,
        string name = "www.example.com") =>
        DnsTestBed.Ask(name, type, client, subnet, table ?? Table());

    /// <summary>The pops that the AAAA answer names, in order.</summary>
    public string[] Pops(string client, DnsTable? table = null) =>
        [.. Ask(client, table: table).Answers.Select(PopOf)];

    public string PopOf(string record) => Fleet.Pops.Single(pop => pop.Regional.Concat(pop.Networks).Any(
        prefix => prefix.Contains(IPAddress.Parse(record.Split(' ')[^1])))).Name;

    public DnsWhy Why(string client, RecordType type = RecordType.Aaaa) => Fairlead.Fleet.Steer.Why.Explain(
        Fleet, Situation.Plan(), views, Table().Steering, DnsName.Parse("www.example.com"), type, Prefix.Parse(client),
        out _)!;

    public static IEnumerable<string> Subnets(int count) =>
        Enumerable.Range(0, count).Select(i => $"10.{1 + (i >> 8 & 1)}.{i & 255}.7");
}
