using System.Buffers.Binary;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>A record as it lies in a message; the owner's name is where the caller wanted it.</summary>
internal readonly record struct RecordHead(
    int At, int OwnerBytes, RecordType Type, ushort Class, uint TtlSeconds, int RdataAt, int RdataBytes);

/// <summary>
/// Reads a whole message of another server, record by record, compressed names included (RFC 1035 §4.1.4). The first
/// fault sets Failed; what is read after it is empty.
/// </summary>
internal ref struct MessageReader(ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> message = message;
    private int at = QueryMessage.HeaderBytes;

    public bool Failed { get; private set; } = message.Length < QueryMessage.HeaderBytes;

    public readonly ushort Id => U16(0);

    public readonly ushort Flags => U16(2);

    public readonly bool IsResponse => (Flags & 0x8000) != 0;

    public readonly Opcode Opcode => (Opcode)((Flags >> 11) & 0xf);

    public readonly int Rcode => Flags & 0xf;

    public readonly int Questions => U16(4);

    public readonly int Answers => U16(6);

    public readonly int Authorities => U16(8);

    public readonly int Additionals => U16(10);

    public readonly bool IsAtEnd => !Failed && at == message.Length;

    public readonly int Position => at;

    /// <summary>Gives the length of the name, which goes uncompressed into `name`; 0, and Failed: none.</summary>
    public int Question(scoped Span<byte> name, out RecordType type, out ushort @class)
    {
        (type, @class) = (default, 0);
        int length = Name(name, ref at);
        if (Failed || at + 4 > message.Length) return Fail();
        type = (RecordType)U16(at);
        @class = U16(at + 2);
        at += 4;
        return length;
    }

    public bool TryRecord(scoped Span<byte> owner, out RecordHead record)
    {
        record = default;
        int start = at;
        int ownerBytes = Name(owner, ref at);
        if (Failed || at + SetView.HeadBytes > message.Length) return Fail() > 0;
        int rdataBytes = U16(at + 8), rdataAt = at + SetView.HeadBytes;
        if (rdataAt + rdataBytes > message.Length) return Fail() > 0;
        uint ttl = BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]);
        record = new RecordHead(start, ownerBytes, (RecordType)U16(at), U16(at + 2), ttl, rdataAt, rdataBytes);
        at = rdataAt + rdataBytes;
        return true;
    }

    /// <summary>
    /// The RDATA with its names uncompressed, into up to 65535 bytes; false when it is not data of its type.
    /// RFC 3597 §4: only the old types may have compressed names; we take them in every type that we know.
    /// </summary>
    public bool TryRdata(scoped in RecordHead record, scoped Span<byte> into, out int length)
    {
        length = 0;
        int from = record.RdataAt, end = from + record.RdataBytes;
        foreach (RdataField field in RdataFormat.Of(record.Type))
        {
            if (field == RdataField.Name)
            {
                if (into.Length - length < DnsName.WireBytesMax) return false;
                int name = Name(into[length..], ref from);
                if (Failed || from > end) return Fail() > 0;
                length += name;
                continue;
            }

            int bytes = RdataFormat.LengthOf(field, message[from..end]);
            if (bytes < 0 || from + bytes > end || length + bytes > into.Length) return Fail() > 0;
            message.Slice(from, bytes).CopyTo(into[length..]);
            (from, length) = (from + bytes, length + bytes);
        }

        if (from < end && RdataFormat.Of(record.Type).IsEmpty && record.RdataBytes <= into.Length)
        {
            message[from..end].CopyTo(into);
            (from, length) = (end, record.RdataBytes);
        }

        return from == end || Fail() > 0;
    }

    private readonly ushort U16(int from) => from + 2 <= message.Length
        ? BinaryPrimitives.ReadUInt16BigEndian(message[from..])
        : (ushort)0;

    private int Fail()
    {
        Failed = true;
        return 0;
    }

    // Each pointer must go back before the one that was followed last, so there is no loop.
    private int Name(scoped Span<byte> into, scoped ref int from)
    {
        int read = from, after = -1, limit = from, length = 0;
        while (!Failed)
        {
            if (read >= message.Length) return Fail();
            int label = message[read];
            if (label >= 0xc0)
            {
                if (read + 2 > message.Length) return Fail();
                if (after < 0) after = read + 2;
                read = U16(read) & 0x3fff;
                if (read >= limit || read < QueryMessage.HeaderBytes) return Fail();
                limit = read;
                continue;
            }

            if (label > DnsName.LabelBytesMax || read + label + 1 > message.Length
                || length + label + 1 > Math.Min(into.Length, DnsName.WireBytesMax))
                return Fail();
            message.Slice(read, label + 1).CopyTo(into[length..]);
            (read, length) = (read + label + 1, length + label + 1);
            if (label != 0) continue;
            from = after < 0 ? read : after;
            return length;
        }

        return 0;
    }
}
