using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using Fairlead.Fleet.Decide;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet;

/// <summary>What a node has seen and does, as it tells the others through the store.</summary>
public sealed record NodeReport
{
    public required string Pop { get; init; }

    public required string Node { get; init; }

    /// <summary>Grows with every report of this process; a smaller one with the same Started is an echo.</summary>
    public long Sequence { get; init; }

    public DateTimeOffset Started { get; init; }

    public ImmutableArray<PoolReport> Pools { get; init; } = [];

    /// <summary>The aggregates that at least one of its routers holds from it, and for how long.</summary>
    public ImmutableArray<AnnouncedReport> Announced { get; init; } = [];

    /// <summary>
    /// Whether its balancer's table is in the kernel, if it has one. Before, services with `balance` are not announced:
    /// the routes beneath the table know no flows.
    /// </summary>
    public bool Balances { get; init; } = true;

    /// <summary>
    /// The services whose flows its balancer has carried, with what another one must know to take them over.
    /// </summary>
    public ImmutableArray<CarriedService> Carried { get; init; } = [];

    /// <summary>Whether every part is there: a report comes out of a store that anybody may have written to.</summary>
    public bool IsWhole => !Pools.IsDefault && Pools.All(pool => pool is { IsWhole: true })
        && !Announced.IsDefault && Announced.All(announced => announced is not null)
        && !Carried.IsDefault && Carried.All(service => service is { Former.IsDefault: false }
            && service.Former.All(set => set is { Backends.IsDefault: false }
                && set.Backends.All(backend => backend is not null)));
}

/// <summary>One service's pool as this node's checks see it. Not known: the first round is not through.</summary>
public sealed record PoolReport(string Service, string Pop, bool Known, ImmutableArray<IPAddress> Healthy)
{
    /// <summary>When it may look different at the earliest; null: not known.</summary>
    public PoolTurns? Turns { get; init; }

    /// <summary>Where time holds against the count, see PoolStand; null: the count decides.</summary>
    public HostStance? StanceIPv4 { get; init; }

    /// <summary>As StanceIPv4.</summary>
    public HostStance? StanceIPv6 { get; init; }

    internal bool IsWhole => !Healthy.IsDefault && !Draining.IsDefault && !Warming.IsDefault
        && Warming.All(one => one is { Address: not null, Percent: > 0 and < 100 });

    public HostStance? StanceIn(AddressFamily family) =>
        family == AddressFamily.InterNetwork ? StanceIPv4 : StanceIPv6;

    /// <summary>Those that an operator drains, while their checks find them up. None of them is in Healthy.</summary>
    public ImmutableArray<IPAddress> Draining { get; init; } = [];

    /// <summary>Those of Healthy in their slow start, and the share of their weight that they have.</summary>
    public ImmutableArray<WarmingBackend> Warming { get; init; } = [];

    public int HealthyIn(AddressFamily family) => Healthy.Count(address => address.AddressFamily == family);
}

/// <summary>A backend in its slow start: Percent is from 1 to 99.</summary>
public sealed record WarmingBackend(IPAddress Address, int Percent);

/// <summary>
/// The shortest time in which a pool can change, reckoned as interval x results still missing: any backend's own state,
/// and the pool's verdict. Whole seconds, rounded down.
/// </summary>
public sealed record PoolTurns(int AnySeconds, int PoolSeconds);

public sealed record AnnouncedReport(Prefix Prefix, long AgeMilliseconds)
{
    private static readonly long OldestMilliseconds = (long)TimeSpan.FromDays(36_500).TotalMilliseconds;

    /// <summary>Never negative, and never so long that adding to it overflows: clocks jump, and others lie.</summary>
    public TimeSpan Age => TimeSpan.FromMilliseconds(Math.Clamp(AgeMilliseconds, 0, OldestMilliseconds));
}

/// <summary>A node's newest report as another node holds it, by the holder's own clock.</summary>
public sealed record NodeView(NodeReport Report, DateTimeOffset HeardAt, DateTimeOffset FreshSince);

/// <summary>
/// Since when the store's changes are followed without a gap, and when a committed change last came through. Silence is
/// measured up to that moment only: while nothing comes at all, it is we who are deaf, and nobody is dead for it.
/// </summary>
public readonly record struct StoreSight(DateTimeOffset? LiveSince, DateTimeOffset? ProvenAt)
{
    /// <summary>
    /// For how long the store has been silent about something last heard then, as far as can be known.
    /// </summary>
    public TimeSpan SilenceSince(DateTimeOffset? heardAt)
    {
        if (LiveSince is null || ProvenAt is null) return TimeSpan.Zero;
        DateTimeOffset from = heardAt > LiveSince ? heardAt.Value : LiveSince.Value;
        return ProvenAt.Value > from ? ProvenAt.Value - from : TimeSpan.Zero;
    }
}

/// <summary>Everything Decide looks at beside the fleet file.</summary>
public sealed record World
{
    /// <summary>The deciding node's own pop: it is alive, for it decides.</summary>
    public required string OwnPop { get; init; }

    public required StoreSight Store { get; init; }

    public ImmutableArray<NodeView> Nodes { get; init; } = [];

    public ImmutableArray<Intent> Intents { get; init; } = [];

    /// <summary>The last plan, from memory or disk: what is held when nothing better is known.</summary>
    public Plan? Previous { get; init; }
}
