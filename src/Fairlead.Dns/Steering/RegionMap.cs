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
    private const int RunsToLookAt = 64;
    private static readonly UInt128 MappedBits = (UInt128)0xffffUL << 32;

    // Run i goes from starts[i] to the address before starts[i + 1]; the index gives the run that holds the first
    // address of each block of 2^-16 of the family's space.
    private readonly uint[] starts4;
    private readonly int[] regions4;
    private readonly int[] index4;
    private readonly UInt128[] starts6;
    private readonly int[] regions6;
    private readonly int[] index6;

    private RegionMap(
        IReadOnlyList<(UInt128 Start, int Region)> runs4, IReadOnlyList<(UInt128 Start, int Region)> runs6)
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
    public static RegionMap Compile(IEnumerable<(Prefix Prefix, int Region)> entries) =>
        Of(AddressRuns.Compile<int>(entries, 0));

    public static RegionMap Of(AddressRuns<int> runs) => new(runs.IPv4, runs.IPv6);

    /// <summary>
    /// The region of the address (IPv4 in mapped form). When only a prefix of the client is known, its other bits are
    /// zero and lengthMaxMapped is its length: the answer is the one for that very address, and the scope goes no
    /// further than what was told (RFC 7871 §7.2.1).
    /// </summary>
    public RegionMatch Find(UInt128 mappedBits, int lengthMaxMapped) => Find(mappedBits, lengthMaxMapped, []);

    /// <summary>
    /// As above; where classes (a number for each region; 0 beyond the end) are given, the scope spans neighbouring
    /// regions of the same class, for their answers are the same.
    /// </summary>
    public RegionMatch Find(UInt128 mappedBits, int lengthMaxMapped, ReadOnlySpan<ushort> classes)
    {
        if (mappedBits >> 32 == MappedBits >> 32)
        {
            uint address = (uint)mappedBits;
            int block = (int)(address >> (32 - IndexBits));
            int run = Search(starts4, address, index4[block], index4[block + 1]);
            (int first, int last) = Alike(regions4, run, classes);
            int scope = first == 0 ? 0 : Common(address, starts4[first] - 1) + 1;
            if (last + 1 < starts4.Length) scope = Math.Max(scope, Common(address, starts4[last + 1]) + 1);
            return new RegionMatch(regions4[run], Math.Min(scope + 96, Math.Max(96, lengthMaxMapped)));
        }
        else
        {
            int block = (int)(uint)(mappedBits >> (128 - IndexBits));
            int run = Search(starts6, mappedBits, index6[block], index6[block + 1]);
            (int first, int last) = Alike(regions6, run, classes);
            int scope = first == 0 ? 0 : Common(mappedBits, starts6[first] - 1) + 1;
            if (last + 1 < starts6.Length) scope = Math.Max(scope, Common(mappedBits, starts6[last + 1]) + 1);
            return new RegionMatch(regions6[run], Math.Min(scope, lengthMaxMapped));
        }
    }

    // The first and the last run around this one whose regions are of its class, as far as looking is cheap.
    private static (int First, int Last) Alike(int[] regions, int run, ReadOnlySpan<ushort> classes)
    {
        if (classes.IsEmpty) return (run, run);
        int one = ClassOf(regions[run], classes);
        (int first, int last) = (run, run);
        int firstMin = Math.Max(0, run - RunsToLookAt), lastMax = Math.Min(regions.Length - 1, run + RunsToLookAt);
        while (first > firstMin && ClassOf(regions[first - 1], classes) == one) first--;
        while (last < lastMax && ClassOf(regions[last + 1], classes) == one) last++;
        return (first, last);
    }

    private static int ClassOf(int region, ReadOnlySpan<ushort> classes) =>
        classes[(uint)region < (uint)classes.Length ? region : 0];

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

    private static int[] IndexOf(IReadOnlyList<(UInt128 Start, int Region)> runs, int bits)
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
}
