using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>Makes AddressRuns.</summary>
public static class AddressRuns
{
    /// <summary>A more specific prefix wins over a wider one, a later entry over an equal one.</summary>
    public static AddressRuns<T> Compile<T>(IEnumerable<(Prefix Prefix, T Value)> entries, T elsewhere) =>
        AddressRuns<T>.Compile(entries, elsewhere);
}

/// <summary>
/// A value for every address: neighbouring addresses of one value are one run, whatever prefixes they came from. Runs
/// are sorted and cover each family's space from its first address; a run goes up to the next one's start.
/// </summary>
public sealed class AddressRuns<T>
{
    private static readonly EqualityComparer<T> Same = EqualityComparer<T>.Default;

    private AddressRuns(List<(UInt128 Start, T Value)> ipv4, List<(UInt128 Start, T Value)> ipv6)
    {
        ipv4.TrimExcess();
        ipv6.TrimExcess();
        (IPv4, IPv6) = (ipv4, ipv6);
    }

    /// <summary>Starts are 32-bit numbers.</summary>
    public IReadOnlyList<(UInt128 Start, T Value)> IPv4 { get; }

    public IReadOnlyList<(UInt128 Start, T Value)> IPv6 { get; }

    /// <summary>See AddressRuns.Compile.</summary>
    internal static AddressRuns<T> Compile(IEnumerable<(Prefix Prefix, T Value)> entries, T elsewhere)
    {
        var all = new List<Entry>();
        int order = 0;
        foreach ((Prefix prefix, T value) in entries)
        {
            bool v4 = prefix.IsIPv4;
            UInt128 start = v4 ? (uint)prefix.Bits : prefix.Bits;
            all.Add(new Entry(v4, start, (v4 ? 32 : 128) - prefix.Length, order++, value));
        }

        all.Sort();
        int split = all.FindIndex(entry => !entry.IsV4) is var first and >= 0 ? first : all.Count;
        return new AddressRuns<T>(
            Runs(all.GetRange(0, split), 32, elsewhere), Runs(all.GetRange(split, all.Count - split), 128, elsewhere));
    }

    /// <summary>The value of an address, and the first and last address of its run, all in the 128-bit space.</summary>
    public (T Value, UInt128 First, UInt128 Last) Find(UInt128 mappedBits)
    {
        bool v4 = mappedBits >> 32 == 0xffff;
        IReadOnlyList<(UInt128 Start, T Value)> runs = v4 ? IPv4 : IPv6;
        UInt128 address = v4 ? (uint)mappedBits : mappedBits, above = v4 ? (UInt128)0xffff << 32 : 0;
        (int low, int high) = (0, runs.Count - 1);
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (runs[middle].Start <= address) low = middle;
            else high = middle - 1;
        }

        UInt128 last = low + 1 < runs.Count ? runs[low + 1].Start - 1 : v4 ? uint.MaxValue : UInt128.MaxValue;
        return (runs[low].Value, runs[low].Start | above, last | above);
    }

    /// <summary>Joins two functions of the address into one.</summary>
    public AddressRuns<TJoined> Join<TOther, TJoined>(AddressRuns<TOther> other, Func<T, TOther, TJoined> join) =>
        new(Merge(IPv4, other.IPv4, join), Merge(IPv6, other.IPv6, join));

    public AddressRuns<TOther> Select<TOther>(Func<T, TOther> map) =>
        Join(new AddressRuns<byte>([(0, 0)], [(0, 0)]), (value, _) => map(value));

    private static List<(UInt128 Start, TJoined Value)> Merge<TOther, TJoined>(
        IReadOnlyList<(UInt128 Start, T Value)> one, IReadOnlyList<(UInt128 Start, TOther Value)> other,
        Func<T, TOther, TJoined> join)
    {
        var runs = new List<(UInt128 Start, TJoined Value)>(Math.Max(one.Count, other.Count));
        for (int i = 0, j = 0; ;)
        {
            UInt128 start = UInt128.Max(one[i].Start, other[j].Start);
            TJoined value = join(one[i].Value, other[j].Value);
            if (runs.Count == 0 || !EqualityComparer<TJoined>.Default.Equals(runs[^1].Value, value))
                runs.Add((start, value));
            bool oneHasNext = i + 1 < one.Count, otherHasNext = j + 1 < other.Count;
            if (!oneHasNext && !otherHasNext) return runs;
            int order = !oneHasNext ? 1 : !otherHasNext ? -1 : one[i + 1].Start.CompareTo(other[j + 1].Start);
            if (order <= 0) i++;
            if (order >= 0) j++;
        }
    }

    // One sweep over the sorted prefixes: those that are open at a place lie on a stack, the innermost on top.
    private static List<(UInt128 Start, T Value)> Runs(List<Entry> sorted, int bits, T elsewhere)
    {
        var runs = new List<(UInt128 Start, T Value)> { (UInt128.Zero, elsewhere) };
        UInt128 last = bits == 128 ? UInt128.MaxValue : (UInt128.One << bits) - 1;
        var open = new Stack<(UInt128 Last, T Value)>();
        foreach (Entry entry in sorted)
        {
            while (open.Count > 0 && open.Peek().Last < entry.Start) Close(open, runs, last, elsewhere);
            Begin(runs, entry.Start, entry.Value);
            UInt128 size = entry.HostBits == 128 ? UInt128.Zero : UInt128.One << entry.HostBits;
            open.Push((entry.Start + (size - 1), entry.Value));
        }

        while (open.Count > 0) Close(open, runs, last, elsewhere);
        return runs;
    }

    private static void Close(
        Stack<(UInt128 Last, T Value)> open, List<(UInt128 Start, T Value)> runs, UInt128 last, T elsewhere)
    {
        UInt128 end = open.Pop().Last;
        if (end < last) Begin(runs, end + 1, open.Count > 0 ? open.Peek().Value : elsewhere);
    }

    // A run of no addresses gives way to the new one, and a new one of the same value as before is no new run.
    private static void Begin(List<(UInt128 Start, T Value)> runs, UInt128 start, T value)
    {
        if (runs[^1].Start == start) runs.RemoveAt(runs.Count - 1);
        if (runs.Count == 0 || !Same.Equals(runs[^1].Value, value)) runs.Add((start, value));
    }

    private readonly record struct Entry(bool IsV4, UInt128 Start, int HostBits, int Order, T Value)
        : IComparable<Entry>
    {
        public int CompareTo(Entry other)
        {
            if (IsV4 != other.IsV4) return IsV4 ? -1 : 1;
            int order = Start.CompareTo(other.Start);
            if (order == 0) order = other.HostBits.CompareTo(HostBits);
            return order != 0 ? order : Order.CompareTo(other.Order);
        }
    }
}
