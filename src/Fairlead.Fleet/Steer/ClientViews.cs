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
public sealed record ClientRegion(ImmutableArray<string> ByDistance, ImmutableArray<string> ByMap)
{
    /// <summary>The map's entry that matched, where one client is explained ("countries.DE").</summary>
    public string MapEntry { get; init; } = "";

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
    private readonly MapEntries? entries;
    private readonly List<ClientRegion> regions = [];

    // Lists are held once for each content, so that they can be told apart by where they are.
    private readonly Dictionary<string, ImmutableArray<string>> lists = new(StringComparer.Ordinal);
    private readonly Dictionary<(double?, double?), ImmutableArray<string>> orders = [];
    private readonly Dictionary<(ImmutableArray<string>, double?, double?), ImmutableArray<string>> mapped = [];
    private readonly Dictionary<(ImmutableArray<string> Order, ImmutableArray<string> Map), int> known = [];
    private readonly Dictionary<(Place?, Asn?, string?), int> clients = [];
    private AddressRuns<string?>? networks;

    /// <summary>A view without map and distance has one region.</summary>
    public ClientView(FleetSpec fleet, bool byDistance, MapSpec? map)
    {
        (this.fleet, this.byDistance, Map) = (fleet, byDistance, map);
        if (map is not null) entries = new MapEntries(map);
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
        ImmutableArray<string> order = OrderOf(place);
        ImmutableArray<string> byMap = entries is null ? [] : ListOf(entries.Look(place, asn, network).Pops, place);
        if (!known.TryGetValue((order, byMap), out region))
        {
            known[(order, byMap)] = region = regions.Count;
            regions.Add(new ClientRegion(order, byMap));
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

        networks = AddressRuns.Compile<string?>(
            Map.Networks.Select(entry => (Prefix.Parse(entry.Key), (string?)entry.Key)), null);
        Table = RegionMap.Of(both.Join(networks, (client, network) => RegionOf(client.Item1, client.Item2, network)));
    }

    /// <summary>The map's entry for an address in the 128-bit space, for people; empty without a map.</summary>
    public string EntryOf(Geography geography, UInt128 mappedBits) => entries?.Look(
        geography.Places.Find(mappedBits).Value, geography.Asns.Find(mappedBits).Value,
        networks?.Find(mappedBits).Value).Entry ?? "";

    // What places have in common is only where they are.
    private ImmutableArray<string> OrderOf(Place? place)
    {
        (double?, double?) at = byDistance ? (place?.Latitude, place?.Longitude) : (null, null);
        if (orders.TryGetValue(at, out ImmutableArray<string> order)) return order;
        order = [.. fleet.Pops.Select(pop => pop.Name)];
        return orders[at] = Once(byDistance ? NearestFirst(order, place) : order);
    }

    private ImmutableArray<string> ListOf(ImmutableArray<string> list, Place? place)
    {
        list = Once(list);
        if (!list.Contains(MapSpec.Nearest)) return list;
        (ImmutableArray<string>, double?, double?) key = (list, place?.Latitude, place?.Longitude);
        if (!mapped.TryGetValue(key, out ImmutableArray<string> whole))
            mapped[key] = whole = Once(WithNearest(list, place));
        return whole;
    }

    private ImmutableArray<string> Once(ImmutableArray<string> list)
    {
        string key = string.Join('\n', list);
        if (!lists.TryGetValue(key, out ImmutableArray<string> same)) lists[key] = same = list;
        return same;
    }

    private ImmutableArray<string> NearestFirst(ImmutableArray<string> pops, Place? place) =>
        place is { Latitude: { } latitude, Longitude: { } longitude }
            ? [.. pops.OrderBy(pop => fleet.Pop(pop)?.Place is { } at
                ? PlaceSpec.Distance(latitude, longitude, at.Latitude, at.Longitude)
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
}

/// <summary>The entries of a map, each section by its keys: one of fifty thousand networks is found at once.</summary>
internal sealed class MapEntries(MapSpec map)
{
    private readonly Section networks = new("networks", map.Networks);
    private readonly Section asns = new("asns", map.Asns);
    private readonly Section cities = new("cities", map.Cities);
    private readonly Section subdivisions = new("subdivisions", map.Subdivisions);
    private readonly Section countries = new("countries", map.Countries);
    private readonly Section continents = new("continents", map.Continents);

    /// <summary>The most specific entry; network: the map's network that the client is in.</summary>
    public (string Entry, ImmutableArray<string> Pops) Look(Place? place, Asn? asn, string? network)
    {
        string? subdivision = place is { Country: { } country, Subdivision: { } part } ? $"{country}-{part}" : null;
        return networks.Find(network)
            ?? asns.Find(asn?.Value.ToString(CultureInfo.InvariantCulture))
            ?? cities.Find(place?.City is { } town && subdivision is not null ? $"{subdivision}/{town}" : null)
            ?? cities.Find(place is { City: { } city } ? $"{place.Country}/{city}" : null)
            ?? subdivisions.Find(subdivision)
            ?? countries.Find(place?.Country)
            ?? continents.Find(place?.Continent)
            ?? ("default", map.Default);
    }

    private sealed class Section
    {
        private readonly string name;
        private readonly Dictionary<string, ImmutableArray<string>> byKey = new(StringComparer.Ordinal);

        public Section(string name, ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> entries)
        {
            this.name = name;
            // Of two entries with one key the first counts.
            foreach ((string key, ImmutableArray<string> pops) in entries) byKey.TryAdd(key, pops);
        }

        public (string Entry, ImmutableArray<string> Pops)? Find(string? key) =>
            key is not null && byKey.TryGetValue(key, out ImmutableArray<string> pops) ? ($"{name}.{key}", pops) : null;
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
