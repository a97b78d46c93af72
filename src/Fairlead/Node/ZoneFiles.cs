using System.Collections.Concurrent;
using System.Collections.Immutable;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;

namespace Fairlead.Node;

/// <summary>How a file looked when it was read: another look means that it must be read again.</summary>
public readonly record struct FileStamp(long Bytes, DateTime WrittenUtc)
{
    /// <summary>Of a folder the time of its last entry; default when there is nothing.</summary>
    public static FileStamp Of(string path)
    {
        if (new FileInfo(path) is { Exists: true } file) return new FileStamp(file.Length, file.LastWriteTimeUtc);
        return Directory.Exists(path) ? new FileStamp(0, Directory.GetLastWriteTimeUtc(path)) : default;
    }
}

/// <summary>A zone as it was read from its file, and the files that this one includes.</summary>
public sealed record ZoneFile(
    string Path, FileStamp Stamp, Zone Zone, ImmutableArray<(string Path, FileStamp Stamp)> Included)
{
    /// <summary>Whether nothing of it must be read again.</summary>
    public bool IsAsItWas(FileStamp now) => now == Stamp && now != default
        && Included.All(file => FileStamp.Of(file.Path) == file.Stamp);
}

/// <summary>The master files that a fleet file names, one by one or as a folder.</summary>
internal static class ZoneFiles
{
    /// <summary>All of them, or every fault of every file. Files that look as before are not read again.</summary>
    public static ImmutableArray<ZoneFile> Read(
        FleetFile file, string folder, ImmutableArray<ZoneFile> before, List<SpecProblem> problems)
    {
        var known = before.ToDictionary(one => (one.Path, one.Zone.Origin));
        ImmutableArray<(DnsName Origin, string Path, string At)> wanted = [.. Wanted(file, folder, problems)];
        var read = new ZoneFile?[wanted.Length];
        var faults = new ConcurrentBag<(int Index, SpecProblem Problem)>();
        Parallel.For(0, wanted.Length, i =>
        {
            (DnsName origin, string path, string at) = wanted[i];
            FileStamp stamp = FileStamp.Of(path);
            if (known.GetValueOrDefault((path, origin)) is { } same && same.IsAsItWas(stamp))
            {
                read[i] = same;
                return;
            }

            // The looks are taken before the files are read: a change in between is then a change to come.
            var included = new Dictionary<string, FileStamp>(StringComparer.Ordinal);
            MasterFileResult result = MasterFile.ReadFile(
                path, origin, other => included.TryAdd(other, FileStamp.Of(other)));
            foreach (ZoneProblem p in result.Problems)
            {
                faults.Add((i, p.Line == 0
                    ? file.At(at, p.Message)
                    : new SpecProblem(p.File, p.Line, p.Column, p.Message)));
            }

            if (result.Zone is not null)
                read[i] = new ZoneFile(path, stamp, result.Zone, [.. included.Select(pair => (pair.Key, pair.Value))]);
        });
        problems.AddRange(faults.OrderBy(f => f.Index).ThenBy(f => f.Problem.Line).ThenBy(f => f.Problem.Column)
            .Select(f => f.Problem));
        return [.. read.OfType<ZoneFile>()];
    }

    private static IEnumerable<(DnsName Origin, string Path, string At)> Wanted(
        FleetFile file, string folder, List<SpecProblem> problems)
    {
        HashSet<DnsName> named = [], secondary = [];
        foreach (ZoneSpec zone in file.Spec.Zones)
        {
            string at = $"zones.{zone.Origin}";
            if (!DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName? origin))
            {
                problems.Add(file.At(at, $"\"{zone.Origin}\" is not a domain name"));
                continue;
            }

            CheckNames(file, zone, at, problems);
            if (zone.IsSecondary) secondary.Add(origin!);
            if (zone.File is null) continue;
            named.Add(origin!);
            yield return (origin!, Path.Combine(folder, zone.File), $"{at}.file");
        }

        if (file.Spec.ZoneFolder is not { } zoneFolder) yield break;
        string whole = Path.Combine(folder, zoneFolder);
        IReadOnlyList<(string Path, DnsName Origin)> inFolder =
            ZoneFolder.List(whole, out IReadOnlyList<ZoneProblem> faults);
        problems.AddRange(faults.Select(fault => file.At("zones.dir", $"{fault.File}: {fault.Message}")));
        if (inFolder.Count == 0 && faults.Count == 0)
            problems.Add(file.At("zones.dir", $"{whole} has no file that ends with {ZoneFolder.Suffix}"));
        foreach ((string path, DnsName origin) in inFolder)
        {
            if (secondary.Contains(origin))
                problems.Add(file.At(
                    "zones.dir", $"{path}: {origin} is a secondary zone, which comes from its primary: move it away"));
            else if (named.Add(origin)) yield return (origin, path, "zones.dir");
        }

        foreach (ZoneSpec zone in file.Spec.Zones.Where(zone => zone.File is null && !zone.IsSecondary))
        {
            if (DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName? origin) && !named.Contains(origin!))
                problems.Add(file.At(
                    $"zones.{zone.Origin}", $"{zoneFolder} has no {zone.Origin}{ZoneFolder.Suffix}"));
        }
    }

    private static void CheckNames(FleetFile file, ZoneSpec zone, string at, List<SpecProblem> problems)
    {
        foreach (SteerSpec steer in zone.Steer)
        {
            if (!Steering.TryOwner(zone, steer.Name, out _))
                problems.Add(file.At($"{at}.steer.{steer.Name}", $"\"{steer.Name}\" is not a domain name"));
            foreach ((string pop, string target) in steer.Cname.Where(pair => !DnsName.TryParse(pair.Value, out _)))
                problems.Add(file.At($"{at}.steer.{steer.Name}.cname.{pop}", $"\"{target}\" is not a domain name"));
        }
    }
}
