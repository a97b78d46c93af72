using System.Collections.Immutable;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>A zone that we signed, and what it was made from.</summary>
public sealed record SignedZone(Zone Zone, Zone Unsigned, KeySet Keys, ImmutableArray<SteeredOwner> Steered)
{
    /// <summary>When the first of its signatures must be renewed.</summary>
    public required DateTimeOffset NextRenewal { get; init; }
}

/// <summary>
/// Makes of a zone what a signer makes of a master file (RFC 4035 §2): keys at the apex, a NSEC chain through all
/// names, the steered ones too, and a signature over every set that is the zone's own.
/// </summary>
public static class ZoneSigner
{
    /// <summary>What keeps the zone from being signed here.</summary>
    public static IEnumerable<string> Problems(Zone zone)
    {
        bool signed = zone.SetsAt(zone.Origin).Any(set =>
            set.SignatureCount > 0 || set.Type is RecordType.Nsec or RecordType.Nsec3Param);
        if (signed) yield return $"zone {zone.Origin} comes signed: take its keys away here, or the signatures there";
    }

    /// <summary>
    /// Signs on all cores. What the version before has signed and did not change is taken over while it is fresh; with
    /// nothing changed at all, `previous` itself comes back. ArgumentException when Problems has any.
    /// </summary>
    public static SignedZone Sign(
        Zone zone, SetSigner signer, IEnumerable<SteeredOwner> steered, SignedZone? previous = null)
    {
        if (Problems(zone).FirstOrDefault() is { } problem) throw new ArgumentException(problem);
        ImmutableArray<SteeredOwner> all = [.. steered];
        if (previous is not null && Holds(previous, zone, signer, all)) return previous;

        List<SignedName> names = Names(zone, KeySets(zone, signer), all, out List<RRset> glue);
        // The signer may serve other zones' sets too; the renewal of this one is its own.
        var own = new SetSigner(signer.Keys, signer.Options, signer.Cache, signer.Now);
        var sets = new RRset[names.Count][];
        var denials = new SteeredDenial?[names.Count];
        Parallel.For(0, names.Count, i =>
        {
            SignedName name = names[i];
            DnsName next = names[(i + 1) % names.Count].Owner;
            // RFC 4035 §2.2: at a cut only the DS is ours to sign, the NS are the child's.
            IEnumerable<RRset> data = name.Sets.Select(set => name.IsCut && set.Type != RecordType.Ds
                ? set
                : own.Sign(set, previous?.Zone.Find(set.Owner, set.Type)));
            // RFC 9077 §3: a NSEC lives as long as the denial that it proves.
            RRset Nsec(IEnumerable<RecordType> types) =>
                new(name.Owner, RecordType.Nsec, zone.NegativeTtlSeconds, [NsecData(next, types)]);
            if (name.Steered is not null)
                denials[i] = SteeredDenial.Create(name.Steered, name.Types, types => own.Sign(Nsec(types)));
            RRset nsec = denials[i]?.Cover
                ?? own.Sign(Nsec(name.Types), previous?.Zone.Find(name.Owner, RecordType.Nsec));
            sets[i] = [.. data, nsec];
        });
        var byOwner = new Dictionary<DnsName, SteeredDenial>(NameComparer.Instance);
        for (int i = 0; i < names.Count; i++)
        {
            if (denials[i] is { } denial) byOwner[names[i].Owner] = denial;
        }

        signer.Note(own);
        var signed = new Zone(zone.Origin, [.. sets.SelectMany(owner => owner), .. glue]) { Denials = byOwner };
        return new SignedZone(signed, zone, signer.Keys, all) { NextRenewal = own.NextRenewal };
    }

