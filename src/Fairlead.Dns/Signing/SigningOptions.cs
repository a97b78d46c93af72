using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>How zones are signed.</summary>
public sealed record SigningOptions
{
    /// <summary>How far back a signature begins, for validators whose clock is behind.</summary>
    public TimeSpan InceptionBefore { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long a signature holds, from now on.</summary>
    public TimeSpan Validity { get; init; } = TimeSpan.FromDays(14);

    /// <summary>The TTL of the DNSKEY, CDS and CDNSKEY sets.</summary>
    public uint DnskeyTtlSeconds { get; init; } = 3600;

    /// <summary>How many signatures of steered answers are kept ready; about 300 bytes each.</summary>
    public int CachedSignaturesMax { get; init; } = 1_000_000;

    /// <summary>A signature is renewed when less than this is left: a quarter, and up to an eighth earlier.</summary>
    internal TimeSpan RenewBefore => Validity / 4;

    internal TimeSpan RenewJitter => Validity / 8;

    /// <summary>
    /// What falls due within this time is renewed together, so that a zone is not signed anew for every set of it.
    /// </summary>
    internal TimeSpan RenewTogether => Validity / 200;

    /// <summary>What is wrong with the options, every fault in one pass.</summary>
    public IEnumerable<string> Problems()
    {
        if (InceptionBefore < TimeSpan.Zero) yield return "signatures cannot begin in the future";
        // Resolvers keep a set up to its TTL, and a node that is cut off must still have time left to be repaired.
        if (Validity < TimeSpan.FromHours(1)) yield return "signatures must hold for an hour or more";
        // RFC 4034 §3.1.5: times are compared in serial arithmetic, which ends at 68 years; a year is more than sense.
        if (Validity > TimeSpan.FromDays(366)) yield return "signatures must not hold for more than a year";
        if (DnskeyTtlSeconds is 0 or > 604_800) yield return "the TTL of the keys must be between 1 s and a week";
        if (CachedSignaturesMax < 1) yield return "there must be room for one signature at least";
    }
}

/// <summary>The times that a change of keys must wait for (RFC 7583 §3).</summary>
public sealed record KeyTiming
{
    /// <summary>The largest TTL in the zone: of its sets, of its steered names' maximum, of DNSKEY.</summary>
    public required TimeSpan TtlMax { get; init; }

    /// <summary>The TTL of the DS set in the parent zone.</summary>
    public TimeSpan DsTtl { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Until every server of the zone, secondaries too, has what we publish.</summary>
    public TimeSpan Propagation { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Until every server of the parent has what one of them has.</summary>
    public TimeSpan ParentPropagation { get; init; } = TimeSpan.FromHours(1);

    /// <summary>For a zone as it is, with the largest TTL of the steered names in it.</summary>
    public static KeyTiming Of(Zone zone, TimeSpan steeredTtlMax, SigningOptions options)
    {
        uint seconds = zone.Sets.Max(set => set.TtlSeconds);
        long largest = Math.Max(Math.Max(seconds, options.DnskeyTtlSeconds), (long)steeredTtlMax.TotalSeconds);
        return new KeyTiming { TtlMax = TimeSpan.FromSeconds(largest) };
    }
}
