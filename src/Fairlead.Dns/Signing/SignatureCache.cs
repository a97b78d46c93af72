using System.Collections.Concurrent;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>
/// Signed sets across tables, found by their content: owner, type, original TTL, records. It holds up to `entriesMax`;
/// when it is full, the half that was asked for longest ago goes. One for all zones, any number of threads.
/// </summary>
public sealed class SignatureCache(int entriesMax)
{
    private readonly ConcurrentDictionary<RRset, Entry> entries = new(ContentComparer.Instance);
    private long asked;
    private int count;
    private int trimming;

    public int Count => Volatile.Read(ref count);

    internal int EntriesMax => entriesMax;

    /// <summary>The set with the signatures that it was given last, whoever made them.</summary>
    internal RRset? Find(RRset set)
    {
        if (!entries.TryGetValue(set, out Entry? entry)) return null;
        entry.LastAsked = Interlocked.Increment(ref asked);
        return entry.Signed;
    }

    internal void Add(RRset signed)
    {
        // Counted here: the dictionary takes all of its locks to count itself.
        var entry = new Entry(signed) { LastAsked = Interlocked.Increment(ref asked) };
        while (!entries.TryAdd(signed, entry))
        {
            if (entries.TryGetValue(signed, out Entry? old) && entries.TryUpdate(signed, entry, old)) return;
        }

        if (Interlocked.Increment(ref count) <= entriesMax || Interlocked.Exchange(ref trimming, 1) != 0) return;
        Trim();
        Volatile.Write(ref trimming, 0);
    }

    private void Trim()
    {
        long[] ages = [.. entries.Values.Select(entry => entry.LastAsked)];
        Array.Sort(ages);
        long middle = ages[ages.Length / 2];
        foreach ((RRset key, Entry entry) in entries)
        {
            if (entry.LastAsked < middle && entries.TryRemove(key, out _)) Interlocked.Decrement(ref count);
        }
    }

    private sealed class Entry(RRset signed)
    {
        public RRset Signed { get; } = signed;

        public long LastAsked { get; set; }
    }

    // The bodies of a set hold its type, its TTL and its records.
    internal sealed class ContentComparer : IEqualityComparer<RRset>
    {
        public static ContentComparer Instance { get; } = new();

        public bool Equals(RRset? x, RRset? y) =>
            x is not null && y is not null && x.Owner == y.Owner && x.View.Bodies.SequenceEqual(y.View.Bodies);

        public int GetHashCode(RRset obj)
        {
            HashCode hash = default;
            hash.Add(obj.Owner.GetHashCode());
            hash.AddBytes(obj.View.Bodies);
            return hash.ToHashCode();
        }
    }
}
