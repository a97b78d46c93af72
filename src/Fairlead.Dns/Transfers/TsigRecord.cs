using System.Buffers.Binary;
using Fairlead.Dns.Wire;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>RFC 8945 §3.</summary>
public enum TsigError
{
    None = 0,
    BadSignature = 16,
    BadKey = 17,
    BadTime = 18,
    BadTruncation = 22,
}

/// <summary>
/// The TSIG record of a message (RFC 8945 §4.2), always its last:
/// <code>
/// | key name | TYPE 250 | CLASS ANY | TTL 0 | RDLENGTH 16 |
/// | algorithm name | time signed 48 | fudge 16 | MAC size 16 | MAC | original ID 16 | error 16 | size 16 | other |
/// </code>
/// </summary>
internal readonly ref struct TsigRecord
{
    public const int FudgeSeconds = 300;

    /// <summary>Where the record begins: the signed message ends there.</summary>
    public int At { get; private init; }

    public DnsName KeyName { get; private init; }

    public DnsName Algorithm { get; private init; }

    public ulong TimeSigned { get; private init; }

    public ushort Fudge { get; private init; }

    public ReadOnlySpan<byte> Mac { get; private init; }

    public ushort OriginalId { get; private init; }

    public ushort Error { get; private init; }

    public ReadOnlySpan<byte> Other { get; private init; }

    /// <summary>
    /// False when the message, or its TSIG, is malformed: one that is not the last record, or of another class or TTL
    /// (RFC 8945 §5.2). Without a TSIG `found` is false.
    /// </summary>
    public static bool TryFind(ReadOnlySpan<byte> message, out bool found, out TsigRecord tsig)
    {
        found = false;
        tsig = default;
        var reader = new MessageReader(message);
        Span<byte> name = stackalloc byte[DnsName.WireBytesMax];
        if (reader.Failed) return false;
        for (int i = reader.Questions; i > 0 && !reader.Failed; i--) reader.Question(name, out _, out _);
        for (int i = reader.Answers + reader.Authorities + reader.Additionals, last = reader.Additionals; i > 0; i--)
        {
            if (!reader.TryRecord(name, out RecordHead head)) return false;
            if (head.Type != RecordType.Tsig) continue;
            found = i == 1 && last > 0 && head is { Class: 255, TtlSeconds: 0 };
            if (!found || !TryRead(message.Slice(head.RdataAt, head.RdataBytes), head, name, out tsig)) return false;
        }

        return reader.IsAtEnd;
    }

    private static bool TryRead(
        ReadOnlySpan<byte> rdata, scoped in RecordHead head, scoped ReadOnlySpan<byte> name, out TsigRecord tsig)
    {
        tsig = default;
        int algorithmBytes = NameHash.LengthOf(rdata, out _);
        if (algorithmBytes == 0 || !DnsName.TryFromWire(rdata[..algorithmBytes], out DnsName algorithm)
            || !DnsName.TryFromWire(name[..head.OwnerBytes], out DnsName keyName)) return false;
        var reader = new WireReader(rdata[algorithmBytes..]);
        ulong time = ((ulong)reader.U16() << 32) | reader.U32();
        tsig = new TsigRecord
        {
            At = head.At,
            KeyName = keyName,
            Algorithm = algorithm,
            TimeSigned = time,
            Fudge = reader.U16(),
            Mac = reader.Take(reader.U16()),
            OriginalId = reader.U16(),
            Error = reader.U16(),
            Other = reader.Take(reader.U16()),
        };
        return !reader.Failed && reader.Remaining == 0;
    }

    /// <summary>
    /// Puts a record at the end of the message and counts it. Gives the new length; 0 when it does not fit.
    /// </summary>
    public static int Append(
        Span<byte> message, int length, DnsName keyName, DnsName algorithm, ulong time, ushort fudge,
        ReadOnlySpan<byte> mac, ushort originalId, TsigError error, ReadOnlySpan<byte> other)
    {
        var writer = new WireWriter(message[length..]);
        writer.Bytes(keyName.Wire);
        writer.U16((ushort)RecordType.Tsig);
        writer.U16((ushort)RecordClass.Any);
        writer.U32(0);
        writer.U16((ushort)(algorithm.Wire.Length + 16 + mac.Length + other.Length));
        writer.Bytes(algorithm.Wire);
        writer.U16((ushort)(time >> 32));
        writer.U32((uint)time);
        writer.U16(fudge);
        writer.U16((ushort)mac.Length);
        writer.Bytes(mac);
        writer.U16(originalId);
        writer.U16((ushort)error);
        writer.U16((ushort)other.Length);
        writer.Bytes(other);
        if (writer.Failed) return 0;
        Span<byte> count = message.Slice(10, 2);
        BinaryPrimitives.WriteUInt16BigEndian(count, (ushort)(BinaryPrimitives.ReadUInt16BigEndian(count) + 1));
        return length + writer.Position;
    }
}
