using System.Collections.Frozen;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>A field of RDATA: how it stands in the wire and in text.</summary>
internal enum RdataField
{
    U8,
    U16,
    U32,

    /// <summary>Seconds, 32 bits; in text with units.</summary>
    Time,

    /// <summary>A second since 1970 modulo 2^32; in text YYYYMMDDHHmmSS (RFC 4034 §3.2).</summary>
    Date,

    /// <summary>A name, never compressed.</summary>
    Name,
    Address4,
    Address6,

    /// <summary>A length byte and up to 255 bytes.</summary>
    Text,

    /// <summary>One Text or more, up to the end.</summary>
    Texts,

    /// <summary>Text up to the end, without a length byte.</summary>
    RestText,

    /// <summary>RFC 8659 §4.1: a tag of letters and digits with its length byte.</summary>
    Tag,

    /// <summary>Bytes up to the end; in text hexadecimal.</summary>
    RestHex,

    /// <summary>Bytes up to the end; in text base64.</summary>
    RestBase64,

    /// <summary>A length byte and bytes; in text hexadecimal, "-" for none (RFC 5155 §3.3).</summary>
    Salt,

    /// <summary>A length byte and bytes; in text base32hex (RFC 5155 §3.3).</summary>
    Hash,

    /// <summary>A record type by its name.</summary>
    Type,

    /// <summary>Windows of bits, one for each type that is there (RFC 4034 §4.1.2); up to the end.</summary>
    Types,

    /// <summary>A DNSSEC algorithm, by number or name (RFC 4034 Appendix A.1).</summary>
    Algorithm,

    /// <summary>A certificate type, by number or name (RFC 4398 §2.1).</summary>
    CertificateType,
    Eui48,
    Eui64,

    /// <summary>The whole of RFC 1876.</summary>
    Location,

    /// <summary>The parameters of RFC 9460 §2.2, up to the end.</summary>
    ServiceParameters,
}

/// <summary>
/// What each type's RDATA is made of: the one table that reading, printing and checking go by. A type that is not in
/// it has no form but RFC 3597's, and every RDATA is right for it.
/// </summary>
internal static class RdataFormat
{
    private static readonly FrozenDictionary<RecordType, RdataField[]> Fields =
        new (RdataField[] Fields, string[] Types)[]
    {
        ([RdataField.Address4], ["A"]),
        // RFC 3596 §2.2: 16 bytes, in network order.
        ([RdataField.Address6], ["AAAA"]),
        ([RdataField.Name], ["NS", "CNAME", "DNAME", "PTR", "MB", "MG", "MR"]),
        ([RdataField.Name, RdataField.Name], ["RP", "MINFO"]),
        ([RdataField.Name, RdataField.Name, RdataField.U32, RdataField.Time, RdataField.Time, RdataField.Time,
            RdataField.Time], ["SOA"]),
        ([RdataField.U16, RdataField.Name], ["MX", "AFSDB", "RT", "KX", "LP"]),
        ([RdataField.U16, RdataField.U16, RdataField.U16, RdataField.Name], ["SRV"]),
        ([RdataField.U16, RdataField.U16, RdataField.Text, RdataField.Text, RdataField.Text, RdataField.Name],
            ["NAPTR"]),
        ([RdataField.Texts], ["TXT", "SPF", "AVC", "RESINFO", "WALLET"]),
        ([RdataField.Text, RdataField.Text], ["HINFO"]),
        ([RdataField.U8, RdataField.Tag, RdataField.RestText], ["CAA"]),
        ([RdataField.U16, RdataField.U16, RdataField.RestText], ["URI"]),
        ([RdataField.U8, RdataField.U8, RdataField.RestHex], ["SSHFP"]),
        ([RdataField.U8, RdataField.U8, RdataField.U8, RdataField.RestHex], ["TLSA", "SMIMEA"]),
        ([RdataField.Location], ["LOC"]),
        ([RdataField.U16, RdataField.Algorithm, RdataField.U8, RdataField.RestHex], ["DS", "CDS", "DLV"]),
        ([RdataField.U16, RdataField.U8, RdataField.Algorithm, RdataField.RestBase64], ["DNSKEY", "CDNSKEY", "KEY"]),
        ([RdataField.Type, RdataField.Algorithm, RdataField.U8, RdataField.U32, RdataField.Date, RdataField.Date,
            RdataField.U16, RdataField.Name, RdataField.RestBase64], ["RRSIG"]),
        ([RdataField.Name, RdataField.Types], ["NSEC"]),
        ([RdataField.U8, RdataField.U8, RdataField.U16, RdataField.Salt, RdataField.Hash, RdataField.Types],
            ["NSEC3"]),
        ([RdataField.U8, RdataField.U8, RdataField.U16, RdataField.Salt], ["NSEC3PARAM"]),
        ([RdataField.RestBase64], ["OPENPGPKEY", "DHCID"]),
        ([RdataField.CertificateType, RdataField.U16, RdataField.Algorithm, RdataField.RestBase64], ["CERT"]),
        ([RdataField.Eui48], ["EUI48"]),
        ([RdataField.Eui64], ["EUI64"]),
        ([RdataField.U32, RdataField.U16, RdataField.Types], ["CSYNC"]),
        ([RdataField.U32, RdataField.U8, RdataField.U8, RdataField.RestHex], ["ZONEMD"]),
        ([RdataField.U16, RdataField.Address4], ["L32"]),
        ([RdataField.U16, RdataField.Name, RdataField.ServiceParameters], ["SVCB", "HTTPS"]),
    }.SelectMany(row => row.Types, (row, name) => (Type: TypeOf(name), row.Fields))
        .ToFrozenDictionary(pair => pair.Type, pair => pair.Fields);

