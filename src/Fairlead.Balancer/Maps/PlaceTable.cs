using System.Numerics;

namespace Fairlead.Balancer.Maps;

/// <summary>
/// Open addressing as bpf/vip.h reads it: whoever is looked for lies within Layout.Probes places of its hash's, before
/// the first free one. A table with a longer way is made twice as large, until it has none.
/// </summary>
public static class PlaceTable
{
    /// <summary>table_hash of bpf/hash.h.</summary>
    public static uint Hash(ulong one, ulong two, ulong three)
    {
        ulong x = one ^ (two * 0x9e3779b97f4a7c15) ^ (three * 0xc2b2ae3d27d4eb4f);
        x ^= x >> 32;
        x *= 0xd6e8feb86659fd93;
        return (uint)(x ^ (x >> 32));
    }

    /// <summary>
    /// Where each item lies, with the mask of the table; a quarter full at the most, so that what is not there is
    /// mostly known at the first look. False: the places that there are do not suffice.
    /// </summary>
    public static bool TryPlace(ReadOnlySpan<uint> hashes, int places, out int[] at, out uint mask)
    {
        at = new int[hashes.Length];
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, 4 * hashes.Length));
        for (; size <= places; size *= 2)
        {
            mask = (uint)size - 1;
            if (Fill(hashes, mask, at)) return true;
        }

        mask = 0;
        return false;
    }

    /// <summary>Puts each item in its place, and gives the mask. IOException: they do not fit.</summary>
    public static uint Fill<T>(T[] items, Func<T, uint> hash, Span<T> places, string what)
    {
        if (!TryPlace([.. items.Select(hash)], places.Length, out int[] at, out uint mask))
            throw new IOException($"{items.Length} {what} do not fit into {places.Length} places");
        places[..((int)mask + 1)].Clear();
        for (int i = 0; i < at.Length; i++) places[at[i]] = items[i];
        return mask;
    }

    private static bool Fill(ReadOnlySpan<uint> hashes, uint mask, int[] at)
    {
        bool[] taken = new bool[mask + 1];
        for (int i = 0; i < hashes.Length; i++)
        {
            uint probe = 0;
            while (probe < Layout.Probes && taken[(hashes[i] + probe) & mask]) probe++;
            if (probe == Layout.Probes) return false;
            at[i] = (int)((hashes[i] + probe) & mask);
            taken[at[i]] = true;
        }

        return true;
    }
}
