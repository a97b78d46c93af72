using System.Globalization;
using System.Net;
using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.Import;

/// <summary>
/// Reads a configuration folder of gdnsd 3 (config, zones/, geoip/) as a fleet. What has no counterpart is left and
/// named.
/// </summary>
internal sealed class GdnsdImport
{
    private const int TtlDefaultSeconds = 86400;

    private readonly string folder;
    private readonly VscfValue? config;
    private readonly ImportedFleet fleet = new("imported");
    private readonly GdnsdServices services;
    private List<string> steered = [];
    private string origin = ".";

    private GdnsdImport(string folder)
    {
        this.folder = folder;
        string file = Path.Combine(folder, "config");
        config = File.Exists(file) ? Vscf.ReadFile(file) : null;
        services = new GdnsdServices(config, new GdnsdMaps(config?["plugins"]?["geoip"], folder, fleet), fleet);
    }

    /// <summary>ImportException when the folder is not one of gdnsd, or one of its files has a fault.</summary>
    public static ImportedFleet Read(string folder)
    {
        var import = new GdnsdImport(folder);
        import.Options();
        // Pops come in the order of the maps, not in that of the zones.
        import.Zones();
        import.Unused();
        import.AdminState();
        return import.fleet;
    }

    private void Zones()
    {
        string zones = Path.Combine(folder, "zones");
        if (!Directory.Exists(zones))
            throw new ImportException(new TextPlace(zones, 1, 1),
                "there is no such folder: this is no folder of gdnsd");
        int ttl = GdnsdNumbers.TryWhole(config?["options"]?["zones_default_ttl"]?.Text, out int given)
            ? given : TtlDefaultSeconds;
        foreach (string file in Directory.GetFiles(zones).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(file);
            if (name.StartsWith('.')) continue;
            // RFC 2317 names have slashes, which files write as @.
            string text = name == "ROOT_ZONE" ? "." : $"{name.Replace('@', '/').TrimEnd('.')}.";
            if (!DnsName.TryParse(text, out DnsName? zone))
            {
                fleet.Leave(new TextPlace(file, 1, 1), $"\"{text}\" is no domain name");
                continue;
            }

            (origin, steered) = (text, []);
            string master = GdnsdZone.Read(file, origin, ttl, Take, fleet);
            fleet.ZoneFiles[ImportedFleet.FileNameOf(zone)] = Encoding.UTF8.GetBytes(master);
            fleet.Zones[origin] = steered;
        }
    }

    // A steered name, or static records in its place.
    private string? Take(GdnsdDynamic record)
    {
        switch (record.Plugin)
        {
            case "null":
                return record.MayBeCname ? Static(record, "CNAME", "invalid.")
                    : Static(record, "A", "0.0.0.0") + Static(record, "AAAA", "::");
            case "static" when StaticOf(record.Resource) is { } value:
                services.Used.Add($"static!{record.Resource}");
                return !IPAddress.TryParse(value, out IPAddress? address) ? Static(record, "CNAME", value)
                    : Static(record, address.GetAddressBytes().Length == 4 ? "A" : "AAAA", value);
            case "reflect":
                steered.Add($"{NameOf(record)}: {{reflect: true}}");
                fleet.Leave(record.At, $"reflect: {record.Owner} says it as TXT, not as an address");
                return null;
            default:
                if (services.Of(record.Plugin, record.Resource, record.At) is { } target) Steer(record, target);
                else fleet.Leave(record.At,
                    $"{record.Owner} is left out: nothing of {record.Plugin}!{record.Resource} was taken");
                return null;
        }
    }

    private void Steer(GdnsdDynamic record, GdnsdTarget target)
    {
        if (target.Cnames.Count > 0 && !record.MayBeCname)
        {
            fleet.Leave(record.At, $"{record.Owner} is left out: DYNA answers no CNAME");
            return;
        }

        int max = record.TtlMax ?? TtlDefaultSeconds, min = Math.Min(record.TtlMin ?? max / 2, max);
        string cnames = string.Join(", ", target.Cnames.Select(one => $"{one.Pop}: {ImportedFleet.Quote(one.Target)}"));
        string answer = target.Cnames.Count == 0 ? "backends" : $"cname, cname: {{{cnames}}}";
        steered.Add(string.Create(CultureInfo.InvariantCulture,
            $"{NameOf(record)}: {{service: {target.Service}, answer: {answer}, policy: {target.Policy}, ")
            + string.Create(CultureInfo.InvariantCulture, $"ttl: {{min: {min}s, max: {max}s}}}}"));
    }

