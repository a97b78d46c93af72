using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

/// <summary>In which pops a service is up, by the pools' reports.</summary>
internal static class ServiceVerdicts
{
    public static ServicePlan Of(ServiceSpec service, ImmutableArray<PopPlan> pops, Evidence evidence)
    {
        ServicePlan? previous = evidence.Previous(service);
        var backends = ImmutableSortedDictionary.CreateBuilder<string, ImmutableArray<IPAddress>>(
            StringComparer.Ordinal);
        List<string> up4 = [], up6 = [];
        foreach (PopSpec pop in evidence.Fleet.Pops)
        {
            bool dead = pops.First(plan => plan.Pop == pop.Name).State == PopState.Dead;
            ImmutableArray<IPAddress>? healthy = dead ? [] : Healthy(service, pop, evidence);
            // Not known yet: what the last plan said stands.
            backends[pop.Name] = healthy ?? previous?.Backends.GetValueOrDefault(pop.Name, []) ?? [];
            if (IsUp(AddressFamily.InterNetwork)) up4.Add(pop.Name);
            if (IsUp(AddressFamily.InterNetworkV6)) up6.Add(pop.Name);

            // Where it is never announced, nobody is sent.
            bool IsUp(AddressFamily family) => service.Announce.In(pop.Name) != AnnounceWhen.Never && (healthy is null
                ? previous?.IsUp(pop.Name, family) ?? false
                : healthy.Value.Count(address => address.AddressFamily == service.Behind(family)) is var count
                    && count >= service.MinHealthy.Of(service.PoolSizeIn(pop, service.Behind(family))));
        }

        // The failure ladder, rung 6: below the panic threshold (nothing left) the verdict is held, not obeyed. One pop
        // alone is no "everywhere": its failure is the plain case that its announcement is gated on.
        bool hasOthers = evidence.Fleet.Pops.Count(pop => Serves(service, pop)) > 1;
        bool held4 = hasOthers && up4.Count == 0 && previous is { UpIPv4.Length: > 0 };
        bool held6 = hasOthers && up6.Count == 0 && previous is { UpIPv6.Length: > 0 };
        if (held4) Hold(AddressFamily.InterNetwork);
        if (held6) Hold(AddressFamily.InterNetworkV6);
        return new ServicePlan(service.Name, held4 ? previous!.UpIPv4 : [.. up4], held6 ? previous!.UpIPv6 : [.. up6],
            held4, held6, backends.ToImmutable())
        {
            Turns = evidence.Fleet.Pops
                .Select(pop => (pop.Name, Turns: Turns(Pools(service, pop, evidence))))
                .Where(pair => pair.Turns is not null)
                .ToImmutableSortedDictionary(pair => pair.Name, pair => pair.Turns!, StringComparer.Ordinal),
        };

        void Hold(AddressFamily family)
        {
            foreach ((string pop, ImmutableArray<IPAddress> last) in previous!.Backends)
            {
                backends[pop] =
                [
                    .. backends.GetValueOrDefault(pop, [])
                        .Union(last.Where(address => address.AddressFamily == service.Behind(family))),
                ];
            }
        }
    }

    private static bool Serves(ServiceSpec service, PopSpec pop) =>
        service.OnNodes ? !pop.Nodes.IsEmpty : service.Backends.ContainsKey(pop.Name);

    /// <summary>What the pop's nodes say of its pool, joined; null: no fresh report knows.</summary>
    private static ImmutableArray<IPAddress>? Healthy(ServiceSpec service, PopSpec pop, Evidence evidence)
    {
        PoolReport[] pools = Pools(service, pop, evidence);
        if (pools.Length == 0) return null;
        return [.. pools.SelectMany(pool => pool.Healthy).Distinct().OrderBy(Net.Addresses.Prefix.BitsOf)];
    }

    private static PoolReport[] Pools(ServiceSpec service, PopSpec pop, Evidence evidence)
    {
        // A pop without nodes is seen by the deciding node's own checks.
        PopSpec seenFrom = pop.Nodes.IsEmpty ? evidence.Fleet.Pop(evidence.World.OwnPop)! : pop;
        return evidence.Pools(seenFrom, service, pop);
    }

    // Several nodes see the pool: the first that may turn counts.
    private static PoolTurns? Turns(PoolReport[] pools) => pools.Length == 0 || pools.Any(pool => pool.Turns is null)
        ? null
        : new PoolTurns(pools.Min(pool => pool.Turns!.AnySeconds), pools.Min(pool => pool.Turns!.PoolSeconds));
}
