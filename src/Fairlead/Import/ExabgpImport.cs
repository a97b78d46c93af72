using System.Globalization;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>
/// Reads a configuration of ExaBGP (3.4 to 5) as a fleet: neighbors become routers, static routes and the processes
/// that run its healthcheck become services. What has no counterpart is left and named.
/// </summary>
internal sealed class ExabgpImport
{
    private const int HoldSecondsDefault = 180;

    /// <summary>How ExaBGP does its work, which is ours in another way, and the programs that it talks to.</summary>
    private static readonly string[] Machinery =
    [
        "inherit", "group-updates", "auto-flush", "adj-rib-in", "adj-rib-out", "manual-eor", "api", "host-name",
        "domain-name", "local-as", "peer-as", "local-address", "md5-password", "hold-time", "description", "connect",
        "listen", "neighbor", "router-id", "rate-limit",
    ];

    private readonly AnnouncerFleet fleet = new();
    private readonly Dictionary<string, IReadOnlyList<BlockStatement>> templates = new(StringComparer.Ordinal);
    private readonly string folder;

    private ExabgpImport(string folder) => this.folder = folder;

    /// <summary>ImportException when the file has a fault.</summary>
    public static AnnouncerFleet Read(string path)
    {
        var import = new ExabgpImport(Path.GetDirectoryName(Path.GetFullPath(path))!);
        IReadOnlyList<BlockStatement> top = BlockConf.ReadFile(path);
        foreach (BlockStatement template in top.Where(one => one.Key is "template"))
        {
            foreach (BlockStatement one in template.Block ?? [])
                if (one is { Key: "neighbor", Value: { } name, Block: { } lines }) import.templates[name] = lines;
        }

        import.Top(top, []);
        // Processes come last: their paths lean on our AS and addresses.
        foreach (BlockStatement process in Processes(top)) import.Process(process);
        return import.fleet;
    }

    private static IEnumerable<BlockStatement> Processes(IReadOnlyList<BlockStatement> block) => block.SelectMany(
        one => one.Key == "process" ? [one] : one.Key is "group" or "neighbor" ? Processes(one.Block ?? []) : []);

    // A group of ExaBGP 3: neighbors that share the group's own lines.
    private void Top(IReadOnlyList<BlockStatement> block, IReadOnlyList<BlockStatement> shared)
    {
        foreach (BlockStatement one in block)
        {
            switch (one.Key)
            {
                case "neighbor" when one is { Value: not null, Block: not null }:
                    Neighbor(one, shared);
                    break;
                case "group" when one.Block is { } lines:
                    Top([.. lines.Where(line => line.Key == "neighbor")],
                        [.. lines.Where(line => line.Key is not ("neighbor" or "process"))]);
                    break;
                case "template" or "process":
                    break;
                default:
                    fleet.Leave(one.At, $"{one} has no counterpart");
                    break;
            }
        }
    }

    private void Neighbor(BlockStatement neighbor, IReadOnlyList<BlockStatement> shared)
    {
        var lines = new List<BlockStatement>(shared);
        foreach (BlockStatement inherit in neighbor.Block!.Where(line => line.Key == "inherit"))
        {
            foreach (string name in inherit.Words.Skip(1).Where(word => word is not ("[" or "]")))
            {
                if (templates.TryGetValue(name, out IReadOnlyList<BlockStatement>? template)) lines.AddRange(template);
                else throw new ImportException(inherit.At, $"there is no template {name}");
            }
        }

        lines.AddRange(neighbor.Block!);
        string? Last(string key) => lines.FindLast(line => line.Key == key && line.Block is null)?.Value;
        if (!IPAddress.TryParse(neighbor.Value, out IPAddress? address)
            || !Asn.TryParse(Last("local-as") ?? "", out Asn localAs)
            || !Asn.TryParse(Last("peer-as") ?? "", out Asn peerAs))
        {
            fleet.Leave(neighbor.At,
                $"neighbor {neighbor.Value} is left out: it needs an address, \"local-as\" and \"peer-as\"");
            return;
        }

        IPAddress? ours = IPAddress.TryParse(Last("local-address") ?? "", out IPAddress? own) ? own : null;
        if (!fleet.TakeOwn(neighbor.At, localAs, ours)) return;
        if (ours is null)
            fleet.Leave(neighbor.At,
                $"neighbor {neighbor.Value} does not say which of our addresses it speaks from: give the node its own");
        string wanted = Last("description") ?? $"router-{address}";
        int hold = int.TryParse(Last("hold-time"), NumberStyles.None, CultureInfo.InvariantCulture, out int given)
            && given >= 3 ? given : HoldSecondsDefault;
        fleet.Routers.Add(new ImportedRouter(fleet.FreeName(wanted), peerAs, address, hold)
        {
            Password = Last("md5-password"),
            TtlSecurity = Last("incoming-ttl") is "255" || Last("ttl-security") is "1" or "255",
        });
        foreach (BlockStatement line in lines) Line(line, address, ours);
    }

