using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>The static data of a zone, immutable. What steering adds is joined to it in a DnsTable.</summary>
public sealed class Zone
{
    private readonly Dictionary<DnsName, ImmutableArray<RRset>> byOwner;

    /// <summary>ArgumentException when there is no SOA at the origin, or a set lies outside.</summary>
    public Zone(DnsName origin, IEnumerable<RRset> sets)
    {
        Origin = origin;
        byOwner = sets.GroupBy(set => set.Owner).ToDictionary(owner => owner.Key, owner => owner.ToImmutableArray());
        foreach (DnsName owner in byOwner.Keys)
        {
            if (!owner.IsWithin(origin)) throw new ArgumentException($"{owner} is outside the zone {origin}");
        }

        Soa = Find(origin, RecordType.Soa) ?? throw new ArgumentException($"zone {origin} has no SOA");
        // RFC 2308 §3: a negative answer's SOA has the smaller of its own TTL and its MINIMUM field.
        NegativeTtlSeconds = Math.Min(Soa.TtlSeconds, BinaryPrimitives.ReadUInt32BigEndian(Soa[0][^4..]));
    }

    public DnsName Origin { get; }

    public RRset Soa { get; }

    public uint NegativeTtlSeconds { get; }

    public uint Serial => BinaryPrimitives.ReadUInt32BigEndian(Soa[0][^20..]);

    public IEnumerable<DnsName> Owners => byOwner.Keys;

    public int SetCount => byOwner.Values.Sum(sets => sets.Length);

    /// <summary>The sets that stand at exactly this name; none for an empty non-terminal.</summary>
    public ImmutableArray<RRset> SetsAt(DnsName owner) =>
        byOwner.TryGetValue(owner, out ImmutableArray<RRset> sets) ? sets : [];

    public RRset? Find(DnsName owner, RecordType type) => SetsAt(owner).FirstOrDefault(set => set.Type == type);
}
