using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>How a name stands to a zone (RFC 1034 §4.3.2 step 3).</summary>
internal enum ZoneMatch
{
    /// <summary>The node is the name's own, perhaps without data (an empty non-terminal, RFC 8020).</summary>
    Exact,

    /// <summary>The node is the wildcard that stands for the name (RFC 4592 §3.3).</summary>
    Wildcard,

    /// <summary>The node is the zone cut at or above the name.</summary>
    Delegation,

    /// <summary>The node has the DNAME that redirects the name (RFC 6672 §3.2).</summary>
    Dname,

    /// <summary>There is none; the node is the closest encloser (RFC 4592 §3.3.1).</summary>
    None,
}

/// <summary>
/// A name of a zone as one look-up finds it: Place is its number in the zone's data, -1 when only steering made it;
/// Steered the number of the steered name at it, -1 when there is none.
/// </summary>
internal readonly struct ZoneNode(ZoneData data, int place, SteeredPlace? steering)
{
    public int Place => place;

    public int Steered => steering?.Steered ?? -1;

    /// <summary>Different for each node of the tree: a chain of CNAMEs remembers by it where it has been.</summary>
    public int Number => place >= 0 ? place : -1 - steering!.Number;

    /// <summary>The owner's name, uncompressed.</summary>
    public ReadOnlySpan<byte> Owner => place >= 0 ? data.NameOf(place) : steering!.Owner.Wire;

    public int LabelCount => place >= 0 ? data[place].Labels : steering!.Owner.LabelCount;

    public NodeFlags Flags => place >= 0 ? data[place].Flags : NodeFlags.None;

    /// <summary>The numbers of its sets, which stand by type: from here up to and without SetsTo.</summary>
    public int SetsFrom => place >= 0 ? data.SetsFrom(place) : 0;

    public int SetsTo => place >= 0 ? data.SetsTo(place) : 0;

    public bool IsEmpty => SetsFrom == SetsTo;

    /// <summary>The number of the set of this type; -1 when there is none.</summary>
    public int SetOf(RecordType type) => place >= 0 ? data.SetOf(place, type) : -1;

    public RecordType TypeOf(int set) => data.TypeOf(set);

    public SetView View(int set) => data.View(set);
}

/// <summary>A name that steering knows in a zone: a steered owner, or one above it.</summary>
internal sealed class SteeredPlace(DnsName owner, int number, int place)
{
    public DnsName Owner { get; } = owner;

    public int Number { get; } = number;

    /// <summary>Its node in the zone's data; -1 when there is none.</summary>
    public int Place { get; } = place;

    public int Steered { get; set; } = -1;

    /// <summary>The steered wildcard right below it.</summary>
    public SteeredPlace? Wildcard { get; set; }
}

/// <summary>
/// A zone with the steered names in it. The zone's data stays as it is; the steered names and the names above them
/// are a small table beside it, so that another steering table costs nothing by the zone's size.
/// </summary>
internal sealed class ZoneTree
{
    private readonly Dictionary<DnsName, SteeredPlace>? steering;
    private readonly ZoneData data;

    public ZoneTree(Zone zone, IEnumerable<(DnsName Owner, int Index)> steered)
    {
        Zone = zone;
        data = zone.Data;
        foreach ((DnsName owner, int index) in steered)
        {
            steering ??= new Dictionary<DnsName, SteeredPlace>(NameComparer.Instance);
            SteeredPlace place = PlaceOf(owner, steering);
            place.Steered = index;
            if (owner.IsWildcard) PlaceOf(owner.Parent, steering).Wildcard = place;
        }
    }

    public Zone Zone { get; }

    public ZoneNode Apex => NodeAt(0);

    /// <summary>
    /// Looks for a name that lies in the zone; apexLabel is how many of its labels stand before the origin.
    /// </summary>
    public ZoneMatch Find(in NameView name, int apexLabel, out ZoneNode node)
    {
        NameKey whole = name.Suffix(0);
        int place = data.Find(whole);
        if (place >= 0 && (data[place].Flags & NodeFlags.Hash) != 0) place = -1;
        // Nothing steered lies below a cut or a DNAME (DnsTable.Problems), so such a name is never covered.
        if (Steered(whole) is { } own)
        {
            node = new ZoneNode(data, place, own);
            return ZoneMatch.Exact;
        }

        if (place >= 0) return Covered(place, out node) ?? ZoneMatch.Exact;

        // RFC 4592 §3.3.1: down from the apex to the closest encloser; only its own wildcard can stand for the name.
        place = 0;
        SteeredPlace? over = steering is null ? null : Steered(name.Suffix(apexLabel));
        for (int label = apexLabel - 1; label > 0; label--)
        {
            NameKey suffix = name.Suffix(label);
            (int next, SteeredPlace? nextOver) = (data.Find(suffix), Steered(suffix));
            if (next < 0 && nextOver is null) break;
            (place, over) = (next, nextOver);
        }

        if (place >= 0)
        {
            if (Covered(place, out node) is { } match) return match;
            if ((node.Flags & NodeFlags.Dname) != 0) return ZoneMatch.Dname;
        }

        if (over?.Wildcard is { } wildcard)
        {
            node = new ZoneNode(data, wildcard.Place, wildcard);
            return ZoneMatch.Wildcard;
        }

        node = new ZoneNode(data, place, over);
        if (place < 0 || (data[place].Flags & NodeFlags.HasWildcard) == 0) return ZoneMatch.None;
        node = NodeAt(data.WildcardOf(place));
        return ZoneMatch.Wildcard;
    }

    /// <summary>
    /// The node whose addresses go along with a record of a set, and in which name: the node may be a wildcard. False
    /// when the zone has none.
    /// </summary>
    public bool TryTarget(int set, int record, out ZoneNode node, out ReadOnlySpan<byte> name)
    {
        int place = data.TargetOf(set, record);
        node = default;
        name = default;
        if (place < 0) return false;
        node = NodeAt(place);
        SetView view = data.View(set);
        name = RecordTypes.TargetIn(view.Type, view.Rdata(record));
        if (name.Length == 1) name = data.NameOf(place); // RFC 9460 §2.5.2: "." is the owner.
        return true;
    }

    /// <summary>Whether the node lies at or below this cut.</summary>
    public bool IsCoveredBy(in ZoneNode node, in ZoneNode cut) => data[node.Place].Cover == cut.Place;

    private ZoneNode NodeAt(int place) => new(data, place, null);

    private SteeredPlace? Steered(NameKey name) =>
        steering is not null && steering.GetAlternateLookup<NameKey>().TryGetValue(name, out SteeredPlace? found)
            ? found
            : null;

    private ZoneMatch? Covered(int place, out ZoneNode node)
    {
        int cover = data[place].Cover;
        node = NodeAt(cover < 0 ? place : cover);
        if (cover < 0) return null;
        return (node.Flags & NodeFlags.Cut) != 0 ? ZoneMatch.Delegation : ZoneMatch.Dname;
    }

    // Makes the place and those of the names above it, up to the apex.
    private SteeredPlace PlaceOf(DnsName owner, Dictionary<DnsName, SteeredPlace> places)
    {
        if (places.TryGetValue(owner, out SteeredPlace? place)) return place;
        place = places[owner] = new SteeredPlace(owner, places.Count, data.Find(owner.Key));
        if (owner != Zone.Origin) PlaceOf(owner.Parent, places);
        return place;
    }
}
