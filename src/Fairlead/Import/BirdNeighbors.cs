using System.Globalization;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>
/// The BGP sessions of a bird.conf (BIRD 1.6 to 3): whom it speaks to, as whom, and by which timers. Filters are not
/// read: what they let out is here the services' own, and what they set is named.
/// </summary>
internal sealed class BirdNeighbors
{
    private const int HoldSecondsDefault = 240;
    private const int IncludeDepthMax = 8;

    /// <summary>BIRD's own surroundings, and what our services take the place of.</summary>
    private static readonly string[] Surroundings =
    [
        "log", "router", "timeformat", "debug", "function", "filter", "table", "define", "template", "ipv4", "ipv6",
        "eval", "watchdog", "mrtdump", "listen", "]", ",", "attribute",
    ];

    private static readonly string[] Taken =
    [
        "local", "neighbor", "hold", "password", "description", "direct", "import", "export", "ipv4", "ipv6",
        "keepalive", "connect", "error", "debug", "table", "check", "startup", "disabled", "next", "interface",
    ];

    private readonly AnnouncerFleet fleet;
    private readonly Dictionary<string, string> defines = new(StringComparer.Ordinal);
    private readonly Dictionary<string, BlockStatement> templates = new(StringComparer.Ordinal);

    private BirdNeighbors(AnnouncerFleet fleet) => this.fleet = fleet;

    public static void Read(string path, AnnouncerFleet fleet) => new BirdNeighbors(fleet).ReadFile(path, 0);

    private void ReadFile(string path, int depth)
    {
        if (depth > IncludeDepthMax)
            throw new ImportException(new TextPlace(path, 1, 1), "includes go too deep");
        foreach (BlockStatement one in BlockConf.ReadFile(path))
        {
            switch (one.Key)
            {
                case "include" when one.Value is { } name:
                    Include(path, name, one.At, depth);
                    break;
                case "define" when one.Words is [_, var symbol, "=", var value]:
                    defines[symbol] = value;
                    break;
                case "template" when one is { Block: not null, Words: [_, "bgp", var name, ..] }:
                    templates[name] = one;
                    break;
                case "protocol" when one is { Block: not null, Value: "bgp" }:
                    Session(one);
                    break;
                case "protocol" when one.Value is "device" or "direct" or "kernel" or "bfd":
                    break;
                case "protocol":
                    fleet.Leave(one.At, $"protocol {one.Value}: a node speaks BGP and BFD alone");
                    break;
                default:
                    if (!Surroundings.Contains(one.Key)) fleet.Leave(one.At, $"{one.Key} has no counterpart");
                    Sets(one);
                    break;
            }
        }
    }

