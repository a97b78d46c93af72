using System.Globalization;
using System.Net;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>Takes gdnsd's geoip maps over: the tree of places, the nets, and the distances.</summary>
internal sealed class GdnsdMaps(VscfValue? geoip, string folder, ImportedFleet fleet)
{
    private const int LimitDefault = 3;

    private readonly Dictionary<string, string?> taken = new(StringComparer.Ordinal);
    private string? database;

    /// <summary>The map's name in the fleet, or null when there is none that can be taken.</summary>
    public string? Take(string map, TextPlace asked)
    {
        if (taken.TryGetValue(map, out string? known)) return known;
        taken[map] = null;
        if (geoip?["maps"]?[map] is not { } value)
        {
            fleet.Leave(asked, $"the map {map} is nowhere defined");
            return null;
        }

        List<string> datacenters = Pops(value["datacenters"]);
        if (datacenters.Count == 0)
        {
            fleet.Leave(value.At, $"the map {map} has no datacenters");
            return null;
        }

        string name = ImportedFleet.NameOf(map);
        while (fleet.Maps.ContainsKey(name)) name += "-2";
        foreach (VscfPair pair in value.AsPairs) TakeKey(map, pair);
        bool auto = value["auto_dc_coords"] is not null;
        if (auto) Places(value, datacenters.Count);
        var lines = new List<string>();
        string all = $"[{string.Join(", ", datacenters)}]";
        lines.Add($"default: {List(value["map"]?["default"]) ?? (auto ? $"[{MapSpec.Nearest}]" : all)}");
        if (auto) lines.Add($"pops: {all}");
        Tree(value["map"], lines);
        Nets(value["nets"], lines);
        fleet.Maps[name] = lines;
        return taken[map] = name;
    }

    /// <summary>The datacenters as names of pops, which the fleet has from now on.</summary>
    public List<string> Pops(VscfValue? list)
    {
        var pops = new List<string>();
        foreach (VscfValue item in list?.AsList ?? [])
        {
            if (item.Text is not { } text) continue;
            string pop = ImportedFleet.NameOf(text);
            fleet.Pops.TryAdd(pop, null);
            if (!pops.Contains(pop)) pops.Add(pop);
        }

        return pops;
    }

    private void TakeKey(string map, VscfPair pair)
    {
        switch (pair.Key)
        {
            case "datacenters" or "map" or "nets" or "auto_dc_coords" or "auto_dc_limit":
                break;
            case "geoip2_db":
                string path = Path.GetFullPath(Path.Combine(folder, "geoip", pair.Value.Text ?? ""));
                if (database is null) fleet.Geo.Add($"database: {ImportedFleet.Quote(path)}");
                else if (database != path)
                    fleet.Leave(pair.At, $"a second database: a fleet has one, and {database} is taken");
                database ??= path;
                break;
            case "ignore_ecs" when !GdnsdPools.IsTrue(pair.Value):
                break;
            default:
                fleet.Leave(pair.At, $"{pair.Key} of the map {map} has no counterpart");
                break;
        }
    }

    private void Places(VscfValue map, int count)
    {
        VscfValue coordinates = map["auto_dc_coords"]!;
        foreach (VscfPair pair in coordinates.AsPairs)
        {
            string pop = ImportedFleet.NameOf(pair.Key);
            bool read = pair.Value.Items is [{ } first, { } second]
                & GdnsdNumbers.TryReal(pair.Value.Items?.ElementAtOrDefault(0)?.Text, out double latitude)
                & GdnsdNumbers.TryReal(pair.Value.Items?.ElementAtOrDefault(1)?.Text, out double longitude);
            if (!read || !fleet.Pops.TryGetValue(pop, out (double, double)? place))
                fleet.Leave(pair.At, $"{pair.Key}: expected a datacenter of the map and [latitude, longitude]");
            else if (place is null) fleet.Pops[pop] = (latitude, longitude);
            else if (place != (latitude, longitude))
                fleet.Leave(pair.At,
                    $"{pair.Key} lies elsewhere in another map: a pop has one place, that one is taken");
        }

        int limit = GdnsdNumbers.TryWhole(map["auto_dc_limit"]?.Text, out int given) ? given : LimitDefault;
        if (limit > 0 && limit < count)
            fleet.Leave((map["auto_dc_limit"] ?? coordinates).At,
                $"auto_dc_limit {limit}: not needed for wide scopes; farther datacenters are taken too");
    }

    // Continent, country, then subdivisions and cities; "default" at each level.
    private void Tree(VscfValue? tree, List<string> lines)
    {
        var sections = new OrderedDictionary<string, List<string>>
        {
            ["continents"] = [],
            ["countries"] = [],
            ["subdivisions"] = [],
            ["cities"] = [],
        };
        foreach (VscfPair continent in Below(tree))
        {
            Entry(sections["continents"], continent.Key, continent.Value);
            foreach (VscfPair country in Below(continent.Value))
            {
                Entry(sections["countries"], country.Key, country.Value);
                VscfPair[] below = [.. Below(country.Value)];
                if (below.Any(pair => IsSubdivision(pair.Key)) && below.FirstOrDefault(
                    pair => !IsSubdivision(pair.Key)) is { } city)
                    fleet.Leave(city.At, $"cities and subdivisions of {country.Key} beside each other: "
                        + "a city wins here, and in gdnsd its subdivision");
                foreach (VscfPair pair in below) Parts(sections, country.Key, pair);
            }
        }

        foreach ((string section, List<string> entries) in sections)
        {
            if (entries.Count > 0) lines.Add($"{section}: {{{string.Join(", ", entries)}}}");
        }
    }

