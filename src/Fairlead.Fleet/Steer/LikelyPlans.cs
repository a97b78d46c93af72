using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Steering;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Steer;

/// <summary>
/// The plans that may well come after one: what they answer can be signed before it is asked for. Only what decides
/// between pops and backends is in them; a time, a reason or an announcement changes no signature. Pure.
/// </summary>
public static class LikelyPlans
{
    /// <summary>
    /// From how things stand, and from all being up: nothing more, each pop dead, each drained, each service down in
    /// one pop, one backend less.
    /// </summary>
    public static IEnumerable<Plan> After(FleetSpec fleet, Plan plan)
    {
        foreach (Plan basis in new[] { plan with { Services = [.. plan.Services.Select(Bare)] }, AllUp(fleet, plan) })
        {
            yield return basis;
            foreach (PopSpec pop in fleet.Pops)
            {
                yield return Down(With(basis, pop.Name, PopState.Dead), pop.Name);
                yield return With(basis, pop.Name, PopState.DrainingDns);
                // A name looks at its own service alone, so one plan shows what each of them would answer.
                yield return Down(basis, pop.Name);
            }

            int pool = fleet.Services.SelectMany(service => service.Backends.Values).Select(all => all.Length)
                .DefaultIfEmpty(0).Max();
            for (int i = 0; i < Math.Min(pool, SteeringTable.AddressesMax); i++) yield return Without(fleet, basis, i);
        }
    }

    private static Plan AllUp(FleetSpec fleet, Plan plan)
    {
        ImmutableArray<string> pops = [.. fleet.Pops.Select(pop => pop.Name)];
        return plan with
        {
            Pops = [.. pops.Select(pop => Standing(pop, PopState.Up))],
            Services =
            [
                .. fleet.Services.Select(service => new ServicePlan(
                    service.Name, pops, pops, false, false,
                    service.Backends.ToImmutableSortedDictionary(StringComparer.Ordinal))),
            ],
        };
    }

    private static PopPlan Standing(string pop, PopState state) =>
        new(pop, state, "", true, AggregateStance.Announce, state == PopState.Up, false);

    private static Plan With(Plan basis, string pop, PopState state) =>
        basis with { Pops = [.. basis.Pops.Where(one => one.Pop != pop), Standing(pop, state)] };

    // Every pool of the pop has failed.
    private static Plan Down(Plan basis, string pop) => basis with
    {
        Services =
        [
            .. basis.Services.Select(service => service with
            {
                UpIPv4 = service.UpIPv4.Remove(pop),
                UpIPv6 = service.UpIPv6.Remove(pop),
                Backends = service.Backends.SetItem(pop, []),
            }),
        ],
    };

    // One backend of each pool has failed, the same place in each.
    private static Plan Without(FleetSpec fleet, Plan basis, int place) => basis with
    {
        Services =
        [
            .. basis.Services.Select(service => service with
            {
                Backends = service.Backends.ToImmutableSortedDictionary(
                    pool => pool.Key, pool => Without(fleet, service.Service, pool, place), StringComparer.Ordinal),
            }),
        ],
    };

    private static ImmutableArray<IPAddress> Without(
        FleetSpec fleet, string service, KeyValuePair<string, ImmutableArray<IPAddress>> pool, int place)
    {
        ImmutableArray<IPAddress> all = fleet.Service(service)?.Backends.GetValueOrDefault(pool.Key, []) ?? [];
        return place < all.Length ? pool.Value.Remove(all[place]) : pool.Value;
    }

    private static ServicePlan Bare(ServicePlan service) =>
        service with { Turns = ImmutableSortedDictionary<string, PoolTurns>.Empty };
}