    private void Include(string from, string name, TextPlace at, int depth)
    {
        string pattern = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(from))!, name);
        string around = Path.GetDirectoryName(pattern)!;
        string[] files = Directory.Exists(around) ? Directory.GetFiles(around, Path.GetFileName(pattern)) : [];
        if (files.Length == 0 && !pattern.Contains('*')) fleet.Leave(at, $"{pattern} is not there: it is left out");
        foreach (string file in files.Order(StringComparer.Ordinal)) ReadFile(file, depth + 1);
    }

    private void Session(BlockStatement protocol)
    {
        List<BlockStatement> lines = [];
        string? from = protocol.After("from");
        if (from is not null && templates.TryGetValue(from, out BlockStatement? template))
            lines.AddRange(template.Block!);
        else if (from is not null)
        {
            fleet.Leave(protocol.At, $"left out: there is no template {from}");
            return;
        }

        lines.AddRange(protocol.Block!);
        Name(lines);
        if (lines.Any(line => line is { Key: "disabled", Value: null or "yes" or "on" }))
        {
            fleet.Leave(protocol.At, "left out: it is disabled");
            return;
        }

        BlockStatement? local = lines.FindLast(line => line.Key == "local" && line.After("as") is not null);
        BlockStatement? neighbor = lines.FindLast(line => line.Key == "neighbor");
        string? own = local?.After("as"), peer = neighbor?.After("as");
        if (peer is null && neighbor?.Words.Contains("internal") == true) peer = own;
        if (!TryAsn(own, out Asn localAs) || !TryAsn(peer, out Asn peerAs)
            || !IPAddress.TryParse(Known(neighbor?.Value ?? ""), out IPAddress? address))
        {
            fleet.Leave(protocol.At, "left out: it needs \"local as N\" and \"neighbor ADDRESS as N\"");
            return;
        }

        BlockStatement? source = lines.FindLast(line => line is { Key: "local" or "source" }
            && line.Words.Any(word => IPAddress.TryParse(Known(word), out _)));
        IPAddress? ours = source is null
            ? null
            : IPAddress.Parse(Known(source.Words.First(word => IPAddress.TryParse(Known(word), out _))));
        if (!fleet.TakeOwn(protocol.At, localAs, ours)) return;
        string name = protocol.Words.Count > 2 && protocol.Words[2] != "from" ? protocol.Words[2] : $"router-{address}";
        fleet.Routers.Add(new ImportedRouter(fleet.FreeName(name), peerAs, address, HoldOf(lines))
        {
            Password = lines.FindLast(line => line.Key == "password")?.Value,
            TtlSecurity = lines.Any(line => line.Words is ["ttl", "security", "on" or "yes"]),
            Bfd = BfdOf(lines),
        });
        if (ours is null)
            fleet.Leave(protocol.At, "it does not say which of our addresses it speaks from: give the node its own");
    }

    private static int HoldOf(List<BlockStatement> lines)
    {
        string? given = lines.FindLast(line => line.Words is ["hold", "time", _])?.Words[2];
        return int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out int hold) && hold >= 3
            ? hold
            : HoldSecondsDefault;
    }

    private static (int Milliseconds, int Multiplier)? BfdOf(List<BlockStatement> lines)
    {
        BlockStatement? bfd = lines.FindLast(line => line.Key == "bfd");
        if (bfd is null || bfd.Value is "off" or "no") return null;
        (int interval, int multiplier) = (100, 5); // BIRD's own: 100 ms, and 5.
        foreach (BlockStatement option in bfd.Block ?? [])
        {
            string given = option.Words is [.., var before, "ms" or "s" or "us"] ? before : option.Words[^1];
            if (!int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number == 0)
                continue;
            if (option.Key == "multiplier") multiplier = number;
            else if (option.Key == "interval" || option.Words is ["min", "tx" or "rx", ..])
                interval = Math.Max(
                    1, option.Words[^1] switch { "s" => number * 1000, "us" => number / 1000, _ => number });
        }

        return (interval, multiplier);
    }

    /// <summary>Names the lines that are not taken.</summary>
    private void Name(List<BlockStatement> lines)
    {
        foreach (BlockStatement line in lines)
        {
            Sets(line);
            if (Taken.Contains(line.Key) || line.Words is ["ttl", "security", ..] or ["bfd", ..] or ["source", ..]
                or [.., "off" or "no"]) continue;
            fleet.Leave(line.At, line.Words is ["graceful" or "long", ..]
                ? $"{line}: it is never offered, since the router would keep a dead node's routes"
                : $"{line} has no counterpart");
        }
    }

    /// <summary>Names what a filter sets: it does not go on by itself.</summary>
    private void Sets(BlockStatement statement)
    {
        bool assigns = statement.Words is [['b', 'g', 'p', '_', ..], "=", ..]
            || statement.Words.Any(word => word.StartsWith("bgp_", StringComparison.Ordinal)
                && (word.Contains(".add", StringComparison.Ordinal)
                    || word.Contains(".prepend", StringComparison.Ordinal)));
        if (assigns)
            fleet.Leave(statement.At,
                $"{statement}: what a filter sets is said in the services' \"announce\" (med, prepend, communities)");
        foreach (BlockStatement inner in statement.Block ?? []) Sets(inner);
    }

    private string Known(string word) => defines.GetValueOrDefault(word, word);

    private bool TryAsn(string? word, out Asn asn)
    {
        asn = default;
        return word is not null && Asn.TryParse(Known(word), out asn);
    }
}
