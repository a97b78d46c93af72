using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// Graceful restart (RFC 4724) has a router keep the routes of a node whose process is dead, so it may only be offered
/// where the kernel serves every one of them without the process: that is what the balancer's pinned programs do, and
/// nothing else does. One service that does not is enough: BGP knows families, not routes.
/// </summary>
public static class Survival
{
    /// <summary>For how long a router may keep a node's routes of a family; null: not at all.</summary>
    public static TimeSpan? Of(FleetSpec fleet, PopSpec pop, RouterSpec router, AddressFamily family) =>
        router.Restart is { } time && Announced(fleet, pop, family).Any() && Mortal(fleet, pop, family).IsEmpty
            ? time
            : null;

    /// <summary>Whether any router may keep any route of the pop's nodes.</summary>
    public static bool IsAny(FleetSpec fleet, PopSpec pop) => pop.Routers.Any(router =>
        Of(fleet, pop, router, AddressFamily.InterNetwork) is not null
        || Of(fleet, pop, router, AddressFamily.InterNetworkV6) is not null);

    /// <summary>The services of a family that end with the process.</summary>
    public static ImmutableArray<string> Mortal(FleetSpec fleet, PopSpec pop, AddressFamily family) =>
        [.. Announced(fleet, pop, family).Where(service => service.Balance is null).Select(service => service.Name)];

    private static IEnumerable<ServiceSpec> Announced(FleetSpec fleet, PopSpec pop, AddressFamily family) =>
        fleet.Services.Where(service => service.Announce.In(pop.Name) != AnnounceWhen.Never
            && fleet.AllVips(service).Any(vip => vip.Family == family));
}
