using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Decide;

/// <summary>Why a node announces a prefix, or does not: the chain from the checks to the route, in words.</summary>
public static class RouteWhy
{
    /// <summary>The last line says what comes of it; one line alone: the fleet knows nothing of the prefix.</summary>
    public static ImmutableArray<string> Of(FleetSpec fleet, Plan plan, NodeReport own, Prefix prefix)
    {
        PopSpec pop = fleet.Pop(own.Pop)!;
        PopPlan stance = plan.Pop(own.Pop)!;
        ImmutableArray<Route> routes = NodeRoutes.Of(fleet, plan, own, 0).Routes;
        var lines = ImmutableArray.CreateBuilder<string>();
        lines.Add($"pop {pop.Name}: {stance.State}, {stance.Why}");
        bool known = false;
        foreach (ServiceSpec service in fleet.Services.Where(service => fleet.AllVips(service).Contains(prefix)))
        {
            known = true;
            lines.AddRange(Host(fleet, plan, own, pop, stance, service, prefix));
        }

        if (fleet.Aggregates.Contains(prefix))
        {
            known = true;
            lines.AddRange(Aggregate(fleet, plan, pop, stance, prefix, routes));
        }

        foreach (ExtraAnnouncement extra in plan.Extra.Where(one => one.Pop == pop.Name && one.Prefix == prefix))
        {
            known = true;
            lines.Add(extra.Blackhole
                ? $"an operator has packets to it thrown away (blackhole): {extra.Reason}; told to "
                    + string.Join(", ", pop.Routers.Where(one => one.TakesBlackholes).Select(one => one.Name)
                        .DefaultIfEmpty("nobody, since no router here takes it"))
                : $"an operator has asked for it (announce): {extra.Reason}");
        }

        if (!known) return [$"{prefix} is no VIP, no aggregate, and nobody has asked for it"];
        Route[] told = [.. routes.Where(route => route.Prefix == prefix)];
        lines.AddRange(told.Select(route => $"wanted: {Text(route)}"));
        if (told.Length == 0) lines.Add("not wanted");
        return lines.ToImmutable();
    }

    private static IEnumerable<string> Host(
        FleetSpec fleet, Plan plan, NodeReport own, PopSpec pop, PopPlan stance, ServiceSpec service, Prefix vip)
    {
        NodeSpec node = pop.Node(own.Node)!;
        PoolReport? pool = own.Pools.FirstOrDefault(one => one.Service == service.Name && one.Pop == own.Pop);
        AddressFamily behind = service.Behind(vip.Family);
        int size = service.PoolOf(pop, node).Count(address => address.AddressFamily == behind);
        string count = pool is { Known: true } ? $"{pool.HealthyIn(behind)}" : "not yet known how many";
        yield return $"service {service.Name}: {count} of {size} healthy, {service.MinHealthy.Of(size)} needed";
        AnnounceWhen when = service.Announce.In(pop.Name);
        if (when != AnnounceWhen.Healthy) yield return $"announce.when is {when} in {pop.Name}";
        if (pool?.StanceIn(vip.Family) is { } against)
            yield return against == HostStance.Deprefer
                ? $"it fails, and is the last choice for {service.Announce.Failing?.For.TotalSeconds} s"
                : $"it was down, and must be healthy for {service.Announce.WarmUp.TotalSeconds} s";
        if (pool is { Known: true } && pool.HealthyIn(behind) == 0
            && Spill.Targets(fleet, plan, pop, service, vip.Family) is { IsEmpty: false } next)
            yield return $"packets that come all the same are sent on to {string.Join(" and ", next)} (spill)";
        if (plan.Service(service.Name) is { } verdict && verdict.IsHeld(vip.Family))
            yield return "every pool failed at once: the last verdict is held";
        if (!own.Balances && service.Balance is not null)
            yield return "the balancer's table is not in the kernel yet: `fairlead balancer` says why";
        if (!stance.Serves) yield return $"pop {pop.Name} announces no host routes while it is {stance.State}";
    }

    private static IEnumerable<string> Aggregate(
        FleetSpec fleet, Plan plan, PopSpec pop, PopPlan stance, Prefix prefix, ImmutableArray<Route> routes)
    {
        PopSpec? owner = fleet.Pops.FirstOrDefault(one => one.Regional.Contains(prefix));
        yield return owner is null ? "a cover: every pop announces it"
            : owner == pop ? "this pop's own regional prefix"
            : $"the regional prefix of pop {owner.Name}, which is {plan.Pop(owner.Name)?.State}"
                + (plan.Pop(owner.Name) is { Rescued: true } ? ": the others announce it for it" : "");
        if (stance.Aggregates != AggregateStance.Announce)
            yield return $"pop {pop.Name} has its aggregates at: {stance.Aggregates}";
        if (!routes.Any(route => route.Prefix.IsHost && prefix.Contains(route.Prefix)))
            yield return "no host route inside it is announced here, so nothing stands behind it";
    }

    private static string Text(Route route)
    {
        string text = route.Prefix.ToString();
        if (route.NextHop is { } nextHop) text += $", next hop {nextHop}";
        if (route.Med is { } med) text += $", MED {med}";
        if (route.Prepend > 0) text += $", {route.Prepend} prepends";
        if (route.Communities.Length > 0)
            text += $", communities {string.Join(' ', route.Communities.Select(Community.Format))}";
        if (route.GracefulShutdown) text += ", graceful-shutdown";
        return text;
    }
}