    // The tables of the version before can be kept whole when this is the same zone to the last byte.
    private static bool Holds(SignedZone previous, Zone zone, SetSigner signer, ImmutableArray<SteeredOwner> steered)
    {
        bool same = previous.Unsigned == zone && previous.Keys.SignsAs(signer.Keys)
            && previous.NextRenewal > signer.Now + signer.Options.RenewTogether
            && previous.Steered.Length == steered.Length;
        for (int i = 0; same && i < steered.Length; i++)
        {
            same = previous.Steered[i].Owner == steered[i].Owner
                && previous.Steered[i].Types.SequenceEqual(steered[i].Types);
        }

        return same;
    }

    private static ImmutableArray<RRset> KeySets(Zone zone, SetSigner signer)
    {
        KeySet keys = signer.Keys;
        uint ttl = signer.Options.DnskeyTtlSeconds;
        // What the file says stays beside ours: another signer's keys, for zones that two providers sign (RFC 8901).
        RRset Joined(RecordType type, IEnumerable<byte[]> rdata) =>
            new(zone.Origin, type, ttl, [.. rdata, .. Rdata(zone.Find(zone.Origin, type))]);
        ImmutableArray<RRset> sets = [Joined(RecordType.Dnskey, keys.Shown.Select(key => key.Dnskey.ToArray()))];
        // RFC 7344 §4.1: as long as there is nothing to ask of the parent, no CDS stands there.
        return keys.ForParent.IsEmpty ? sets : sets.AddRange(
            Joined(RecordType.Cds, keys.ForParent.Select(key => key.Ds())),
            Joined(RecordType.Cdnskey, keys.ForParent.Select(key => key.Dnskey.ToArray())));
    }

    private static IEnumerable<byte[]> Rdata(RRset? set)
    {
        for (int i = 0; i < set?.Count; i++) yield return set[i].ToArray();
    }

    // The names of the chain in canonical order, and aside what lies below cuts: others sign that.
    private static List<SignedName> Names(
        Zone zone, ImmutableArray<RRset> keySets, ImmutableArray<SteeredOwner> steered, out List<RRset> glue)
    {
        Dictionary<DnsName, SteeredOwner> steeredAt = steered.ToDictionary(name => name.Owner);
        DnsName[] owners = [.. zone.Owners.Union(steeredAt.Keys)];
        byte[][] sortKeys = [.. owners.Select(CanonicalForm.SortKey)];
        Array.Sort(sortKeys, owners, Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)));
        var names = new List<SignedName>(owners.Length);
        glue = [];
        DnsName? cut = null;
        foreach (DnsName owner in owners)
        {
            ImmutableArray<RRset> sets = [.. zone.SetsAt(owner)];
            if (cut is not null && owner.IsWithin(cut))
            {
                glue.AddRange(sets);
                continue;
            }

            if (owner == zone.Origin)
            {
                sets = [.. sets.Where(set => !keySets.Any(ours => ours.Type == set.Type)), .. keySets];
            }

            steeredAt.TryGetValue(owner, out SteeredOwner? steeredHere);
            // An empty non-terminal has no NSEC; the one before it covers it (RFC 4035 §2.3).
            if (sets.IsEmpty && steeredHere is null) continue;
            bool isCut = owner != zone.Origin && sets.Any(set => set.Type == RecordType.Ns);
            if (isCut) cut = owner;
            // RFC 4035 §2.3: at a cut NS and DS are listed, an address there is glue.
            IEnumerable<RecordType> types = sets.Select(set => set.Type)
                .Where(type => !isCut || type is RecordType.Ns or RecordType.Ds);
            names.Add(new SignedName(owner, sets, [.. types, RecordType.Rrsig, RecordType.Nsec], isCut, steeredHere));
        }

        return names;
    }

    private static byte[] NsecData(DnsName next, IEnumerable<RecordType> types) =>
        [.. next.Wire, .. TypeBitmap.Of(types)];

    private sealed record SignedName(
        DnsName Owner, ImmutableArray<RRset> Sets, ImmutableArray<RecordType> Types, bool IsCut, SteeredOwner? Steered);
}
