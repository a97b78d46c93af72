using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;

namespace Fairlead.Node;

/// <summary>
/// A fleet file and every file that it names, read and checked as one: it counts whole or not at all.
/// </summary>
public sealed record LoadedFleet
{
    public required FleetSpec Spec { get; init; }

    /// <summary>The fleet file itself.</summary>
    public required string Text { get; init; }

    public required ImmutableArray<ZoneFile> ZoneFiles { get; init; }

    public required ZoneSigning Signing { get; init; }

    /// <summary>Those that stand in files here; the secondary ones are elsewhere.</summary>
    public ImmutableArray<Zone> Zones => Signing.Zones;

    public required TransferSetup Transfers { get; init; }

    /// <summary>Whether it answers DNS at all.</summary>
    public bool HasZones => !Zones.IsEmpty || !Transfers.Secondaries.IsEmpty;

    /// <summary>Every file beside the fleet file, and the zone folder, as they looked when they were read.</summary>
    public required IReadOnlyDictionary<string, FileStamp> Files { get; init; }

    /// <summary>What policies see of clients.</summary>
    public required ClientViews Views { get; init; }

    /// <summary>Makes the answers of the steered names.</summary>
    public required SteeringCompiler Steering { get; init; }

    /// <summary>
    /// The fleet, or null and every fault of every file. What has not changed since the fleet before is not read again.
    /// Zones are signed when a time is given.
    /// </summary>
    public static LoadedFleet? Read(
        string path, out IReadOnlyList<SpecProblem> problems, LoadedFleet? before = null, DateTimeOffset? signAt = null)
    {
        if (!TryReadText(path, out string text, out string fault))
        {
            problems = [new SpecProblem(path, 1, 1, fault)];
            return null;
        }

        return Read(path, text, out problems, before, signAt);
    }

    /// <summary>
    /// The same fleet file as before, and every file beside it anew: what an operator has begun to write is not taken
    /// before he says so.
    /// </summary>
    public LoadedFleet? ReadFilesAgain(string path, out IReadOnlyList<SpecProblem> problems, DateTimeOffset signAt) =>
        Read(path, Text, out problems, this, signAt);

    private static LoadedFleet? Read(
        string path, string text, out IReadOnlyList<SpecProblem> problems, LoadedFleet? before, DateTimeOffset? signAt)
    {
        FleetFile? file = FleetReader.Read(path, text, out problems);
        if (file is null) return null;

        var all = new List<SpecProblem>();
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Dictionary<string, FileStamp> files = Stamps(file.Spec, folder);
        ImmutableArray<ZoneFile> zoneFiles = Node.ZoneFiles.Read(file, folder, before?.ZoneFiles ?? [], all);
        ImmutableArray<Zone> zones = [.. zoneFiles.Select(one => one.Zone)];
        foreach (ZoneFile zone in zoneFiles)
        {
            files[zone.Path] = zone.Stamp;
            // Two zones that saw different versions of one file: then it looks as nothing does, and is read again.
            foreach ((string included, FileStamp stamp) in zone.Included)
                files[included] = files.TryGetValue(included, out FileStamp other) && other != stamp ? default : stamp;
        }

        TransferSetup transfers = TransferSetup.Read(file, folder, zones, all);
        bool samePlaces = before is not null && GeoFiles.AreTheSame(before.Spec, file.Spec)
            && GeoFiles.Paths(file.Spec, folder).All(geo => before.Files.GetValueOrDefault(geo) == files[geo]);
        Geography geography = samePlaces ? before!.Views.Geography : GeoFiles.Read(file, folder, all);
        Dictionary<DnsName, SteeredAnswer> aliases = FindAliases(file, zones, all);
        var views = new ClientViews(file.Spec, geography);
        var steering = new SteeringCompiler(file.Spec, views, aliases);
        ZoneSigning signing = ZoneSigning.Nothing(zones);
        // With no plan yet every steered name has its default answers: enough to see whether it fits into its zone.
        if (all.Count == 0)
        {
            IReadOnlyList<SteeredName> names = steering.Names(new Plan());
            List<string> misfits = [.. SteeringTable.Problems(names), .. transfers.Misplaced(names, zones)];
            if (misfits.Count == 0 && signAt is { } now)
                signing = ZoneSigning.Sign(file, folder, zones, names, before?.Signing, now, all);
            if (misfits.Count == 0 && all.Count == 0)
                misfits.AddRange(DnsTable.Problems(signing.Zones, new SteeringTable(names)));
            all.AddRange(misfits.Select(misfit => file.At("zones", misfit)));
        }

        problems = all;
        return all.Count > 0
            ? null
            : new LoadedFleet
            {
                Spec = file.Spec,
                Text = text,
                ZoneFiles = zoneFiles,
                Signing = signing,
                Transfers = transfers,
                Files = files,
                Views = views,
                Steering = steering,
            };
    }

