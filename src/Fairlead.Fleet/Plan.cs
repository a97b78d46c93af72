using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet;

public enum PopState
{
    /// <summary>Not heard of yet, and not long enough to call it dead.</summary>
    Starting,

    /// <summary>Alive, and its routes do not stand long enough yet.</summary>
    Returning,
    Up,

    /// <summary>Drain, stage 1: DNS hands out no address of it; what resolvers hold is still served.</summary>
    DrainingDns,

    /// <summary>Drain, stage 2: the others announce its regional prefixes too.</summary>
    DrainingAnnounce,

    /// <summary>Drain, stage 3: its aggregates carry GRACEFUL_SHUTDOWN (RFC 8326).</summary>
    DrainingDeprefer,

    /// <summary>Drain, stage 4: its aggregates are withdrawn; late packets are still served.</summary>
    DrainingWithdraw,
    Drained,
    Dead,
}

public enum AggregateStance
{
    Announce,
    Deprefer,
    Withdraw,
}

/// <summary>What every node of the fleet must do now: the same on each that has the same inputs.</summary>
public sealed record Plan
{
    public ImmutableArray<PopPlan> Pops { get; init; } = [];

    public ImmutableArray<ServicePlan> Services { get; init; } = [];

    public ImmutableArray<ExtraAnnouncement> Extra { get; init; } = [];

    /// <summary>What operators say of pops for DNS alone, the most special pattern first.</summary>
    public ImmutableArray<OverridePlan> Overrides { get; init; } = [];

    public PopPlan? Pop(string name) => Pops.FirstOrDefault(pop => pop.Pop == name);

    public ServicePlan? Service(string name) => Services.FirstOrDefault(service => service.Service == name);
}

/// <summary>A pop's part.</summary>
/// <param name="Pop">Its name.</param>
/// <param name="State">How it stands.</param>
/// <param name="Why">The evidence, for people.</param>
/// <param name="Serves">Whether its nodes announce host routes.</param>
/// <param name="Aggregates">What its nodes do with the covers and its own regional prefixes.</param>
/// <param name="InDns">Whether DNS may hand out its addresses.</param>
/// <param name="Rescued">Whether the other pops announce its regional prefixes.</param>
public sealed record PopPlan(
    string Pop, PopState State, string Why, bool Serves, AggregateStance Aggregates, bool InDns, bool Rescued)
{
    /// <summary>A drain is set for soon: names that lead here are kept for no longer than they must.</summary>
    public bool LeavesSoon { get; init; }

    /// <summary>Its nodes whose balancer stands, as far as they are heard; empty where the fleet has none.</summary>
    public ImmutableArray<string> Balancers { get; init; } = [];
}

/// <summary>A service's part: in which pops it is up, a family each.</summary>
/// <param name="Service">Its name.</param>
/// <param name="UpIPv4">Pops whose pool can serve IPv4.</param>
/// <param name="UpIPv6">Pops whose pool can serve IPv6.</param>
/// <param name="HeldIPv4">Every pool failed: that is a broken check, not a broken world; the last verdict is held.
/// A family each: their checks beat apart, and the VIP of one must not go because the other still answers.</param>
/// <param name="HeldIPv6">As HeldIPv4.</param>
/// <param name="Backends">The healthy backends of each pop.</param>
public sealed record ServicePlan(
    string Service,
    ImmutableArray<string> UpIPv4,
    ImmutableArray<string> UpIPv6,
    bool HeldIPv4,
    bool HeldIPv6,
    ImmutableSortedDictionary<string, ImmutableArray<IPAddress>> Backends)
{
    /// <summary>Each pop's earliest time to change, as its nodes see it; absent: nothing is known.</summary>
    public ImmutableSortedDictionary<string, PoolTurns> Turns { get; init; } =
        ImmutableSortedDictionary<string, PoolTurns>.Empty;

    public bool Held => HeldIPv4 || HeldIPv6;

    public bool IsHeld(AddressFamily family) => family == AddressFamily.InterNetwork ? HeldIPv4 : HeldIPv6;

    public bool IsUp(string pop, AddressFamily family) =>
        (family == AddressFamily.InterNetwork ? UpIPv4 : UpIPv6).Contains(pop);

    public bool IsUp(string pop) => UpIPv4.Contains(pop) || UpIPv6.Contains(pop);
}

/// <summary>An operator's word on "name/pop" or "service/pop", * standing for anything.</summary>
public sealed record OverridePlan(string Pattern, bool Up, string Reason);

/// <summary>What an operator has a pop's nodes announce.</summary>
public sealed record ExtraAnnouncement(string Pop, Prefix Prefix)
{
    /// <summary>With BLACKHOLE (RFC 7999): to routers that take it, before any other route to the prefix.</summary>
    public bool Blackhole { get; init; }

    public string Reason { get; init; } = "";
}
