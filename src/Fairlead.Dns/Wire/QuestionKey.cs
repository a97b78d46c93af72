using System.Runtime.InteropServices;

namespace Fairlead.Dns.Wire;

/// <summary>
/// A question in one piece (name, type, class; RFC 1035 §4.1.2) as a key: hashed and compared without regard to case,
/// eight bytes at a time, the last eight over some of those before. The two numbers behind the name are folded too,
/// which makes nothing equal as long as whoever compares looks at the type as well.
/// </summary>
internal readonly ref struct QuestionKey
{
    private const ulong Multiplier = 0x9e37_79b9_7f4a_7c15;

    /// <summary>Of name, type and class as they came.</summary>
    public QuestionKey(ReadOnlySpan<byte> question)
    {
        Question = question;
        Hash = HashOf(question);
    }

    public ReadOnlySpan<byte> Question { get; }

    public uint Hash { get; }

    public static uint HashOf(ReadOnlySpan<byte> question)
    {
        ulong hash = (uint)question.Length;
        if (question.Length < sizeof(ulong))
        {
            // Only the root and names of one or two letters are so short.
            foreach (byte value in question) hash = Mix(hash, NameHash.Fold(value));
            return (uint)(hash >> 32);
        }

        int at = 0;
        for (; at + sizeof(ulong) <= question.Length; at += sizeof(ulong)) hash = Mix(hash, Word(question, at));
        if (at < question.Length) hash = Mix(hash, Word(question, question.Length - sizeof(ulong)));
        return (uint)(hash >> 32);
    }

    /// <summary>Writes it in lower case.</summary>
    public void CopyTo(Span<byte> folded) => NameHash.Fold(Question, folded);

    /// <summary>Whether it is this one, which is in lower case.</summary>
    public bool Is(ReadOnlySpan<byte> folded)
    {
        if (folded.Length != Question.Length) return false;
        if (folded.Length < sizeof(ulong))
        {
            for (int i = 0; i < folded.Length; i++)
            {
                if (NameHash.Fold(Question[i]) != folded[i]) return false;
            }

            return true;
        }

        int at = 0;
        for (; at + sizeof(ulong) <= folded.Length; at += sizeof(ulong))
        {
            if (Word(Question, at) != MemoryMarshal.Read<ulong>(folded[at..])) return false;
        }

        at = folded.Length - sizeof(ulong);
        return Word(Question, at) == MemoryMarshal.Read<ulong>(folded[at..]);
    }

    // For each byte its highest bit tells whether it is a letter from A to Z: those get 0x20.
    private static ulong Word(ReadOnlySpan<byte> bytes, int at)
    {
        const ulong each = 0x0101_0101_0101_0101;
        ulong word = MemoryMarshal.Read<ulong>(bytes[at..]), seven = word & (0x7f * each);
        ulong fromA = seven + ((0x80 - 'A') * each), beyondZ = seven + ((0x7f - 'Z') * each);
        return word | (((fromA ^ beyondZ) & ~word & (0x80 * each)) >> 2);
    }

    private static ulong Mix(ulong hash, ulong word)
    {
        hash = (hash ^ word) * Multiplier;
        return hash ^ (hash >> 32);
    }
}
