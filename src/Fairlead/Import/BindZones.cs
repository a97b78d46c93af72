using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>
/// The zones of a named.conf: primary ones with their master files, secondary ones with their primaries, and who gets
/// them and is told. What stands in a zone wins over its view's, and that over the options'.
/// </summary>
internal sealed partial class BindZones(
    BindBlock options, BindOptions server, BindAcls acls, BindRemotes remotes, ImportedFleet fleet)
{
    private const int IncludeDepthMax = 16;

    private readonly Dictionary<DnsName, TextPlace> seen = [];
    private readonly List<(string Zone, string[] Transfer, string[] Notify)> sent = [];
    private readonly Dictionary<BindStatement, string[]> known = new(ReferenceEqualityComparer.Instance);
    private bool tellsByNs;
    private bool saysWhoGets = true;
    private bool signs;

    /// <summary>What is asked of a zone, its view or the options here.</summary>
    public static bool IsTaken(BindStatement one) => one switch
    {
        { Key: "type" or "file" or "primaries" or "masters" or "in-view" } => true,
        { Key: "allow-transfer" or "also-notify" or "notify" or "notify-source" or "notify-source-v6" } => true,
        { Key: "dnssec-policy" or "inline-signing" or "masterfile-format" or "journal" } => true,
        { Key: "allow-query", Block: { } any } => BindAcls.IsOnly(any, "any"),
        { Key: "recursion" or "zone-statistics" or "querylog", Value: "no" } => true,
        { Key: "allow-recursion" or "allow-query-cache" or "allow-update", Block: { } none } =>
            BindAcls.IsOnly(none, "none"),
        _ => false,
    };

    public void Take(BindStatement zone, BindBlock? view)
    {
        if (zone is not { Parts: [_, { Word: { } text }, ..], Block: { } block })
            throw new ImportException(zone.At, "expected a name and a block: zone \"NAME\" { ... };");
        if (!DnsName.TryParse(text, out DnsName name))
            throw new ImportException(zone.Parts[1].At, $"\"{text}\" is no domain name");
        if (zone.Parts[2].Word is { } @class && !@class.Equals("IN", StringComparison.OrdinalIgnoreCase))
        {
            fleet.Leave(zone.At, $"zone {text} {@class} is left out: all zones are of class IN");
            return;
        }

        if (!seen.TryAdd(name, zone.At)) throw new ImportException(zone.At, $"the zone {text} stands here twice");
        BindBlock[] scopes = view is null ? [block, options] : [block, view, options];
        bool taken = block.Find("type")?.Value switch
        {
            "primary" or "master" => Primary(zone, name, scopes),
            "secondary" or "slave" or "mirror" => Secondary(zone, name, block),
            "hint" => Left(zone, $"zone {text} (hint) is left out: only who resolves needs it"),
            null when block.Find("in-view") is { } other => Left(zone,
                $"zone {text} is that of the view {other.Value}: take it from there"),
            null => throw new ImportException(block.At, $"expected a type for the zone {text}"),
            "forward" or "stub" or "static-stub" or "redirect" or "delegation-only" => Left(zone,
                $"zone {text} ({block.Find("type")!.Value}) is left out: this server resolves for nobody"),
            { } type => throw new ImportException(block.Find("type")!.Parts[1].At,
                $"expected a type such as primary or secondary, found \"{type}\""),
        };
        if (!taken) return;
        foreach (BindStatement one in block.Statements.Where(one => !IsTaken(one)))
            fleet.Leave(one.At, $"zone {text}: {one} has no counterpart: {BindAdvice.For(one.Key)}");
        Sends(NameOf(name), scopes);
    }

    /// <summary>Writes whom zones go to, and names what is otherwise than it was by default.</summary>
    public void Finish(TextPlace at)
    {
        Write("transfer", [.. sent.Select(one => (one.Zone, one.Transfer))]);
        Write("notify", [.. sent.Select(one => (one.Zone, one.Notify))]);
        if (signs) fleet.Dns.Add("dnssec: {keys: keys/}");
        if (!saysWhoGets)
            fleet.Leave(at, "allow-transfer is not given: BIND up to 9.18 gave zones to everybody; here nobody gets "
                + "them but whom dns.transfer names");
        if (tellsByNs)
            fleet.Leave(at, "notify: named tells the name servers of a zone's NS records; here those in dns.notify are "
                + "told, so give their addresses there");
    }

    private static string NameOf(DnsName zone) => zone.ToString() is { Length: > 1 } text ? text.TrimEnd('.') : ".";

    private bool Left(BindStatement zone, string why)
    {
        fleet.Leave(zone.At, why);
        return false;
    }

    private static BindStatement? Nearest(BindBlock[] scopes, params ReadOnlySpan<string> keys)
    {
        foreach (BindBlock scope in scopes)
        {
            if (scope.Find(keys) is { } found) return found;
        }

        return null;
    }

    private bool Primary(BindStatement zone, DnsName name, BindBlock[] scopes)
    {
        if (scopes[0].Find("file")?.Value is not { } given)
            return Left(zone, $"zone {NameOf(name)} is left out: it has no file");
        if (Nearest(scopes, "masterfile-format") is { Value: not "text" } format)
            return Left(zone, $"zone {NameOf(name)} is left out: its file is {format.Value}; first make a text of it: "
                + "named-compilezone -f raw -F text");
        string path = server.PathOf(given);
        if (!File.Exists(path)) return Left(zone, $"zone {NameOf(name)} is left out: there is no {path}");
        if (File.Exists(scopes[0].Find("journal")?.Value is { } journal ? server.PathOf(journal) : $"{path}.jnl"))
            fleet.Leave(zone.At, $"zone {NameOf(name)} has a journal: its file may be behind it; run "
                + $"`rndc sync -clean {NameOf(name)}` and import again");
        string file = ImportedFleet.FileNameOf(name);
        fleet.ZoneFiles[file] = Copy(path, file, zone.At, 0);
        fleet.Zones.TryAdd(name.ToString(), []);
        if (Nearest(scopes, "dnssec-policy") is not { Value: not "none" } policy) return true;
        signs = true;
        fleet.Leave(policy.At, $"zone {NameOf(name)}, dnssec-policy {policy.Value}: "
            + $"`fairlead dns key generate {NameOf(name)}`, then change the DS at the parent; or copy the zone's keys "
            + "of algorithm 13 into keys/, and nothing changes for resolvers");
        return true;
    }

    // The file with those it includes beside it: named looks for these in its own folder.
    private byte[] Copy(string path, string file, TextPlace asked, int depth)
    {
        if (depth > IncludeDepthMax) throw new ImportException(asked, $"{path}: includes go too deep");
        string text;
        try
        {
            text = File.ReadAllText(path, Encoding.Latin1);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ImportException(asked, $"{path} cannot be read: {fault.Message}");
        }

        int count = 0;
        return Encoding.Latin1.GetBytes(Include().Replace(text, include =>
        {
            count++;
            string copy = string.Create(CultureInfo.InvariantCulture, $"{file}.d/{count}");
            fleet.ZoneFiles[copy] = Copy(server.PathOf(include.Groups["path"].Value), copy, asked, depth + 1);
            return $"{include.Groups["word"].Value} \"{Path.GetFileName(file)}.d/{count}\"";
        }));
    }

    private bool Secondary(BindStatement zone, DnsName name, BindBlock block)
    {
        if (block.Find("type")!.Value == "mirror")
            return Left(zone, $"zone {NameOf(name)} (mirror) is left out: only who resolves needs it");
        if (block.Find("primaries", "masters") is not { } list)
            throw new ImportException(block.At, $"expected primaries for the zone {NameOf(name)}");
        string[] primaries =
        [
            .. remotes.Of(list).Select(one => $"{{address: {ImportedFleet.Quote($"{one.Address}")}"
                + (one.Key is null ? "}" : $", key: {ImportedFleet.Quote(one.Key)}}}")),
        ];
        if (primaries.Length == 0)
            return Left(zone, $"zone {NameOf(name)} is left out: none of its primaries was taken");
        fleet.Secondaries[NameOf(name)] = primaries;
        return true;
    }

    private void Sends(string zone, BindBlock[] scopes)
    {
        string[] transfer = [], notify = [];
        if (Nearest(scopes, "allow-transfer") is { } allow) transfer = Once(allow, Rules);
        else saysWhoGets = false;
        string how = Nearest(scopes, "notify")?.Value ?? "yes";
        if (how is not ("no" or "false" or "0"))
        {
            tellsByNs |= how != "explicit";
            if (Nearest(scopes, "also-notify") is { } also) notify = Once(also, list => Targets(list, scopes));
        }

        sent.Add((zone, transfer, notify));
    }

    // A list of the options is read once, however many zones it is for.
    private string[] Once(BindStatement list, Func<BindStatement, string[]> read) =>
        known.TryGetValue(list, out string[]? text) ? text : known[list] = read(list);

    private string[] Rules(BindStatement allow)
    {
        if (allow.Block is not { } list)
            throw new ImportException(allow.At, "expected a list: allow-transfer { ... };");
        if ((allow.After("port") ?? allow.After("transport")) is { } more)
            fleet.Leave(more.At, $"{allow}: zones go over TCP on every port that is listened on");
        var rules = new List<string>();
        foreach (IGrouping<string?, BindMatch> matches in (acls.Matches(list) ?? []).GroupBy(match => match.Key))
        {
            Prefix[] from = [.. matches.SelectMany(match => match.From).Distinct()];
            string networks = $"from: [{string.Join(", ", from.Select(one => ImportedFleet.Quote($"{one}")))}]";
            if (matches.Key is null)
            {
                rules.Add(networks);
                continue;
            }

            if (remotes.KeyNamed(matches.Key, allow.At) is not { } key) continue;
            string keys = $"keys: [{ImportedFleet.Quote(key)}]";
            rules.Add(BindAcls.IsEverywhere(from) ? keys : $"{networks}, {keys}");
        }

        return [.. rules];
    }

    private string[] Targets(BindStatement also, BindBlock[] scopes) =>
    [
        .. remotes.Of(also).Select(one =>
        {
            bool four = one.Address.AddressFamily == AddressFamily.InterNetwork;
            string? source = Nearest(scopes, four ? "notify-source" : "notify-source-v6")?.Value;
            string text = $"to: {ImportedFleet.Quote($"{one.Address}")}";
            if (one.Key is not null) text += $", key: {ImportedFleet.Quote(one.Key)}";
            return IPAddress.TryParse(source, out IPAddress? own)
                ? $"{text}, source: {ImportedFleet.Quote($"{own}")}" : text;
        }),
    ];

    // One list for all when all have the same.
    private void Write(string key, (string Zone, string[] Lines)[] zones)
    {
        if (zones.All(zone => zone.Lines.Length == 0)) return;
        fleet.Dns.Add($"{key}:");
        if (zones.All(zone => zone.Lines.SequenceEqual(zones[0].Lines)))
            fleet.Dns.AddRange(zones[0].Lines.Select(line => $"  - {{{line}}}"));
        else fleet.Dns.AddRange(zones.SelectMany(zone => zone.Lines.Select(
            line => $"  - {{zone: {ImportedFleet.Quote(zone.Zone)}, {line}}}")));
    }

    [GeneratedRegex("""(?im)^(?<word>\$INCLUDE)[ \t]+("(?<path>[^"\n]*)"|(?<path>[^\s;"]+))""")]
    private static partial Regex Include();
}
