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

/// <summary>A zone as it was read from its file.</summary>
public sealed record ZoneFile(string Path, FileStamp Stamp, Zone Zone);

/// <summary>The master files that a fleet file names, one by one or as a folder.</summary>
internal static class ZoneFiles
{
    private const string Suffix = ".zone";

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
            if (known.GetValueOrDefault((path, origin)) is { } same && same.Stamp == stamp && stamp != default)
            {
                read[i] = same;
                return;
            }

            if (!TryRead(path, out byte[] text, out string fault))
            {
                faults.Add((i, file.At(at, fault)));
                return;
            }

            MasterFileResult result = MasterFile.Read(path, origin, text);
            foreach (ZoneProblem p in result.Problems)
                faults.Add((i, new SpecProblem(p.File, p.Line, p.Column, p.Message)));
            if (result.Zone is not null) read[i] = new ZoneFile(path, stamp, result.Zone);
        });
        problems.AddRange(faults.OrderBy(f => f.Index).ThenBy(f => f.Problem.Line).ThenBy(f => f.Problem.Column)
            .Select(f => f.Problem));
        return [.. read.OfType<ZoneFile>()];
    }

    private static bool TryRead(string path, out byte[] text, out string fault)
    {
        (text, fault) = ([], "");
        try
        {
            text = File.ReadAllBytes(path);
            return true;
        }
        catch (Exception thrown) when (thrown is IOException or UnauthorizedAccessException)
        {
            fault = $"cannot be read: {thrown.Message}";
            return false;
        }
    }

    private static IEnumerable<(DnsName Origin, string Path, string At)> Wanted(
        FleetFile file, string folder, List<SpecProblem> problems)
    {
        var named = new HashSet<DnsName>();
        foreach (ZoneSpec zone in file.Spec.Zones)
        {
            string at = $"zones.{zone.Origin}";
            if (!DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName? origin))
            {
                problems.Add(file.At(at, $"\"{zone.Origin}\" is not a domain name"));
                continue;
            }

            CheckNames(file, zone, at, problems);
            if (zone.File is null) continue;
            named.Add(origin!);
            yield return (origin!, Path.Combine(folder, zone.File), $"{at}.file");
        }

        if (file.Spec.ZoneFolder is not { } zoneFolder) yield break;
        foreach (string path in InFolder(file, Path.Combine(folder, zoneFolder), problems))
        {
            string name = Path.GetFileName(path)[..^Suffix.Length];
            if (!DnsName.TryParse(name.TrimEnd('.') + ".", out DnsName? origin))
                problems.Add(file.At("zones.dir", $"{path}: \"{name}\" is not a domain name"));
            else if (named.Add(origin!)) yield return (origin!, path, "zones.dir");
        }

        foreach (ZoneSpec zone in file.Spec.Zones.Where(zone => zone.File is null))
        {
            if (DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName? origin) && !named.Contains(origin!))
                problems.Add(file.At($"zones.{zone.Origin}", $"{zoneFolder} has no {zone.Origin}{Suffix}"));
        }
    }

    private static string[] InFolder(FleetFile file, string folder, List<SpecProblem> problems)
    {
        try
        {
            string[] paths = Directory.GetFiles(folder, $"*{Suffix}");
            Array.Sort(paths, StringComparer.Ordinal);
            if (paths.Length == 0) problems.Add(file.At("zones.dir", $"{folder} has no file that ends with {Suffix}"));
            return paths;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            problems.Add(file.At("zones.dir", $"cannot be read: {fault.Message}"));
            return [];
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
