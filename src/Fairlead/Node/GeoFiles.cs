using System.IO.Compression;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Zones;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;

namespace Fairlead.Node;

/// <summary>The databases and the map that say where clients are.</summary>
internal static class GeoFiles
{
    /// <summary>The name under which the database that ships goes in messages and in `why`.</summary>
    public const string Shipped = "the database that ships (DB-IP countries)";

    public static IEnumerable<string> Paths(FleetSpec fleet, string folder) =>
        new[] { fleet.Geo.Database, fleet.Geo.AsnDatabase, fleet.Geo.Map }.OfType<string>()
            .Select(path => Path.Combine(folder, path));

    /// <summary>Whether both name the same files; what is in them is another question.</summary>
    public static bool AreTheSame(FleetSpec one, FleetSpec other) =>
        one.Geo with { Maps = [] } == other.Geo with { Maps = [] } && Steers(one) == Steers(other);

    /// <summary>All of it, or every fault of every file.</summary>
    public static Geography Read(FleetFile file, string folder, List<SpecProblem> problems)
    {
        GeoSpec geo = file.Spec.Geo;
        string? database = geo.Database is { } given ? Path.Combine(folder, given)
            : geo.Map is null && Steers(file.Spec) ? Shipped
            : null;
        IEnumerable<(Prefix Prefix, Place Place)> places = Open(file, "geo.database", database, problems);
        IEnumerable<(Prefix Prefix, Asn? Asn)> asns = geo.AsnDatabase is { } asnDatabase
            ? Open(file, "geo.asnDatabase", Path.Combine(folder, asnDatabase), problems)
                .Select(entry => (entry.Prefix, entry.Place.Asn))
            : places.Where(entry => entry.Place.Asn is not null).Select(entry => (entry.Prefix, entry.Place.Asn));
        var byAsn = AddressRuns.Compile<Asn?>(asns, null);
        // Later entries win over equal prefixes, and a map's wider ones must win over the database's narrower ones: so
        // the map is laid over the database, not mixed into it.
        var byPlace = AddressRuns.Compile<Place?>(
            places.Select(entry => (entry.Prefix, (Place?)WithoutAsn(entry.Place))), null);
        if (geo.Map is { } map)
        {
            var over = AddressRuns.Compile<Place?>(
                ReadMap(file, Path.Combine(folder, map), problems).Select(e => (e.Prefix, (Place?)e.Place)), null);
            byPlace = byPlace.Join(over, (below, above) => above ?? below);
        }

        return new Geography(byPlace, byAsn);
    }

    // The same object where there is nothing to take out: a database has a million prefixes and some hundred places.
    private static Place WithoutAsn(Place place) => place is { Asn: not null } ? place with { Asn = null } : place;

    private static bool Steers(FleetSpec fleet) => fleet.Zones.Any(zone => !zone.Steer.IsEmpty);

    private static IEnumerable<(Prefix Prefix, Place Place)> Open(
        FleetFile file, string key, string? path, List<SpecProblem> problems)
    {
        if (path is null) return [];
        try
        {
            // Read whole and never mapped: a file replaced under a mapping kills the process (SIGBUS).
            byte[] bytes = path == Shipped ? ReadShipped() : File.ReadAllBytes(path);
            MmdbDatabase? database = MmdbDatabase.Open(bytes, out string? problem);
            if (database is not null) return database.Places();
            problems.Add(file.At(key, $"{path}: {problem}"));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            problems.Add(file.At(key, $"cannot be read: {fault.Message}"));
        }

        return [];
    }

    private static byte[] ReadShipped()
    {
        using Stream packed = typeof(GeoFiles).Assembly.GetManifestResourceStream("geo/dbip-country.mmdb.br")!;
        using var unpacked = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionMode.Decompress)) brotli.CopyTo(unpacked);
        return unpacked.ToArray();
    }

    private static IReadOnlyList<(Prefix Prefix, Place Place)> ReadMap(
        FleetFile file, string path, List<SpecProblem> problems)
    {
        if (!LoadedFleet.TryReadText(path, out string text, out string fault))
        {
            problems.Add(file.At("geo.map", fault));
            return [];
        }

        (IReadOnlyList<(Prefix Prefix, Place Place)> places, IReadOnlyList<ZoneProblem> faults) =
            CidrMap.Read(path, text);
        problems.AddRange(faults.Select(p => new SpecProblem(p.File, p.Line, p.Column, p.Message)));
        return places;
    }
}
