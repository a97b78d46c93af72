using System.Numerics;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>
/// The region of an address, and how wide an answer for it holds. ScopeLengthMapped is in the 128-bit space: for IPv4
/// it is the ECS scope + 96.
/// </summary>
public readonly record struct RegionMatch(int Region, int ScopeLengthMapped);

/// <summary>
/// From address to region in one look-up over flat arrays. The prefixes are compiled into runs: neighbouring addresses
/// of one region, whatever prefixes they came from. A run's ends say all about the scope: it is the widest prefix
/// around the address that touches neither the run before nor the run after, so equal siblings merge by themselves and
/// nothing is stored for them.
/// </summary>
public sealed class RegionMap
{
    private const int IndexBits = 16;
    private static readonly UInt128 MappedBits = (UInt128)0xffffUL << 32;

    // Run i goes from starts[i] to the address before starts[i + 1]; the index gives the run that holds the first
    // address of each block of 2^-16 of the family's space.
    private readonly uint[] starts4;
    private readonly int[] regions4;
    private readonly int[] index4;
    private readonly UInt128[] starts6;
    private readonly int[] regions6;
    private readonly int[] index6;

    private RegionMap(List<(UInt128 Start, int Region)> runs4, List<(UInt128 Start, int Region)> runs6)
    {
        starts4 = new uint[runs4.Count];
        regions4 = new int[runs4.Count];
        for (int i = 0; i < runs4.Count; i++) (starts4[i], regions4[i]) = ((uint)runs4[i].Start, runs4[i].Region);
        starts6 = new UInt128[runs6.Count];
        regions6 = new int[runs6.Count];
        for (int i = 0; i < runs6.Count; i++) (starts6[i], regions6[i]) = runs6[i];
        index4 = IndexOf(runs4, 32);
        index6 = IndexOf(runs6, 128);
    }

    /// <summary>Every address is in region 0.</summary>
    public static RegionMap Empty { get; } = Compile([]);

    /// <summary>How many runs the map has, both families together: what an operator sees as its size.</summary>
    public int RunCount => starts4.Length + starts6.Length;

    /// <summary>
    /// A more specific prefix wins over a wider one, a later entry over an equal one. Region 0 is the default.
    /// </summary>
    public static RegionMap Compile(IEnumerable<(Prefix Prefix, int Region)> entries)
    {
        var all = new List<Entry>();
        int order = 0;
        foreach ((Prefix prefix, int region) in entries)
        {
            bool v4 = prefix.IsIPv4;
            UInt128 start = v4 ? (uint)prefix.Bits : prefix.Bits;
            all.Add(new Entry(v4, start, (v4 ? 32 : 128) - prefix.Length, order++, region));
        }

        all.Sort();
        int split = all.FindIndex(entry => !entry.IsV4) is var first and >= 0 ? first : all.Count;
        return new RegionMap(Runs(all.GetRange(0, split), 32), Runs(all.GetRange(split, all.Count - split), 128));
    }

    /// <summary>
    /// The region of the address (IPv4 in mapped form). When only a prefix of the client is known, its other bits are
    /// zero and lengthMaxMapped is its length: the answer is the one for that very address, and the scope goes no
    /// further than what was told (RFC 7871 §7.2.1).
    /// </summary>
    public RegionMatch Find(UInt128 mappedBits, int lengthMaxMapped)
    {
        if (mappedBits >> 32 == MappedBits >> 32)
        {
            uint address = (uint)mappedBits;
            int block = (int)(address >> (32 - IndexBits));
            int run = Search(starts4, address, index4[block], index4[block + 1]);
            int scope = run == 0 ? 0 : Common(address, starts4[run] - 1) + 1;
            if (run + 1 < starts4.Length) scope = Math.Max(scope, Common(address, starts4[run + 1]) + 1);
            return new RegionMatch(regions4[run], Math.Min(scope + 96, Math.Max(96, lengthMaxMapped)));
        }
        else
        {
            int block = (int)(uint)(mappedBits >> (128 - IndexBits));
            int run = Search(starts6, mappedBits, index6[block], index6[block + 1]);
            int scope = run == 0 ? 0 : Common(mappedBits, starts6[run] - 1) + 1;
            if (run + 1 < starts6.Length) scope = Math.Max(scope, Common(mappedBits, starts6[run + 1]) + 1);
            return new RegionMatch(regions6[run], Math.Min(scope, lengthMaxMapped));
        }
    }

    // The last run that starts at or before the address; it lies between the two given.
    private static int Search<T>(T[] starts, T address, int low, int high)
        where T : IComparisonOperators<T, T, bool>
    {
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (starts[middle] <= address) low = middle;
            else high = middle - 1;
        }

        return low;
    }

    private static int Common(uint one, uint other) => BitOperations.LeadingZeroCount(one ^ other);

    private static int Common(UInt128 one, UInt128 other) => (int)UInt128.LeadingZeroCount(one ^ other);

    private static int[] IndexOf(List<(UInt128 Start, int Region)> runs, int bits)
    {
        var index = new int[(1 << IndexBits) + 1];
        int run = 0;
        for (int block = 0; block < 1 << IndexBits; block++)
        {
            UInt128 first = (UInt128)block << (bits - IndexBits);
            while (run + 1 < runs.Count && runs[run + 1].Start <= first) run++;
            index[block] = run;
        }

        index[^1] = runs.Count - 1;
        return index;
    }

    // One sweep over the sorted prefixes: those that are open at a place lie on a stack, the innermost on top.
    private static List<(UInt128 Start, int Region)> Runs(List<Entry> sorted, int bits)
    {
        var runs = new List<(UInt128 Start, int Region)> { (UInt128.Zero, 0) };
        UInt128 last = bits == 128 ? UInt128.MaxValue : (UInt128.One << bits) - 1;
        var open = new Stack<(UInt128 Last, int Region)>();
        foreach (Entry entry in sorted)
        {
            while (open.Count > 0 && open.Peek().Last < entry.Start) Close(open, runs, last);
            Begin(runs, entry.Start, entry.Region);
            UInt128 size = entry.HostBits == 128 ? UInt128.Zero : UInt128.One << entry.HostBits;
            open.Push((entry.Start + (size - 1), entry.Region));
        }

        while (open.Count > 0) Close(open, runs, last);
        return runs;
    }

    private static void Close(
        Stack<(UInt128 Last, int Region)> open, List<(UInt128 Start, int Region)> runs, UInt128 last)
    {
        UInt128 end = open.Pop().Last;
        if (end < last) Begin(runs, end + 1, open.Count > 0 ? open.Peek().Region : 0);
    }

    // A run of no addresses gives way to the new one, and a new one of the same region as before is no new run.
    private static void Begin(List<(UInt128 Start, int Region)> runs, UInt128 start, int region)
    {
        if (runs[^1].Start == start) runs.RemoveAt(runs.Count - 1);
        if (runs.Count == 0 || runs[^1].Region != region) runs.Add((start, region));
    }

    private readonly record struct Entry(bool IsV4, UInt128 Start, int HostBits, int Order, int Region)
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
