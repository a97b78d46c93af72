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
    private readonly Dictionary<Zone, RRset>? soas;

    // The zones and the steered owners of the table before it, with other answers.
    private DnsTable(long generation, DnsTable previous, RegionMap regions, SteeringTable steering, string nsid)
    {
        Generation = generation;
        trees = previous.trees;
        Zones = previous.Zones;
        apexLabelsMax = previous.apexLabelsMax;
        Regions = regions;
        Steering = steering;
        Nsid = nsid;
        NsidBytes = Encoding.UTF8.GetBytes(nsid);
    }

    private DnsTable(DnsTable table, Dictionary<Zone, RRset> soas)
        : this(table.Generation, table, table.Regions, table.Steering, table.Nsid) => this.soas = soas;

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
        bool nsidFits = Encoding.UTF8.GetByteCount(nsid) <= NsidBytesMax;
        if (previous is not null && nsidFits && FitsInto(previous, all, steering))
            return new DnsTable(generation, previous, regions, steering, nsid);
        Dictionary<DnsName, Zone> byOrigin = ByOrigin(all);
        List<string> problems = [.. Problems(all, byOrigin, steering)];
        if (!nsidFits) problems.Add($"nsid is over {NsidBytesMax} bytes");
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        var trees = new Dictionary<DnsName, ZoneTree>(NameComparer.Instance);
        ILookup<DnsName?, (DnsName Owner, int Index)> byZone = steering.Names
            .Select((name, index) => (name.Owner, Index: index))
            .ToLookup(steered => ZoneOf(steered.Owner, byOrigin)?.Origin);
        foreach (Zone zone in all) trees[zone.Origin] = new ZoneTree(zone, byZone[zone.Origin]);
        return new DnsTable(generation, trees, regions, steering, nsid);
    }

    /// <summary>What is wrong between zones and steered names, every fault in one pass.</summary>
    public static IEnumerable<string> Problems(IReadOnlyCollection<Zone> zones, SteeringTable steering) =>
        Problems(zones, ByOrigin(zones), steering);

    private static IEnumerable<string> Problems(
        IReadOnlyCollection<Zone> zones, Dictionary<DnsName, Zone> byOrigin, SteeringTable steering)
    {
        foreach (Zone twice in zones.Where(zone => byOrigin[zone.Origin] != zone))
            yield return $"zone {twice.Origin} is there twice";
        foreach (SteeredName name in steering.Names)
        {
            Zone? zone = ZoneOf(name.Owner, byOrigin);
            if (zone is null)
            {
                yield return $"{name.Owner} is steered but lies in none of the zones";
                continue;
            }

            bool isSigned = zone.HasNsec || zone.Nsec3 is not null;
            if (isSigned && name.ReflectsRegions is not null)
                yield return $"{name.Owner} reflects its asker: zone {zone.Origin}, which is signed, cannot hold it";
            if (isSigned && zone.Denials?.ContainsKey(name.Owner) != true)
                yield return $"{name.Owner} is steered, but zone {zone.Origin} comes signed and has no keys here";
            bool hasCname = HasCname(name);
            foreach (RRset set in zone.SetsAt(name.Owner))
            {
                if (set.Type == RecordType.Nsec) continue;
                if (hasCname || set.Type is RecordType.A or RecordType.Aaaa or RecordType.Cname)
                {
                    string type = RecordTypes.NameOf(set.Type);
                    yield return $"{name.Owner} is steered, but its zone has {type} data there too";
                }
            }

            for (DnsName above = name.Owner; ; above = above.Parent)
            {
                if (above != zone.Origin && zone.Find(above, RecordType.Ns) is not null)
                    yield return $"{name.Owner} is steered, but zone {zone.Origin} delegates {above}";
                if (above != name.Owner && zone.Find(above, RecordType.Dname) is not null)
                    yield return $"{name.Owner} is steered, but zone {zone.Origin} redirects what is below {above}";
                if (above == zone.Origin) break;
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

    /// <summary>
    /// The same table with other SOA records for some of its zones: what is steered or signed here changes without the
    /// operator's serial (see ServedSerials).
    /// </summary>
    internal DnsTable WithSoas(Dictionary<Zone, RRset> others) => new(this, others);

    /// <summary>The serial that the zone is served with.</summary>
    public uint SerialOf(Zone zone) => Zone.SerialOf(SoaOf(zone));

    internal RRset SoaOf(Zone zone) =>
        soas is not null && soas.TryGetValue(zone, out RRset? soa) ? soa : zone.Soa;

    // Whether these names have their places in the trees of the table before, and no other problem than they had there:
    // Problems looks at a name's owner, at whether it reflects, and at whether it has a CNAME.
    private static bool FitsInto(DnsTable previous, ImmutableArray<Zone> zones, SteeringTable steering)
    {
        if (previous.Zones.Length != zones.Length || !steering.HasOwnersOf(previous.Steering)) return false;
        for (int i = 0; i < zones.Length; i++)
        {
            if (!ReferenceEquals(zones[i], previous.Zones[i])) return false;
        }

        ImmutableArray<SteeredRegion> now = default, then = default;
        for (int i = 0; i < steering.Names.Length; i++)
        {
            (SteeredName name, SteeredName old) = (steering.Names[i], previous.Steering.Names[i]);
            if (name.ReflectsRegions is null != old.ReflectsRegions is null) return false;
            // Names that say the same stand for each other; neighbours often do.
            if (name.ByRegion == old.ByRegion || (name.ByRegion == now && old.ByRegion == then)) continue;
            if (HasCname(name) != HasCname(old)) return false;
            (now, then) = (name.ByRegion, old.ByRegion);
        }

        return true;
    }

    private static bool HasCname(SteeredName name)
    {
        foreach (SteeredRegion region in name.ByRegion.IsDefault ? [] : name.ByRegion)
        {
            if (region.Cname is not null) return true;
        }

        return false;
    }

    private static Dictionary<DnsName, Zone> ByOrigin(IReadOnlyCollection<Zone> zones)
    {
        var byOrigin = new Dictionary<DnsName, Zone>(zones.Count, NameComparer.Instance);
        foreach (Zone zone in zones) byOrigin.TryAdd(zone.Origin, zone);
        return byOrigin;
    }

    private static Zone? ZoneOf(DnsName name, Dictionary<DnsName, Zone> byOrigin)
    {
        for (; ; name = name.Parent)
        {
            if (byOrigin.TryGetValue(name, out Zone? zone)) return zone;
            if (name.IsRoot) return null;
        }
    }
}
