using System.Collections.Immutable;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer;

/// <summary>Where a VIP's packets go: to the machine itself (Local), or to the backends.</summary>
public sealed record VipEntry(Prefix Vip, bool Local, ImmutableArray<IPAddress> Backends)
{
    public bool Equals(VipEntry? other) =>
        other is not null && Vip == other.Vip && Local == other.Local && Backends.SequenceEqual(other.Backends);

    public override int GetHashCode() => Vip.GetHashCode();
}

/// <summary>The balancer's input table: one entry a VIP.</summary>
public sealed record VipTable(long Generation, ImmutableArray<VipEntry> Entries)
{
    public static readonly VipTable Empty = new(0, []);
}
