using System.Runtime.InteropServices;
using Fairlead.Dns.Wire;
using Fairlead.Net.Linux;

namespace Fairlead.Dns.Answering;

/// <summary>
/// Answers that were given before, ready in wire form: a name that is asked again costs one look into one place of
/// memory and not a walk over a dozen objects. Kept is what is the same for every asker, and of a steered name its
/// number; and only for the very table it came from. The memory is fixed, an old answer gives way to a new one. One
/// thread's own.
/// <code>
/// | STAMP 4 | HASH 4 | TYPE 2 | LENGTH 2 | FLAGS 2 | BODY LENGTH 2 | COUNTS 6 | DO 1 | STEERED 1 | QUESTION | BODY |
/// </code>
/// The question is in lower case. The body is all between question and OPT: its pointers lead into the question or into
/// itself, so it fits behind any question of the same name, whatever its case. That of a steered name is its number.
/// </summary>
internal sealed class AnswerCache
{
    private const int SlotBytes = 256;
    private const int HeadBytes = 24;
    private const int LineBytes = 64;

    private readonly TableMemory memory;
    private readonly int sets;
    private DnsTable? table;
    private uint stamp;

    /// <summary>Two slots a set, 256 bytes each; the slots are a power of two.</summary>
    public AnswerCache(int slots)
    {
        memory = new TableMemory(slots * SlotBytes);
        sets = slots / 2;
    }

    /// <summary>Says that this query will be asked for soon, so that its place is on its way when it is.</summary>
    public void Expect(ReadOnlySpan<byte> message)
    {
        if (!PlainQuery.TryQuestion(message, out ReadOnlySpan<byte> question)) return;
        int at = PlaceOf(QuestionKey.HashOf(question), 0);
        memory.Prefetch(at);
        memory.Prefetch(at + LineBytes);
    }

    /// <summary>False: nothing is kept for this question and this table.</summary>
    public bool TryFind(
        DnsTable current, scoped in QuestionKey key, RecordType type, bool dnssecOk, out ReadyAnswer ready)
    {
        ready = default;
        if (table != current)
        {
            (table, stamp) = (current, stamp + 1);
            return false;
        }

        for (int way = 0; way < 2; way++)
        {
            Span<byte> slot = Slot(key.Hash, way);
            if (!IsLive(slot) || MemoryMarshal.Read<uint>(slot[4..]) != key.Hash
                || slot[22] != (dnssecOk ? 1 : 0) || MemoryMarshal.Read<ushort>(slot[8..]) != (ushort)type) continue;
            int length = MemoryMarshal.Read<ushort>(slot[10..]);
            if (!key.Is(slot.Slice(HeadBytes, length))) continue;
            ready = new ReadyAnswer(
                slot.Slice(HeadBytes + length, MemoryMarshal.Read<ushort>(slot[14..])), slot.Slice(16, 6),
                MemoryMarshal.Read<ushort>(slot[12..]), slot[23] != 0);
            return true;
        }

        return false;
    }

    /// <summary>Keeps an answer that holds for every asker, or the number of the steered name that gives it.</summary>
    public void Keep(
        DnsTable current, scoped in QuestionKey key, RecordType type, bool dnssecOk, scoped in ReadyAnswer ready)
    {
        if (table != current || key.Question.Length + ready.Body.Length > SlotBytes - HeadBytes) return;
        Span<byte> slot = Slot(key.Hash, 0);
        // The second slot is the younger one's victim: what is asked all the time finds its way back.
        if (IsLive(slot)) slot = Slot(key.Hash, 1);
        MemoryMarshal.Write(slot, stamp);
        MemoryMarshal.Write(slot[4..], key.Hash);
        MemoryMarshal.Write(slot[8..], (ushort)type);
        MemoryMarshal.Write(slot[10..], (ushort)key.Question.Length);
        MemoryMarshal.Write(slot[12..], ready.Flags);
        MemoryMarshal.Write(slot[14..], (ushort)ready.Body.Length);
        ready.Counts.CopyTo(slot[16..]);
        slot[22] = dnssecOk ? (byte)1 : (byte)0;
        slot[23] = ready.IsSteered ? (byte)1 : (byte)0;
        key.CopyTo(slot[HeadBytes..]);
        ready.Body.CopyTo(slot[(HeadBytes + key.Question.Length)..]);
    }

    private bool IsLive(ReadOnlySpan<byte> slot) => MemoryMarshal.Read<uint>(slot) == stamp;

    private Span<byte> Slot(uint hash, int way) => memory.Slice(PlaceOf(hash, way), SlotBytes);

    private int PlaceOf(uint hash, int way) => (((int)(hash & (uint)(sets - 1)) * 2) + way) * SlotBytes;
}

/// <summary>
/// What AnswerCache keeps: flags without QR and RD, the counts of the sections without OPT, the records.
/// </summary>
internal readonly ref struct ReadyAnswer(
    ReadOnlySpan<byte> body, ReadOnlySpan<byte> counts, ushort flags, bool isSteered)
{
    public readonly ReadOnlySpan<byte> Body = body;
    public readonly ReadOnlySpan<byte> Counts = counts;
    public readonly ushort Flags = flags;
    public readonly bool IsSteered = isSteered;

    public int SteeredNumber => MemoryMarshal.Read<int>(Body);
}
