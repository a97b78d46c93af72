using System.Buffers.Binary;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>
/// The RDATA of a RRSIG record (RFC 4034 §3.1); times are seconds since 1970, compared in serial arithmetic.
/// <code>
/// | TYPE COVERED 16 | ALGORITHM 8 | LABELS 8 | ORIGINAL TTL 32 | EXPIRATION 32 | INCEPTION 32 | KEY TAG 16 |
/// | SIGNER'S NAME ... | SIGNATURE ... |
/// </code>
/// </summary>
internal static class Signature
{
    public const int BeforeSigner = 18;

    /// <summary>Signs a set; its TTL is the original TTL.</summary>
    public static byte[] Make(RRset set, DnssecKey key, DateTimeOffset inception, DateTimeOffset expiration)
    {
        ReadOnlySpan<byte> signer = key.Zone.Folded;
        var rdata = new byte[BeforeSigner + signer.Length + DnssecKey.SignatureBytes];
        BinaryPrimitives.WriteUInt16BigEndian(rdata, (ushort)set.Type);
        rdata[2] = DnssecKey.Algorithm;
        // RFC 4034 §3.1.3: a wildcard's asterisk is not counted, so that a validator sees what was expanded.
        rdata[3] = (byte)(set.Owner.LabelCount - (set.Owner.IsWildcard ? 1 : 0));
        BinaryPrimitives.WriteUInt32BigEndian(rdata.AsSpan(4), set.TtlSeconds);
        BinaryPrimitives.WriteUInt32BigEndian(rdata.AsSpan(8), (uint)expiration.ToUnixTimeSeconds());
        BinaryPrimitives.WriteUInt32BigEndian(rdata.AsSpan(12), (uint)inception.ToUnixTimeSeconds());
        BinaryPrimitives.WriteUInt16BigEndian(rdata.AsSpan(16), key.Tag);
        signer.CopyTo(rdata.AsSpan(BeforeSigner));
        int signed = BeforeSigner + signer.Length;
        key.Sign(SignedData(rdata.AsSpan(0, signed), set), rdata.AsSpan(signed));
        return rdata;
    }

    /// <summary>Whether the key (64 bytes) made this signature of this set. Times are not looked at.</summary>
    public static bool Verifies(ReadOnlySpan<byte> rdata, RRset set, ReadOnlySpan<byte> publicKey)
    {
        int signer = NameHash.LengthOf(rdata[BeforeSigner..], out _);
        return DnssecKey.Verify(
            publicKey, SignedData(rdata[..(BeforeSigner + signer)], set), rdata[(BeforeSigner + signer)..]);
    }

    public static RecordType TypeCovered(ReadOnlySpan<byte> rdata) =>
        (RecordType)BinaryPrimitives.ReadUInt16BigEndian(rdata);

    public static uint OriginalTtl(ReadOnlySpan<byte> rdata) => BinaryPrimitives.ReadUInt32BigEndian(rdata[4..]);

    public static ushort KeyTag(ReadOnlySpan<byte> rdata) => BinaryPrimitives.ReadUInt16BigEndian(rdata[16..]);

    /// <summary>RFC 4034 §3.1.5: 32 bits of time; of the moments that they can mean, the one nearest to now.</summary>
    public static DateTimeOffset Expiration(ReadOnlySpan<byte> rdata, DateTimeOffset now)
    {
        long seconds = now.ToUnixTimeSeconds();
        int ahead = unchecked((int)(BinaryPrimitives.ReadUInt32BigEndian(rdata[8..]) - (uint)seconds));
        return DateTimeOffset.FromUnixTimeSeconds(seconds + ahead);
    }

    // RFC 4034 §3.1.8.1: the RRSIG's own RDATA without the signature, then every record with the original TTL.
    private static byte[] SignedData(ReadOnlySpan<byte> head, RRset set)
    {
        List<byte[]> records = CanonicalForm.SortedRdata(set);
        ReadOnlySpan<byte> owner = set.Owner.Folded;
        var data = new byte[head.Length + records.Sum(rdata => rdata.Length) + (records.Count * (owner.Length + 10))];
        head.CopyTo(data);
        Span<byte> rest = data.AsSpan(head.Length);
        foreach (byte[] rdata in records)
        {
            owner.CopyTo(rest);
            rest = rest[owner.Length..];
            BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)set.Type);
            BinaryPrimitives.WriteUInt16BigEndian(rest[2..], (ushort)RecordClass.Internet);
            head[4..8].CopyTo(rest[4..]);
            BinaryPrimitives.WriteUInt16BigEndian(rest[8..], (ushort)rdata.Length);
            rdata.CopyTo(rest[10..]);
            rest = rest[(10 + rdata.Length)..];
        }

        return data;
    }
}
