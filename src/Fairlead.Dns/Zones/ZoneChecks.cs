using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>What must hold among the records of a zone. One pass, every fault.</summary>
internal sealed class ZoneChecks(ZoneBuilder builder, Action<RecordPlace, string> report)
{
    private static readonly RecordPlace Top = new(0, 1, 1);

    private readonly DnsName origin = builder.Origin;

    /// <summary>Before Build, which leaves these out.</summary>
    public void CheckOutside()
    {
        foreach (RecordEntry record in builder.Unsorted)
        {
            if (!builder.IsInside(record))
                report(record.Place, $"{builder.OwnerOf(record)} is outside the zone {origin}");
        }
    }

    public void Check(ZoneData data)
    {
        CheckApex(data);
        ReadOnlySpan<RecordEntry> records = builder.Sorted;
        for (int at = 0; at < records.Length;)
        {
            int end = at + 1;
            while (end < records.Length && records[end].Owner == records[at].Owner) end++;
            CheckNode(data, at, end);
            at = end;
        }
    }

    private void CheckApex(ZoneData data)
    {
        int soaLine = 0;
        foreach (RecordEntry record in builder.Sorted)
        {
            if (record.Type != RecordType.Soa) continue;
            if (record.Owner != 0) report(record.Place, $"the SOA belongs at {origin}");
            if (soaLine > 0) report(record.Place, $"a second SOA; the first is in line {soaLine}");
            else soaLine = record.Place.Line;
        }

        if (soaLine == 0) report(Top, $"the zone has no SOA record: {origin} must have one");
        if (data.SetOf(0, RecordType.Ns) < 0) report(Top, $"the zone has no NS record: {origin} must have one");
    }

    private void CheckNode(ZoneData data, int from, int end)
    {
        // Most names have one record, and it is alone.
        RecordEntry only = builder.Sorted[from];
        if (end - from == 1 && only.RdataBytes < 1000 && only.Type is not (RecordType.Ns or RecordType.Rrsig)) return;
        DnsName owner = data.OwnerOf(only.Owner);
        CheckAlone(owner, from, end);
        for (int at = from; at < end;)
        {
            RecordEntry first = builder.Sorted[at];
            int after = at + 1;
            while (after < end && builder.Sorted[after].Type == first.Type) after++;
            if (first.Type == RecordType.Rrsig) CheckSignatures(owner, from, at, after);
            else CheckSet(owner, at, after);
            for (int i = at; i < after && first.Type == RecordType.Ns; i++) CheckGlue(data, builder.Sorted[i]);
            at = after;
        }
    }

    // RFC 2181 §10.1: a CNAME is alone at its name, and there is one; RFC 6672 §2.4: one DNAME.
    private void CheckAlone(DnsName owner, int from, int end)
    {
        foreach (RecordType type in (ReadOnlySpan<RecordType>)[RecordType.Cname, RecordType.Dname])
        {
            int first = -1;
            for (int i = end - 1; i >= from; i--)
            {
                if (builder.Sorted[i].Type == type) first = i;
            }

            for (int i = from; i < end && first >= 0; i++)
            {
                RecordEntry record = builder.Sorted[i];
                if (i == first) continue;
                string name = RecordTypes.NameOf(type);
                int line = builder.Sorted[first].Place.Line;
                if (record.Type == type)
                    report(record.Place, $"{owner} has a second {name}; the first is in line {line}");
                // RFC 4035 §2.5: what signs the name may stand there too.
                else if (type == RecordType.Cname && record.Type is not (RecordType.Rrsig or RecordType.Nsec))
                    report(record.Place, $"{owner} has a CNAME in line {line}: no other data may stand beside it");
            }
        }
    }

    private void CheckSet(DnsName owner, int from, int end)
    {
        RecordEntry first = builder.Sorted[from];
        string type = RecordTypes.NameOf(first.Type);
        long bytes = 0;
        for (int i = from; i < end; i++)
        {
            RecordEntry record = builder.Sorted[i];
            bytes += record.RdataBytes + 12;
            if (record.TtlSeconds == first.TtlSeconds) continue;
            // RFC 2181 §5.2: one set, one TTL.
            report(record.Place, $"TTL {record.TtlSeconds}, but {owner} {type} in line "
                + $"{first.Place.Line} has TTL {first.TtlSeconds}: all records of a set have one TTL");
        }

        if (bytes > ZoneBuilder.SetBytesMax)
            report(first.Place, $"{owner} {type}: the set does not fit into a message");
    }

    private void CheckSignatures(DnsName owner, int nodeFrom, int from, int end)
    {
        RecordType covered = builder.CoveredBy(builder.Sorted[from]);
        // Records stand by type, so what a signature covers stands right before it.
        bool there = from > nodeFrom && builder.Sorted[from - 1].Type == covered;
        for (int i = from; i < end; i++)
        {
            RecordType type = builder.CoveredBy(builder.Sorted[i]);
            if (builder.Sorted[i].Faulty || (there && type == covered)) continue;
            report(builder.Sorted[i].Place, $"{owner} has no {RecordTypes.NameOf(type)} for this RRSIG to cover");
        }
    }

    // RFC 1034 §4.2.1: the address of a name server inside the zone, or below one of its cuts, must stand in the zone.
    private void CheckGlue(ZoneData data, in RecordEntry ns)
    {
        if (ns.Faulty || !DnsName.TryFromWire(builder.RdataOf(ns), out DnsName target)) return;
        if (!target.IsWithin(origin)) return;
        // A server below another cut is found through that cut's own servers.
        int cut = CutAbove(data, target);
        if (cut >= 0 && cut != ns.Owner) return;
        int node = data.Find(target.Key);
        bool addresses = node >= 0 && (data.SetOf(node, RecordType.A) >= 0 || data.SetOf(node, RecordType.Aaaa) >= 0);
        if (!addresses) report(ns.Place, $"the name server {target} lies in the zone but has no address in it");
    }

    private int CutAbove(ZoneData data, DnsName name)
    {
        for (DnsName above = name; ; above = above.Parent)
        {
            int node = data.Find(above.Key);
            if (node < 0) continue;
            if (data[node].Cover >= 0) return data[node].Cover;
            return above != name && (data[node].Flags & NodeFlags.Dname) != 0 ? node : -1;
        }
    }
}
