using System.Globalization;
using System.Net;
using Fairlead.Fleet.Spec;

namespace Fairlead.Import;

/// <summary>
/// What a DYNA or DYNC record becomes: its service, the policy, and the CNAMEs if it answers with these.
/// </summary>
internal sealed record GdnsdTarget(string Service, string Policy, IReadOnlyList<(string Pop, string Target)> Cnames);

/// <summary>Turns gdnsd's resources into services of the fleet, each once.</summary>
internal sealed class GdnsdServices(VscfValue? config, GdnsdMaps maps, ImportedFleet fleet)
{
    private const string Unchecked = "unchecked";

    private readonly VscfValue? plugins = config?["plugins"];
    private readonly GdnsdPools pools = new(config?["plugins"], fleet);
    private readonly Dictionary<string, GdnsdTarget?> known = new(StringComparer.Ordinal);

    /// <summary>Resources that a zone names.</summary>
    public HashSet<string> Used { get; } = new(StringComparer.Ordinal);

    public GdnsdTarget? Of(string plugin, string resource, TextPlace asked)
    {
        string[] parts = resource.Split('/', 2);
        string key = $"{plugin}!{parts[0]}";
        Used.Add(key);
        if (!known.TryGetValue(key, out GdnsdTarget? target))
            known[key] = target = plugin is "geoip" or "metafo"
                ? Steered(plugin, parts[0], asked)
                : Pooled(plugin, parts[0], asked);
        if (target is null || parts.Length == 1) return target;
        return target with { Policy = $"[{{failover: [{ImportedFleet.NameOf(parts[1])}]}}]" };
    }

    private GdnsdTarget? Pooled(string plugin, string resource, TextPlace asked)
    {
        if (pools.Find(plugin, resource, asked) is not { } pool) return null;
        if (pool.Addresses.Count == 0)
        {
            fleet.Leave(asked, $"{plugin}!{resource} has no address");
            return null;
        }

        if (fleet.Pops.Count == 0) fleet.Pops["home"] = null;
        string service = Write($"{plugin}-{resource}", [(fleet.Pops.Keys.First(), pool)], asked);
        return new GdnsdTarget(service, "[up]", []);
    }

    private GdnsdTarget? Steered(string plugin, string resource, TextPlace asked)
    {
        if (plugins?[plugin] is not { } section || section["resources"]?[resource] is not { } value)
        {
            fleet.Leave(asked, $"{plugin}!{resource} is nowhere defined");
            return null;
        }

        string order;
        if (plugin == "geoip")
        {
            if ((value["map"] ?? section["map"])?.Text is not { } map || maps.Take(map, value.At) is not { } taken)
                return null;
            order = $"{{map: {taken}}}";
        }
        else
        {
            order = $"{{failover: [{string.Join(", ", maps.Pops(value["datacenters"]))}]}}";
        }

        var addresses = new List<(string Pop, GdnsdPool Pool)>();
        var cnames = new List<(string Pop, string Target)>();
        string inner = GdnsdPools.Parameter("plugin", [value, section])?.Text ?? "multifo";
        foreach (VscfPair pair in value["dcmap"]?.AsPairs ?? [])
        {
            string pop = ImportedFleet.NameOf(pair.Key);
            string kind = pair.Value["plugin"]?.Text ?? inner;
            fleet.Pops.TryAdd(pop, null);
            if (pools.Read(kind, pair.Value, [value, section]) is not { } pool) continue;
            if (pool.Cname is { } cname) cnames.Add((pop, cname));
            else addresses.Add((pop, pool));
        }

        // gdnsd leaves the first out whatever its state is; so it goes before "up" looks.
        bool skips = GdnsdPools.IsTrue(GdnsdPools.Parameter("skip_first", [value, section]));
        string policy = skips ? $"[{order}, {{skip: 1}}, up]" : $"[up, {order}]";
        if (addresses.Count > 0)
        {
            if (cnames.Count > 0)
                fleet.Leave(value.At, "CNAMEs beside addresses: a name answers one or the other; left out: "
                    + string.Join(", ", cnames.Select(one => $"{one.Pop} {one.Target}")));
            return new GdnsdTarget(Write($"{plugin}-{resource}", addresses, value.At), policy, []);
        }

        if (cnames.Count == 0) return null;
        if (!fleet.Services.ContainsKey(Unchecked))
            fleet.Services[Unchecked] = ["ports: [tcp/53]", "onNodes: true"];
        return new GdnsdTarget(Unchecked, policy.Replace("up, ", "", StringComparison.Ordinal)
            .Replace(", up", "", StringComparison.Ordinal), cnames);
    }

    private string Write(string wanted, List<(string Pop, GdnsdPool Pool)> pops, TextPlace at)
    {
        string name = ImportedFleet.NameOf(wanted);
        while (fleet.Services.ContainsKey(name)) name += "-2";
        (List<string> lines, bool isChecked) = Check(pops);
        lines.Add("backends:");
        foreach ((string pop, GdnsdPool pool) in pops)
        {
            IEnumerable<string> all = pool.Addresses.Select(one => ImportedFleet.Quote($"{one.Address}"));
            lines.Add($"  {pop}: [{string.Join(", ", all)}]");
        }

        Picks(pops, lines, at);
        int[] least = [.. pops.Select(pop => Least(pop.Pool)).Distinct()];
        if (least.Min() > 1) lines.Add($"minHealthy: {least.Min()}");
        if (least.Length > 1 && isChecked)
            fleet.Leave(at, $"up_thresh asks for {string.Join(" or ", least.Order())} addresses, by datacenter; "
                + $"{least.Min()} is taken for all");
        if (pops.Select(pop => Families(pop.Pool)).Distinct().Count() > 1)
            fleet.Leave(at,
                "some datacenters lack a family: its clients get that of the next datacenter, not an empty answer");
        fleet.Services[name] = lines;
        return name;
    }