    /// <summary>Empty for a type that has no form of its own.</summary>
    public static ReadOnlySpan<RdataField> Of(RecordType type) =>
        Fields.TryGetValue(type, out RdataField[]? fields) ? fields : default;

    /// <summary>Whether the bytes are RDATA of this type: lengths and structure, not values.</summary>
    public static bool IsValid(RecordType type, ReadOnlySpan<byte> rdata)
    {
        if (rdata.Length > ushort.MaxValue) return false;
        ReadOnlySpan<RdataField> fields = Of(type);
        if (fields.IsEmpty) return true;
        foreach (RdataField field in fields)
        {
            int length = LengthOf(field, rdata);
            if (length < 0 || length > rdata.Length) return false;
            rdata = rdata[length..];
        }

        return rdata.IsEmpty;
    }

    /// <summary>The bytes that the field takes at the front of the RDATA; -1 or more than there are: none.</summary>
    public static int LengthOf(RdataField field, ReadOnlySpan<byte> rdata)
    {
        switch (field)
        {
            case RdataField.U8 or RdataField.Algorithm: return 1;
            case RdataField.U16 or RdataField.Type or RdataField.CertificateType: return 2;
            case RdataField.U32 or RdataField.Time or RdataField.Date or RdataField.Address4: return 4;
            case RdataField.Address6: return 16;
            case RdataField.Eui48: return 6;
            case RdataField.Eui64: return 8;
            case RdataField.RestHex or RdataField.RestBase64 or RdataField.RestText: return rdata.Length;
            case RdataField.Location: return rdata is [0, ..] ? 16 : -1;
            case RdataField.Name: return NameHash.LengthOf(rdata, out _) is > 0 and var length ? length : -1;
            case RdataField.Text or RdataField.Salt: return rdata.IsEmpty ? -1 : rdata[0] + 1;
            case RdataField.Tag or RdataField.Hash: return rdata is [> 0, ..] ? rdata[0] + 1 : -1;
            case RdataField.Types: return TypeBitmap.IsValid(rdata) ? rdata.Length : -1;
            case RdataField.ServiceParameters: return ServiceParameters.IsValid(rdata) ? rdata.Length : -1;
            case RdataField.Texts:
                if (rdata.IsEmpty) return -1;
                int at = 0;
                while (at < rdata.Length) at += rdata[at] + 1;
                return at;
            default: throw new ArgumentOutOfRangeException(nameof(field));
        }
    }

    private static RecordType TypeOf(string name) =>
        RecordTypes.TryParse(name, out RecordType type) ? type : throw new ArgumentException($"no type {name}");
}
