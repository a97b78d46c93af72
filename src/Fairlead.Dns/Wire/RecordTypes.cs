using System.Globalization;

namespace Fairlead.Dns.Wire;

/// <summary>
/// What the server must know about record types: their names in text, and where their RDATA holds names.
/// </summary>
public static class RecordTypes
{
    private static readonly (RecordType Type, string Text)[] Mnemonics =
    [
        (RecordType.A, "A"), (RecordType.Ns, "NS"), (RecordType.Cname, "CNAME"), (RecordType.Soa, "SOA"),
        (RecordType.Ptr, "PTR"), (RecordType.Mx, "MX"), (RecordType.Txt, "TXT"), (RecordType.Aaaa, "AAAA"),
        (RecordType.Srv, "SRV"), (RecordType.Dname, "DNAME"), (RecordType.Ds, "DS"), (RecordType.Caa, "CAA"),
        ((RecordType)13, "HINFO"), ((RecordType)35, "NAPTR"), ((RecordType)44, "SSHFP"), ((RecordType)46, "RRSIG"),
        ((RecordType)47, "NSEC"), ((RecordType)48, "DNSKEY"), ((RecordType)52, "TLSA"), ((RecordType)64, "SVCB"),
        ((RecordType)65, "HTTPS"),
    ];

    /// <summary>
    /// Reads "AAAA" or "TYPE65" (RFC 3597 §5), in any case. Types that only occur in queries are refused.
    /// </summary>
    public static bool TryParse(string text, out RecordType type)
    {
        foreach ((RecordType known, string name) in Mnemonics)
        {
            if (!name.Equals(text, StringComparison.OrdinalIgnoreCase)) continue;
            type = known;
            return true;
        }

        type = default;
        if (!text.StartsWith("TYPE", StringComparison.OrdinalIgnoreCase)) return false;
        if (!ushort.TryParse(
            text.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out ushort number)) return false;
        type = (RecordType)number;
        return number != 0 && type != RecordType.Opt && !IsQueryOnly(type);
    }

    /// <summary>RFC 6895 §3.1: 128 to 255 are query and meta types; they are never data.</summary>
    public static bool IsQueryOnly(RecordType type) => (ushort)type is >= 128 and <= 255;

    public static string NameOf(RecordType type)
    {
        foreach ((RecordType known, string name) in Mnemonics)
        {
            if (known == type) return name;
        }

        return "TYPE" + ((ushort)type).ToString(CultureInfo.InvariantCulture);
    }

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
