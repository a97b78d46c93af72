using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Decide;

/// <summary>Why an intent must not be taken, each with the rule's name and the numbers. None: it may.</summary>
public static class IntentRules
{
    public static IEnumerable<string> Refusals(FleetSpec fleet, World world, Intent intent, DateTimeOffset now) =>
        intent.Kind == IntentKind.Override ? Override(fleet, intent)
        : intent.Kind == IntentKind.DrainBackend ? DrainBackend(fleet, world, intent)
        : intent is { Kind: IntentKind.Blackhole, Pop: "" } ? Blackhole(fleet, intent, fleet.Pops)
        : fleet.Pop(intent.Pop) is not { } pop
            ? [$"unknown pop \"{intent.Pop}\"{NearestName.Hint(intent.Pop, fleet.Pops.Select(p => p.Name))}"]
            : intent.Kind == IntentKind.Drain ? Drain(fleet, world, pop, now)
            : intent.Kind == IntentKind.Blackhole ? Blackhole(fleet, intent, [pop])
            : Announce(fleet, intent);

    private static IEnumerable<string> Drain(FleetSpec fleet, World world, PopSpec pop, DateTimeOffset now)
    {
        var evidence = new Evidence(fleet, world, now);
        if (evidence.DrainOf(pop) is { } already)
            yield return $"{pop.Name} is being drained since {already.At:u}: {already.Reason}";
        PopSpec[] survivors = [.. evidence.SurvivorsOf(pop)];
        if (survivors.Length == 0)
        {
            yield return $"I2: no pop would be left to take its users (of {fleet.Pops.Length - 1} others none is "
                + "alive, undrained, and announcing the cover)";
            yield break;
        }

        foreach (ServicePlan service in world.Previous?.Services ?? [])
        {
            if (service.IsUp(pop.Name) && !survivors.Any(other => service.IsUp(other.Name)))
            {
                yield return $"I2: service {service.Service} is up in {pop.Name} and in none of "
                    + string.Join(", ", survivors.Select(s => s.Name));
            }
        }
    }

    private static IEnumerable<string> DrainBackend(FleetSpec fleet, World world, Intent intent)
    {
        if (intent.Backend is not { } backend)
        {
            yield return "draining a backend needs its address";
            yield break;
        }

        (ServiceSpec Service, PopSpec Pop)[] served =
        [
            .. from service in fleet.Services
               from pop in fleet.Pops
               where service.Backends.GetValueOrDefault(pop.Name, []).Contains(backend)
               select (service, pop),
        ];
        if (served.Length == 0) yield return $"no service has a backend {backend}";
        foreach ((ServiceSpec service, PopSpec pop) in served)
        {
            if (world.Previous?.Service(service.Name) is not { } plan
                || !service.InFrontOf(backend.AddressFamily).Any(family => plan.IsUp(pop.Name, family)))
                continue;
            int needed = service.MinHealthy.Of(service.PoolSizeIn(pop, backend.AddressFamily));
            int left = plan.Backends.GetValueOrDefault(pop.Name, [])
                .Count(other => other.AddressFamily == backend.AddressFamily && !other.Equals(backend));
            if (left < needed)
            {
                yield return $"I2: service {service.Name} needs {needed} healthy backends of its family in {pop.Name}, "
                    + $"and would have {left}: drain the pop instead";
            }
        }
    }

    private static IEnumerable<string> Override(FleetSpec fleet, Intent intent)
    {
        if (intent.Pattern is not { } pattern || pattern.Count(c => c == '/') != 1)
        {
            yield return "an override needs a pattern such as */lon, www.example.com/lon or web/lon";
            yield break;
        }

        IEnumerable<string> known = fleet.Services.Select(service => service.Name).Concat(fleet.Zones.SelectMany(
            zone => zone.Steer.Select(s => Steering.TryOwner(zone, s.Name, out DnsName? owner) ? $"{owner}" : s.Name)));
        bool hits = known.Any(name => fleet.Pops.Any(pop => Glob.Matches(pattern, $"{name.TrimEnd('.')}/{pop.Name}")));
        if (!hits) yield return $"{pattern} fits no steered name or service and no pop";
    }

    private static IEnumerable<string> Announce(FleetSpec fleet, Intent intent)
    {
        if (intent.Prefix is not { } prefix) yield return "an announcement needs a prefix";
        else if (!fleet.AnycastSubnets.Any(subnet => subnet.Contains(prefix)))
            yield return $"I1: {prefix} is outside every anycast subnet ({string.Join(", ", fleet.AnycastSubnets)})";
    }

    private static IEnumerable<string> Blackhole(FleetSpec fleet, Intent intent, IEnumerable<PopSpec> pops)
    {
        foreach (string refusal in Announce(fleet, intent)) yield return refusal;
        if (intent.Prefix is not { } prefix) yield break;
        foreach (Prefix aggregate in fleet.Aggregates.Where(prefix.Contains))
            yield return $"I2: {prefix} holds {aggregate}, and with it every service there: name less";
        if (!pops.Any(pop => pop.Routers.Any(router => router.TakesBlackholes)))
            yield return $"no router of {(intent.Pop.Length > 0 ? intent.Pop : "any pop")} takes BLACKHOLE "
                + "(routers.NAME.blackhole): the packets would still come";
    }
}
