using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>RFC 4034 §6.1: names by their labels from the right, letters in lower case, a shorter name first.</summary>
internal static class CanonicalOrder
{
    private const int KeyBytes = 8;

    /// <summary>The wire form of a name by its number.</summary>
    public delegate ReadOnlySpan<byte> NameOfNumber(int number);

    /// <summary>Compares two uncompressed names; allocates nothing.</summary>
    public static int Compare(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        Span<byte> oneStarts = stackalloc byte[NameView.LabelsMax], otherStarts = stackalloc byte[NameView.LabelsMax];
        int oneLabels = Starts(one, oneStarts), otherLabels = Starts(other, otherStarts);
        while (oneLabels > 0 && otherLabels > 0)
        {
            ReadOnlySpan<byte> a = one[oneStarts[--oneLabels]..], b = other[otherStarts[--otherLabels]..];
            int shared = Math.Min(a[0], b[0]);
            for (int i = 1; i <= shared; i++)
            {
                int order = NameHash.Fold(a[i]) - NameHash.Fold(b[i]);
                if (order != 0) return order;
            }

            if (a[0] != b[0]) return a[0] - b[0];
        }

        return oneLabels - otherLabels;
    }

    /// <summary>
    /// Sorts numbers of names; nameOf gives the wire form, all different. Eight bytes of each name's sort key at a
    /// time are compared as one number, which sorts a million names several times as fast as comparing them in pairs.
    /// </summary>
    public static void Sort(int[] numbers, NameOfNumber nameOf)
    {
        Sort(numbers, new ulong[numbers.Length], 0, numbers.Length, 0, nameOf);
    }

    private static void Sort(
        int[] numbers, ulong[] keys, int from, int count, int depth, NameOfNumber nameOf)
    {
        for (int i = from; i < from + count; i++) keys[i] = KeyOf(nameOf(numbers[i]), depth);
        Array.Sort(keys, numbers, from, count);
        for (int i = from; i < from + count;)
        {
            int end = i + 1;
            while (end < from + count && keys[end] == keys[i]) end++;
            // The keys of the deeper level take the places of this run's, which are not looked at again.
            if (end - i > 1) Sort(numbers, keys, i, end - i, depth + 1, nameOf);
            i = end;
        }
    }

    // The sort key of a name: its labels from the right, a zero byte between them. The bytes 0 and 1 of a label become
    // two, so that a zero is always the end of a label. These are the eight bytes of it at 8 * depth.
    private static ulong KeyOf(ReadOnlySpan<byte> name, int depth)
    {
        Span<byte> starts = stackalloc byte[NameView.LabelsMax];
        int skip = depth * KeyBytes, taken = 0;
        ulong key = 0;
        for (int label = Starts(name, starts) - 1; label >= 0; label--)
        {
            ReadOnlySpan<byte> rest = name[starts[label]..];
            for (int i = 1; i <= rest[0]; i++)
            {
                byte value = NameHash.Fold(rest[i]);
                if (value <= 1 && Take(1, ref skip, ref taken, ref key)) return key;
                if (Take(value <= 1 ? (byte)(value + 1) : value, ref skip, ref taken, ref key)) return key;
            }

            if (Take(0, ref skip, ref taken, ref key)) return key;
        }

        return key << (8 * (KeyBytes - taken));
    }

    private static bool Take(byte value, ref int skip, ref int taken, ref ulong key)
    {
        if (skip > 0)
        {
            skip--;
            return false;
        }

        key = (key << 8) | value;
        return ++taken == KeyBytes;
    }

    private static int Starts(ReadOnlySpan<byte> name, Span<byte> starts)
    {
        int labels = 0;
        for (int at = 0; name[at] != 0; at += name[at] + 1) starts[labels++] = (byte)at;
        return labels;
    }
}
