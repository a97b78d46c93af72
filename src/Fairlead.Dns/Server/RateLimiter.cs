using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Server;

/// <summary>What becomes of an answer.</summary>
internal enum RateVerdict
{
    Send,

    /// <summary>A small answer in its place: TC or BADCOOKIE.</summary>
    Slip,
    Drop,
}

/// <summary>
/// Response rate limiting in fixed memory (one look into one cache line a query, nothing allocated). A measure is the
/// time at which its neighbourhood is owed nothing any more: each answer moves it on by 1/rate, and beyond one second
/// ahead of now the rate is used up. One thread's own: with more threads each has its share of the rate.
/// </summary>
internal sealed class RateLimiter
{
    public const int PerSecondMax = 65_536;

    /// <summary>
    /// Time is counted in 2^-16 s: 32 bits last for 18 hours, and what lies further off is long over.
    /// </summary>
    private const int UnitsPerSecond = 65_536;
    private const int Ways = 8;

    private readonly RateLimitOptions options;
    private readonly (uint Tag, uint OwedUntil)[] slots;
    private readonly byte[] key = new byte[16];
    private readonly int[] unitsOfKind;
    private readonly PrefixTrie<bool>? exempt;
    private uint slips;

    public RateLimiter(RateLimitOptions options, int threads)
    {
        this.options = options;
        slots = new (uint, uint)[options.Slots];
        // Nobody may aim at the measure of somebody else.
        System.Security.Cryptography.RandomNumberGenerator.Fill(key);
        unitsOfKind = [.. new[] { options.AnswersPerSecond, options.AnswersPerSecond, options.NxDomainsPerSecond,
            options.ErrorsPerSecond }.Select(rate => rate == 0 ? 0 : Math.Max(1, UnitsPerSecond * threads / rate))];
        if (!options.Exempt.IsDefaultOrEmpty)
        {
            exempt = new PrefixTrie<bool>();
            foreach (Prefix prefix in options.Exempt) exempt.Set(prefix, true);
        }
    }

    /// <summary>The time as Judge wants it.</summary>
    public static uint UnitsOf(TimeSpan sinceStart) => (uint)(long)(sinceStart.TotalSeconds * UnitsPerSecond);

    public RateVerdict Judge(UInt128 clientMapped, Rcode rcode, bool hasRecords, uint nowUnits)
    {
        int kind = rcode switch
        {
            Rcode.NoError => hasRecords ? 0 : 1,
            Rcode.NxDomain => 2,
            _ => 3,
        };
        int units = unitsOfKind[kind];
        if (units == 0) return RateVerdict.Send;
        ref (uint Tag, uint OwedUntil) slot = ref Slot(clientMapped, kind, nowUnits);
        int ahead = (int)(slot.OwedUntil - nowUnits);
        // Ahead by more than any burst: not a debt but a time of 9 to 18 hours ago.
        if (ahead is < 0 or > UnitsPerSecond * 2) ahead = 0;
        if (ahead + units <= UnitsPerSecond || IsExempt(clientMapped))
        {
            slot.OwedUntil = nowUnits + (uint)(ahead + units);
            return RateVerdict.Send;
        }

        return options.Slip > 0 && ++slips % (uint)options.Slip == 0 ? RateVerdict.Slip : RateVerdict.Drop;
    }

    private bool IsExempt(UInt128 client) =>
        exempt is not null && exempt.TryLongest(Prefix.OfMapped(client, 128), out _, out _);

    // The neighbourhood's own slot, or else that of its line which is owed the least.
    private ref (uint Tag, uint OwedUntil) Slot(UInt128 client, int kind, uint nowUnits)
    {
        bool v4 = client >> 32 == 0xffff;
        int hostBits = v4 ? 32 - options.Ipv4Length : 128 - options.Ipv6Length;
        Span<byte> neighbourhood = stackalloc byte[17];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(neighbourhood, client >> hostBits);
        neighbourhood[16] = (byte)kind;
        ulong hash = SipHash.Of(key, neighbourhood);
        int line = (int)(hash & (uint)((slots.Length / Ways) - 1)) * Ways;
        uint tag = (uint)(hash >> 32) | 1;
        int victim = line, least = int.MaxValue;
        for (int i = line; i < line + Ways; i++)
        {
            if (slots[i].Tag == tag) return ref slots[i];
            int ahead = (int)(slots[i].OwedUntil - nowUnits);
            if (slots[i].Tag == 0 || ahead is < 0 or > UnitsPerSecond * 2) ahead = -1;
            if (ahead < least) (victim, least) = (i, ahead);
        }

        slots[victim] = (tag, nowUnits);
        return ref slots[victim];
    }
}
