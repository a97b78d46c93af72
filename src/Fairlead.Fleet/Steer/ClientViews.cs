using System.Collections.Immutable;
using System.Globalization;
using Fairlead.Dns.Steering;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Steer;

/// <summary>Where every address is, as far as databases and the operator's own map know.</summary>
public sealed record Geography(AddressRuns<Place?> Places, AddressRuns<Asn?> Asns)
{
    public static Geography Unknown { get; } =
        new(AddressRuns.Compile<Place?>([], null), AddressRuns.Compile<Asn?>([], null));

    public static Geography Of(IEnumerable<(Prefix Prefix, Place Place)> places) =>
        Unknown with { Places = AddressRuns.Compile<Place?>(places.Select(p => (p.Prefix, (Place?)p.Place)), null) };
}

/// <summary>What a policy may know of a client: an order of pops by distance, and what a map says.</summary>
/// <param name="ByDistance">All pops, the nearest first; fleet order when the place is not known.</param>
/// <param name="ByMap">The map's list; empty when the view has no map.</param>
/// <param name="MapEntry">The map's entry that matched, for people ("countries.DE").</param>
public sealed record ClientRegion(ImmutableArray<string> ByDistance, ImmutableArray<string> ByMap, string MapEntry)
{
    public override string ToString() => string.Join(' ', ByMap.IsEmpty ? ByDistance : ByMap);
}

/// <summary>
/// The regions of those names whose policies look at the same things of a client: clients that no such policy can tell
/// apart share a region, so a plan is compiled once a region and not once a network. Region 0 is for clients of unknown
/// place.
/// </summary>
public sealed class ClientView
{
    private readonly FleetSpec fleet;
    private readonly bool byDistance;
    private readonly List<ClientRegion> regions = [];
    private readonly Dictionary<(string Order, string Entry), int> known = [];
    private readonly Dictionary<(Place?, Asn?, string?), int> clients = [];

    /// <summary>A view without map and distance has one region.</summary>
    public ClientView(FleetSpec fleet, bool byDistance, MapSpec? map)
    {
        (this.fleet, this.byDistance, Map) = (fleet, byDistance, map);
        _ = RegionOf(null);
    }

    public MapSpec? Map { get; }

    public IReadOnlyList<ClientRegion> Regions => regions;

    /// <summary>From address to region; made by Compile.</summary>
    public RegionMap Table { get; private set; } = RegionMap.Empty;

    /// <summary>The region of a client; network: the map's network that he is in.</summary>
    public int RegionOf(Place? place, Asn? asn = null, string? network = null)
    {
        if (clients.TryGetValue((place, asn, network), out int region)) return region;
        ImmutableArray<string> order = [.. fleet.Pops.Select(pop => pop.Name)];
        if (byDistance) order = NearestFirst(order, place);
        (string entry, ImmutableArray<string> byMap) = Map is null ? ("", []) : Look(Map, place, asn, network);
        if (byMap.Contains(MapSpec.Nearest)) byMap = WithNearest(byMap, place);
        (string, string) key = (string.Join('\n', order), $"{entry}\n{string.Join('\n', byMap)}");
        if (!known.TryGetValue(key, out region))
        {
            known[key] = region = regions.Count;
            regions.Add(new ClientRegion(order, byMap, entry));
        }

        return clients[(place, asn, network)] = region;
    }

