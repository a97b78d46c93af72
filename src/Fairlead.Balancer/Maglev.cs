using System.Net;
using System.Runtime.CompilerServices;

namespace Fairlead.Balancer;

/// <summary>
/// The lookup table of Google's Maglev (NSDI 2016, 3.4), with weights: each backend walks its own permutation
/// of the slots, and they take turns. Shares are even, a change moves little, and every balancer that knows the set
/// comes to the same table.
/// </summary>
public static class Maglev
{
    /// <summary>What permutations are made with. It is the same everywhere, so that tables are.</summary>
    private static readonly FlowHash Identity = new(0x6661_6972_6c65_6164, 0x6d61_676c_6576_2e31);

    /// <summary>
    /// The index of the backend that owns each slot; -1 in all of them when no backend has a weight. The slots are
    /// prime, so that every step walks through all of them.
    /// </summary>
    public static int[] Owners(IReadOnlyList<BackendEntry> backends, int slots)
    {
        int[] owners = new int[slots];
        Owners(backends, owners);
        return owners;
    }

    /// <summary>
    /// The same, a slot of the span each. Compiled well at its first call: a thousand may come at once.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Owners(IReadOnlyList<BackendEntry> backends, Span<int> owners)
    {
        int slots = owners.Length;
        owners.Fill(-1);
        // In the order of addresses, whatever order they came in.
        int[] order = [.. Enumerable.Range(0, backends.Count).Where(i => backends[i].Weight > 0)
            .OrderBy(i => Fairlead.Net.Addresses.Prefix.BitsOf(backends[i].Address))];
        if (order.Length == 0) return;
        int count = order.Length;
        int[] weights = [.. order.Select(i => backends[i].Weight)];
        int[] next = new int[count], step = new int[count];
        int heaviest = weights.Max();
        bool isEven = weights.Min() == heaviest;
        long[] credit = new long[count];
        // A bit a slot: what the walks look at most fits into the nearest cache.
        ulong[] taken = new ulong[slots / 64 + 1];
        Span<byte> address = stackalloc byte[16];
        for (int i = 0; i < count; i++)
        {
            IPAddress at = backends[order[i]].Address;
            at.MapToIPv6().TryWriteBytes(address, out _);
            ulong hash = Identity.OfBytes(address);
            next[i] = (int)((uint)(hash >> 32) % (uint)slots);
            step[i] = (int)((uint)hash % (uint)(slots - 1)) + 1;
        }

        for (int left = slots; ;)
        {
            for (int i = 0; i < count; i++)
            {
                if (!isEven)
                {
                    // The heaviest takes each turn, the others as often as their weight's share of his says.
                    credit[i] += weights[i];
                    if (credit[i] < heaviest) continue;
                    credit[i] -= heaviest;
                }

                int at = next[i], by = step[i];
                while ((taken[at >> 6] & (1UL << at)) != 0)
                {
                    at += by;
                    if (at >= slots) at -= slots;
                }

                taken[at >> 6] |= 1UL << at;
                owners[at] = order[i];
                next[i] = at;
                if (--left == 0) return;
            }
        }
    }

    public static bool IsPrime(int number)
    {
        if (number < 2 || (number % 2 == 0 && number != 2)) return false;
        for (int i = 3; (long)i * i <= number; i += 2)
            if (number % i == 0) return false;
        return true;
    }
}
