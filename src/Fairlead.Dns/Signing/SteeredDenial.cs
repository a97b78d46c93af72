using System.Collections.Frozen;
using System.Collections.Immutable;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>A steered name (perhaps a wildcard) as the NSEC chain must know it: the types it can ever answer.</summary>
public sealed record SteeredOwner(DnsName Owner, ImmutableArray<RecordType> Types)
{
    /// <summary>
    /// Addresses count as both families, whether one has any now or not: so a plan that changes an answer leaves the
    /// chain, and with it the zone, as it is.
    /// </summary>
    public static SteeredOwner Of(SteeredName name)
    {
        bool hasCname = name.ByRegion.Any(region => region.Cname is not null);
        bool hasAddresses = name.ByRegion.Any(region => region.Cname is null);
        ImmutableArray<RecordType> addresses = hasAddresses ? [RecordType.A, RecordType.Aaaa] : [];
        return new SteeredOwner(name.Owner, hasCname ? addresses.Add(RecordType.Cname) : addresses);
    }
}

/// <summary>
/// The NSEC records of one steered name. A region may lack a type that another has, and one may have a CNAME where
/// another has addresses; a NSEC that lists a type proves nothing about its absence, and none may list CNAME to prove
/// the absence of another type (RFC 6840 §4.3). So there is one for each type that can be denied, which differs in
/// nothing else, and Cover, which stands in the chain and lists all: what a resolver concludes from it by itself
/// (RFC 8198) denies no answer that we give to anybody.
/// </summary>
internal sealed class SteeredDenial
{
    private readonly RRset others;
    private readonly FrozenDictionary<RecordType, RRset> byType;

    private SteeredDenial(RRset cover, RRset others, FrozenDictionary<RecordType, RRset> byType)
    {
        Cover = cover;
        this.others = others;
        this.byType = byType;
    }

    /// <summary>For the chain.</summary>
    public RRset Cover { get; }

    /// <summary>The NSEC that proves that the name has no data of this type for the asker.</summary>
    public RRset Denying(RecordType type) => byType.GetValueOrDefault(type, others);

    /// <summary>`make` gives the signed NSEC that lists these types.</summary>
    public static SteeredDenial Create(
        SteeredOwner steered, IEnumerable<RecordType> staticTypes, Func<IEnumerable<RecordType>, RRset> make)
    {
        HashSet<RecordType> all = [.. staticTypes, .. steered.Types];
        RRset cover = make(all);
        HashSet<RecordType> present = [.. all.Where(type => type != RecordType.Cname)];
        RRset others = present.Count == all.Count ? cover : make(present);
        // A name that is a CNAME in every region is never without data.
        bool onlyCname = steered.Types.All(type => type == RecordType.Cname);
        IEnumerable<RecordType> deniable = onlyCname ? [] : steered.Types.Where(type => type != RecordType.Cname);
        return new SteeredDenial(cover, others, deniable.Distinct().ToFrozenDictionary(
            type => type, type => make(present.Where(other => other != type))));
    }
}
