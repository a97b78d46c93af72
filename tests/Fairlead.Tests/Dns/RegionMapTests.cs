using System.Net;
using Fairlead.Dns.Steering;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Dns;

public class RegionMapTests
{
    private static RegionMatch Find(RegionMap map, string address) =>
        map.Find(Prefix.BitsOf(IPAddress.Parse(address)), 128);

    [Fact]
    public void The_more_specific_and_the_later_win()
    {
        RegionMap map = RegionMap.Compile(
        [
            (Prefix.Parse("10.1.2.0/24"), 3), (Prefix.Parse("10.0.0.0/8"), 1), (Prefix.Parse("10.1.0.0/16"), 9),
                (Prefix.Parse("10.1.0.0/16"), 2),
        ]);
        Assert.Equal(new RegionMatch(1, 96 + 16), Find(map, "10.0.0.1"));
        Assert.Equal(new RegionMatch(2, 96 + 23), Find(map, "10.1.0.1"));
        Assert.Equal(new RegionMatch(3, 96 + 24), Find(map, "10.1.2.1"));
        Assert.Equal(new RegionMatch(0, 96 + 7), Find(map, "9.0.0.1") with { ScopeLengthMapped = 96 + 7 });
        Assert.Equal(0, Find(map, "11.0.0.0").Region);
    }

    [Fact]
    public void Siblings_of_one_region_merge()
    {
        RegionMap map = RegionMap.Compile([(Prefix.Parse("10.0.0.0/9"), 1), (Prefix.Parse("10.128.0.0/9"), 1)]);
        Assert.Equal(new RegionMatch(1, 96 + 8), Find(map, "10.200.0.1"));
        RegionMap whole = RegionMap.Compile([(Prefix.Parse("0.0.0.0/0"), 4), (Prefix.Parse("10.0.0.0/8"), 4)]);
        Assert.Equal(new RegionMatch(4, 96), Find(whole, "10.200.0.1"));
        Assert.Equal(new RegionMatch(0, 0), Find(whole, "2001:db8::1"));
        Assert.Equal(new RegionMatch(0, 0), Find(RegionMap.Empty, "::"));
        Assert.Equal(new RegionMatch(0, 96), Find(RegionMap.Empty, "255.255.255.255"));
    }

    [Fact]
    public void The_scope_is_the_widest_prefix_of_one_answer() => Property.Holds(400, random =>
    {
        bool v4 = random.Next(2) == 0;
        List<(Prefix Prefix, int Region)> entries =
            [.. Enumerable.Range(0, random.Next(1, 25)).Select(_ => (Any(random, v4), random.Next(4)))];
        if (random.Next(4) == 0) entries.Add((Any(random, !v4), 2));
        RegionMap map = RegionMap.Compile(entries);
        for (int i = 0; i < 20; i++)
        {
            // Addresses where it matters: at, before and after the borders.
            Prefix near = entries[random.Next(entries.Count)].Prefix;
            UInt128 bits = near.Bits + (UInt128)(uint)random.Next(-2, 3);
            if (random.Next(3) == 0) bits = Any(random, v4).Bits | (uint)random.Next(256);
            bool is4 = Prefix.OfMapped(bits, 128).IsIPv4;
            RegionMatch match = map.Find(bits, 128);
            Assert.Equal(Naive(entries, bits), match.Region);

            Prefix scope = Prefix.OfMapped(bits, match.ScopeLengthMapped);
            Assert.Equal(is4, scope.IsIPv4);
            Assert.True(IsUniform(entries, scope));
            int widest = is4 ? 96 : 0;
            if (match.ScopeLengthMapped > widest) Assert.False(
                IsUniform(entries, Prefix.OfMapped(bits, match.ScopeLengthMapped - 1)));

            int told = random.Next(widest, 129);
            UInt128 cut = Prefix.OfMapped(bits, told).Bits;
            if (!is4 && Prefix.OfMapped(cut, 128).IsIPv4) continue;
            RegionMatch capped = map.Find(cut, told);
            Assert.Equal(Naive(entries, cut), capped.Region);
            Assert.Equal(Math.Min(told, map.Find(cut, 128).ScopeLengthMapped), capped.ScopeLengthMapped);
        }
    });

    [Fact]
    public void Two_hundred_thousand_prefixes_compile_in_moments()
    {
        var random = new Random(1);
        List<(Prefix Prefix, int Region)> entries = new(200_000);
        for (int i = 0; i < 200_000; i++)
        {
            bool v4 = i % 2 == 0;
            UInt128 bits = v4 ? ((UInt128)0xffff << 32) | (uint)random.NextInt64(1L << 32)
                : new UInt128(0x2000_0000_0000_0000UL | (ulong)random.NextInt64(1L << 61), 0);
            entries.Add(
                (Prefix.OfMapped(bits, v4 ? 96 + random.Next(12, 25) : random.Next(24, 49)), random.Next(1, 9)));
        }

        long started = TimeProvider.System.GetTimestamp();
        RegionMap map = RegionMap.Compile(entries);
        TimeSpan took = TimeProvider.System.GetElapsedTime(started);

        Assert.True(map.RunCount > 100_000);
        // Loose, since the machine may be busy and this build unoptimized: it must not be quadratic.
        Assert.True(took < TimeSpan.FromSeconds(30), $"took {took}");
    }

    private static Prefix Any(Random random, bool v4) => v4
        ? Prefix.OfMapped(((UInt128)0xffff << 32) | (0x0a000000u + (uint)random.Next(1 << 12)), random.Next(96, 129))
        : Prefix.OfMapped(
            new UInt128(0x20010db8_00000000UL | (uint)random.Next(8), (ulong)random.Next(8)), random.Next(129));

    private static int Naive(List<(Prefix Prefix, int Region)> entries, UInt128 bits)
    {
        (int length, int region) = (-1, 0);
        foreach ((Prefix prefix, int one) in entries)
        {
            if (prefix.Contains(Prefix.OfMapped(bits, 128)) && prefix.LengthMapped >= length) (length, region) =
                (prefix.LengthMapped, one);
        }

        return region;
    }

    // Whether the answer is one inside the prefix: it can only change where an entry begins or ends.
    private static bool IsUniform(List<(Prefix Prefix, int Region)> entries, Prefix scope)
    {
        int first = Naive(entries, scope.Bits);
        foreach ((Prefix prefix, _) in entries.Where(entry => scope.Contains(entry.Prefix)))
        {
            UInt128 size = prefix.LengthMapped == 0 ? UInt128.Zero : UInt128.One << (128 - prefix.LengthMapped);
            UInt128 after = prefix.Bits + size;
            if (Naive(entries, prefix.Bits) != first) return false;
            if (scope.Contains(Prefix.OfMapped(after, 128)) && Naive(entries, after) != first) return false;
        }

        return true;
    }
}
