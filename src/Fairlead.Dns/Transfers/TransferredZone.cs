using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// A version of a zone as it leaves in a transfer: its records, the SOA it is answered with, and its steered names as
/// what they answer by default now. Immutable.
/// </summary>
internal sealed record TransferredZone(Zone Zone, RRset Soa, ImmutableArray<RRset> Steered)
{
    private static readonly ConditionalWeakTable<Zone, byte[]> HashOfZone = [];

    public uint Serial => Zone.SerialOf(Soa);

    /// <summary>The same for the same records; the SOA is not among them.</summary>
    public byte[] Fingerprint()
    {
        byte[] ofZone = HashOfZone.GetValue(Zone, zone => HashOf(new ZoneRecords(zone.Data), []));
        return Steered.IsEmpty ? ofZone : HashOf(new SetRecords(Steered), ofZone);
    }

    /// <summary>
    /// What a steered name answers in region 0 by its first lot's first share, with the TTL and the signature of that.
    /// A name that reflects its asker has nothing to say to another server.
    /// </summary>
    public static ILookup<DnsName, RRset> SteeredSets(DnsTable table)
    {
        HashSet<DnsName> origins = [.. table.Zones.Select(zone => zone.Origin)];
        var sets = new List<(DnsName Origin, RRset Set)>();
        for (int i = 0; i < table.Steering.Names.Length; i++)
        {
            SteeredName name = table.Steering.Names[i];
            DnsName origin = name.Owner;
            while (!origins.Contains(origin) && !origin.IsRoot) origin = origin.Parent;
            if (name.ReflectsRegions is not null || name.ByRegion.IsDefaultOrEmpty) continue;
            SteeredEntry entry = table.Steering[i];
            CompiledRegion region = entry.Steering[0];
            foreach (CompiledSplit? split in (CompiledSplit?[])[region.Cname, region.A, region.Aaaa])
            {
                if (split is not null && entry.SetOf(split.First) is { } set)
                    sets.Add((origin, AsAnswered(set, name.Owner, region.TtlSeconds)));
            }
        }

        return sets.ToLookup(pair => pair.Origin, pair => pair.Set);
    }

    private static RRset AsAnswered(RRset set, DnsName owner, uint ttlSeconds) => new(
        owner, set.Type, ttlSeconds, Enumerable.Range(0, set.Count).Select(i => set[i].ToArray()),
        Enumerable.Range(0, set.SignatureCount).Select(i => set.Signature(i).ToArray()));

    private static byte[] HashOf(ITransferRecords records, byte[] before)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(before);
        while (records.MoveNext())
        {
            hash.AppendData(records.Owner);
            hash.AppendData(records.Body);
        }

        return hash.GetHashAndReset();
    }
}

/// <summary>RFC 1982: serials go round, so one is newer only within half of the circle.</summary>
internal static class SerialOrder
{
    public static bool IsNewer(uint one, uint than) => one != than && one - than < 0x8000_0000;

    public static RRset With(RRset soa, uint serial)
    {
        byte[] rdata = soa[0].ToArray();
        BinaryPrimitives.WriteUInt32BigEndian(rdata.AsSpan(rdata.Length - 20), serial);
        return new RRset(soa.Owner, RecordType.Soa, soa.TtlSeconds, [rdata]);
    }
}
