using System.Runtime.InteropServices;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Answering;

/// <summary>
/// Answers that were given before, ready in wire form: a name that is asked again costs one look into one place of
/// memory and not a walk over a dozen objects. Only what is the same for every asker is kept, and only for the very
/// table it came from. The memory is fixed, an old answer gives way to a new one. One thread's own.
/// <code>
/// | STAMP 4 | HASH 4 | NAME LENGTH 1 | DO 1 | TYPE 2 | FLAGS 2 | BODY LENGTH 2 | COUNTS 6 | 0 2 | NAME | BODY |
/// </code>
/// The name is in lower case. The body is all between question and OPT: its pointers lead into the question or into
/// itself, so it fits behind any question of the same name, whatever its case.
/// </summary>
internal sealed class AnswerCache
{
    private const int SlotBytes = 256;
    private const int HeadBytes = 24;

    private readonly byte[] memory;
    private readonly int first;
    private readonly int sets;
    private DnsTable? table;
    private uint stamp;

    /// <summary>Two slots a set, 256 bytes each; the slots are a power of two.</summary>
    public AnswerCache(int slots)
    {
        memory = GC.AllocateArray<byte>((slots * SlotBytes) + 64, pinned: true);
        // On a cache line's border, so that the common answer lies in one or two of them.
        first = (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0) & 63);
        sets = slots / 2;
    }

    /// <summary>Writes the kept answer behind the question. False: there is none, or it does not fit.</summary>
    public bool TryAnswer(
        DnsTable current, in QueryMessage asked, scoped NameKey name, scoped ref MessageWriter writer, out ushort flags)
    {
        flags = 0;
        if (table != current)
        {
            (table, stamp) = (current, stamp + 1);
            return false;
        }

        Span<byte> slot = Find(asked, name);
        if (slot.IsEmpty) return false;
        (int Position, int Known) mark = writer.Mark();
        writer.Bytes(slot.Slice(HeadBytes + slot[8], MemoryMarshal.Read<ushort>(slot[14..])));
        if (writer.Failed)
        {
            writer.RewindTo(mark);
            return false;
        }

        flags = MemoryMarshal.Read<ushort>(slot[12..]);
        writer.SetCounts(slot.Slice(16, 6));
        return true;
    }

    /// <summary>Keeps an answer that holds for every asker.</summary>
    public void Keep(
        DnsTable current, in QueryMessage asked, scoped NameKey name, ushort flags, ReadOnlySpan<byte> counts,
        ReadOnlySpan<byte> body)
    {
        if (table != current || name.Folded.Length + body.Length > SlotBytes - HeadBytes) return;
        Span<byte> slot = Slot(name.Hash, 0);
        // The second slot is the younger one's victim: what is asked all the time finds its way back.
        if (IsLive(slot)) slot = Slot(name.Hash, 1);
        MemoryMarshal.Write(slot, stamp);
        MemoryMarshal.Write(slot[4..], name.Hash);
        slot[8] = (byte)name.Folded.Length;
        slot[9] = asked.DnssecOk ? (byte)1 : (byte)0;
        MemoryMarshal.Write(slot[10..], (ushort)asked.Type);
        MemoryMarshal.Write(slot[12..], flags);
        MemoryMarshal.Write(slot[14..], (ushort)body.Length);
        counts.CopyTo(slot[16..]);
        name.Folded.CopyTo(slot[HeadBytes..]);
        body.CopyTo(slot[(HeadBytes + name.Folded.Length)..]);
    }

    private Span<byte> Find(in QueryMessage asked, scoped NameKey name)
    {
        for (int way = 0; way < 2; way++)
        {
            Span<byte> slot = Slot(name.Hash, way);
            if (IsLive(slot) && MemoryMarshal.Read<uint>(slot[4..]) == name.Hash
                && slot[9] == (asked.DnssecOk ? 1 : 0)
                && MemoryMarshal.Read<ushort>(slot[10..]) == (ushort)asked.Type
                && slot.Slice(HeadBytes, slot[8]).SequenceEqual(name.Folded)) return slot;
        }

        return default;
    }

    private bool IsLive(ReadOnlySpan<byte> slot) => MemoryMarshal.Read<uint>(slot) == stamp;

    private Span<byte> Slot(uint hash, int way)
    {
        // Types and names of one hash share a set; FNV's low bits are its good ones only after a fold.
        int set = (int)((hash ^ (hash >> 16)) & (uint)(sets - 1));
        return memory.AsSpan(first + (((set * 2) + way) * SlotBytes), SlotBytes);
    }
}
