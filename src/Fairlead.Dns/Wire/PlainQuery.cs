using System.Buffers.Binary;

namespace Fairlead.Dns.Wire;

/// <summary>
/// The query that nearly all are, read in one go: one question, and at most an OPT with at most a Client Subnet in it.
/// Whatever else a message may be is left to QueryMessage; what both take they read alike.
/// </summary>
internal ref struct PlainQuery
{
    private const int OptBytes = 11;
    private const int OptionHeadBytes = 4;

    private ReadOnlySpan<byte> option;
    private ClientSubnet subnet;

    public ushort Id { get; private set; }

    public bool RecursionDesired { get; private set; }

    /// <summary>Name, type and class as they came.</summary>
    public ReadOnlySpan<byte> Question { get; private set; }

    public RecordType Type { get; private set; }

    public bool HasEdns { get; private set; }

    public bool DnssecOk { get; private set; }

    /// <summary>At least 512, and no more than we send over UDP.</summary>
    public int BytesMax { get; private set; }

    public readonly bool HasSubnet => !option.IsEmpty;

    public readonly ClientSubnet Subnet => subnet;

    /// <summary>What the OPT of an answer takes.</summary>
    public readonly int OptLength => HasEdns ? OptBytes + option.Length : 0;

    public static bool TryRead(ReadOnlySpan<byte> message, out PlainQuery query)
    {
        query = default;
        if (!TryQuestion(message, out ReadOnlySpan<byte> question)) return false;
        query.Id = BinaryPrimitives.ReadUInt16BigEndian(message);
        query.RecursionDesired = (message[2] & 0x01) != 0;
        query.Question = question;
        query.Type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(question[^4..]);
        query.BytesMax = 512;
        ReadOnlySpan<byte> rest = message[(QueryMessage.HeaderBytes + question.Length)..];
        return message[11] == 0 ? rest.IsEmpty : query.TryReadOpt(rest);
    }

    /// <summary>The question, where header and class are those of a plain query.</summary>
    public static bool TryQuestion(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> question)
    {
        question = default;
        if (message.Length < QueryMessage.HeaderBytes) return false;
        // QR and OPCODE are 0; there is one question, no answer, no authority, and at most one additional record.
        ulong head = BinaryPrimitives.ReadUInt64BigEndian(message[2..]);
        int additionals = BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        if ((head & 0xf800_ffff_ffff_ffff) != 0x0000_0001_0000_0000 || additionals > 1) return false;
        ReadOnlySpan<byte> rest = message[QueryMessage.HeaderBytes..];
        int length = NameHash.LengthOf(rest, out _);
        if (length == 0 || rest.Length < length + 4) return false;
        question = rest[..(length + 4)];
        return BinaryPrimitives.ReadUInt16BigEndian(question[^2..]) == (ushort)RecordClass.Internet;
    }

    /// <summary>
    /// The OPT of an answer without an error, with the scope where a subnet was sent (RFC 7871 §7.2.1).
    /// </summary>
    public readonly void WriteOpt(Span<byte> to, byte scopeLength)
    {
        BinaryPrimitives.WriteUInt32BigEndian(to, ((uint)RecordType.Opt << 8) | (Edns.OurUdpBytesMax >> 8));
        BinaryPrimitives.WriteUInt32BigEndian(to[4..], (uint)(Edns.OurUdpBytesMax & 0xff) << 24);
        to[7] = DnssecOk ? (byte)0x80 : (byte)0;
        to[8] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(to[9..], (ushort)option.Length);
        if (option.IsEmpty) return;
        option.CopyTo(to[OptBytes..]);
        to[OptBytes + OptionHeadBytes + 3] = scopeLength;
    }

    // | 0 | OPT 16 | SIZE 16 | RCODE 8 | VERSION 8 | DO 1 Z 15 | LENGTH 16 |, and it is the end of the message.
    private bool TryReadOpt(ReadOnlySpan<byte> opt)
    {
        if (opt.Length < OptBytes || opt[0] != 0 || opt[6] != 0
            || BinaryPrimitives.ReadUInt16BigEndian(opt[1..]) != (ushort)RecordType.Opt) return false;
        HasEdns = true;
        BytesMax = Math.Clamp((int)BinaryPrimitives.ReadUInt16BigEndian(opt[3..]), 512, Edns.OurUdpBytesMax);
        DnssecOk = (opt[7] & 0x80) != 0;
        option = opt[OptBytes..];
        if (BinaryPrimitives.ReadUInt16BigEndian(opt[9..]) != option.Length) return false;
        return option.IsEmpty
            || (option.Length > OptionHeadBytes
                && BinaryPrimitives.ReadUInt16BigEndian(option) == ClientSubnet.OptionCode
                && BinaryPrimitives.ReadUInt16BigEndian(option[2..]) == option.Length - OptionHeadBytes
                && ClientSubnet.TryRead(option[OptionHeadBytes..], out subnet));
    }
}
