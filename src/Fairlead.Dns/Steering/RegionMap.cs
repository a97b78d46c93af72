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

    // Run i goes from its start to the address before the next one's; the index gives the run that holds the first
    // address of each block of 2^-16 of the family's space.
    private readonly Run<uint>[] runs4;
    private readonly int[] index4;
    private readonly Run<UInt128>[] runs6;
    private readonly int[] index6;

    private RegionMap(
        IReadOnlyList<(UInt128 Start, int Region)> all4, IReadOnlyList<(UInt128 Start, int Region)> all6)
    {
        runs4 = new Run<uint>[all4.Count];
        for (int i = 0; i < runs4.Length; i++) runs4[i] = new Run<uint>((uint)all4[i].Start, all4[i].Region);
        runs6 = new Run<UInt128>[all6.Count];
        for (int i = 0; i < runs6.Length; i++) runs6[i] = new Run<UInt128>(all6[i].Start, all6[i].Region);
        index4 = IndexOf(all4, 32);
        index6 = IndexOf(all6, 128);
    }

    /// <summary>Every address is in region 0.</summary>
    public static RegionMap Empty { get; } = Compile([]);

    /// <summary>How many runs the map has, both families together: what an operator sees as its size.</summary>
    public int RunCount => runs4.Length + runs6.Length;

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
            int run = Search(runs4, address, index4[block], index4[block + 1]);
            (int first, int last) = Alike(runs4, run, classes);
            int scope = first == 0 ? 0 : Common(address, runs4[first].Start - 1) + 1;
            if (last + 1 < runs4.Length) scope = Math.Max(scope, Common(address, runs4[last + 1].Start) + 1);
            return new RegionMatch(runs4[run].Region, Math.Min(scope + 96, Math.Max(96, lengthMaxMapped)));
        }
        else
        {
            int block = (int)(uint)(mappedBits >> (128 - IndexBits));
            int run = Search(runs6, mappedBits, index6[block], index6[block + 1]);
            (int first, int last) = Alike(runs6, run, classes);
            int scope = first == 0 ? 0 : Common(mappedBits, runs6[first].Start - 1) + 1;
            if (last + 1 < runs6.Length) scope = Math.Max(scope, Common(mappedBits, runs6[last + 1].Start) + 1);
            return new RegionMatch(runs6[run].Region, Math.Min(scope, lengthMaxMapped));
        }
    }

    // The first and the last run around this one whose regions are of its class, as far as looking is cheap.
    private static (int First, int Last) Alike<T>(Run<T>[] runs, int run, ReadOnlySpan<ushort> classes)
    {
        if (classes.IsEmpty) return (run, run);
        int one = ClassOf(runs[run].Region, classes);
        (int first, int last) = (run, run);
        int firstMin = Math.Max(0, run - RunsToLookAt), lastMax = Math.Min(runs.Length - 1, run + RunsToLookAt);
        while (first > firstMin && ClassOf(runs[first - 1].Region, classes) == one) first--;
        while (last < lastMax && ClassOf(runs[last + 1].Region, classes) == one) last++;
        return (first, last);
    }

    private static int ClassOf(int region, ReadOnlySpan<ushort> classes) =>
        classes[(uint)region < (uint)classes.Length ? region : 0];

    // The last run that starts at or before the address; it lies between the two given. The last few are looked at one
    // by one: they lie in one line of the cache, and a processor guesses that way better than a search.
    private static int Search<T>(Run<T>[] runs, T address, int low, int high)
        where T : IComparisonOperators<T, T, bool>
    {
        const int few = 6;
        while (high - low > few)
        {
            int middle = (low + high + 1) >>> 1;
            if (runs[middle].Start <= address) low = middle;
            else high = middle - 1;
        }

        while (low < high && runs[low + 1].Start <= address) low++;
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

    /// <summary>Start and region lie side by side: a look-up that has the one in its cache has the other.</summary>
    private readonly record struct Run<T>(T Start, int Region);
}
