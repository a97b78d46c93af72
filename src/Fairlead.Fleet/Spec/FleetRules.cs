using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Spec;

/// <summary>
/// What must hold between the parts of a fleet file. Each broken rule is a path into the file and a sentence.
/// </summary>
internal static class FleetRules
{
    // Each group with the sections that it reads: one that could not be read whole would make false faults.
    private static readonly (string[] Reads,
        Func<FleetSpec, IEnumerable<(string Path, string Message)>> Broken)[] Groups =
    [
        (["anycast", "pops"], Prefixes),
        (["anycast", "asn", "pops", "zones"], Pops),
        (["anycast", "pops", "services"], Services),
        (["anycast", "pops", "services", "zones", "geo"], SteerRules.Broken),
        (["balancer", "pops", "services"], BalanceRules.Broken),
        (["dns", "zones"], TransferRules.Broken),
        (["pops", "safety", "store"], Waits),
        (["asn", "rpki"], fleet => fleet.Rpki is not null && fleet.Asn is null
            ? [("rpki", "only a fleet with an \"asn\" has announcements to validate")]
            : []),
    ];

    public static IEnumerable<(string Path, string Message)> Broken(
        FleetSpec fleet, IReadOnlySet<string> faultySections) =>
        Groups.Where(group => !group.Reads.Any(faultySections.Contains)).SelectMany(group => group.Broken(fleet));

    private static IEnumerable<(string Path, string Message)> Prefixes(FleetSpec fleet)
    {
        for (int i = 0; i < fleet.Cover.Length; i++)
        {
            Prefix cover = fleet.Cover[i];
            if (!fleet.AnycastSubnets.Any(subnet => subnet.Contains(cover)))
                yield return ($"anycast.cover[{i}]", $"{cover} is outside every anycast subnet");
            if (!Guard.IsForInternet(cover))
                yield return ($"anycast.cover[{i}]",
                    $"{cover} is longer than /{Guard.InternetLengthMax(cover.IsIPv4)}, "
                        + "which the internet does not carry");
        }

        var owners = new Dictionary<Prefix, string>();
        foreach (PopSpec pop in fleet.Pops)
        {
            for (int i = 0; i < pop.Regional.Length; i++)
            {
                Prefix regional = pop.Regional[i];
                string path = $"pops.{pop.Name}.regional[{i}]";
                if (!fleet.Cover.Any(cover => cover.Contains(regional) && cover != regional))
                    yield return (path,
                        $"{regional} is not inside a cover prefix: when this pop goes, nothing would catch it");
                if (!Guard.IsForInternet(regional))
                    yield return (path,
                        $"{regional} is longer than /{Guard.InternetLengthMax(regional.IsIPv4)}, "
                            + "which the internet does not carry");
                (Prefix other, string owner) = owners.FirstOrDefault(pair => pair.Key.Overlaps(regional));
                if (owner is not null) yield return (path, $"{regional} overlaps {other} of pop {owner}");
                owners[regional] = pop.Name;
            }
        }
    }

    private static IEnumerable<(string Path, string Message)> Pops(FleetSpec fleet)
    {
        if (fleet.Pops.IsEmpty) yield return ("pops", "expected at least one pop");
        else if (fleet.Pops.All(pop => pop.Nodes.IsEmpty))
            yield return ("pops", "no pop has a node: give one \"nodes\"");
        var seen = new Dictionary<string, string>();
        bool steersByPlace = fleet.Pops.Length > 1 && fleet.Zones.SelectMany(zone => zone.Steer).Any(
            steer => steer.Service.Length > 0 && steer.Policy.Any(step => step is PolicyStep.Geo));
        foreach (PopSpec pop in fleet.Pops)
        {
            string at = $"pops.{pop.Name}";
            if (pop.Nodes.IsEmpty && !pop.Routers.IsEmpty)
                yield return ($"{at}.routers", $"pop {pop.Name} has routers, but no node that could speak to them");
            if (steersByPlace && pop.Place is null)
                yield return (at,
                    $"pop {pop.Name} has no place, and names are steered to the nearest pop: give it one");
            if (!pop.Routers.IsEmpty && fleet.Asn is null)
                yield return ($"{at}.routers", "routers need the fleet's asn: give the key \"asn\"");
            foreach (NodeSpec node in pop.Nodes)
            {
                foreach ((string Path, string Message) fault
                    in Addresses($"{at}.nodes.{node.Name}", node.Addresses, fleet))
                    yield return fault;
                if (!seen.TryAdd(node.Name, at))
                    yield return ($"{at}.nodes.{node.Name}", $"{node.Name} is already in {seen[node.Name]}");
            }

            foreach (RouterSpec router in pop.Routers.Where(router => router.IsGateway).Skip(1))
                yield return ($"{at}.routers.{router.Name}.addresses",
                    "another router of this pop is the gateway already: a node has one a family");
            foreach (RouterSpec router in pop.Routers)
            {
                foreach ((string Path, string Message) fault in Routers(fleet, pop, router)) yield return fault;
                if (!seen.TryAdd(router.Name, at))
                    yield return ($"{at}.routers.{router.Name}", $"{router.Name} is already in {seen[router.Name]}");
            }
        }
    }