    private string NameOf(GdnsdDynamic record)
    {
        string name = record.Owner.Equals(origin, StringComparison.OrdinalIgnoreCase) ? "@"
            : origin != "." && record.Owner.EndsWith($".{origin}", StringComparison.OrdinalIgnoreCase)
                ? record.Owner[..^(origin.Length + 1)] : record.Owner;
        return ImportedFleet.Quote(name);
    }

    private string? StaticOf(string resource) => config?["plugins"]?["static"]?[resource]?.Text;

    private static string Static(GdnsdDynamic record, string type, string value) =>
        $"{record.Owner} {record.TtlMax ?? TtlDefaultSeconds} {type} {value}\n";

    private void Options()
    {
        var listen = new List<string>();
        foreach (VscfPair pair in config?["options"]?.AsPairs ?? [])
        {
            switch (pair.Key)
            {
                case "zones_default_ttl" or "dns_port" or "run_dir" or "state_dir" or "username":
                    break;
                case "listen":
                    listen.AddRange((pair.Value.Pairs?.Select(one => one.Key)
                        ?? pair.Value.AsList.Select(one => one.Text ?? "")).Where(one => one != "any"));
                    break;
                case "udp_threads" when GdnsdNumbers.TryWhole(pair.Value.Text, out int threads)
                    && threads is >= 1 and <= 64:
                    fleet.Dns.Add($"udpThreads: {threads}");
                    break;
                default:
                    fleet.Leave(pair.At, $"the option {pair.Key} has no counterpart");
                    break;
            }
        }

        string port = config?["options"]?["dns_port"]?.Text ?? "53";
        if (listen.Count == 0 && port != "53") listen.AddRange(["0.0.0.0", "::"]);
        var points = new List<string>();
        foreach (string one in listen)
        {
            if (IPAddress.TryParse(one, out IPAddress? address))
            {
                points.Add(ImportedFleet.Quote(new IPEndPoint(address, int.Parse(port,
                    CultureInfo.InvariantCulture)).ToString()));
                bool isOwn = !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any);
                if (isOwn && !fleet.Addresses.Any(
                    known => known.Contains(':') == one.Contains(':'))) fleet.Addresses.Add(one);
            }
            else if (IPEndPoint.TryParse(one, out IPEndPoint? point)) points.Add(ImportedFleet.Quote(point.ToString()));
            else fleet.Leave(config!["options"]!["listen"]!.At, $"listen {one}: expected an address, and maybe a port");
        }

        if (points.Count > 0) fleet.Dns.Add($"listen: [{string.Join(", ", points)}]");
    }

    private void Unused()
    {
        foreach (VscfPair plugin in config?["plugins"]?.AsPairs ?? [])
        {
            IEnumerable<VscfPair> resources = plugin.Key is "geoip" or "metafo"
                ? plugin.Value["resources"]?.AsPairs ?? []
                : [];
            foreach (VscfPair one in resources.Where(one => !services.Used.Contains($"{plugin.Key}!{one.Key}")))
                fleet.Leave(one.At, $"{plugin.Key}!{one.Key} is used by no zone, and was left out");
            if (plugin.Key is not ("geoip" or "metafo" or "multifo" or "weighted" or "simplefo" or "static" or "null"
                or "reflect"))
                fleet.Leave(plugin.At, $"the plugin {plugin.Key} has no counterpart");
        }
    }

    // Overrides have an end and a reason here, so that nobody forgets them: the operator gives them anew.
    private void AdminState()
    {
        string state = config?["options"]?["state_dir"]?.Text is { } said ? said : folder;
        foreach (string file in new[] { state, folder }.Distinct().Select(one => Path.Combine(one, "admin_state")))
        {
            if (!File.Exists(file)) continue;
            foreach (VscfPair pair in Vscf.ReadFile(file).AsPairs)
            {
                string pop = ImportedFleet.NameOf(pair.Key.Split('/')[^1]);
                string verb = pair.Value.Text?.StartsWith("UP", StringComparison.OrdinalIgnoreCase) == true ? "up"
                    : "down";
                fleet.Leave(pair.At, $"{pair.Key} => {pair.Value.Text}: an override is given to the running fleet" + (
                    fleet.Pops.ContainsKey(pop)
                        ? $": fairlead override \"*/{pop}\" {verb} --for 30m --reason TEXT" : ""));
            }
        }
    }
}
