using System.Globalization;
using System.Text;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;

namespace Fairlead.Import;

/// <summary>
/// The fleet that an import gathers, as it is written: a folder with fleet.yaml and zones/, and what had no
/// counterpart.
/// </summary>
internal sealed class ImportedFleet(string name)
{
    private readonly Leftovers notTaken = new();

    /// <summary>Each pop with its place, if it has one; the first one gets the node.</summary>
    public OrderedDictionary<string, (double Latitude, double Longitude)?> Pops { get; } = [];

    /// <summary>Keys of the section geo, each a line of YAML.</summary>
    public List<string> Geo { get; } = [];

    public OrderedDictionary<string, List<string>> Maps { get; } = [];

    public OrderedDictionary<string, List<string>> Services { get; } = [];

    /// <summary>Each zone's steered names, each a line of YAML; an empty list: the zone has none.</summary>
    public OrderedDictionary<string, List<string>> Zones { get; } = [];

    /// <summary>Keys of the section dns.</summary>
    public List<string> Dns { get; } = [];

    /// <summary>Zones that come from elsewhere, each with its primaries, a line of YAML each.</summary>
    public OrderedDictionary<string, string[]> Secondaries { get; } = [];

    /// <summary>Master files and what they include, by their path below zones/.</summary>
    public OrderedDictionary<string, byte[]> ZoneFiles { get; } = [];

    public IReadOnlyList<SpecProblem> NotTaken => notTaken.All;

    /// <summary>Node's addresses, if the import knows any.</summary>
    public List<string> Addresses { get; } = [];

    /// <summary>Names what is not taken, once.</summary>
    public void Leave(TextPlace at, string message) => notTaken.Add(at, message);

    /// <summary>A name as fleet files write it: lower-case letters, digits and hyphens.</summary>
    public static string NameOf(string text)
    {
        string name = new([.. text.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')]);
        name = name.Trim('-');
        if (name.Length > 63) name = name[..63].Trim('-');
        return name.Length == 0 ? "x" : name;
    }

    /// <summary>The text as a YAML string.</summary>
    public static string Quote(string text) =>
        "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            + "\"";

    public string FleetText()
    {
        var text = new StringBuilder($"fleet: {name}\n");
        Section(text, "dns", Dns);
        if (Geo.Count + Maps.Count > 0) Section(text, "geo", Geo);
        if (Maps.Count > 0) text.Append("  maps:\n");
        foreach ((string map, List<string> lines) in Maps) Section(text, $"    {map}", lines);
        text.Append("pops:\n");
        string home = Pops.Count == 0 ? "home" : Pops.Keys.First();
        foreach ((string pop, (double Latitude, double Longitude)? place) in Pops.Count > 0
            ? Pops : new OrderedDictionary<string, (double, double)?> { [home] = null })
        {
            text.Append(CultureInfo.InvariantCulture, $"  {pop}:{(place is null && pop != home ? " {}" : "")}\n");
            if (place is var (latitude, longitude))
                text.Append(CultureInfo.InvariantCulture,
                    $"    place: {{latitude: {latitude}, longitude: {longitude}}}\n");
            if (pop != home) continue;
            string addresses = string.Join(", ", Addresses.Select(Quote));
            if (addresses.Length == 0) text.Append("    # 127.0.0.1 stands for this machine's own address.\n");
            text.Append(CultureInfo.InvariantCulture,
                $"    nodes: {{node1: {{addresses: [{(addresses.Length == 0 ? "127.0.0.1" : addresses)}]}}}}\n");
        }

        if (Services.Count > 0) text.Append("services:\n");
        foreach ((string service, List<string> lines) in Services) Section(text, $"  {service}", lines);
        text.Append("zones:\n  dir: zones/\n");
        foreach ((string zone, List<string> lines) in Zones.Where(zone => zone.Value.Count > 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"  {Quote(zone)}:\n");
            Section(text, "    steer", lines);
        }

        foreach ((string zone, string[] primaries) in Secondaries)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {Quote(zone)}:\n    primaries:\n");
            foreach (string primary in primaries) text.Append(CultureInfo.InvariantCulture, $"      - {primary}\n");
        }

        return text.ToString();
    }

    /// <summary>Writes the folder, which must be new or empty.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "zones"));
        string fleetFile = Path.Combine(folder, "fleet.yaml");
        File.WriteAllText(fleetFile, "");
        bool hasSecrets = Dns.Any(line => line.StartsWith("keys:", StringComparison.Ordinal));
        if (hasSecrets) File.SetUnixFileMode(fleetFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(fleetFile, FleetText());
        foreach ((string file, byte[] zone) in ZoneFiles)
        {
            string path = Path.Combine(folder, "zones", file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, zone);
        }
    }

    /// <summary>ORIGIN.zone, with what a file's name cannot hold as \DDD.</summary>
    public static string FileNameOf(DnsName zone)
    {
        string text = zone.ToString().TrimEnd('.').Replace("/", "\\047", StringComparison.Ordinal);
        return (text.Length == 0 ? "." : text) + ".zone";
    }

    private static void Section(StringBuilder text, string key, List<string> lines)
    {
        if (lines.Count == 0 && key != "geo") return;
        string indent = new(' ', key.Length - key.TrimStart().Length + 2);
        text.Append(CultureInfo.InvariantCulture, $"{key}:\n");
        foreach (string line in lines) text.Append(indent).Append(line).Append('\n');
    }
}