    private static IEnumerable<(string Path, string Message)> Routers(FleetSpec fleet, PopSpec pop, RouterSpec router)
    {
        string at = $"pops.{pop.Name}.routers.{router.Name}";
        foreach ((string Path, string Message) fault in Addresses(at, router.Addresses, fleet)) yield return fault;
        if (router.HoldTime < TimeSpan.FromSeconds(3))
            yield return ($"{at}.holdTime",
                "BGP's hold time is at least 3s (RFC 4271 §4.2); BFD is what sees faults sooner");
        if (router.Restart is { TotalSeconds: < 1 or > 4095 } || router.Restart?.Milliseconds > 0)
            yield return ($"{at}.restart", "a restart time is 1s to 4095s, in whole seconds (RFC 4724 §3)");
        string[] others = [.. fleet.Pops.Where(p => p != pop).SelectMany(p => p.Routers).Select(r => r.Name)];
        foreach ((string name, ImmutableArray<IPAddress> _) in router.Backbone)
        {
            RouterSpec? other = fleet.Pops.Where(p => p != pop).SelectMany(p => p.Routers)
                .FirstOrDefault(r => r.Name == name);
            if (other is null)
                yield return ($"{at}.backbone.{name}",
                    $"no other pop has a router \"{name}\"{NearestName.Hint(name, others)}");
            else if (!other.Backbone.ContainsKey(router.Name))
                yield return ($"{at}.backbone.{name}",
                    $"{name} does not name {router.Name} in its backbone: a link has two ends");
        }
    }

    private static IEnumerable<(string Path, string Message)> Addresses(
        string at, ImmutableArray<IPAddress> addresses, FleetSpec fleet)
    {
        if (addresses.GroupBy(a => a.AddressFamily).Any(family => family.Count() > 1))
            yield return ($"{at}.addresses", "expected at most one address a family");
        foreach (IPAddress address in addresses)
        {
            if (fleet.AnycastSubnets.Any(subnet => subnet.Contains(address)))
                yield return ($"{at}.addresses",
                    $"{address} is inside an anycast subnet: a machine's own address must not be");
        }
    }

