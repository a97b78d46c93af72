using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>
/// The static data of a zone, immutable, in a few flat arrays (see ZoneData). What steering adds lies beside it in a
/// ZoneTree. The RRset objects that its members give are made when asked for; answers read the arrays.
/// </summary>
public sealed class Zone
{
    /// <summary>
    /// ArgumentException when there is no SOA at the origin, a set lies outside, or two are of one owner and type.
    /// </summary>
    public Zone(DnsName origin, IEnumerable<RRset> sets)
        : this(origin, Build(origin, sets))
    {
    }

    internal Zone(DnsName origin, ZoneData data)
    {
        Origin = origin;
        Data = data;
        Soa = Find(origin, RecordType.Soa) ?? throw new ArgumentException($"zone {origin} has no SOA");
        HasNsec = data.SetOf(0, RecordType.Nsec) >= 0;
        Nsec3 = Nsec3Chain.Create(data);
        // RFC 2308 §3: a negative answer's SOA has the smaller of its own TTL and its MINIMUM field.
        NegativeTtlSeconds = Math.Min(Soa.TtlSeconds, BinaryPrimitives.ReadUInt32BigEndian(Soa[0][^4..]));
    }

    public DnsName Origin { get; }

    public RRset Soa { get; }

    public uint NegativeTtlSeconds { get; }

    /// <summary>
    /// A secondary zone whose primary was silent for too long, or never heard: all there is to say is SERVFAIL.
    /// </summary>
    public bool IsExpired { get; private init; }

    /// <summary>See IsExpired. Its SOA is a placeholder that nobody gets to see.</summary>
    public static Zone Expired(DnsName origin) =>
        new(origin, [new RRset(origin, RecordType.Soa, 0, [new byte[22]])]) { IsExpired = true };

    /// <summary>Whether it comes or leaves signed.</summary>
    public bool IsSigned => HasNsec || Nsec3 is not null;

    public uint Serial => SerialOf(Soa);

    internal static uint SerialOf(RRset soa) => BinaryPrimitives.ReadUInt32BigEndian(soa[0][^20..]);

    public int SetCount => Data.SetCount;

    /// <summary>Records without the signatures over them.</summary>
    public int RecordCount => Enumerable.Range(0, Data.SetCount).Sum(set => Data.View(set).Count);

    /// <summary>The names that have data, in canonical order (RFC 4034 §6.1), the apex first.</summary>
    public IEnumerable<DnsName> Owners =>
        from node in Enumerable.Range(0, Data.NodeCount)
        where Data.SetsFrom(node) < Data.SetsTo(node)
        select Data.OwnerOf(node);

    /// <summary>All sets by owner in canonical order, and by type; the SOA comes before all others.</summary>
    public IEnumerable<RRset> Sets
    {
        get
        {
            yield return Soa;
            for (int node = 0; node < Data.NodeCount; node++)
            {
                DnsName? owner = null;
                for (int set = Data.SetsFrom(node); set < Data.SetsTo(node); set++)
                {
                    owner ??= Data.OwnerOf(node);
                    if (node > 0 || Data.TypeOf(set) != RecordType.Soa) yield return Data.Materialise(owner, set);
                }
            }
        }
    }

    internal ZoneData Data { get; }

    /// <summary>Whether it has a chain of NSEC records; Nsec3 is the other kind of chain.</summary>
    internal bool HasNsec { get; }

    internal Nsec3Chain? Nsec3 { get; }

    /// <summary>The NSEC records of its steered names, when it was signed here; by NameComparer.</summary>
    internal Dictionary<DnsName, SteeredDenial>? Denials { get; init; }

    /// <summary>The sets that stand at exactly this name, by type; none for an empty non-terminal.</summary>
    public ImmutableArray<RRset> SetsAt(DnsName owner)
    {
        int node = Data.Find(owner.Key);
        if (node < 0) return [];
        DnsName written = Data.OwnerOf(node);
        return
        [
            .. Enumerable.Range(Data.SetsFrom(node), Data.SetsTo(node) - Data.SetsFrom(node))
                .Select(set => Data.Materialise(written, set)),
        ];
    }

    public RRset? Find(DnsName owner, RecordType type)
    {
        int node = Data.Find(owner.Key);
        int set = node < 0 ? -1 : Data.SetOf(node, type);
        return set < 0 ? null : Data.Materialise(Data.OwnerOf(node), set);
    }

    /// <summary>
    /// Whether the name is here with data or as an empty non-terminal, and not below a cut or a DNAME.
    /// </summary>
    public bool Exists(DnsName name)
    {
        int node = Data.Find(name.Key);
        return node >= 0 && !Data.IsOccluded(node);
    }

    /// <summary>
    /// The owner of the NSEC record that denies the name (RFC 4035 §3.1.3): the last name not after it in canonical
    /// order that has data and is the zone's to sign: a cut is, what lies below a cut or a DNAME is not, nor is an
    /// empty non-terminal. The name itself when it is such a name. Null when it lies before the apex. O(log n).
    /// </summary>
    public DnsName? PreviousOwner(DnsName name)
    {
        int node = Data.LastUpTo(name.Wire);
        while (node >= 0 && !Data.IsSigned(node)) node--;
        return node < 0 ? null : Data.OwnerOf(node);
    }

    /// <summary>
    /// The next name of the chain of NSEC records after this name: as PreviousOwner, but the first that comes after
    /// it; the last name is followed by the apex (RFC 4034 §4.1.1).
    /// </summary>
    public DnsName NextOwner(DnsName name)
    {
        int node = Data.LastUpTo(name.Wire) + 1;
        while (node < Data.NodeCount && !Data.IsSigned(node)) node++;
        return node == Data.NodeCount ? Origin : Data.OwnerOf(node);
    }

    private static ZoneData Build(DnsName origin, IEnumerable<RRset> sets)
    {
        var builder = new ZoneBuilder(origin);
        var seen = new HashSet<(DnsName, RecordType)>();
        foreach (RRset set in sets)
        {
            if (!set.Owner.IsWithin(origin)) throw new ArgumentException($"{set.Owner} is outside the zone {origin}");
            if (!seen.Add((set.Owner, set.Type)))
                throw new ArgumentException($"{set.Owner} {RecordTypes.NameOf(set.Type)} is there twice");
            bool fits = true;
            for (int i = 0; i < set.Count; i++)
                fits &= builder.Add(set.Owner.Wire, set.Type, set.TtlSeconds, set[i], false, default);
            for (int i = 0; i < set.SignatureCount; i++)
                fits &= builder.Add(set.Owner.Wire, RecordType.Rrsig, set.TtlSeconds, set.Signature(i), false, default);
            if (!fits) throw new ArgumentException($"zone {origin} is over 2 GiB");
        }

        return builder.Build();
    }
}
