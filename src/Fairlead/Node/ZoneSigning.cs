using System.Collections.Immutable;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet.Spec;

namespace Fairlead.Node;

/// <summary>The zones of a fleet as they are answered: signed where there are keys.</summary>
public sealed class ZoneSigning
{
    private readonly ImmutableDictionary<DnsName, SetSigner> signers;
    private readonly ImmutableDictionary<DnsName, SignedZone> signed;
    private readonly SignatureCache cache;
    private readonly HashSet<DnsName> origins;

    private ZoneSigning(
        ImmutableArray<Zone> zones, ImmutableDictionary<DnsName, SetSigner> signers,
        ImmutableDictionary<DnsName, SignedZone> signed, SignatureCache cache, DateTimeOffset? nextLook)
    {
        (Zones, this.signers, this.signed, this.cache, NextLook) = (zones, signers, signed, cache, nextLook);
        origins = [.. zones.Select(zone => zone.Origin)];
    }

    public ImmutableArray<Zone> Zones { get; }

    /// <summary>When a signature or a key must be looked at again; null: nothing is signed here.</summary>
    public DateTimeOffset? NextLook { get; }

    /// <summary>Whether SignerOf knows anybody.</summary>
    public bool SignsSteered => !signers.IsEmpty;

    /// <summary>Who signs the sets of a steered name; null: nobody.</summary>
    public SetSigner? SignerOf(DnsName owner)
    {
        // The zone that the name lies in, and none above it, signed or not.
        for (DnsName above = owner; !signers.IsEmpty; above = above.Parent)
        {
            if (origins.Contains(above)) return signers.GetValueOrDefault(above);
            if (above.LabelCount == 0) break;
        }

        return null;
    }

    public static ZoneSigning Nothing(ImmutableArray<Zone> zones) => new(
        zones, ImmutableDictionary<DnsName, SetSigner>.Empty, ImmutableDictionary<DnsName, SignedZone>.Empty,
        new SignatureCache(1), null);

    /// <summary>Signs what has keys; what was signed before and is fresh is taken over.</summary>
    public static ZoneSigning Sign(
        FleetFile file, string folder, ImmutableArray<Zone> zones, IReadOnlyList<SteeredName> names,
        ZoneSigning? before, DateTimeOffset now, List<SpecProblem> problems)
    {
        if (file.Spec.Dns.Dnssec is not { } dnssec) return Nothing(zones);
        var options = new SigningOptions { Validity = dnssec.Validity };
        var keys = new KeyFolder(Path.Combine(folder, dnssec.Keys));
        var cache = before is { NextLook: not null } ? before.cache : new SignatureCache(options.CachedSignaturesMax);
        var signers = ImmutableDictionary.CreateBuilder<DnsName, SetSigner>();
        var signed = ImmutableDictionary.CreateBuilder<DnsName, SignedZone>();
        var all = ImmutableArray.CreateBuilder<Zone>(zones.Length);
        DateTimeOffset next = now + TimeSpan.FromHours(1);
        try
        {
            ILookup<DnsName, ZoneKey> byZone = keys.List().ToLookup(key => key.Key.Zone);
            foreach (ZoneSpec zone in file.Spec.Zones.Where(zone => zone.IsSecondary))
            {
                if (DnsName.TryParse(zone.Origin.TrimEnd('.') + ".", out DnsName origin) && byZone.Contains(origin))
                    problems.Add(file.At($"zones.{zone.Origin}.primaries",
                        $"{keys.Path} has keys of {origin}: a secondary zone is signed by its primary, or not at all"));
            }

            foreach (Zone zone in zones)
            {
                if (!byZone.Contains(zone.Origin))
                {
                    all.Add(zone);
                    continue;
                }

                KeySet set = KeySet.At(zone.Origin, byZone[zone.Origin], now);
                var faults = set.Problems().Concat(ZoneSigner.Problems(zone)).ToList();
                problems.AddRange(faults.Select(fault => file.At("dns.dnssec.keys", fault)));
                if (faults.Count > 0) continue;
                var signer = new SetSigner(set, options, cache, now);
                IEnumerable<SteeredOwner> steered = names
                    .Where(name => !name.ByRegion.IsDefaultOrEmpty && name.Owner.IsWithin(zone.Origin))
                    .Where(name => !zones.Any(other => name.Owner.IsWithin(other.Origin)
                        && other.Origin.LabelCount > zone.Origin.LabelCount))
                    .Select(SteeredOwner.Of);
                SignedZone made = ZoneSigner.Sign(
                    zone, signer, steered, before?.signed.GetValueOrDefault(zone.Origin));
                all.Add(made.Zone);
                signers[zone.Origin] = signer;
                signed[zone.Origin] = made;
                if (made.NextRenewal < next) next = made.NextRenewal;
                if (set.NextChange < next) next = set.NextChange.Value;
            }
        }
        catch (Exception fault) when (fault is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            problems.Add(file.At("dns.dnssec.keys", fault.Message));
        }

        return new ZoneSigning(all.ToImmutable(), signers.ToImmutable(), signed.ToImmutable(), cache, next);
    }
}