    private static IEnumerable<(string Path, string Message)> Services(FleetSpec fleet)
    {
        var hosts = new Dictionary<HostPart, string>();
        var owners = new Dictionary<Prefix, ServiceSpec>();
        foreach (ServiceSpec service in fleet.Services)
        {
            string at = $"services.{service.Name}";
            if (service.Host.Value != 0 && !hosts.TryAdd(service.Host, service.Name))
                yield return ($"{at}.host", $"{service.Host} is already the host part of {hosts[service.Host]}");
            foreach ((string Path, string Message) fault in Vips(fleet, service)) yield return fault;
            foreach (Prefix vip in fleet.AllVips(service))
            {
                if (owners.TryAdd(vip, service) || (owners[vip].Host == service.Host && service.Vips.IsEmpty)) continue;
                yield return ($"{at}.{(service.Vips.IsEmpty ? "host" : "vips")}",
                    $"{vip.Address} is a VIP of {owners[vip].Name} already");
            }

            if (!service.OnNodes && service.Backends.IsEmpty)
                yield return (at, $"service {service.Name} has no backends: give \"backends\", or \"onNodes: true\"");
            if (service.OnNodes && !service.Backends.IsEmpty)
                yield return ($"{at}.backends", "\"onNodes: true\" and \"backends\" exclude each other");
            foreach ((string Path, string Message) fault in CheckRules.Broken(service, service.Check, $"{at}.check"))
                yield return fault;
            if (!service.Weights.IsEmpty && service.Pick != BackendPick.One && service.Balance is null)
                yield return ($"{at}.weights", "weights need \"pick: one\" or \"balance\"");
            foreach (IPAddress weighed in service.Weights.Keys)
            {
                if (!service.Backends.Values.Any(pool => pool.Contains(weighed)))
                    yield return ($"{at}.weights.{weighed}", $"{weighed} is none of the backends");
            }

            foreach (string pop in service.Announce.Pops.Keys.Where(pop => fleet.Pop(pop) is null))
            {
                yield return ($"{at}.announce.pops.{pop}",
                    $"unknown pop \"{pop}\"{NearestName.Hint(pop, fleet.Pops.Select(p => p.Name))}");
            }

            if (service.Announce != new AnnounceSpec() && !service.HasVips)
                yield return ($"{at}.announce", "only a service with a \"host\" or \"vips\" has routes to announce");
            if (service.Ports.IsEmpty && !service.OnNodes)
                yield return ($"{at}.ports", "expected at least one port: traffic to them goes to the backends");
            foreach ((string pop, ImmutableArray<IPAddress> addresses) in service.Backends)
            {
                if (fleet.Pop(pop) is null)
                    yield return ($"{at}.backends.{pop}",
                        $"unknown pop \"{pop}\"{NearestName.Hint(pop, fleet.Pops.Select(p => p.Name))}");
                if (addresses.Distinct().Count() != addresses.Length)
                    yield return ($"{at}.backends.{pop}", "an address stands here twice");
            }
        }
    }

    private static IEnumerable<(string Path, string Message)> Vips(FleetSpec fleet, ServiceSpec service)
    {
        string path = $"services.{service.Name}.host";
        foreach ((string Path, string Message) fault in OwnVips(fleet, service)) yield return fault;
        if (service.Host.Value == 0) yield break;
        foreach (Prefix aggregate in fleet.Aggregates)
        {
            if (!service.Host.FitsInto(aggregate))
                yield return (path, $"host part {service.Host} does not fit into {aggregate}");
        }

        foreach (Prefix vip in fleet.AnycastVips(service))
        {
            PopSpec? taken = fleet.Pops.FirstOrDefault(pop => pop.Regional.Any(regional => regional.Contains(vip)));
            if (taken is not null)
                yield return (path,
                    $"the anycast VIP {vip.Address} falls into the regional prefix of pop {taken.Name}");
        }
    }

    private static IEnumerable<(string Path, string Message)> OwnVips(FleetSpec fleet, ServiceSpec service)
    {
        for (int i = 0; i < service.Vips.Length; i++)
        {
            IPAddress vip = service.Vips[i];
            string at = $"services.{service.Name}.vips[{i}]";
            if (!fleet.AnycastSubnets.Any(subnet => subnet.Contains(vip)))
                yield return (at, $"{vip} is outside every anycast subnet");
            if (fleet.Pops.FirstOrDefault(pop => pop.Regional.Any(regional => regional.Contains(vip))) is { } owner)
                yield return (at, $"the anycast VIP {vip} falls into the regional prefix of pop {owner.Name}");
            if (service.Vips.IndexOf(vip) != i) yield return (at, $"{vip} stands here twice");
        }
    }

    private static IEnumerable<(string Path, string Message)> Waits(FleetSpec fleet)
    {
        if (fleet.Safety.DeadAfter < 2 * fleet.Store.Heartbeat)
            yield return ("safety.deadAfter",
                $"must be at least two heartbeats ({fleet.Store.Heartbeat.TotalSeconds * 2} s): "
                    + "one lost report is not a death");
        if (fleet.Store.Etcd.IsEmpty && fleet.Pops.Count(pop => !pop.Nodes.IsEmpty) > 1)
            yield return ("store", "more than one pop with nodes needs a shared store: give \"store.etcd\"");
    }
}
