using System.Collections.Immutable;
using System.Numerics;

namespace Fairlead.Dns.Server;

/// <summary>
/// How long answers took, in buckets that are an eighth of a power of two wide: no value is off by more than 12.5 %.
/// One thread writes, anyone may read; sums are made when somebody asks.
/// </summary>
public sealed class LatencyHistogram
{
    private const int SubBits = 3;
    private const int BucketCount = 40 << SubBits;

    private readonly long[] counts = new long[BucketCount];

    /// <summary>The least time of a bucket, in nanoseconds.</summary>
    public static long FloorOf(int bucket)
    {
        if (bucket < 1 << SubBits) return bucket;
        int exponent = (bucket >> SubBits) + SubBits - 1;
        return (1L << exponent) + ((long)(bucket & ((1 << SubBits) - 1)) << (exponent - SubBits));
    }

    /// <summary>So many answers took so long.</summary>
    public void Add(long nanoseconds, long count) => counts[BucketOf(nanoseconds)] += count;

    public static int BucketOf(long nanoseconds)
    {
        if (nanoseconds < 1 << SubBits) return (int)Math.Max(0, nanoseconds);
        int exponent = BitOperations.Log2((ulong)nanoseconds);
        int sub = (int)(nanoseconds >> (exponent - SubBits)) & ((1 << SubBits) - 1);
        return Math.Min(BucketCount - 1, ((exponent - SubBits + 1) << SubBits) + sub);
    }

    /// <summary>The counts of all together, by bucket.</summary>
    public static ImmutableArray<long> Sum(IEnumerable<LatencyHistogram> all)
    {
        var sum = new long[BucketCount];
        foreach (LatencyHistogram one in all)
        {
            for (int i = 0; i < BucketCount; i++) sum[i] += Volatile.Read(ref one.counts[i]);
        }

        return [.. sum];
    }

    /// <summary>The time that this share of the answers did not exceed, by the bucket's upper end.</summary>
    public static TimeSpan Percentile(ImmutableArray<long> sums, double share)
    {
        double left = sums.Sum() * share;
        for (int i = 0; i < sums.Length; i++)
        {
            left -= sums[i];
            if (left <= 0 && sums[i] > 0) return TimeSpan.FromMicroseconds(FloorOf(i + 1) / 1000.0);
        }

        return TimeSpan.Zero;
    }
}
