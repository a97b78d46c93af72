using System.Net;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;

namespace Fairlead.Import;

/// <summary>Another server, as lists of primaries and of whom to notify name it.</summary>
internal sealed record BindRemote(IPEndPoint Address, string? Key);

/// <summary>Keys, and other servers: lists of primaries by name, and what a "server" statement says of one.</summary>
internal sealed class BindRemotes(ImportedFleet fleet)
{
    private const int DepthMax = 16;

    private readonly Dictionary<string, BindStatement> lists = new(StringComparer.Ordinal);
    private readonly Dictionary<IPAddress, string> keyOf = [];
    private readonly HashSet<string> keys = new(StringComparer.Ordinal);
    private readonly List<string> keyTexts = [];

    /// <summary>The value of dns.keys; null: there are none.</summary>
    public string? KeysText => keyTexts.Count == 0 ? null : $"{{{string.Join(", ", keyTexts)}}}";

    public void AddKey(BindStatement key)
    {
        if (key is not { Parts: [_, { Word: { } name }, { Block: { } block }] })
            throw new ImportException(key.At, "expected a name and a block: key NAME { algorithm ...; secret ...; };");
        string? algorithm = block.Find("algorithm")?.Value, secret = block.Find("secret")?.Value;
        if (algorithm is null || secret is null)
            throw new ImportException(block.At, $"expected an algorithm and a secret for the key {name}");
        if (!TsigKey.TryParse(name, algorithm, secret, out TsigKey? read, out string problem))
        {
            fleet.Leave(key.At, $"the key {name} is left out: {problem}; give a new one to both ends");
            return;
        }

        keys.Add(NameOf(name));
        keyTexts.Add($"{ImportedFleet.Quote(read.Name.ToString())}: "
            + $"{{algorithm: {algorithm.ToLowerInvariant()}, secret: {ImportedFleet.Quote(secret)}}}");
    }

    public void AddList(BindStatement list)
    {
        if (list.Value is not { } name || list.Block is null)
            throw new ImportException(list.At, $"expected a name and a block: {list.Key} NAME {{ ... }};");
        lists[name] = list;
    }

    public void AddServer(BindStatement server)
    {
        if (server.Value is not { } text || server.Block is not { } block)
            throw new ImportException(server.At, "expected an address and a block: server ADDRESS { ... };");
        foreach (BindStatement one in block.Statements)
        {
            if (one.Key == "keys" && IPAddress.TryParse(text, out IPAddress? address)
                && (one.Value ?? (one.Block is { Statements: [var first, ..] } ? first.Key : null)) is { } key)
                keyOf[address] = key;
            else fleet.Leave(one.At, $"server {text}: {one} has no counterpart");
        }
    }

    /// <summary>The key as the fleet names it; null, and named, when it is not there.</summary>
    public string? KeyNamed(string name, TextPlace asked)
    {
        if (keys.Contains(NameOf(name))) return NameOf(name);
        fleet.Leave(asked, $"the key {name} was not taken, nor is what leans on it");
        return null;
    }

    /// <summary>The servers of "primaries [port N] { ... }" and its like, in order.</summary>
    public List<BindRemote> Of(BindStatement statement) => Of(statement, PortOf(statement), 0);

    private List<BindRemote> Of(BindStatement statement, int port, int depth)
    {
        if (depth > DepthMax) throw new ImportException(statement.At, "lists go too deep, or round in a circle");
        if (statement.Block is not { } block)
            throw new ImportException(statement.At, $"expected a list: {statement.Key} {{ ... }};");
        if ((statement.After("source") ?? statement.After("source-v6")) is { } source)
            fleet.Leave(source.At, $"{statement.Key} source {source.Word}: the system chooses the address to ask from");
        var remotes = new List<BindRemote>();
        foreach (BindStatement one in block.Statements)
        {
            if (lists.TryGetValue(one.Key, out BindStatement? list))
            {
                remotes.AddRange(Of(list, list.After("port") is null ? port : PortOf(list), depth + 1));
                continue;
            }

            if (!IPAddress.TryParse(one.Key, out IPAddress? address))
                throw new ImportException(one.At, $"expected an address or the name of a list, found \"{one.Key}\"");
            if (one.After("tls") is { Word: not "none" } tls)
            {
                fleet.Leave(tls.At, $"{one.Key} by TLS: zones are transferred by TCP; it is left out");
                continue;
            }

            string? key = one.After("key")?.Word ?? keyOf.GetValueOrDefault(address);
            if (key is not null)
            {
                key = KeyNamed(key, one.At);
                if (key is null) continue;
            }

            remotes.Add(new BindRemote(new IPEndPoint(address, one.After("port") is null ? port : PortOf(one)), key));
        }

        return remotes;
    }

    private static int PortOf(BindStatement statement) =>
        statement.After("port") is { } part ? BindOptions.Number(statement, part, 1, 65535) : 53;

    private static string NameOf(string key) => DnsName.TryParse(key, out DnsName? name) ? name.ToString() : key;
}
