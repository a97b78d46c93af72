using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// The regions of a fleet: each is an order of preference among the pops. Places that prefer the same order share a
/// region, so that a plan is compiled once a region and not once a network. Region 0 is for clients of unknown place.
/// </summary>
public sealed class RegionOrders
{
    private readonly FleetSpec fleet;
    private readonly List<ImmutableArray<string>> orders = [];
    private readonly Dictionary<string, int> known = new(StringComparer.Ordinal);
    private readonly Dictionary<Place, int> places = [];

    public RegionOrders(FleetSpec fleet)
    {
        this.fleet = fleet;
        _ = Intern([.. fleet.Pops.Select(pop => pop.Name)]);
    }

    /// <summary>By region id: the pops' names, the best first.</summary>
    public IReadOnlyList<ImmutableArray<string>> Orders => orders;

    /// <summary>
    /// The region of a place: the pops by great-circle distance; 0 when the place has no coordinates.
    /// </summary>
    public int RegionOf(Place place)
    {
        if (places.TryGetValue(place, out int region)) return region;
        if (place.Latitude is { } latitude && place.Longitude is { } longitude)
        {
            region = Intern(
            [
                .. fleet.Pops
                    .OrderBy(pop => pop.Place is { } at
                        ? Distance(latitude, longitude, at.Latitude, at.Longitude)
                        : double.MaxValue)
                    .Select(pop => pop.Name),
            ]);
        }

        return places[place] = region;
    }

    /// <summary>The angle between two places on the globe, in radians (haversine); only ever compared.</summary>
    public static double Distance(double latitude, double longitude, double otherLatitude, double otherLongitude)
    {
        (double phi, double otherPhi) = (double.DegreesToRadians(latitude), double.DegreesToRadians(otherLatitude));
        double half = Math.Sin((otherPhi - phi) / 2);
        double side = Math.Sin(double.DegreesToRadians(otherLongitude - longitude) / 2);
        return 2 * Math.Asin(
            Math.Min(1, Math.Sqrt((half * half) + (Math.Cos(phi) * Math.Cos(otherPhi) * side * side))));
    }

    private int Intern(ImmutableArray<string> order)
    {
        string key = string.Join('\n', order);
        if (known.TryGetValue(key, out int region)) return region;
        orders.Add(order);
        return known[key] = orders.Count - 1;
    }
}

/// <summary>What steered names answer under a plan, a region each.</summary>
public static class Steering
{
    public static SteeringTable Of(FleetSpec fleet, Plan plan, RegionOrders regions) =>
        new(Names(fleet, plan, regions));

    /// <summary>The names before they are a table: SteeringTable.Problems says whether they can be one.</summary>
    public static IReadOnlyList<SteeredName> Names(FleetSpec fleet, Plan plan, RegionOrders regions)
    {
        var names = new List<SteeredName>();
        foreach (ZoneSpec zone in fleet.Zones)
        {
            foreach (SteerSpec steer in zone.Steer)
            {
                if (!TryOwner(zone, steer, out DnsName? owner)) continue;
                names.Add(new SteeredName
                {
                    Owner = owner!,
                    TtlSeconds = (uint)steer.Ttl.TotalSeconds,
                    ByRegion = [.. regions.Orders.Select(order => Answer(fleet, plan, steer, order))],
                });
            }
        }

        return names;
    }

    /// <summary>The steered name's full name; false when it is no name.</summary>
    public static bool TryOwner(ZoneSpec zone, SteerSpec steer, out DnsName? owner)
    {
        string origin = zone.Origin.TrimEnd('.') + ".";
        return DnsName.TryParse(steer.Name == "@" ? origin : $"{steer.Name}.{origin}", out owner);
    }

    private static SteeredAnswer Answer(FleetSpec fleet, Plan plan, SteerSpec steer, ImmutableArray<string> order)
    {
        ServiceSpec service = fleet.Service(steer.Service)!;
        if (steer.Answer == SteerAnswer.Cname)
        {
            string? pop = Choose(
                order.Where(steer.Cname.ContainsKey), name => plan.Service(service.Name)?.IsUp(name) == true, plan);
            return DnsName.TryParse(pop is null ? "" : steer.Cname[pop], out DnsName? target)
                ? new SteeredAnswer { Cname = target }
                : new SteeredAnswer();
        }

        return new SteeredAnswer
        {
            A = [.. Addresses(fleet, plan, steer, service, order, AddressFamily.InterNetwork)],
            Aaaa = [.. Addresses(fleet, plan, steer, service, order, AddressFamily.InterNetworkV6)],
        };
    }

    private static IEnumerable<IPAddress> Addresses(
        FleetSpec fleet, Plan plan, SteerSpec steer, ServiceSpec service, ImmutableArray<string> order,
        AddressFamily family)
    {
        IEnumerable<IPAddress> anycast = Of(fleet.AnycastVips(service), family);
        if (steer.Answer == SteerAnswer.Anycast) return anycast;
        ServicePlan? verdict = plan.Service(service.Name);
        string? pop = Choose(order, name => verdict?.IsUp(name, family) == true, plan);
        if (steer.Answer == SteerAnswer.Backends)
        {
            if (pop is null) return [];
            ImmutableArray<IPAddress> healthy = verdict?.Backends.GetValueOrDefault(pop, []) ?? [];
            // Nothing is known to be healthy: all of the pool is better than an empty answer.
            ImmutableArray<IPAddress> pool = healthy.Any(a => a.AddressFamily == family)
                ? healthy
                : service.Backends.GetValueOrDefault(pop, []);
            return pool.Where(address => address.AddressFamily == family).Take(SteeringTable.AddressesMax);
        }

        // A family without regional prefixes is answered with its anycast VIP.
        IPAddress[] regional = pop is null ? [] : [.. Of(FleetSpec.RegionalVips(service, fleet.Pop(pop)!), family)];
        return regional.Length > 0 ? regional : anycast;
    }

    /// <summary>The nearest pop that is up and in DNS; else the nearest that is not dead; else the nearest.</summary>
    private static string? Choose(IEnumerable<string> order, Func<string, bool> isUp, Plan plan)
    {
        string[] pops = [.. order];
        return pops.FirstOrDefault(pop => isUp(pop) && plan.Pop(pop) is { InDns: true })
            ?? pops.FirstOrDefault(pop => isUp(pop) && plan.Pop(pop) is { State: not PopState.Dead })
            ?? pops.FirstOrDefault(pop => plan.Pop(pop) is not { State: PopState.Dead })
            ?? pops.FirstOrDefault();
    }

    private static IEnumerable<IPAddress> Of(IEnumerable<Prefix> vips, AddressFamily family) =>
        vips.Where(vip => vip.Family == family).Select(vip => vip.Address);
}
