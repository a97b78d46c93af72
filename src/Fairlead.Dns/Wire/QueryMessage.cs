using Fairlead.Net.Wire;

namespace Fairlead.Dns.Wire;

/// <summary>
/// What reading a query came to. Short and Response are dropped; the others are answered with an error.
/// </summary>
public enum QueryFault
{
    None,
    Short,
    Response,
    Opcode,
    Format,
    Version,

    /// <summary>No question but a cookie (RFC 7873 §5.4): answered without records.</summary>
    CookieOnly,
}

/// <summary>
/// A query as it lies in the packet: header and question (RFC 1035 §4.1), OPT (RFC 6891) and the options that we know.
/// <code>
/// | ID 16 | QR 1 OPCODE 4 AA 1 TC 1 RD 1 | RA 1 Z 1 AD 1 CD 1 RCODE 4 | QD 16 | AN 16 | NS 16 | AR 16 |
/// </code>
/// </summary>
public ref struct QueryMessage
{
    public const int HeaderBytes = 12;

    public ushort Id { get; private set; }

    public ushort Flags { get; private set; }

    /// <summary>Name, type and class as they came; empty when the question could not be read.</summary>
    public ReadOnlySpan<byte> Question { get; private set; }

    /// <summary>Uncompressed, in the case of the asker; empty when the question could not be read.</summary>
    public readonly ReadOnlySpan<byte> Name => Question.IsEmpty ? default : Question[..^4];

    public RecordType Type { get; private set; }

    public RecordClass Class { get; private set; }

    public bool HasEdns { get; private set; }

    /// <summary>The requestor's payload size; less than 512 counts as 512 (RFC 6891 §6.2.3).</summary>
    public ushort UdpBytesMax { get; private set; }

    public bool DnssecOk { get; private set; }

    public bool AsksNsid { get; private set; }

    /// <summary>RFC 7828: the client would keep the connection.</summary>
    public bool AsksKeepalive { get; private set; }

    /// <summary>RFC 7830: the query is padded.</summary>
    public bool IsPadded { get; private set; }

    /// <summary>A TSIG record is there (RFC 8945); nothing is known about it yet.</summary>
    public bool HasTsig { get; private set; }

    /// <summary>RFC 9660.</summary>
    public bool AsksZoneVersion { get; private set; }

    /// <summary>
    /// RFC 7873 §4: 8 bytes of the client, then none or 8 to 32 of a server; empty without the option.
    /// </summary>
    public ReadOnlySpan<byte> Cookie { get; private set; }

    public bool HasSubnet { get; private set; }

    public ClientSubnet Subnet { get; private set; }

    /// <summary>
    /// Reads the message up to its first fault; what was read before it can be used for the error's answer.
    /// </summary>
    public static QueryFault Read(ReadOnlySpan<byte> message, out QueryMessage query)
    {
        query = new QueryMessage { UdpBytesMax = 512 };
        if (message.Length < HeaderBytes) return QueryFault.Short;
        var reader = new WireReader(message);
        query.Id = reader.U16();
        query.Flags = reader.U16();
        ushort questions = reader.U16(), answers = reader.U16(), authorities = reader.U16(), additionals = reader.U16();
        if ((query.Flags & 0x8000) != 0) return QueryFault.Response;
        if (((query.Flags >> 11) & 0xf) != (int)Opcode.Query)
        {
            query.LookForEdns(reader.Rest, questions, answers + authorities, additionals);
            return QueryFault.Opcode;
        }

        // RFC 9619 §4: a QUERY has one question; none when it only asks for a cookie (RFC 7873 §5.4).
        if (questions == 0 && answers + authorities == 0 && additionals > 0)
            return query.ReadAdditional(reader.Rest, additionals) is var fault and not QueryFault.None ? fault
                : query.Cookie.IsEmpty ? QueryFault.Format : QueryFault.CookieOnly;
        if (questions != 1) return QueryFault.Format;

        // Nothing but the header stands before the question, so a pointer in its name cannot be right.
        int length = NameHash.LengthOf(reader.Rest, out _);
        if (length == 0 || reader.Remaining < length + 4) return QueryFault.Format;
        query.Question = reader.Rest[..(length + 4)];
        _ = reader.Take(length);
        query.Type = (RecordType)reader.U16();
        query.Class = (RecordClass)reader.U16();

        for (int i = answers + authorities; i > 0; i--)
        {
            if (!TrySkipName(ref reader) || !TrySkipRecord(ref reader)) return QueryFault.Format;
        }

        return query.ReadAdditional(reader.Rest, additionals);
    }

    // Of an operation that we do not know, only whether its asker speaks EDNS, so that the refusal can say why.
    private void LookForEdns(ReadOnlySpan<byte> message, int questions, int records, int additionals)
    {
        var reader = new WireReader(message);
        for (; questions > 0; questions--)
        {
            if (!TrySkipName(ref reader)) return;
            _ = reader.U32();
        }

        for (; records > 0; records--)
        {
            if (!TrySkipName(ref reader) || !TrySkipRecord(ref reader)) return;
        }

        HasEdns = ReadAdditional(reader.Rest, additionals) is QueryFault.None or QueryFault.Version && HasEdns;
        (HasTsig, HasSubnet) = (false, false);
    }

    private QueryFault ReadAdditional(ReadOnlySpan<byte> records, int count)
    {
        var reader = new WireReader(records);
        byte version = 0;
        for (; count > 0; count--)
        {
            bool root = reader.Rest is [0, ..];
            if (!TrySkipName(ref reader)) return QueryFault.Format;
            if (reader.Rest is not [0, (byte)RecordType.Opt, ..])
            {
                HasTsig |= reader.Rest is [0, (byte)RecordType.Tsig, ..];
                if (!TrySkipRecord(ref reader)) return QueryFault.Format;
                continue;
            }

            // RFC 6891 §6.1.1: one OPT, and its owner is the root.
            if (HasEdns || !root) return QueryFault.Format;
            _ = reader.U16();
            ushort size = reader.U16();
            _ = reader.U8(); // The extended RCODE means nothing in a query.
            version = reader.U8();
            ushort flags = reader.U16();
            ReadOnlySpan<byte> options = reader.Take(reader.U16());
            if (reader.Failed) return QueryFault.Format;
            HasEdns = true;
            UdpBytesMax = Math.Max(size, (ushort)512);
            DnssecOk = (flags & 0x8000) != 0;
            // RFC 6891 §6.1.3: of another version we know nothing, its options neither.
            if (version == 0 && !TryReadOptions(options)) return QueryFault.Format;
        }

        if (reader.Remaining != 0) return QueryFault.Format;
        return version != 0 ? QueryFault.Version : QueryFault.None;
    }

    private bool TryReadOptions(ReadOnlySpan<byte> options)
    {
        var reader = new WireReader(options);
        while (reader.Remaining > 0)
        {
            ushort code = reader.U16();
            ReadOnlySpan<byte> data = reader.Take(reader.U16());
            if (reader.Failed) return false;
            if (!TryReadOption(code, data)) return false;
        }

        return true;
    }

    // RFC 6891 §6.1.2: what we do not know we pass over.
    private bool TryReadOption(ushort code, ReadOnlySpan<byte> data)
    {
        switch (code)
        {
            case Edns.NsidOption:
                AsksNsid = true;
                return true;
            case Edns.KeepaliveOption:
                AsksKeepalive = true;
                return true;
            case Edns.PaddingOption:
                IsPadded = true;
                return true;
            case Edns.ZoneVersionOption:
                // RFC 9660 §3: in a query it is empty.
                AsksZoneVersion = true;
                return data.IsEmpty;
            case ServerCookies.OptionCode:
                // RFC 7873 §5.2.2: other lengths are malformed; of two options the first counts (§5.2).
                if (data.Length is not (8 or (>= 16 and <= 40))) return false;
                if (Cookie.IsEmpty) Cookie = data;
                return true;
            case ClientSubnet.OptionCode:
                if (HasSubnet || !ClientSubnet.TryRead(data, out ClientSubnet subnet)) return false;
                (HasSubnet, Subnet) = (true, subnet);
                return true;
            default:
                return true;
        }
    }

    /// <summary>For an answer that has nothing to do with places.</summary>
    internal void ForgetSubnet() => HasSubnet = false;

    // We never need the names of these records, so a pointer is not followed: it ends the name, and no loop can be.
    private static bool TrySkipName(scoped ref WireReader reader)
    {
        for (int bytes = 0; bytes < DnsName.WireBytesMax;)
        {
            int length = reader.U8();
            if (reader.Failed) return false;
            if (length == 0) return true;
            if (length >= 0xc0)
            {
                _ = reader.U8();
                return !reader.Failed;
            }

            if (length > DnsName.LabelBytesMax) return false;
            _ = reader.Take(length);
            bytes += length + 1;
        }

        return false;
    }

    private static bool TrySkipRecord(scoped ref WireReader reader)
    {
        _ = reader.Take(8);
        _ = reader.Take(reader.U16());
        return !reader.Failed;
    }
}
