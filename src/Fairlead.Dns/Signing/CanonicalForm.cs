using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>RFC 4034 §6: the one form of names and records that signatures and chains are made from.</summary>
internal static class CanonicalForm
{
    /// <summary>
    /// Bytes that compare as RFC 4034 §6.1 orders the names themselves: labels from the right, each ended by a zero;
    /// a zero or one inside a label is written as two bytes so that nothing inside sorts as an end.
    /// </summary>
    public static byte[] SortKey(DnsName name)
    {
        ReadOnlySpan<byte> folded = name.Folded;
        Span<byte> starts = stackalloc byte[NameView.LabelsMax];
        int labels = 0, doubled = 0;
        for (int at = 0; folded[at] != 0; at += folded[at] + 1)
        {
            starts[labels++] = (byte)at;
            foreach (byte value in folded.Slice(at + 1, folded[at])) doubled += value <= 1 ? 1 : 0;
        }

        var key = new byte[folded.Length - 1 + doubled];
        int to = 0;
        for (int i = labels - 1; i >= 0; i--)
        {
            foreach (byte value in folded.Slice(starts[i] + 1, folded[starts[i]]))
            {
                if (value <= 1) key[to++] = 1;
                key[to++] = value <= 1 ? (byte)(value + 1) : value;
            }

            key[to++] = 0;
        }

        return key;
    }

    /// <summary>RFC 4034 §6.3: the records of a set in the order of their canonical bytes, none twice.</summary>
    public static List<byte[]> SortedRdata(RRset set)
    {
        var sorted = new List<byte[]>(set.Count);
        for (int i = 0; i < set.Count; i++) sorted.Add(Rdata(set.Type, set[i]));
        if (sorted.Count < 2) return sorted;
        sorted.Sort((one, other) => one.AsSpan().SequenceCompareTo(other));
        for (int i = sorted.Count - 1; i > 0; i--)
        {
            if (sorted[i].AsSpan().SequenceEqual(sorted[i - 1])) sorted.RemoveAt(i);
        }

        return sorted;
    }

    /// <summary>RFC 4034 §6.2, RFC 6840 §5.1: the names of the older types in lower case, the rest as it is.</summary>
    public static byte[] Rdata(RecordType type, ReadOnlySpan<byte> rdata)
    {
        byte[] canonical = rdata.ToArray();
        (int at, int names) = NamesIn(type, rdata);
        for (; names > 0 && at < canonical.Length; names--)
        {
            int length = NameHash.LengthOf(canonical.AsSpan(at), out _);
            if (length == 0) break;
            Span<byte> name = canonical.AsSpan(at, length);
            NameHash.Fold(name, name);
            at += length;
        }

        return canonical;
    }

    // The list is closed (RFC 3597 §7): later types, SVCB among them, keep the case they were written in.
    private static (int Before, int Names) NamesIn(RecordType type, ReadOnlySpan<byte> rdata) => (ushort)type switch
    {
        2 or 3 or 4 or 5 or 7 or 8 or 9 or 12 or 39 => (0, 1), // NS MD MF CNAME MB MG MR PTR DNAME
        6 or 14 or 17 => (0, 2), // SOA MINFO RP
        15 or 18 or 21 or 36 => (2, 1), // MX AFSDB RT KX
        26 => (2, 2), // PX
        33 => (6, 1), // SRV
        35 => (BeforeNaptrName(rdata), 1),
        _ => (0, 0),
    };

    // RFC 3403 §4.1: order, preference, then three character strings stand before the replacement.
    private static int BeforeNaptrName(ReadOnlySpan<byte> rdata)
    {
        int at = 4;
        for (int i = 0; i < 3 && at < rdata.Length; i++) at += rdata[at] + 1;
        return at;
    }
}
