using System.Collections.Immutable;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Rpki;

/// <summary>RFC 6811 §2.</summary>
public enum OriginValidity
{
    /// <summary>No payload covers the prefix.</summary>
    NotFound,
    Valid,

    /// <summary>Payloads cover the prefix, and none of them allows this origin and length.</summary>
    Invalid,
}

/// <summary>A validated ROA payload: who may originate the prefix, and how much longer ones.</summary>
public readonly record struct RoaPayload(Prefix Prefix, int LengthMax, Asn Asn) : IComparable<RoaPayload>
{
    public int CompareTo(RoaPayload other)
    {
        int order = Prefix.Bits.CompareTo(other.Prefix.Bits);
        if (order == 0) order = Prefix.LengthMapped.CompareTo(other.Prefix.LengthMapped);
        if (order == 0) order = LengthMax.CompareTo(other.LengthMax);
        return order != 0 ? order : Asn.Value.CompareTo(other.Asn.Value);
    }

    public static bool operator <(RoaPayload left, RoaPayload right) => left.CompareTo(right) < 0;

    public static bool operator >(RoaPayload left, RoaPayload right) => left.CompareTo(right) > 0;

    public static bool operator <=(RoaPayload left, RoaPayload right) => left.CompareTo(right) <= 0;

    public static bool operator >=(RoaPayload left, RoaPayload right) => left.CompareTo(right) >= 0;
}

/// <summary>
/// All payloads, immutable: two sorted arrays of keys with their values beside them, 13 bytes for each of IPv4 and 22
/// of IPv6, which for the whole internet is some 10 MB. A question costs a search for each length that is there at all.
/// </summary>
public sealed class OriginValidation
{
    public static readonly OriginValidation Empty = new([], []);

    private const int MappedLength = 96;
    private static readonly UInt128 MappedBits = (UInt128)0xffff << 32;

    // IPv4: address and length in one number; IPv6: the address, and its length among the values.
    private readonly ulong[] keys4;
    private readonly UInt128[] keys6;
    private readonly byte[] lengths6;
    private readonly uint[] asns;
    private readonly byte[] lengthsMax;

    // Which lengths are there; others need not be looked for.
    private readonly ulong lengthsOf4;
    private readonly UInt128 lengthsOf6;

    private OriginValidation(RoaPayload[] sorted4, RoaPayload[] sorted6)
    {
        keys4 = new ulong[sorted4.Length];
        keys6 = new UInt128[sorted6.Length];
        lengths6 = new byte[sorted6.Length];
        asns = new uint[sorted4.Length + sorted6.Length];
        lengthsMax = new byte[asns.Length];
        for (int i = 0; i < sorted4.Length; i++)
        {
            keys4[i] = Key4(sorted4[i].Prefix.Bits, sorted4[i].Prefix.Length);
            (asns[i], lengthsMax[i]) = (sorted4[i].Asn.Value, (byte)sorted4[i].LengthMax);
            lengthsOf4 |= 1UL << sorted4[i].Prefix.Length;
        }

        for (int i = 0; i < sorted6.Length; i++)
        {
            (keys6[i], lengths6[i]) = (sorted6[i].Prefix.Bits, (byte)sorted6[i].Prefix.LengthMapped);
            int at = sorted4.Length + i;
            (asns[at], lengthsMax[at]) = (sorted6[i].Asn.Value, (byte)sorted6[i].LengthMax);
            // /0 and /128 share a bit: one search too many at worst.
            lengthsOf6 |= UInt128.One << (sorted6[i].Prefix.LengthMapped & 127);
        }
    }

    public int Count => asns.Length;

    public static OriginValidation Create(IEnumerable<RoaPayload> payloads)
    {
        ILookup<bool, RoaPayload> families = payloads.Distinct().Order().ToLookup(payload => payload.Prefix.IsIPv4);
        return new OriginValidation([.. families[true]], [.. families[false]]);
    }

    /// <summary>RFC 6811 §2: whether this AS may originate this prefix.</summary>
    public OriginValidity Of(Prefix prefix, Asn origin)
    {
        bool isCovered = false;
        for (int length = prefix.Length; length >= 0; length--)
        {
            (int first, int end) = prefix.IsIPv4 ? Range4(prefix.Bits, length) : Range6(prefix.Bits, length);
            for (int i = first; i < end; i++)
            {
                isCovered = true;
                // AS 0 allows nobody, not even a route without an origin (RFC 6811 §2).
                if (asns[i] != 0 && asns[i] == origin.Value && prefix.Length <= lengthsMax[i])
                    return OriginValidity.Valid;
            }
        }

        return isCovered ? OriginValidity.Invalid : OriginValidity.NotFound;
    }

    /// <summary>The payloads that cover a prefix, shortest first: what an answer rests on.</summary>
    public ImmutableArray<RoaPayload> Covering(Prefix prefix)
    {
        ImmutableArray<RoaPayload>.Builder found = ImmutableArray.CreateBuilder<RoaPayload>();
        for (int length = 0; length <= prefix.Length; length++)
        {
            (int first, int end) = prefix.IsIPv4 ? Range4(prefix.Bits, length) : Range6(prefix.Bits, length);
            for (int i = first; i < end; i++) found.Add(At(i));
        }

        return found.ToImmutable();
    }

    /// <summary>All of them, in order.</summary>
    public IEnumerable<RoaPayload> All() => Enumerable.Range(0, Count).Select(At);

    private RoaPayload At(int index)
    {
        Prefix prefix = index < keys4.Length
            ? Prefix.OfMapped(MappedBits | (keys4[index] >> 8), MappedLength + (int)(keys4[index] & 0xff))
            : Prefix.OfMapped(keys6[index - keys4.Length], lengths6[index - keys4.Length]);
        return new RoaPayload(prefix, lengthsMax[index], new Asn(asns[index]));
    }

    private (int First, int End) Range4(UInt128 bits, int length)
    {
        if ((lengthsOf4 & (1UL << length)) == 0) return default;
        ulong key = Key4(bits, length);
        int first = FirstNotBelow(keys4.Length, i => keys4[i] < key);
        int end = first;
        while (end < keys4.Length && keys4[end] == key) end++;
        return (first, end);
    }

    private (int First, int End) Range6(UInt128 bits, int length)
    {
        if ((lengthsOf6 & (UInt128.One << (length & 127))) == UInt128.Zero) return default;
        UInt128 masked = length == 0 ? 0 : bits & (UInt128.MaxValue << (128 - length));
        int first = FirstNotBelow(
            keys6.Length, i => keys6[i] < masked || (keys6[i] == masked && lengths6[i] < length));
        int end = first;
        while (end < keys6.Length && keys6[end] == masked && lengths6[end] == length) end++;
        return (keys4.Length + first, keys4.Length + end);
    }

    private static ulong Key4(UInt128 bits, int length)
    {
        uint address = length == 0 ? 0 : (uint)bits & (uint.MaxValue << (32 - length));
        return ((ulong)address << 8) | (uint)length;
    }

    private static int FirstNotBelow(int count, Func<int, bool> isBelow)
    {
        int low = 0;
        while (low < count)
        {
            int middle = low + ((count - low) / 2);
            if (isBelow(middle)) low = middle + 1;
            else count = middle;
        }

        return low;
    }
}
