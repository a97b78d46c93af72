using System.Collections.Immutable;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet.Spec;

namespace Fairlead.Node;

/// <summary>
/// What a fleet file says of zones on their way between servers, with the secrets from the files that it names.
/// Immutable.
/// </summary>
public sealed record TransferSetup(TransferOptions Options, ImmutableArray<SecondaryZone> Secondaries)
{
    private const UnixFileMode Others = (UnixFileMode)0b111_111;

    public bool IsSecondary(DnsName origin) => Secondaries.Any(zone => zone.Origin == origin);

    public static IEnumerable<string> Paths(FleetSpec fleet, string folder) =>
        fleet.Dns.Keys.Select(key => key.SecretFile).OfType<string>().Select(path => Path.Combine(folder, path));

    /// <summary>All of it, with every fault among the problems.</summary>
    public static TransferSetup Read(
        FleetFile file, string folder, ImmutableArray<Zone> zones, List<SpecProblem> problems)
    {
        DnsSpec dns = file.Spec.Dns;
        // A zone that could not be read is known all the same.
        bool isWhole = problems.Count == 0;
        ImmutableArray<SecondaryZone> secondaries = [.. ReadSecondaries(file, zones, problems)];
        DnsName[] origins = [.. zones.Select(zone => zone.Origin), .. secondaries.Select(zone => zone.Origin)];
        for (int i = 0; isWhole && i < dns.Transfer.Length; i++)
            CheckZone(file, $"dns.transfer[{i}].zone", dns.Transfer[i].Zone, origins, problems);
        for (int i = 0; isWhole && i < dns.Notify.Length; i++)
            CheckZone(file, $"dns.notify[{i}].zone", dns.Notify[i].Zone, origins, problems);
        var options = new TransferOptions
        {
            Keys = [.. dns.Keys.Select(key => ReadKey(file, folder, key, problems)).OfType<TsigKey>()],
            Allow =
            [
                .. dns.Transfer.Select(rule => new TransferRule
                {
                    Zone = rule.Zone, From = rule.From, Keys = rule.Keys,
                }),
            ],
            Notify =
            [
                .. dns.Notify.Select(told => new NotifyTarget
                {
                    Zone = told.Zone, To = told.To, Key = told.Key, Source = told.Source,
                }),
            ],
        };
        return new TransferSetup(options, secondaries);
    }

    /// <summary>Steered names of a zone that lie in a secondary zone below it, where they cannot be.</summary>
    public IEnumerable<string> Misplaced(IEnumerable<SteeredName> names, ImmutableArray<Zone> zones)
    {
        if (Secondaries.IsEmpty) yield break;
        HashSet<DnsName> secondary = [.. Secondaries.Select(zone => zone.Origin)];
        HashSet<DnsName> ours = [.. zones.Select(zone => zone.Origin)];
        foreach (SteeredName name in names)
        {
            DnsName above = name.Owner;
            while (!above.IsRoot && !ours.Contains(above) && !secondary.Contains(above)) above = above.Parent;
            if (secondary.Contains(above))
                yield return $"{name.Owner} is steered, but lies in the secondary zone {above}, which is its primary's";
        }
    }

    private static IEnumerable<SecondaryZone> ReadSecondaries(
        FleetFile file, ImmutableArray<Zone> zones, List<SpecProblem> problems)
    {
        HashSet<DnsName> seen = [.. zones.Select(zone => zone.Origin)];
        foreach (ZoneSpec zone in file.Spec.Zones.Where(zone => zone.IsSecondary))
        {
            // One whose name is none is told of by who reads the zones.
            if (!DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName origin)) continue;
            if (!seen.Add(origin)) problems.Add(file.At($"zones.{zone.Origin}", $"zone {origin} is there twice"));
            else
            {
                yield return new SecondaryZone(origin,
                [
                    .. zone.Primaries.Select(primary => new Primary
                    {
                        Address = primary.Address, Key = primary.Key, Source = primary.Source,
                    }),
                ]);
            }
        }
    }

    private static void CheckZone(
        FleetFile file, string at, DnsName? zone, DnsName[] known, List<SpecProblem> problems)
    {
        if (zone is null || known.Contains(zone)) return;
        string hint = NearestName.Hint(zone.ToString(), known.Select(origin => origin.ToString()));
        problems.Add(file.At(at, $"unknown zone \"{zone}\"{hint}"));
    }

    private static TsigKey? ReadKey(FleetFile file, string folder, TsigKeySpec spec, List<SpecProblem> problems)
    {
        string? secret = spec.Secret ?? ReadSecret(file, folder, spec, problems);
        return secret is null
            ? null
            : new TsigKey(spec.KeyName, spec.Algorithm, Convert.FromBase64String(secret));
    }

    private static string? ReadSecret(FleetFile file, string folder, TsigKeySpec spec, List<SpecProblem> problems)
    {
        string at = $"dns.keys.{spec.Name}.secretFile", path = Path.Combine(folder, spec.SecretFile!);
        if (!LoadedFleet.TryReadText(path, out string text, out string fault))
        {
            problems.Add(file.At(at, fault));
            return null;
        }

        UnixFileMode mode = File.GetUnixFileMode(path);
        if ((mode & Others) != 0)
        {
            problems.Add(file.At(at,
                $"{path}: others than its owner may use it (mode {Convert.ToString((int)mode, 8)}): chmod 600 it"));
        }

        text = text.Trim();
        if (TsigSecret.IsBase64(text)) return text;
        problems.Add(file.At(
            at, $"{path}: expected the secret in base64, found something else (it is not shown here)"));
        return null;
    }
}
