using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>All zones of a folder, and every problem. A zone with a problem is not among the zones.</summary>
public sealed record ZoneFolderResult(IReadOnlyList<Zone> Zones, IReadOnlyList<ZoneProblem> Problems);

/// <summary>A folder of master files: the file ORIGIN.zone holds the zone ORIGIN.</summary>
public static class ZoneFolder
{
    private const string Suffix = ".zone";

    /// <summary>
    /// Reads every file whose name ends in .zone, on all processors; others (files to include, an editor's) are left
    /// alone, and so are subfolders. A character that a file's name cannot have stands in it as \DDD; the root is
    /// "..zone". Zones and problems come in the order of the files' names.
    /// </summary>
    public static ZoneFolderResult Read(string folder)
    {
        string[] paths;
        try
        {
            paths = Directory.GetFiles(folder, "*" + Suffix);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return new ZoneFolderResult([], [new ZoneProblem(folder, 0, 0, $"cannot be read: {fault.Message}")]);
        }

        Array.Sort(paths, StringComparer.Ordinal);
        var results = new MasterFileResult[paths.Length];
        Parallel.For(0, paths.Length, i => results[i] = ReadOne(paths[i]));

        var zones = new List<Zone>(paths.Length);
        var problems = new List<ZoneProblem>();
        var seen = new Dictionary<DnsName, string>();
        for (int i = 0; i < paths.Length; i++)
        {
            problems.AddRange(results[i].Problems);
            if (results[i].Zone is not { } zone) continue;
            if (seen.TryAdd(zone.Origin, paths[i])) zones.Add(zone);
            else problems.Add(new ZoneProblem(paths[i], 0, 0, $"{seen[zone.Origin]} is zone {zone.Origin} too"));
        }

        return new ZoneFolderResult(zones, problems);
    }

    private static MasterFileResult ReadOne(string path)
    {
        string name = Path.GetFileName(path)[..^Suffix.Length];
        return DnsName.TryParse(name, out DnsName origin)
            ? MasterFile.ReadFile(path, origin)
            : new MasterFileResult(null, [new ZoneProblem(path, 0, 0, $"'{name}' is not a domain name")]);
    }
}
