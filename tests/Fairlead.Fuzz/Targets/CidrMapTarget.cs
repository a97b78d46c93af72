using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// The operator's map: every fault has a place; of good lines the most specific one wins, and ECS scopes hold.
/// </summary>
public sealed class CidrMapTarget : IFuzzTarget
{
    public string Name => "cidr-map";

    public bool IsText => true;

    public int BytesMax => 1024;

    public IReadOnlyList<byte[]> Tokens { get; } = AllTargets.Words("""
        \n , # prefix, 192.0.2.0/24 192.0.2.128/25 0.0.0.0/0 ::/0 2001:db8::/32 2001:db8:1::/48 ::ffff:0:0/96 ::1/128
        255.255.255.255/32 ffff::/16 EU NA DE US -90 90 180 -180.0 1e5 NaN Infinity 0.5 /33 /129 /-1 %eth0 ~ \r
        """);

    public int Run(ReadOnlySpan<byte> input)
    {
        (IReadOnlyList<(Prefix Prefix, Place Place)> places, IReadOnlyList<ZoneProblem> problems) =
            CidrMap.Read("map.csv", Encoding.UTF8.GetString(input));
        var behaviour = new Behaviour();
        behaviour.Add(Math.Min(problems.Count, 3));
        foreach (ZoneProblem problem in problems)
        {
            BrokenPromiseException.Unless(
                problem is { Line: >= 1, Column: >= 1, Message.Length: > 0 }, $"a problem has a place: {problem}");
            behaviour.AddMessage(problem.Message);
        }

        behaviour.Add(Math.Min(places.Count, 6));
        if (places.Count is 0 or > 64) return behaviour.Number;
        RegionMap map = RegionMap.Compile(places.Select((entry, index) => (entry.Prefix, index + 1)));
        behaviour.Add(Math.Min(map.RunCount, 10));
        foreach ((Prefix prefix, _) in places)
        {
            // Its first and its last address, and those beside it.
            UInt128 host = HostBits(prefix.LengthMapped);
            UInt128 first = prefix.Bits, last = prefix.Bits | host;
            Check(map, places, first);
            Check(map, places, last);
            if (first > 0) Check(map, places, first - 1);
            if (last < UInt128.MaxValue) Check(map, places, last + 1);
        }

        return behaviour.Number;
    }

    private static void Check(RegionMap map, IReadOnlyList<(Prefix Prefix, Place Place)> places, UInt128 address)
    {
        RegionMatch match = map.Find(address, 128);
        BrokenPromiseException.Unless(
            match.Region == RegionOf(places, address), $"{Prefix.OfMapped(address, 128)} is in region {match.Region}");
        bool isIPv4 = address >> 32 == 0xffff;
        BrokenPromiseException.Unless(
            match.ScopeLengthMapped >= (isIPv4 ? 96 : 0) && match.ScopeLengthMapped <= 128, "a scope has a length");
        // RFC 7871 §7.2.1: what was said of the scope holds for its first and for its last address.
        UInt128 host = HostBits(match.ScopeLengthMapped);
        foreach (UInt128 end in (UInt128[])[address & ~host, address | host])
        {
            // The IPv6 tree knows nothing of the mapped part, which is IPv4's.
            if (end >> 32 == 0xffff != isIPv4) continue;
            BrokenPromiseException.Unless(
                RegionOf(places, end) == match.Region,
                $"the scope /{match.ScopeLengthMapped} of {Prefix.OfMapped(address, 128)} holds at its ends");
        }
    }

    private static UInt128 HostBits(int length) =>
        length == 0 ? UInt128.MaxValue : (UInt128.One << (128 - length)) - 1;

    private static int RegionOf(IReadOnlyList<(Prefix Prefix, Place Place)> places, UInt128 address)
    {
        bool isIPv4 = address >> 32 == 0xffff;
        (int region, int length) = (0, -1);
        for (int i = 0; i < places.Count; i++)
        {
            Prefix prefix = places[i].Prefix;
            if (prefix.IsIPv4 != isIPv4 || prefix.Length < length) continue;
            if (Prefix.OfMapped(address, prefix.LengthMapped).Bits != prefix.Bits) continue;
            (region, length) = (i + 1, prefix.Length);
        }

        return region;
    }
}