    public void Compile(Geography geography)
    {
        if (!byDistance && Map is null) return;
        AddressRuns<(Place?, Asn?)> both = geography.Places.Join(
            geography.Asns, (place, asn) => (place, Map is { Asns.IsEmpty: false } ? asn : null));
        if (Map is not { Networks.IsEmpty: false })
        {
            Table = RegionMap.Of(both.Select(client => RegionOf(client.Item1, client.Item2)));
            return;
        }

        AddressRuns<string?> networks = AddressRuns.Compile<string?>(
            Map.Networks.Select(entry => (Prefix.Parse(entry.Key), (string?)entry.Key)), null);
        Table = RegionMap.Of(both.Join(networks, (client, network) => RegionOf(client.Item1, client.Item2, network)));
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

    private ImmutableArray<string> NearestFirst(ImmutableArray<string> pops, Place? place) =>
        place is { Latitude: { } latitude, Longitude: { } longitude }
            ? [.. pops.OrderBy(pop => fleet.Pop(pop)?.Place is { } at
                ? Distance(latitude, longitude, at.Latitude, at.Longitude)
                : double.MaxValue)]
            : pops;

    // Pops without a place are near to nobody; but a client without one gets them all, in the map's order.
    private ImmutableArray<string> WithNearest(ImmutableArray<string> list, Place? place)
    {
        ImmutableArray<string> among = Map!.Pops.IsEmpty ? [.. fleet.Pops.Select(pop => pop.Name)] : Map.Pops;
        if (place is { Latitude: not null }) among = [.. among.Where(pop => fleet.Pop(pop)?.Place is not null)];
        among = NearestFirst(among, place);
        return
        [
            .. list.SelectMany(word => word == MapSpec.Nearest ? among.Where(pop => !list.Contains(pop)) : [word]),
        ];
    }

    private static (string Entry, ImmutableArray<string> Pops) Look(
        MapSpec map, Place? place, Asn? asn, string? network)
    {
        string? subdivision = place is { Country: { } country, Subdivision: { } part } ? $"{country}-{part}" : null;
        return Find("networks", map.Networks, network)
            ?? Find("asns", map.Asns, asn?.Value.ToString(CultureInfo.InvariantCulture))
            ?? Find("cities", map.Cities, place?.City is { } town && subdivision is not null ? $"{subdivision}/{town}"
                : null)
            ?? Find("cities", map.Cities, place is { City: { } city } ? $"{place.Country}/{city}" : null)
            ?? Find("subdivisions", map.Subdivisions, subdivision)
            ?? Find("countries", map.Countries, place?.Country)
            ?? Find("continents", map.Continents, place?.Continent)
            ?? ("default", map.Default);
    }

    private static (string Entry, ImmutableArray<string> Pops)? Find(
        string section, ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> entries, string? key)
    {
        if (key is null) return null;
        foreach ((string name, ImmutableArray<string> pops) in entries)
        {
            if (name == key) return ($"{section}.{name}", pops);
        }

        return null;
    }
}

/// <summary>All views of a fleet, and which steered name looks through which.</summary>
public sealed class ClientViews
{
    private readonly Dictionary<(bool ByDistance, string? Map), ClientView> views = [];
    private readonly Dictionary<SteerSpec, string> keys = new(ReferenceEqualityComparer.Instance);

    public ClientViews(FleetSpec fleet, Geography geography)
    {
        Geography = geography;
        foreach (SteerSpec steer in fleet.Zones.SelectMany(zone => zone.Steer))
        {
            keys[steer] = steer.ToKey();
            (bool, string?) key = KeyOf(steer);
            if (views.ContainsKey(key)) continue;
            ClientView view = views[key] = new ClientView(fleet, key.Item1, fleet.Geo.MapNamed(key.Item2 ?? ""));
            view.Compile(geography);
        }
    }

    public Geography Geography { get; }

    public ClientView Of(SteerSpec steer) => views[KeyOf(steer)];

    /// <summary>Equal for names that say the same.</summary>
    public string KeyTextOf(SteerSpec steer) => keys[steer];

    // What reflects shows the order by distance, the most that one wants to know.
    private static (bool ByDistance, string? Map) KeyOf(SteerSpec steer)
    {
        if (steer.Reflect) return (true, null);
        if (steer.Answer == SteerAnswer.Anycast || steer.Alias is not null) return (false, null);
        return (steer.Policy.Any(step => step is PolicyStep.Geo),
            steer.Policy.OfType<PolicyStep.Map>().FirstOrDefault()?.Name);
    }
}
