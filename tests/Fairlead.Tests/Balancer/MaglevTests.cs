using System.Net;
using Fairlead.Balancer;

namespace Fairlead.Tests.Balancer;

public class MaglevTests
{
    private const int Slots = 16381;

    [Fact]
    public void Every_slot_has_an_owner_and_shares_are_even() => Property.Holds(20, random =>
    {
        BackendEntry[] backends = Some(random, random.Next(1, 160));
        int[] counts = Counts(Maglev.Owners(backends, Slots), backends.Length);
        Assert.Equal(Slots, counts.Sum());
        // Everybody takes turns, so nobody is more than one ahead.
        Assert.InRange(counts.Max() - counts.Min(), 0, 1);
    });

    [Fact]
    public void Weights_are_shares() => Property.Holds(20, random =>
    {
        BackendEntry[] backends = [.. Some(random, 40).Select(backend => backend with { Weight = random.Next(0, 20) })];
        int weights = backends.Sum(backend => backend.Weight);
        int[] counts = Counts(Maglev.Owners(backends, Slots), backends.Length);
        for (int i = 0; i < backends.Length; i++)
        {
            double fair = (double)Slots * backends[i].Weight / weights;
            Assert.InRange(counts[i], Math.Floor(fair * 0.97) - 2, Math.Ceiling(fair * 1.03) + 2);
        }
    });

    [Fact]
    public void The_order_of_the_backends_says_nothing() => Property.Holds(10, random =>
    {
        BackendEntry[] backends = Some(random, 30), shuffled = [.. backends];
        random.Shuffle(shuffled);
        int[] one = Maglev.Owners(backends, 1009), other = Maglev.Owners(shuffled, 1009);
        for (int i = 0; i < one.Length; i++) Assert.Equal(backends[one[i]], shuffled[other[i]]);
    });

    [Fact]
    public void A_change_moves_no_more_than_the_papers_own_algorithm_does()
    {
        double ours = 0, papers = 0;
        Property.Holds(20, random =>
        {
            BackendEntry[] all = Some(random, 101);
            int[] before = Maglev.Owners(all[..100], Slots), after = Maglev.Owners(all, Slots);
            ours += Enumerable.Range(0, Slots).Count(i => all[before[i]] != all[after[i]]);
            (int, int)[] walks = [.. all.Select(_ => (random.Next(Slots), random.Next(1, Slots)))];
            int[] was = Papers(walks[..100]), now = Papers(walks);
            papers += Enumerable.Range(0, Slots).Count(i => was[i] != now[i]);
        });
        // The bar is 1.2; a hundredth and one is what any algorithm must move.
        Assert.InRange(ours / papers, 0.5, 1.2);
        Assert.InRange(ours / 20, Slots / 101, Slots * 3 / 101);
    }

    /// <summary>Pseudocode 1 of the paper, from offsets and skips.</summary>
    private static int[] Papers((int Offset, int Skip)[] walks)
    {
        int[] next = new int[walks.Length], entry = new int[Slots];
        Array.Fill(entry, -1);
        for (int n = 0; ;)
        {
            for (int i = 0; i < walks.Length; i++)
            {
                int c = Permutation(i, next[i]);
                while (entry[c] >= 0) c = Permutation(i, ++next[i]);
                entry[c] = i;
                next[i]++;
                if (++n == Slots) return entry;
            }
        }

        int Permutation(int i, int j) => (int)((walks[i].Offset + (long)j * walks[i].Skip) % Slots);
    }

    [Fact]
    public void Flows_spread_evenly_over_a_hundred_backends() => Property.Holds(3, random =>
    {
        // Fairness of slots and hash alone: so many flows that chance says little.
        int[] owners = Maglev.Owners(Some(random, 100), Slots), counts = new int[100];
        var hash = new FlowHash((ulong)random.NextInt64(), (ulong)random.NextInt64());
        const int Flows = 400_000;
        for (int i = 0; i < Flows; i++)
        {
            var from = new IPEndPoint(0x0a000000 + i / 50_000, 1024 + i % 50_000);
            var flow = new Flow(from, new IPEndPoint(0x010200c0, 80), 6);
            counts[owners[FlowHash.Slot(hash.Of(flow), Slots)]]++;
        }

        Assert.InRange(counts.Max() / (Flows / 100.0), 1.0, 1.10);
    });

    [Fact]
    public void Without_a_backend_that_has_weight_nobody_owns_anything()
    {
        Assert.All(Maglev.Owners([], 1009), owner => Assert.Equal(-1, owner));
        Assert.All(Maglev.Owners([new BackendEntry(IPAddress.Loopback, 0)], 1009), owner => Assert.Equal(-1, owner));
    }

    [Fact]
    public void The_usual_sizes_are_prime()
    {
        foreach (int size in (int[])[251, 1009, 4093, 16381, 65537, 131071]) Assert.True(Maglev.IsPrime(size));
        foreach (int size in (int[])[1, 4, 9, 65536, 16383]) Assert.False(Maglev.IsPrime(size));
    }

    private static BackendEntry[] Some(Random random, int count)
    {
        var addresses = new HashSet<IPAddress>();
        while (addresses.Count < count)
        {
            byte[] bytes = new byte[random.Next(2) == 0 ? 4 : 16];
            random.NextBytes(bytes);
            addresses.Add(new IPAddress(bytes));
        }

        return [.. addresses.Select(address => new BackendEntry(address))];
    }

    private static int[] Counts(int[] owners, int backends)
    {
        int[] counts = new int[backends];
        foreach (int owner in owners) counts[owner]++;
        return counts;
    }
}
