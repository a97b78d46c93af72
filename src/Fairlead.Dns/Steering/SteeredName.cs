using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Steering;

/// <summary>
/// What a region is answered: addresses, or one CNAME and no addresses. All empty: the name has no data there.
/// </summary>
public sealed record SteeredAnswer
{
    public ImmutableArray<IPAddress> A { get; init; } = [];

    public ImmutableArray<IPAddress> Aaaa { get; init; } = [];

    public DnsName? Cname { get; init; }
}

/// <summary>
/// A name whose answer depends on where the asker is. The owner may be a wildcard. ByRegion is indexed by the region
/// ids of the RegionMap; index 0 is the default, and answers for regions beyond the end.
/// </summary>
public sealed record SteeredName
{
    public required DnsName Owner { get; init; }

    public required uint TtlSeconds { get; init; }

    public required ImmutableArray<SteeredAnswer> ByRegion { get; init; }
}
