using System.Buffers.Binary;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Wire;

/// <summary>The sections that records are counted in, in the order of the message.</summary>
internal enum Section
{
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// <summary>
/// Writes an answer into one span. Names are compressed (RFC 1035 §4.1.4) against the question and the names written
/// before, through a small table on the stack. The space kept back at the end is for the OPT record.
/// </summary>
internal ref struct MessageWriter
{
    public const int KnownNamesMax = 32;
    private const int PointerMax = 0x3fff;
    private const int BodyHeadBytes = 10;

    private readonly Span<byte> message;
    private readonly Span<ushort> knownOffsets;
    private readonly Span<uint> knownHashes;
    private WireWriter wire;
    private int known;

    public MessageWriter(Span<byte> message, int keptBack, Span<ushort> knownOffsets, Span<uint> knownHashes)
    {
        this.message = message;
        this.knownOffsets = knownOffsets;
        this.knownHashes = knownHashes;
        wire = new WireWriter(message[..Math.Max(0, message.Length - keptBack)]);
        wire.Reserve(QueryMessage.HeaderBytes).Clear();
    }

    public readonly bool Failed => wire.Failed;

    /// <summary>Something did not fit, and was left out or was too much for the message.</summary>
    public bool HasLeftOut { get; private set; }

    public readonly int Position => wire.Position;

    /// <summary>Copies the question; its name's last labels become targets for compression.</summary>
    public void Question(ReadOnlySpan<byte> name, RecordType type, RecordClass @class, scoped in NameView view)
    {
        message[5] = 1;
        wire.Bytes(name);
        wire.U16((ushort)type);
        wire.U16((ushort)@class);
        // A name can have 127 labels, and its asker chooses it: the table takes the whole and the last eight suffixes.
        Remember(QueryMessage.HeaderBytes, view.Suffix(0).Hash);
        for (int i = Math.Max(1, view.LabelCount - 8); i < view.LabelCount; i++)
            Remember(QueryMessage.HeaderBytes + view.StartOf(i), view.Suffix(i).Hash);
    }

    /// <summary>
    /// Owner (as a pointer when it stands at a known offset), type, class Internet, TTL, and room for RDLENGTH.
    /// </summary>
    public int BeginRecord(int ownerOffset, scoped ReadOnlySpan<byte> ownerName, RecordType type, uint ttlSeconds)
    {
        if (ownerOffset is > 0 and <= PointerMax) wire.U16((ushort)(0xc000 | ownerOffset));
        else Name(ownerName);
        wire.U16((ushort)type);
        wire.U16((ushort)RecordClass.Internet);
        wire.U32(ttlSeconds);
        wire.U16(0);
        return wire.Position;
    }

    /// <summary>Sets RDLENGTH. The caller counts the records when all of the set are in.</summary>
    public readonly void EndRecord(int rdataStart) =>
        wire.PatchU16(rdataStart - 2, (ushort)(wire.Position - rdataStart));

    /// <summary>
    /// A whole record from its body (type, class, TTL, length, RDATA), with the TTL given; `names` names that begin
    /// `before` bytes into the RDATA are compressed. Gives where the owner stands; meaningless when it did not fit.
    /// </summary>
    public int Record(
        int ownerOffset, scoped ReadOnlySpan<byte> ownerName, scoped ReadOnlySpan<byte> body, uint ttlSeconds,
        int before, int names)
    {
        int ownerAt = ownerOffset;
        if (ownerOffset is > 0 and <= PointerMax) wire.U16((ushort)(0xc000 | ownerOffset));
        else ownerAt = Name(ownerName);
        int start = wire.Position;
        if (names == 0)
        {
            wire.Bytes(body);
        }
        else
        {
            int plain = BodyHeadBytes + before;
            wire.Bytes(body[..plain]);
            for (body = body[plain..]; names > 0; names--)
            {
                int length = NameHash.LengthOf(body, out _);
                Name(body[..length]);
                body = body[length..];
            }

            wire.Bytes(body);
            wire.PatchU16(start + BodyHeadBytes - 2, (ushort)(wire.Position - start - BodyHeadBytes));
        }

        if (!wire.Failed) BinaryPrimitives.WriteUInt32BigEndian(message[(start + 4)..], ttlSeconds);
        return ownerAt;
    }

    public readonly void Count(Section section, int records)
    {
        Span<byte> count = message.Slice(6 + ((int)section * 2), 2);
        BinaryPrimitives.WriteUInt16BigEndian(count, (ushort)(BinaryPrimitives.ReadUInt16BigEndian(count) + records));
    }

    public void Bytes(scoped ReadOnlySpan<byte> bytes) => wire.Bytes(bytes);

    /// <summary>Writes records that are ready; false, and nothing written, when they do not fit.</summary>
    public bool TryTake(scoped ReadOnlySpan<byte> records)
    {
        (int Position, int Known) mark = Mark();
        wire.Bytes(records);
        if (!wire.Failed) return true;
        RewindTo(mark);
        return false;
    }

    /// <summary>
    /// Writes the name, compressed where a suffix of it stands in the message; gives where it stands.
    /// </summary>
    public int Name(scoped ReadOnlySpan<byte> name)
    {
        Span<byte> starts = stackalloc byte[NameView.LabelsMax];
        Span<uint> hashes = stackalloc uint[NameView.LabelsMax];
        Span<byte> folded = stackalloc byte[DnsName.WireBytesMax + 1];
        var view = new NameView(folded, starts, hashes);
        view.Set(name);
        int at = wire.Position;
        int finished = known; // A name is a target only when its end is written.
        for (int i = 0; i < view.LabelCount; i++)
        {
            int target = Find(view.Suffix(i), finished);
            if (target > 0)
            {
                wire.U16((ushort)(0xc000 | target));
                return i == 0 ? target : at; // A pointer to a pointer is more than some readers follow.
            }

            int start = view.StartOf(i);
            int offset = wire.Position;
            wire.Bytes(name.Slice(start, name[start] + 1));
            if (!wire.Failed) Remember(offset, view.Suffix(i).Hash);
        }

        wire.U8(0);
        return at;
    }

    /// <summary>Where to go back to when what follows does not fit.</summary>
    public readonly (int Position, int Known) Mark() => (wire.Position, known);

    public void RewindTo((int Position, int Known) mark)
    {
        HasLeftOut |= wire.Failed;
        wire.RewindTo(mark.Position);
        known = mark.Known;
    }

    /// <summary>Forgets all records: a truncated answer is its question alone.</summary>
    public void ClearRecords((int Position, int Known) afterQuestion)
    {
        RewindTo(afterQuestion);
        message[6..QueryMessage.HeaderBytes].Clear();
    }

    /// <summary>Overwrites the counts of the three sections, 6 bytes.</summary>
    public readonly void SetCounts(ReadOnlySpan<byte> counts) => counts[..6].CopyTo(message[6..]);

    public readonly ReadOnlySpan<byte> Counts => message.Slice(6, 6);

    /// <summary>What was written from there on.</summary>
    public readonly ReadOnlySpan<byte> From(int position) => message[position..wire.Position];

    public readonly void Header(ushort id, ushort flags)
    {
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], flags);
    }

    private void Remember(int offset, uint hash)
    {
        if (known == knownOffsets.Length || offset > PointerMax) return;
        knownOffsets[known] = (ushort)offset;
        knownHashes[known++] = hash;
    }

    private readonly int Find(scoped NameKey suffix, int finished)
    {
        for (int i = 0; i < finished; i++)
        {
            if (knownHashes[i] == suffix.Hash && IsAt(knownOffsets[i], suffix.Folded)) return knownOffsets[i];
        }

        return 0;
    }

    // Our own message: its pointers go backwards only, and the name they spell is one that we wrote.
    private readonly bool IsAt(int at, scoped ReadOnlySpan<byte> folded)
    {
        int matched = 0;
        while (true)
        {
            while (message[at] >= 0xc0) at = BinaryPrimitives.ReadUInt16BigEndian(message[at..]) & PointerMax;
            int length = message[at];
            if (length != folded[matched]) return false;
            if (length == 0) return true;
            for (int i = 1; i <= length; i++)
            {
                if (NameHash.Fold(message[at + i]) != folded[matched + i]) return false;
            }

            at += length + 1;
            matched += length + 1;
        }
    }
}
