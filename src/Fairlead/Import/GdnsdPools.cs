using System.Net;
using Fairlead.Fleet.Spec;

namespace Fairlead.Import;

/// <summary>
/// What gdnsd's plugins multifo, weighted, simplefo and static have in common: addresses, or one CNAME.
/// </summary>
internal sealed record GdnsdPool(TextPlace At)
{
    public List<(IPAddress Address, int Weight)> Addresses { get; } = [];

    public string? Cname { get; init; }

    public BackendPick Pick { get; set; }

    public List<(string Name, TextPlace At)> Checks { get; } = [];

    /// <summary>The share of the addresses that must be up.</summary>
    public double UpThreshold { get; set; } = 0.5;
}

/// <summary>
/// Reads pools out of the section plugins. Parameters are inherited from the hashes around them, as gdnsd does.
/// </summary>
internal sealed class GdnsdPools(VscfValue? plugins, ImportedFleet fleet)
{
    private const int DepthMax = 8;

    private static readonly HashSet<string> Parameters = new(StringComparer.Ordinal)
    {
        "service_types", "up_thresh", "ignore_health", "multi", "plugin",
    };

    /// <summary>The pool of "plugin!resource", or null when it has none that can be taken; why was said.</summary>
    public GdnsdPool? Find(string plugin, string resource, TextPlace asked, int depth = 0)
    {
        if (plugins?[plugin] is not { } section || section[resource] is not { } value)
        {
            fleet.Leave(asked, $"{plugin}!{resource} is nowhere defined");
            return null;
        }

        if (plugin is "multifo" or "weighted" or "simplefo" or "static") return Read(plugin, value, [section], depth);
        fleet.Leave(asked,
            $"{plugin}!{resource} inside a datacenter: only multifo, weighted, simplefo and static are taken");
        return null;
    }

    /// <summary>
    /// A pool as it stands in a dcmap or in a plugin's section; outer: the hashes around it, the nearest first.
    /// </summary>
    public GdnsdPool? Read(string plugin, VscfValue value, IReadOnlyList<VscfValue> outer, int depth = 0)
    {
        if (depth > DepthMax)
        {
            fleet.Leave(value.At, "references go round in a circle");
            return null;
        }

        if (value.Text is { } text && (text.StartsWith('%') || text.StartsWith('!')))
        {
            string[] parts = text.TrimStart('%').Split('!', 2);
            return Find(parts[0].Length > 0 ? parts[0] : plugin, parts[^1], value.At, depth + 1);
        }

        if (value.Text is { } name && !IPAddress.TryParse(name, out _)) return new GdnsdPool(value.At) { Cname = name };
        var pool = new GdnsdPool(value.At);
        IReadOnlyList<VscfValue> scopes = value.Pairs is null ? outer : [value, .. outer];
        if (value.Pairs is null) plugin = "multifo";
        Inherit(pool, scopes);
        pool.Pick = plugin switch
        {
            "simplefo" => BackendPick.First,
            "weighted" when !IsTrue(Parameter("multi", scopes)) => BackendPick.One,
            _ => BackendPick.All,
        };
        if (plugin == "weighted" && pool.Pick == BackendPick.All)
            fleet.Leave(value.At, "weighted with multi: all healthy addresses are answered, whatever their weights");
        if (IsTrue(Parameter("ignore_health", scopes)))
            fleet.Leave(Parameter("ignore_health", scopes)!.At, "ignore_health: unhealthy addresses are not answered");
        Take(plugin, pool, value);
        if (pool.Addresses.Count > 0) return pool;
        fleet.Leave(value.At, "there is no address in it that can be taken");
        return null;
    }

    public static bool IsTrue(VscfValue? value) =>
        string.Equals(value?.Text, "true", StringComparison.OrdinalIgnoreCase);

    public static VscfValue? Parameter(string name, IReadOnlyList<VscfValue> scopes) =>
        scopes.Select(scope => scope[name]).FirstOrDefault(value => value is not null);

    private void Inherit(GdnsdPool pool, IReadOnlyList<VscfValue> scopes)
    {
        foreach (VscfValue type in Parameter("service_types", scopes)?.AsList ?? [])
        {
            if (type.Text is { } name) pool.Checks.Add((name, type.At));
        }

        if (Parameter("up_thresh", scopes) is { } threshold
            && GdnsdNumbers.TryReal(threshold.Text, out double share) && share is > 0 and <= 1)
            pool.UpThreshold = share;
    }

    private void Take(string plugin, GdnsdPool pool, VscfValue value)
    {
        foreach (VscfValue item in value.Pairs is null ? value.AsList : []) Add(pool, item, 1);
        foreach (VscfPair pair in value.AsPairs.Where(pair => !Parameters.Contains(pair.Key)))
        {
            if (pair.Key is "addrs_v4" or "addrs_v6")
            {
                foreach (VscfPair own in pair.Value.AsPairs.Where(own => Parameters.Contains(own.Key)))
                    fleet.Leave(own.At, $"{own.Key} of one address family: what stands for both is taken");
                Take(plugin, pool, pair.Value);
            }
            else if (pair.Value.Pairs is not null)
            {
                fleet.Leave(pair.At, $"the group {pair.Key}: its addresses are taken, each for itself");
                Take(plugin, pool, pair.Value);
            }
            else if (plugin == "weighted" && pair.Value.Items is [{ } address, { Text: { } weight }])
            {
                bool read = GdnsdNumbers.TryWhole(weight, out int number) && number <= 10_000;
                if (!read) fleet.Leave(pair.Value.At, $"weight {weight}: at most 10000 is possible, and is taken");
                Add(pool, address, read ? number : 10_000);
            }
            else Add(pool, pair.Value, 1);
        }
    }

    private void Add(GdnsdPool pool, VscfValue value, int weight)
    {
        if (value.Text is not { } text || !IPAddress.TryParse(text, out IPAddress? address))
            fleet.Leave(value.At, $"{value.Text ?? "this"} is no address: CNAMEs by weight have no counterpart");
        else if (pool.Addresses.Any(known => known.Address.Equals(address)))
            fleet.Leave(value.At, $"{text} stands here twice; its first weight is taken");
        else pool.Addresses.Add((address, weight));
    }
}