    private void Parts(OrderedDictionary<string, List<string>> sections, string country, VscfPair pair)
    {
        if (!IsSubdivision(pair.Key))
        {
            Entry(sections["cities"], $"{country}/{pair.Key}", pair.Value);
            if (pair.Value.Pairs is not null) fleet.Leave(pair.At, $"{pair.Key}: nothing lies below a city");
            return;
        }

        string subdivision = $"{country}-{pair.Key}";
        Entry(sections["subdivisions"], subdivision, pair.Value);
        foreach (VscfPair inner in Below(pair.Value))
        {
            if (IsSubdivision(inner.Key) || inner.Value.Pairs is not null)
                fleet.Leave(inner.At, $"{subdivision}, {inner.Key}: a subdivision of a subdivision has no counterpart");
            else Entry(sections["cities"], $"{subdivision}/{inner.Key}", inner.Value);
        }
    }

    private static IEnumerable<VscfPair> Below(VscfValue? value) =>
        value?.AsPairs.Where(pair => pair.Key != "default") ?? [];

    private static bool IsSubdivision(string key) =>
        key.Length <= 3 && key.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c));

    // What says nothing itself says what is above it, here as there.
    private void Entry(List<string> entries, string key, VscfValue value)
    {
        VscfValue? said = value.Pairs is null ? value : value["default"];
        if (List(said) is { } list) entries.Add($"{ImportedFleet.Quote(key)}: {list}");
    }

    private string? List(VscfValue? value)
    {
        if (value is null) return null;
        if (value.Text == "auto") return $"[{MapSpec.Nearest}]";
        List<string> pops = Pops(value);
        if (pops.Count > 0) return $"[{string.Join(", ", pops)}]";
        fleet.Leave(value.At, "a list without datacenters: no client is left without an answer");
        return null;
    }

    private void Nets(VscfValue? nets, List<string> lines)
    {
        if (nets?.Text is { } file) nets = Vscf.ReadFile(Path.Combine(folder, "geoip", file));
        var entries = new OrderedDictionary<Prefix, string>();
        foreach (VscfPair pair in nets?.AsPairs ?? [])
        {
            if (!TryNetwork(pair.Key, out Prefix network)) fleet.Leave(pair.At, $"{pair.Key} is no network");
            else if (entries.ContainsKey(network)) fleet.Leave(pair.At,
                $"{pair.Key} stands here twice; the first is taken");
            else if (List(pair.Value) is { } list) entries[network] = list;
        }

        if (entries.Count == 0) return;
        if (nets is not null) Merged(entries, nets.At);
        lines.Add("networks:");
        foreach ((Prefix network, string list) in entries) lines.Add($"  \"{network}\": {list}");
    }

    // gdnsd 3.8.1 merges two halves that have one list into the whole (nlist.c, "normalize"), also where the whole has
    // an entry with another list: one of the two is then forgotten, though its manual says that the narrower one wins.
    private void Merged(OrderedDictionary<Prefix, string> entries, TextPlace at)
    {
        var merged = new Dictionary<Prefix, string>(entries);
        foreach (int length in Enumerable.Range(1, 128).Reverse())
        {
            foreach ((Prefix half, string list) in merged.Where(entry => entry.Key.LengthMapped == length).ToList())
            {
                UInt128 bit = UInt128.One << (128 - length);
                // IPv4's ::ffff:0:0/96 has no other half.
                if (half.Length == 0 || (half.Bits & bit) != 0) continue;
                if (!merged.TryGetValue(Prefix.OfMapped(half.Bits | bit, length), out string? other) || other != list)
                    continue;
                Prefix whole = Prefix.OfMapped(half.Bits, length - 1);
                if (!merged.TryGetValue(whole, out string? wide)) merged[whole] = list;
                else if (wide != list)
                    fleet.Leave(at, $"both halves of {whole} have {list}, and it has {wide}: gdnsd answers all of it "
                        + "by one of the two; here the halves win, as its manual says");
            }
        }
    }

    // IPv4 in the form ::a.b.c.d counts as IPv4, as in gdnsd; host bits are cut off.
    private static bool TryNetwork(string text, out Prefix network)
    {
        network = default;
        string[] parts = text.Split('/');
        if (parts.Length != 2 || !IPAddress.TryParse(parts[0], out IPAddress? address)
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int length)) return false;
        byte[] bytes = address.GetAddressBytes();
        if (bytes.Length == 16 && length >= 96 && bytes.AsSpan(0, 12).IndexOfAnyExcept((byte)0) < 0)
            (bytes, length) = (bytes[12..], length - 96);
        if (length > bytes.Length * 8) return false;
        for (int bit = length; bit < bytes.Length * 8; bit++) bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return Prefix.TryParse($"{new IPAddress(bytes)}/{length}", out network);
    }
}
