using System.Collections.Immutable;
using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Answering;

/// <summary>
/// Everything an answer depends on, immutable: the server reads one of these a batch. Made by Create.
/// </summary>
public sealed class DnsTable
{
    public const int NsidBytesMax = 255;

    private readonly Dictionary<DnsName, ZoneTree> trees;
    private readonly int apexLabelsMax;

    private DnsTable(
        long generation, Dictionary<DnsName, ZoneTree> trees, RegionMap regions, SteeringTable steering, string nsid)
    {
        Generation = generation;
        this.trees = trees;
        Zones = [.. trees.Values.Select(tree => tree.Zone)];
        Regions = regions;
        Steering = steering;
        Nsid = nsid;
        NsidBytes = Encoding.UTF8.GetBytes(nsid);
        apexLabelsMax = trees.Count == 0 ? 0 : trees.Keys.Max(origin => origin.LabelCount);
    }

    /// <summary>Answers nothing but REFUSED.</summary>
    public static DnsTable Empty { get; } = Create(0, [], RegionMap.Empty, SteeringTable.Empty, "");

    /// <summary>The number of the plan that this table came from.</summary>
    public long Generation { get; }

    public ImmutableArray<Zone> Zones { get; }

    public RegionMap Regions { get; }

    public SteeringTable Steering { get; }

    /// <summary>The name of this server: NSID (RFC 5001), id.server and hostname.bind. Empty: it has none.</summary>
    public string Nsid { get; }

    internal ReadOnlyMemory<byte> NsidBytes { get; }

    /// <summary>
    /// Joins the parts. ArgumentException, with all faults, when Problems has any. With the table before it, zones that
    /// did not change are not taken apart again, so that a changed answer costs no more than the steered names.
    /// </summary>
    public static DnsTable Create(
        long generation,
        IEnumerable<Zone> zones,
        RegionMap regions,
        SteeringTable steering,
        string nsid,
        DnsTable? previous = null)
    {
        ImmutableArray<Zone> all = [.. zones];
        List<string> problems = [.. Problems(all, steering)];
        if (Encoding.UTF8.GetByteCount(nsid) > NsidBytesMax) problems.Add($"nsid is over {NsidBytesMax} bytes");
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));

        var trees = new Dictionary<DnsName, ZoneTree>(NameComparer.Instance);
        bool sameOwners = previous is not null
            && previous.Steering.Names
                .Select(name => name.Owner).SequenceEqual(steering.Names.Select(name => name.Owner))
            && previous.Zones.Select(zone => zone.Origin).ToHashSet().SetEquals(all.Select(zone => zone.Origin));
        ILookup<DnsName?, (DnsName Owner, int Index)> byZone = steering.Names
            .Select((name, index) => (name.Owner, Index: index))
            .ToLookup(steered => ZoneOf(steered.Owner, all)?.Origin);
        foreach (Zone zone in all)
        {
            bool same = sameOwners && previous!.trees[zone.Origin].Zone == zone;
            trees[zone.Origin] = same ? previous!.trees[zone.Origin] : new ZoneTree(zone, byZone[zone.Origin]);
        }

        return new DnsTable(generation, trees, regions, steering, nsid);
    }

    /// <summary>What is wrong between zones and steered names, every fault in one pass.</summary>
    public static IEnumerable<string> Problems(IReadOnlyCollection<Zone> zones, SteeringTable steering)
    {
        foreach (IGrouping<DnsName, Zone> twice in zones.GroupBy(zone => zone.Origin).Where(group => group.Count() > 1))
            yield return $"zone {twice.Key} is there twice";
        foreach (SteeredName name in steering.Names)
        {
            Zone? zone = ZoneOf(name.Owner, zones);
            if (zone is null)
            {
                yield return $"{name.Owner} is steered but lies in none of the zones";
                continue;
            }

            bool hasCname = !name.ByRegion.IsDefault && name.ByRegion.Any(region => region.Cname is not null);
            foreach (RRset set in zone.SetsAt(name.Owner))
            {
                if (hasCname || set.Type is RecordType.A or RecordType.Aaaa or RecordType.Cname)
                {
                    string type = RecordTypes.NameOf(set.Type);
                    yield return $"{name.Owner} is steered, but its zone has {type} data there too";
                }
            }

            for (DnsName above = name.Owner; above != zone.Origin; above = above.Parent)
            {
                if (zone.Find(above, RecordType.Ns) is not null)
                    yield return $"{name.Owner} is steered, but zone {zone.Origin} delegates {above}";
            }
        }
    }

    /// <summary>
    /// The zone with the longest origin that holds the name, and how many labels stand before the origin.
    /// </summary>
    internal bool TryFindZone(in NameView name, int fromLabel, out ZoneTree tree, out int apexLabel)
    {
        Dictionary<DnsName, ZoneTree>.AlternateLookup<NameKey> byKey = trees.GetAlternateLookup<NameKey>();
        apexLabel = Math.Max(fromLabel, name.LabelCount - apexLabelsMax);
        for (; apexLabel <= name.LabelCount; apexLabel++)
        {
            if (byKey.TryGetValue(name.Suffix(apexLabel), out ZoneTree? found))
            {
                tree = found;
                return true;
            }
        }

        tree = null!;
        return false;
    }

    private static Zone? ZoneOf(DnsName name, IEnumerable<Zone> zones) =>
        zones.Where(zone => name.IsWithin(zone.Origin)).MaxBy(zone => zone.Origin.LabelCount);
}
