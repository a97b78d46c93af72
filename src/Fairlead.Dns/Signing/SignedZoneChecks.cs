using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>What an operator must know about a zone that comes signed: we serve it as it is, whatever it is.</summary>
public static class SignedZoneChecks
{
    public static IEnumerable<string> Problems(Zone zone, DateTimeOffset now)
    {
        bool hasParameters = zone.Find(zone.Origin, RecordType.Nsec3Param) is not null;
        if (hasParameters && zone.Nsec3 is null && !zone.HasNsec)
        {
            yield return $"zone {zone.Origin}: its NSEC3PARAM names no chain of it with SHA-1 and up to "
                + $"{Nsec3Parameters.IterationsMax} iterations; what it denies cannot be proven";
        }

        if (zone.Soa.SignatureCount > 0 && !hasParameters && !zone.HasNsec)
            yield return $"zone {zone.Origin} is signed without NSEC or NSEC3: what it denies cannot be proven";
        if (SignaturesEnd(zone, now) is { } end && end <= now)
            yield return $"zone {zone.Origin}: a signature ended at {end:u}; validators refuse what it covers";
    }

    /// <summary>When the first signature of the zone ends; null when it has none.</summary>
    public static DateTimeOffset? SignaturesEnd(Zone zone, DateTimeOffset now)
    {
        DateTimeOffset? end = null;
        foreach (RRset set in zone.Sets)
        {
            for (int i = 0; i < set.SignatureCount; i++)
            {
                if (set.Signature(i).Length < Signature.BeforeSigner) continue;
                DateTimeOffset expires = Signature.Expiration(set.Signature(i), now);
                if (end is null || expires < end) end = expires;
            }
        }

        return end;
    }
}