    private void Picks(List<(string Pop, GdnsdPool Pool)> pops, List<string> lines, TextPlace at)
    {
        // A pool of one address a family is answered alike, whatever the pick.
        GdnsdPool[] many = [.. pops.Select(pop => pop.Pool).Where(pool => CountOf(pool) > 1)];
        BackendPick[] picks = [.. many.Select(pool => pool.Pick).Distinct()];
        if (picks.Length > 1) fleet.Leave(at, "plugins differ by datacenter: the first datacenter's is taken for all");
        BackendPick pick = picks.Length > 0 ? picks[0] : BackendPick.All;
        if (pick == BackendPick.All) return;
        lines.Add($"pick: {(pick == BackendPick.First ? "first" : "one")}");
        if (pick == BackendPick.First) return;
        var weights = new OrderedDictionary<IPAddress, int>();
        foreach ((IPAddress address, int weight) in many.SelectMany(pool => pool.Addresses))
        {
            if (!weights.TryAdd(address, weight) && weights[address] != weight)
                fleet.Leave(at, $"{address} has several weights; the first is taken");
        }

        lines.Add("weights:");
        foreach ((IPAddress address, int weight) in weights) lines.Add($"  \"{address}\": {weight}");
    }

    private static int CountOf(GdnsdPool pool) =>
        pool.Addresses.GroupBy(a => a.Address.AddressFamily).Select(family => family.Count()).DefaultIfEmpty(0).Max();

    private static int Least(GdnsdPool pool) => pool.Pick == BackendPick.First
        ? 1
        : Math.Max(1, (int)Math.Ceiling(pool.UpThreshold * pool.Addresses.GroupBy(a => a.Address.AddressFamily)
            .Select(family => family.Count()).DefaultIfEmpty(1).Min()));

    private static string Families(GdnsdPool pool) => string.Join(
        ' ', pool.Addresses.Select(a => a.Address.AddressFamily).Distinct().Order().Select(family => $"{family}"));

    private (List<string> Lines, bool IsChecked) Check(List<(string Pop, GdnsdPool Pool)> pops)
    {
        string? chosen = null;
        foreach ((string type, TextPlace at) in pops.SelectMany(pop => pop.Pool.Checks).Distinct())
        {
            if (chosen is null) chosen = type;
            else if (chosen != type)
                fleet.Leave(at, $"service type {type} beside {chosen}: a service has one check, {chosen} is taken");
        }

        (string, bool) unchecked1 = ("{kind: none, interval: 10s}", false);
        (string check, bool isChecked) = chosen is null or "up" ? unchecked1 : CheckOf(chosen, pops[0].Pool.At);
        return ([$"ports: [tcp/{Port(chosen)}]", $"check: {check}"], isChecked);
    }

    private string Port(string? type)
    {
        string? port = type is null ? null : config?["service_types"]?[type]?["port"]?.Text;
        return GdnsdNumbers.TryWhole(port, out int number) && number is > 0 and <= 65535 ? port! : "80";
    }

    private (string Check, bool IsChecked) CheckOf(string name, TextPlace at)
    {
        VscfValue? type = config?["service_types"]?[name];
        string? plugin = type?["plugin"]?.Text;
        if (plugin is not ("http_status" or "tcp_connect"))
        {
            fleet.Leave(type?.At ?? at,
                $"service type {name} ({plugin ?? "not defined"}) has no counterpart: nothing is checked");
            return ("{kind: none, interval: 10s}", false);
        }

        int interval = Number(type!, "interval", 10, 255), timeout = Number(type!, "timeout", Math.Max(1,
            interval / 2), 255);
        var keys = new List<string>
        {
            $"kind: {(plugin == "http_status" ? "http" : "tcp")}", $"interval: {interval}s",
            $"timeout: {Math.Min(timeout, interval)}s", $"rise: {Number(type!, "up_thresh", 20, 100)}",
            $"fall: {Number(type!, "down_thresh", 10, 100)}",
        };
        foreach (VscfPair pair in type!.AsPairs)
        {
            switch (pair.Key)
            {
                case "plugin" or "port" or "interval" or "timeout" or "up_thresh" or "down_thresh" or "ok_codes":
                    break;
                case "url_path":
                    keys.Add($"path: {ImportedFleet.Quote(pair.Value.Text ?? "/")}");
                    break;
                case "vhost":
                    keys.Add($"host: {ImportedFleet.Quote(pair.Value.Text ?? "")}");
                    break;
                case "ok_thresh":
                    fleet.Leave(pair.At, $"ok_thresh of {name}: only failures in a row count");
                    break;
                default:
                    fleet.Leave(pair.At, $"{pair.Key} of {name} has no counterpart");
                    break;
            }
        }

        if (plugin == "http_status")
        {
            string[] codes = [.. (type["ok_codes"]?.AsList ?? []).Select(code => code.Text ?? "")];
            keys.Add($"status: {(codes.Length == 0 ? "200" : codes[0])}");
            if (codes.Length > 1)
                fleet.Leave(type["ok_codes"]!.At, $"ok_codes of {name}: one status is possible, {codes[0]} is taken");
        }

        return ($"{{{string.Join(", ", keys)}}}", true);
    }

    private int Number(VscfValue type, string key, int normal, int max)
    {
        if (!GdnsdNumbers.TryWhole(type[key]?.Text, out int number)) return normal;
        if (number > max)
            fleet.Leave(type[key]!.At, string.Create(CultureInfo.InvariantCulture,
                $"{key} {number}: {max} is the most"));
        return Math.Clamp(number, 1, max);
    }
}
