using System.Collections.Immutable;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Node;

/// <summary>
/// A fleet file and every file that it names, read and checked as one: it counts whole or not at all.
/// </summary>
public sealed record LoadedFleet
{
    public required FleetSpec Spec { get; init; }

    public required ImmutableArray<Zone> Zones { get; init; }

    public required RegionOrders Orders { get; init; }

    public required RegionMap Regions { get; init; }

    /// <summary>The fleet, or null and every fault of every file.</summary>
    public static LoadedFleet? Read(string path, out IReadOnlyList<SpecProblem> problems)
    {
        if (!TryReadText(path, out string text, out string fault))
        {
            problems = [new SpecProblem(path, 1, 1, fault)];
            return null;
        }

        FleetFile? file = FleetReader.Read(path, text, out problems);
        if (file is null) return null;

        var all = new List<SpecProblem>();
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        ImmutableArray<Zone> zones = [.. ReadZones(file, folder, all)];
        var orders = new RegionOrders(file.Spec);
        RegionMap regions = ReadPlaces(file, folder, orders, all);
        // With no plan yet every steered name has its default answers: enough to see whether it fits into its zone.
        if (all.Count == 0)
        {
            IReadOnlyList<SteeredName> names = Steering.Names(file.Spec, new Plan(), orders);
            List<string> misfits = [.. SteeringTable.Problems(names)];
            if (misfits.Count == 0) misfits.AddRange(DnsTable.Problems(zones, new SteeringTable(names)));
            all.AddRange(misfits.Select(misfit => file.At("zones", misfit)));
        }

        problems = all;
        return all.Count > 0
            ? null
            : new LoadedFleet { Spec = file.Spec, Zones = zones, Orders = orders, Regions = regions };
    }

    private static IEnumerable<Zone> ReadZones(FleetFile file, string folder, List<SpecProblem> problems)
    {
        foreach (ZoneSpec zone in file.Spec.Zones)
        {
            string at = $"zones.{zone.Origin}";
            if (!DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName? origin))
            {
                problems.Add(file.At(at, $"\"{zone.Origin}\" is not a domain name"));
                continue;
            }

            foreach (SteerSpec steer in zone.Steer)
            {
                if (!Steering.TryOwner(zone, steer, out _))
                    problems.Add(file.At($"{at}.steer.{steer.Name}", $"\"{steer.Name}\" is not a domain name"));
                foreach ((string pop, string target) in steer.Cname.Where(pair => !DnsName.TryParse(pair.Value, out _)))
                    problems.Add(file.At($"{at}.steer.{steer.Name}.cname.{pop}", $"\"{target}\" is not a domain name"));
            }

            string path = Path.Combine(folder, zone.File);
            if (!TryReadText(path, out string text, out string fault))
            {
                problems.Add(file.At($"{at}.file", fault));
                continue;
            }

            MasterFileResult result = MasterFile.Read(path, origin!, text);
            problems.AddRange(result.Problems.Select(p => new SpecProblem(p.File, p.Line, p.Column, p.Message)));
            if (result.Zone is not null) yield return result.Zone;
        }
    }

    private static RegionMap ReadPlaces(FleetFile file, string folder, RegionOrders orders, List<SpecProblem> problems)
    {
        IEnumerable<(Prefix Prefix, int Region)> entries = [];
        if (file.Spec.Geo.Database is { } database)
        {
            string path = Path.Combine(folder, database);
            try
            {
                // Read whole and never mapped: a file replaced under a mapping kills the process (SIGBUS).
                MmdbDatabase? places = MmdbDatabase.Open(File.ReadAllBytes(path), out string? problem);
                if (places is null) problems.Add(file.At("geo.database", $"{path}: {problem}"));
                else entries = places.Places().Select(entry => (entry.Prefix, orders.RegionOf(entry.Place)));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                problems.Add(file.At("geo.database", $"cannot be read: {fault.Message}"));
            }
        }

        if (file.Spec.Geo.Map is { } map)
        {
            string path = Path.Combine(folder, map);
            if (TryReadText(path, out string text, out string fault))
            {
                (IReadOnlyList<(Prefix Prefix, Place Place)> places, IReadOnlyList<ZoneProblem> faults) = CidrMap.Read(
                    path, text);
                problems.AddRange(faults.Select(p => new SpecProblem(p.File, p.Line, p.Column, p.Message)));
                entries = entries.Concat(places.Select(entry => (entry.Prefix, orders.RegionOf(entry.Place))));
            }
            else
            {
                problems.Add(file.At("geo.map", fault));
            }
        }

        return RegionMap.Compile(entries);
    }

    private static bool TryReadText(string path, out string text, out string fault)
    {
        (text, fault) = ("", "");
        try
        {
            text = File.ReadAllText(path);
            return true;
        }
        catch (Exception thrown) when (thrown is IOException or UnauthorizedAccessException)
        {
            fault = $"cannot be read: {thrown.Message}";
            return false;
        }
    }
}
