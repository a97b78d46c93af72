using System.Buffers.Binary;
using System.Text;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Rpki;

/// <summary>RFC 8210 §5.</summary>
public enum RtrType : byte
{
    SerialNotify = 0,
    SerialQuery = 1,
    ResetQuery = 2,
    CacheResponse = 3,
    IPv4Prefix = 4,
    IPv6Prefix = 6,
    EndOfData = 7,
    CacheReset = 8,
    RouterKey = 9,
    ErrorReport = 10,
}

/// <summary>RFC 8210 §12.</summary>
public enum RtrError : ushort
{
    CorruptData = 0,
    InternalError = 1,
    NoDataAvailable = 2,
    InvalidRequest = 3,
    UnsupportedVersion = 4,
    UnsupportedType = 5,
    WithdrawalOfUnknown = 6,
    DuplicateAnnouncement = 7,
    UnexpectedVersion = 8,
}

/// <summary>How reading a PDU ended.</summary>
public enum RtrReject
{
    None,

    /// <summary>Not all of it has come yet.</summary>
    Incomplete,
    Length,
    Type,

    /// <summary>A prefix with host bits, or lengths that cannot be.</summary>
    Value,
}

/// <summary>
/// A PDU of the RPKI to Router protocol, versions 0 and 1 (RFC 6810 §5, RFC 8210 §5), with the fields of its type:
/// <code>
/// version u8 | type u8 | session id, error code or zero u16 | length u32 (all of it) | rest
/// Serial Notify, Serial Query: serial u32          Reset Query, Cache Response, Cache Reset: nothing
/// IPv4, IPv6 Prefix: flags u8 (1: announce) | length u8 | max length u8 | zero u8 | address | AS u32
/// End of Data: serial u32; version 1 also refresh u32 | retry u32 | expire u32 (seconds)
/// Router Key: flags in the high octet of the session field | SKI 20 octets | AS u32 | key
/// Error Report: length u32 | the PDU in error | length u32 | text
/// </code>
/// </summary>
public readonly record struct RtrPdu(byte Version, RtrType Type)
{
    public const int HeaderBytes = 8;
    public const int TextBytesMax = 256;

    // The largest we take: an error report with another PDU and a text in it.
    private const int BytesMax = 4096;

    public ushort Session { get; init; }

    public RtrError Error => (RtrError)Session;

    public uint Serial { get; init; }

    public bool Announces { get; init; }

    public RoaPayload Payload { get; init; }

    /// <summary>Seconds; null in version 0.</summary>
    public (uint Refresh, uint Retry, uint Expire)? Timers { get; init; }

    public string? Text { get; init; }

    /// <summary>Reads the first PDU; length says how many octets it takes.</summary>
    public static RtrReject TryRead(ReadOnlySpan<byte> data, out RtrPdu pdu, out int length)
    {
        var reader = new WireReader(data);
        (byte version, byte type, ushort session, uint size) = (reader.U8(), reader.U8(), reader.U16(), reader.U32());
        pdu = new RtrPdu(version, (RtrType)type) { Session = session };
        length = 0;
        if (reader.Failed) return RtrReject.Incomplete;
        if (size is < HeaderBytes or > BytesMax) return RtrReject.Length;
        if (!Enum.IsDefined(pdu.Type)) return RtrReject.Type;
        if (data.Length < (int)size) return RtrReject.Incomplete;
        length = (int)size;
        return ReadRest(data[HeaderBytes..length], ref pdu);
    }

    private static RtrReject ReadRest(ReadOnlySpan<byte> rest, ref RtrPdu pdu)
    {
        var reader = new WireReader(rest);
        switch (pdu.Type)
        {
            case RtrType.SerialNotify or RtrType.SerialQuery:
                pdu = pdu with { Serial = reader.U32() };
                break;
            case RtrType.IPv4Prefix or RtrType.IPv6Prefix:
                return ReadPrefix(ref reader, ref pdu);
            case RtrType.EndOfData:
                pdu = pdu with { Serial = reader.U32() };
                if (pdu.Version > 0) pdu = pdu with { Timers = (reader.U32(), reader.U32(), reader.U32()) };
                break;
            case RtrType.RouterKey:
                // Keys for BGPsec, which nobody here verifies.
                _ = reader.Take(24);
                return reader.Failed ? RtrReject.Length : RtrReject.None;
            case RtrType.ErrorReport:
                _ = reader.Take((int)Math.Min(reader.U32(), int.MaxValue));
                ReadOnlySpan<byte> text = reader.Take((int)Math.Min(reader.U32(), int.MaxValue));
                pdu = pdu with { Text = Encoding.UTF8.GetString(text[..Math.Min(text.Length, TextBytesMax)]) };
                break;
        }

        return reader.Failed || reader.Remaining > 0 ? RtrReject.Length : RtrReject.None;
    }

    private static RtrReject ReadPrefix(ref WireReader reader, ref RtrPdu pdu)
    {
        byte flags = reader.U8(), length = reader.U8(), lengthMax = reader.U8();
        _ = reader.U8();
        bool isIPv4 = pdu.Type == RtrType.IPv4Prefix;
        ReadOnlySpan<byte> address = reader.Take(isIPv4 ? 4 : 16);
        var asn = new Asn(reader.U32());
        if (reader.Failed || reader.Remaining > 0) return RtrReject.Length;
        int longest = isIPv4 ? 32 : 128;
        if (length > lengthMax || lengthMax > longest) return RtrReject.Value;
        UInt128 bits = isIPv4
            ? ((UInt128)0xffff << 32) | BinaryPrimitives.ReadUInt32BigEndian(address)
            : BinaryPrimitives.ReadUInt128BigEndian(address);
        int mapped = isIPv4 ? 96 + length : length;
        Prefix prefix = Prefix.OfMapped(bits, mapped);
        // An IPv6 PDU in the mapped space would be taken for an IPv4 prefix.
        if (prefix.Bits != bits || prefix.IsIPv4 != isIPv4) return RtrReject.Value;
        pdu = pdu with { Announces = (flags & 1) != 0, Payload = new RoaPayload(prefix, lengthMax, asn) };
        return RtrReject.None;
    }

    public static byte[] ResetQuery(byte version) => [version, (byte)RtrType.ResetQuery, 0, 0, 0, 0, 0, HeaderBytes];

    public static byte[] SerialQuery(byte version, ushort session, uint serial)
    {
        byte[] pdu = new byte[HeaderBytes + 4];
        var writer = new WireWriter(pdu);
        writer.U8(version);
        writer.U8((byte)RtrType.SerialQuery);
        writer.U16(session);
        writer.U32((uint)pdu.Length);
        writer.U32(serial);
        return pdu;
    }

    /// <summary>RFC 8210 §5.11: with the PDU that is in error, as far as it came and is short.</summary>
    public static byte[] ErrorReport(byte version, RtrError error, ReadOnlySpan<byte> inError, string text)
    {
        ReadOnlySpan<byte> culprit = inError[..Math.Min(inError.Length, TextBytesMax)];
        byte[] words = Encoding.UTF8.GetBytes(text);
        byte[] pdu = new byte[HeaderBytes + 8 + culprit.Length + words.Length];
        var writer = new WireWriter(pdu);
        writer.U8(version);
        writer.U8((byte)RtrType.ErrorReport);
        writer.U16((ushort)error);
        writer.U32((uint)pdu.Length);
        writer.U32((uint)culprit.Length);
        writer.Bytes(culprit);
        writer.U32((uint)words.Length);
        writer.Bytes(words);
        return pdu;
    }
}