    // Taken before the files are read: a change in between is then a change to come.
    private static Dictionary<string, FileStamp> Stamps(FleetSpec fleet, string folder)
    {
        IEnumerable<string> paths = GeoFiles.Paths(fleet, folder);
        paths = paths.Concat(TransferSetup.Paths(fleet, folder));
        if (fleet.ZoneFolder is { } zones) paths = paths.Append(Path.Combine(folder, zones));
        if (fleet.Dns.Dnssec is { } dnssec) paths = paths.Append(Path.Combine(folder, dnssec.Keys));
        return paths.Distinct().ToDictionary(path => path, FileStamp.Of, StringComparer.Ordinal);
    }

    // An alias points to a steered name that answers addresses, or to addresses that stand in one of the zones.
    private static Dictionary<DnsName, SteeredAnswer> FindAliases(
        FleetFile file, ImmutableArray<Zone> zones, List<SpecProblem> problems)
    {
        var found = new Dictionary<DnsName, SteeredAnswer>();
        var steered = new Dictionary<DnsName, SteerSpec>();
        foreach (ZoneSpec zone in file.Spec.Zones)
        {
            foreach (SteerSpec steer in zone.Steer)
            {
                if (Fairlead.Fleet.Steer.Steering.TryOwner(zone, steer.Name, out DnsName? owner))
                    steered[owner!] = steer;
            }
        }

        foreach (ZoneSpec zone in file.Spec.Zones)
        {
            foreach (SteerSpec steer in zone.Steer.Where(steer => steer.Alias is not null))
            {
                string at = $"zones.{zone.Origin}.steer.{steer.Name}.alias";
                if (!Fairlead.Fleet.Steer.Steering.TryOwner(zone, steer.Alias!, out DnsName? target))
                    problems.Add(file.At(at, $"\"{steer.Alias}\" is not a domain name"));
                else if (steered.TryGetValue(target!, out SteerSpec? other))
                {
                    if (other.Answer == SteerAnswer.Cname || other.Alias is not null || other.Reflect)
                        problems.Add(file.At(at, $"{target} has no addresses of its own: point to a name that has"));
                }
                else if (AddressesAt(target!, zones) is { } answer)
                    found[target!] = answer;
                else
                    problems.Add(file.At(at,
                        $"{target} is neither a steered name nor has it addresses in one of the fleet's zones"));
            }
        }

        return found;
    }

    private static SteeredAnswer? AddressesAt(DnsName name, ImmutableArray<Zone> zones)
    {
        IPAddress[] all =
        [
            .. zones.Where(zone => name.IsWithin(zone.Origin))
                .SelectMany(zone => (RRset?[])[zone.Find(name, RecordType.A), zone.Find(name, RecordType.Aaaa)])
                .OfType<RRset>()
                .SelectMany(set => Enumerable.Range(0, set.Count).Select(i => new IPAddress(set[i].ToArray()))),
        ];
        return all.Length == 0 ? null : new SteeredAnswer
        {
            A = [.. all.Where(a => a.AddressFamily == AddressFamily.InterNetwork)],
            Aaaa = [.. all.Where(a => a.AddressFamily == AddressFamily.InterNetworkV6)],
            Label = "alias",
        };
    }

    internal static bool TryReadText(string path, out string text, out string fault)
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
