using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// Where a pop that has no healthy backend of a service left sends its packets on to, until BGP and DNS have moved its
/// users: the balancers of the next pop, which take them as if they had come there. The plan alone decides it, so the
/// nodes of a pop agree.
/// </summary>
public static class Spill
{
    /// <summary>
    /// An address of each balancer of the nearest pop that could serve; empty: there is none, or the service does not
    /// spill. While every pool seems down at once (a held verdict) nobody is the better choice.
    /// </summary>
    public static ImmutableArray<IPAddress> Targets(
        FleetSpec fleet, Plan plan, PopSpec from, ServiceSpec service, AddressFamily family)
    {
        if (service.Balance is not { Spills: true } || plan.Service(service.Name) is not { } verdict
            || verdict.IsHeld(family)) return [];
        PopSpec? next = fleet.Pops.Where(pop => pop != from && verdict.IsUp(pop.Name, family)
                && plan.Pop(pop.Name) is { State: PopState.Up or PopState.Returning, Balancers.IsEmpty: false })
            .MinBy(from.DistanceTo);
        return next is null ? [] :
        [
            .. plan.Pop(next.Name)!.Balancers.Select(next.Node).OfType<NodeSpec>()
                .Select(node => node.Address(family) ?? node.Addresses.FirstOrDefault()).OfType<IPAddress>(),
        ];
    }

    /// <summary>Whose packets a pop takes: every node of the other pops, where some service spills.</summary>
    public static ImmutableArray<IPAddress> Sources(FleetSpec fleet, PopSpec to) =>
        fleet.Services.Any(service => service.Balance is { Spills: true })
            ? [.. fleet.Pops.Where(pop => pop != to).SelectMany(pop => pop.Nodes).SelectMany(node => node.Addresses)]
            : [];
}
