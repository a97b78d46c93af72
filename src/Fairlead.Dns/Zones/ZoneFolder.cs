using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>All zones of a folder, and every problem. A zone with a problem is not among the zones.</summary>
public sealed record ZoneFolderResult(IReadOnlyList<Zone> Zones, IReadOnlyList<ZoneProblem> Problems);

/// <summary>A folder of master files: the file ORIGIN.zone holds the zone ORIGIN.</summary>
public static class ZoneFolder
{
    public const string Suffix = ".zone";

    /// <summary>
    /// Every file whose name ends in .zone, in the order of their names; others (files to include, an editor's) are
    /// left alone, and so are subfolders. A character that a file's name cannot have stands in it as \DDD; the root is
    /// "..zone".
    /// </summary>
    public static IReadOnlyList<(string Path, DnsName Origin)> List(
        string folder, out IReadOnlyList<ZoneProblem> problems)
    {
        var faults = new List<ZoneProblem>();
        problems = faults;
        string[] paths;
        try
        {
            paths = Directory.GetFiles(folder, "*" + Suffix);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            faults.Add(new ZoneProblem(folder, 0, 0, $"cannot be read: {fault.Message}"));
            return [];
        }

        Array.Sort(paths, StringComparer.Ordinal);
        var files = new List<(string Path, DnsName Origin)>(paths.Length);
        var seen = new Dictionary<DnsName, string>();
        foreach (string path in paths)
        {
            string name = Path.GetFileName(path)[..^Suffix.Length];
            if (!DnsName.TryParse(name, out DnsName origin))
                faults.Add(new ZoneProblem(path, 0, 0, $"'{name}' is not a domain name"));
            else if (!seen.TryAdd(origin, path))
                faults.Add(new ZoneProblem(path, 0, 0, $"{seen[origin]} is zone {origin} too"));
            else files.Add((path, origin));
        }

        return files;
    }

    /// <summary>Reads all that List gives, on all processors, in its order.</summary>
    public static ZoneFolderResult Read(string folder)
    {
        IReadOnlyList<(string Path, DnsName Origin)> files = List(folder, out IReadOnlyList<ZoneProblem> problems);
        var results = new MasterFileResult[files.Count];
        Parallel.For(0, files.Count, i => results[i] = MasterFile.ReadFile(files[i].Path, files[i].Origin));
        return new ZoneFolderResult(
            [.. results.Select(result => result.Zone).OfType<Zone>()],
            [.. problems, .. results.SelectMany(result => result.Problems)]);
    }
}