    private void Line(BlockStatement line, IPAddress address, IPAddress? ours)
    {
        switch (line.Key)
        {
            case "router-id" when line.Value is { } id && ours is not null && id != $"{ours}" && id != "auto":
                fleet.Leave(line.At, $"router-id {id}: the router id is the node's IPv4 address");
                break;
            case "family":
                foreach (BlockStatement one in line.Block ?? []) Family(one, address);
                break;
            case "capability":
                foreach (BlockStatement one in line.Block ?? []) Capability(one);
                break;
            case "static":
                foreach (BlockStatement one in line.Block ?? []) Route(one, one.Value, [.. one.Words.Skip(2)]);
                break;
            case "announce":
                foreach (BlockStatement one in (line.Block ?? []).SelectMany(family => family.Block ?? []))
                {
                    if (one.Key == "unicast") Route(one, one.Value, [.. one.Words.Skip(2)]);
                    else fleet.Leave(one.At, $"{one}: only IPv4 and IPv6 unicast are spoken");
                }

                break;
            case "incoming-ttl" or "outgoing-ttl" or "ttl-security" when line.Value is "255" or "1":
                break;
            case "process":
                break;
            default:
                if (!Machinery.Contains(line.Key)) fleet.Leave(line.At, $"{line} has no counterpart");
                break;
        }
    }

    private void Family(BlockStatement family, IPAddress address)
    {
        bool isOwn = family.Key == (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork
            ? "ipv4" : "ipv6");
        if (family.Words is not (["ipv4" or "ipv6", "unicast"] or ["all"] or ["minimal"]))
            fleet.Leave(family.At, $"{family}: only IPv4 and IPv6 unicast are spoken");
        else if (!isOwn)
            fleet.Leave(family.At, $"{family}: a session carries its own family; give router and node another address");
    }

    private void Capability(BlockStatement capability)
    {
        bool isOff = capability.Value is "disable" or "disabled" or "false" or "off";
        if (capability.Key is "route-refresh" or "asn4" or "extended-message" || isOff) return;
        fleet.Leave(capability.At, capability.Key == "graceful-restart"
            ? "graceful-restart: it is never offered, since the router would keep a dead node's routes"
            : $"{capability} has no counterpart");
    }

    private void Route(BlockStatement route, string? prefix, List<string> rest)
    {
        if (route.Block is not null)
            foreach (BlockStatement one in route.Block) rest.AddRange(one.Words);
        string shown = $"{route.Key} {prefix}";
        if (route.Key is not ("route" or "unicast") || !Prefix.TryParse(prefix ?? "", out Prefix what))
        {
            fleet.Leave(route.At, $"{shown} has no counterpart");
            return;
        }

        string announce = Attributes(route.At, rest);
        if (what.LengthMapped < 128)
        {
            bool fits = what.Length <= (what.IsIPv4 ? 24 : 48);
            if (fits && !fleet.Cover.Contains(what)) fleet.Cover.Add(what);
            fleet.Leave(route.At, fits
                ? $"{what} is announced always there; here while a service with an address in it is up"
                : $"{what} is left out: an aggregate is at most a /24 or /48; beyond it services' addresses are told");
            return;
        }

        ImportedService? known = fleet.Services.Find(service => service.Vips.Contains(what.Address));
        if (known is not null) return; // The same route to another neighbor: every router is told.
        fleet.Services.Add(new ImportedService(
            route.At, fleet.FreeName($"static-{what.Address}"), [what.Address], "kind: none")
        {
            Announce = announce.Length == 0 ? null : announce,
        });
    }

    private string Attributes(TextPlace at, List<string> words)
    {
        var parts = new List<string>();
        for (int i = 0; i < words.Count; i++)
        {
            string name = words[i];
            List<string> values = [];
            if (i + 1 < words.Count && words[i + 1] == "[")
            {
                for (i += 2; i < words.Count && words[i] != "]"; i++) values.Add(words[i]);
            }
            else if (++i < words.Count) values.Add(words[i]);

            string text = string.Join(' ', values);
            bool isOurs = text == "self" || fleet.Addresses.Any(own => $"{own}" == text);
            bool isPath = values.All(word => Asn.TryParse(word, out Asn asn) && asn == fleet.LocalAs);
            if (name == "med" && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int med))
                parts.Add($"med: {med}");
            else if (name == "community" && AnnouncerFleet.Communities(values) is { } communities)
                parts.Add(communities);
            else if (name == "as-path" && isPath && values.Count <= 16)
                parts.Add($"prepend: {values.Count}");
            else if (!(name == "next-hop" && isOurs) && !(name == "origin" && text == "igp"))
                fleet.Leave(at, $"{name} {text} has no counterpart");
        }

        return string.Join(", ", parts);
    }

    private void Process(BlockStatement process)
    {
        BlockStatement? run = process.Block?.FirstOrDefault(line => line.Key == "run");
        if (run is null) throw new ImportException(process.At, "a process needs \"run\"");
        string[] words = [.. run.Words.Skip(1)];
        if (ExabgpHealthcheck.Is(words))
            ExabgpHealthcheck.Take(fleet, run.At, process.Value ?? "process", words, folder);
        else
            fleet.Leave(run.At, $"process {process.Value} speaks ExaBGP's language: a check of kind push takes a "
                + "service's word (POST /v1/checks/report), and `fairlead announce` an operator's");
    }
}
