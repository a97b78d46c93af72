using System.Collections.Frozen;
using System.Globalization;

namespace Fairlead.Dns.Wire;

/// <summary>
/// What the server must know about record types: their names in text, and where their RDATA holds names.
/// </summary>
public static class RecordTypes
{
    /// <summary>The names in the IANA registry "Resource Record (RR) TYPEs", those of data.</summary>
    private static readonly FrozenDictionary<string, RecordType> ByName = new (int Type, string Name)[]
    {
        (1, "A"), (2, "NS"), (5, "CNAME"), (6, "SOA"), (7, "MB"), (8, "MG"), (9, "MR"), (12, "PTR"), (13, "HINFO"),
        (14, "MINFO"), (15, "MX"), (16, "TXT"), (17, "RP"), (18, "AFSDB"), (21, "RT"), (25, "KEY"), (28, "AAAA"),
        (29, "LOC"), (33, "SRV"), (35, "NAPTR"), (36, "KX"), (37, "CERT"), (39, "DNAME"), (42, "APL"), (43, "DS"),
        (44, "SSHFP"), (45, "IPSECKEY"), (46, "RRSIG"), (47, "NSEC"), (48, "DNSKEY"), (49, "DHCID"), (50, "NSEC3"),
        (51, "NSEC3PARAM"), (52, "TLSA"), (53, "SMIMEA"), (55, "HIP"), (59, "CDS"), (60, "CDNSKEY"),
        (61, "OPENPGPKEY"), (62, "CSYNC"), (63, "ZONEMD"), (64, "SVCB"), (65, "HTTPS"), (66, "DSYNC"), (99, "SPF"),
        (104, "NID"), (105, "L32"), (106, "L64"), (107, "LP"), (108, "EUI48"), (109, "EUI64"), (256, "URI"),
        (257, "CAA"), (258, "AVC"), (261, "RESINFO"), (262, "WALLET"), (32769, "DLV"),
    }.ToFrozenDictionary(pair => pair.Name, pair => (RecordType)pair.Type, StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<RecordType, string> Names =
        ByName.ToFrozenDictionary(pair => pair.Value, pair => pair.Key);

    /// <summary>
    /// Reads "AAAA" or "TYPE65" (RFC 3597 §5), in any case. Types that only occur in queries are refused.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out RecordType type)
    {
        if (ByName.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out type)) return true;
        if (!text.StartsWith("TYPE", StringComparison.OrdinalIgnoreCase)) return false;
        if (!ushort.TryParse(text[4..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort number))
            return false;
        type = (RecordType)number;
        return number != 0 && type != RecordType.Opt && !IsQueryOnly(type);
    }

    /// <summary>RFC 6895 §3.1: 128 to 255 are query and meta types; they are never data.</summary>
    public static bool IsQueryOnly(RecordType type) => (ushort)type is >= 128 and <= 255;

    public static string NameOf(RecordType type) => Names.TryGetValue(type, out string? name)
        ? name
        : "TYPE" + ((ushort)type).ToString(CultureInfo.InvariantCulture);

    /// <summary>
    /// Where names stand in the RDATA: so many bytes, then so many names, then the rest. RFC 3597 §4: only names of
    /// the types of RFC 1035 may be compressed; a SRV target may not (RFC 2782).
    /// </summary>
    internal static (int Before, int Names, bool Compressible) NamesIn(RecordType type) => type switch
    {
        RecordType.Ns or RecordType.Cname or RecordType.Ptr => (0, 1, true),
        RecordType.Mx => (2, 1, true),
        RecordType.Soa => (0, 2, true),
        RecordType.Srv => (6, 1, false),
        RecordType.Dname => (0, 1, false),
        _ => (0, 0, false),
    };

    /// <summary>Whether an answer of this type sends the addresses of the names in it along.</summary>
    internal static bool HasTargets(RecordType type) => type
        is RecordType.Ns or RecordType.Mx or RecordType.Srv or RecordType.Svcb or RecordType.Https;

    /// <summary>The name whose addresses go along, uncompressed; empty when the RDATA has none.</summary>
    internal static ReadOnlySpan<byte> TargetIn(RecordType type, ReadOnlySpan<byte> rdata)
    {
        int before = type is RecordType.Svcb or RecordType.Https ? 2 : NamesIn(type).Before;
        if (rdata.Length <= before) return default;
        rdata = rdata[before..];
        return rdata[..NameHash.LengthOf(rdata, out _)];
    }
}
