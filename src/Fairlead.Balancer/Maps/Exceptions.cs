using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Maps;

/// <summary>An entry of the exception table, as bpf/remember.h writes it.</summary>
public readonly record struct ExceptionEntry(uint Backend, bool IsSeen, int AgeSeconds);

/// <summary>
/// The kernel's table of flows that do not lie where the slots say. The kernel fills it; here it is read, and entries
/// of backends that are no more are taken out.
/// </summary>
public static class Exceptions
{
    public static uint Mask(BpfArray<FlBucket> buckets) => (uint)buckets.Length - 1;

    /// <summary>The flow's entry, as the kernel would find it.</summary>
    public static ExceptionEntry? Find(BpfArray<FlBucket> buckets, ulong hash, uint now)
    {
        ref FlBucket bucket = ref buckets[(int)((hash >> (64 - Layout.EntryTag)) & Mask(buckets))];
        foreach (ulong entry in bucket.Entry)
            if (entry != 0 && entry >> Layout.EntryTag == hash << Layout.EntryTag >> Layout.EntryTag)
                return Read(entry, now);
        return null;
    }

    /// <summary>How many entries each backend has; those that are older than `idle` are taken out.</summary>
    public static Dictionary<uint, int> Count(BpfArray<FlBucket> buckets, uint now, uint idle)
    {
        var counts = new Dictionary<uint, int>();
        for (int i = 0; i < buckets.Length; i++)
        {
            for (int way = 0; way < Layout.Ways; way++)
            {
                ref ulong place = ref buckets[i].Entry[way];
                ulong entry = Volatile.Read(ref place);
                if (entry == 0) continue;
                ExceptionEntry read = Read(entry, now);
                if (read.AgeSeconds < idle)
                    counts[read.Backend] = counts.GetValueOrDefault(read.Backend) + 1;
                else
                    Interlocked.CompareExchange(ref place, 0, entry);
            }
        }

        return counts;
    }

    /// <summary>
    /// Takes out the entries of these backends, so that their numbers can be given to others. No program may still
    /// write entries for them.
    /// </summary>
    public static void Remove(BpfArray<FlBucket> buckets, HashSet<uint> backends)
    {
        for (int i = 0; i < buckets.Length; i++)
        {
            for (int way = 0; way < Layout.Ways; way++)
            {
                ref ulong place = ref buckets[i].Entry[way];
                ulong entry = Volatile.Read(ref place);
                while (entry != 0 && backends.Contains((uint)(entry >> Layout.EntryBackend) & Layout.BackendMask))
                {
                    ulong found = Interlocked.CompareExchange(ref place, 0, entry);
                    if (found == entry) break;
                    entry = found;
                }
            }
        }
    }

    private static ExceptionEntry Read(ulong entry, uint now) => new(
        (uint)(entry >> Layout.EntryBackend) & Layout.BackendMask,
        (entry & Layout.EntrySeen) != 0,
        (ushort)(now - (uint)entry));
}
