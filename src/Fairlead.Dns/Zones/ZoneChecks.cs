using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>A record as it was read; Rdata is null when it was faulty (it still counts as being there).</summary>
internal sealed record ZoneRecord(DnsName Owner, RecordType Type, uint TtlSeconds, byte[]? Rdata, int Line, int Column);

/// <summary>What must hold among the records of a zone.</summary>
internal static class ZoneChecks
{
    /// <summary>An RRset beyond this cannot be sent in one message, its names and the question beside it.</summary>
    private const int SetBytesMax = 60_000;

    public static List<RRset> Group(DnsName origin, List<ZoneRecord> records, Action<int, int, string> report)
    {
        void At(ZoneRecord record, string message) => report(record.Line, record.Column, message);

        foreach (ZoneRecord outside in records.Where(record => !record.Owner.IsWithin(origin)))
            At(outside, $"{outside.Owner} is outside the zone {origin}");
        foreach (ZoneRecord dname in records.Where(record => record.Type == RecordType.Dname))
            At(dname, "DNAME is not supported");

        List<ZoneRecord> soas = [.. records.Where(record => record.Type == RecordType.Soa)];
        if (soas.Count == 0) report(1, 1, $"the zone has no SOA record: {origin} must have one");
        foreach (ZoneRecord soa in soas.Where(soa => soa.Owner != origin)) At(soa, $"the SOA belongs at {origin}");
        foreach (ZoneRecord soa in soas.Skip(1)) At(soa, $"a second SOA; the first is in line {soas[0].Line}");
        if (!records.Exists(record => record.Type == RecordType.Ns && record.Owner == origin))
            report(1, 1, $"the zone has no NS record: {origin} must have one");

        ILookup<DnsName, ZoneRecord> byOwner = records.ToLookup(record => record.Owner);
        var sets = new List<RRset>();
        foreach (IGrouping<DnsName, ZoneRecord> owner in byOwner)
        {
            CheckCname(owner, At);
            foreach (IGrouping<RecordType, ZoneRecord> set in owner.GroupBy(record => record.Type))
            {
                CheckSet([.. set], At);
                byte[][] rdata = [.. set.Where(record => record.Rdata is not null).Select(record => record.Rdata!)];
                if (rdata.Length > 0) sets.Add(new RRset(owner.Key, set.Key, set.First().TtlSeconds, rdata));
            }
        }

        CheckGlue(origin, records, byOwner, At);
        return sets;
    }

    // RFC 2181 §10.1: a CNAME is alone at its name, and there is one.
    private static void CheckCname(IEnumerable<ZoneRecord> owner, Action<ZoneRecord, string> report)
    {
        List<ZoneRecord> all = [.. owner];
        ZoneRecord? cname = all.Find(record => record.Type == RecordType.Cname);
        if (cname is null) return;
        foreach (ZoneRecord record in all.Where(record => record != cname))
        {
            report(record, record.Type == RecordType.Cname
                ? $"{record.Owner} has a second CNAME; the first is in line {cname.Line}"
                : $"{record.Owner} has a CNAME in line {cname.Line}: no other data may stand beside it");
        }
    }

    private static void CheckSet(List<ZoneRecord> set, Action<ZoneRecord, string> report)
    {
        ZoneRecord first = set[0];
        foreach (ZoneRecord record in set.Where(record => record.TtlSeconds != first.TtlSeconds))
        {
            // RFC 2181 §5.2: one set, one TTL.
            report(record, $"TTL {record.TtlSeconds}, but {first.Owner} {RecordTypes.NameOf(first.Type)} in line "
                + $"{first.Line} has TTL {first.TtlSeconds}: all records of a set have one TTL");
        }

        if (set.Sum(record => (record.Rdata?.Length ?? 0) + 12) > SetBytesMax)
            report(first, $"{first.Owner} {RecordTypes.NameOf(first.Type)}: the set does not fit into a message");
    }

    // RFC 1034 §4.2.1: the address of a name server inside the zone, or below one of its cuts, must stand in the zone.
    private static void CheckGlue(
        DnsName origin, List<ZoneRecord> records, ILookup<DnsName, ZoneRecord> byOwner, Action<ZoneRecord,
            string> report)
    {
        HashSet<DnsName> cuts =
            [.. records.Where(r => r.Type == RecordType.Ns && r.Owner != origin).Select(r => r.Owner)];
        foreach (ZoneRecord ns in records.Where(record => record is { Type: RecordType.Ns, Rdata: not null }))
        {
            if (!DnsName.TryFromWire(ns.Rdata, out DnsName target) || !target.IsWithin(origin)) continue;
            // A server below another cut is found through that cut's own servers.
            DnsName? cut = CutAbove(target, origin, cuts);
            if (cut is not null && cut != ns.Owner) continue;
            if (!byOwner[target].Any(record => record.Type is RecordType.A or RecordType.Aaaa))
                report(ns, $"the name server {target} lies in the zone but has no address in it");
        }
    }

    private static DnsName? CutAbove(DnsName name, DnsName origin, HashSet<DnsName> cuts)
    {
        DnsName? cut = null;
        for (; name != origin; name = name.Parent)
        {
            if (cuts.Contains(name)) cut = name;
        }

        return cut;
    }
}
