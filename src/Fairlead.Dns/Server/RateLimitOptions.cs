using System.Collections.Immutable;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Server;

/// <summary>
/// How often one neighbourhood of addresses is answered over UDP, so that nobody can aim our answers at somebody else.
/// Who shows a valid cookie is exempt: its address is its own. Each kind of answer has its own measure.
/// </summary>
public sealed record RateLimitOptions
{
    /// <summary>Answers with data, without data, and referrals: of each kind so many a second. 0: no limit.</summary>
    public int AnswersPerSecond { get; init; } = 1000;

    /// <summary>Names that are not there, a second. 0: no limit.</summary>
    public int NxDomainsPerSecond { get; init; } = 500;

    /// <summary>REFUSED, FORMERR and the like, a second. 0: no limit.</summary>
    public int ErrorsPerSecond { get; init; } = 100;

    /// <summary>
    /// Every so many-th query over the rate gets a small answer (TC, or BADCOOKIE to who knows cookies), so that a
    /// true asker comes through; the others get none. 1: all of them; 0: none.
    /// </summary>
    public int Slip { get; init; } = 2;

    /// <summary>What counts as one neighbourhood: 1 to 32, and 1 to 64.</summary>
    public int Ipv4Length { get; init; } = 24;

    public int Ipv6Length { get; init; } = 56;

    /// <summary>Addresses that are never limited.</summary>
    public ImmutableArray<Prefix> Exempt { get; init; } = [];

    /// <summary>Measures of 8 bytes that each UDP thread keeps, a power of two.</summary>
    public int Slots { get; init; } = 65_536;

    public IEnumerable<string> Problems()
    {
        int[] rates = [AnswersPerSecond, NxDomainsPerSecond, ErrorsPerSecond];
        if (rates.Any(rate => rate is < 0 or > RateLimiter.PerSecondMax))
            yield return $"rateLimit: rates go from 0 to {RateLimiter.PerSecondMax}";
        if (Slip is < 0 or > 100) yield return "rateLimit.slip: from 0 to 100";
        if (Ipv4Length is < 1 or > 32) yield return "rateLimit.ipv4Length: from 1 to 32";
        if (Ipv6Length is < 1 or > 64) yield return "rateLimit.ipv6Length: from 1 to 64";
        if (Slots is < 64 or > 1 << 24 || !System.Numerics.BitOperations.IsPow2(Slots))
            yield return "rateLimit.slots: a power of two from 64 to 16777216";
    }
}
