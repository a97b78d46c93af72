using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;
using YamlDotNet.RepresentationModel;

namespace Fairlead.Lab.Topologies;

/// <summary>Reads a topology file. Every fault is reported at once, each with its line and column.</summary>
public static class TopologyReader
{
    /// <summary>LabException(Topology) with all faults, one a line, when the file cannot be used.</summary>
    public static Topology Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            throw new LabException(LabFault.Topology, $"{path}: {missing.Message}");
        }

        return TryRead(path, text, out ImmutableArray<TopologyFault> faults) is { } topology
            ? topology
            : throw new LabException(LabFault.Topology, string.Join('\n', faults));
    }

    /// <summary>Null when there are faults. The path is for messages; relative paths start from its folder.</summary>
    public static Topology? TryRead(string path, string text, out ImmutableArray<TopologyFault> faults)
    {
        var reading = new YamlReading(path);
        Topology? topology = reading.Root(text) is { } root ? ReadRoot(root, Path.GetFullPath(path)) : null;
        faults = [.. reading.Faults.OrderBy(fault => fault.Line).ThenBy(fault => fault.Column)];
        return faults.IsEmpty ? topology : null;
    }

    private static Topology ReadRoot(YamlMap root, string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        string name = root.Required<string>("topology", TopologyScalars.NameMeans, TopologyScalars.TryName) ?? "";
        string? fleet = root.Optional<string>("fleet", "a path", TopologyScalars.TryText);
        YamlMap? addresses = root.Map("addresses");
        ImmutableArray<Prefix> pools = addresses?.List<Prefix>(
            "links", TopologyScalars.PrefixMeans, TopologyScalars.TryPrefix) ?? [];
        addresses?.End();

        var places = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        var topology = new Topology
        {
            Name = name,
            Folder = folder,
            FleetFile = fleet is null ? null : Path.GetFullPath(fleet, folder),
            Networks = root.Named("networks", ReadNetwork),
            Programs = root.Named("programs", ReadProgram),
            Hosts = root.Named("hosts", (host, map) =>
            {
                places[host] = map.Node;
                return ReadHost(host, map);
            }),
        };
        topology = topology with { Links = root.Rows("links", map => ReadLink(map, pools, topology)) };
        root.End();
        foreach (HostSpec host in topology.Hosts) CheckHost(root.Reading, places[host.Name], topology, host);
        foreach (NetworkSpec network in topology.Networks)
        {
            if (topology.Host(network.Router) is { } router && router.Network == network.Name) continue;
            root.Reading.Fault(root.Find("networks")!,
                $"network '{network.Name}': its router '{network.Router}' is not a host on it");
        }

        return topology;
    }

    private static NetworkSpec ReadNetwork(string name, YamlMap map) => new(
        name,
        map.Required<string>("router", "the host that owns the bridge", TopologyScalars.TryName) ?? "",
        map.List<Prefix>("prefixes", TopologyScalars.PrefixMeans, TopologyScalars.TryPrefix));

    private static ProgramSpec ReadProgram(string name, YamlMap map) => new()
    {
        Name = name,
        Writes = map.Map("writes") is { } writes ? ReadFile(writes) : null,
        Command = map.Required<string>("command", "a command line", TopologyScalars.TryText) ?? "",
        Ready = map.Map("ready") is { } ready ? ReadReady(ready) : null,
    };

    private static FileSpec? ReadFile(YamlMap map)
    {
        string file = map.Required<string>("file", "a path", TopologyScalars.TryText) ?? "";
        (FileSource Source, string? Text)[] given =
        [
            .. new[]
            {
                (FileSource.Command, map.Optional<string>("command", "a command line", TopologyScalars.TryText)),
                (FileSource.Template, map.Optional<string>("template", "a path", TopologyScalars.TryText)),
                (FileSource.Router, map.Optional<string>("router", "bird", TopologyScalars.TryBird)),
            }.Where(source => source.Item2 is not null),
        ];
        map.End();
        if (given is [{ Text: { } from } only]) return new FileSpec(file, only.Source, from);
        map.Reading.Fault(map.Node, "a file comes from one of: command, template, router");
        return null;
    }

    private static ReadySpec? ReadReady(YamlMap map)
    {
        TimeSpan within = map.Find("within") is { } node
            ? map.Reading.Scalar<TimeSpan>(node, "a time such as 5s", TopologyScalars.TryDuration)
            : TimeSpan.FromSeconds(5);
        (ReadyKind Kind, string? Target)[] given =
        [
            .. Enum.GetValues<ReadyKind>()
                .Select(kind => (kind, map.Optional<string>(
                    kind.ToString().ToLowerInvariant(), "text", TopologyScalars.TryText)))
                .Where(condition => condition.Item2 is not null),
        ];
        map.End();
        if (given is [{ Target: { } target } only]) return new ReadySpec(only.Kind, target, within);
        map.Reading.Fault(map.Node, "a program is ready by one of: socket, tcp, http, answers");
        return null;
    }

    private static HostSpec ReadHost(string name, YamlMap map) => new()
    {
        Name = name,
        Asn = map.Find("asn") is { } asn
            ? map.Reading.Scalar<Asn>(asn, "an AS number", TopologyScalars.TryAsn)
            : null,
        Network = map.Optional<string>("network", TopologyScalars.NameMeans, TopologyScalars.TryName),
        Addresses = map.List<IPAddress>("addresses", "an IP address", TopologyScalars.TryAddress),
        Announces = map.List<Prefix>("announces", TopologyScalars.PrefixMeans, TopologyScalars.TryPrefix),
        Programs = map.List<string>("programs", TopologyScalars.NameMeans, TopologyScalars.TryName),
        Xdp = map.Optional<bool>("xdp", "true or false", bool.TryParse),
    };

    private static LinkSpec ReadLink(YamlMap map, ImmutableArray<Prefix> pools, Topology topology)
    {
        int number = map.Required<int>("number", "a number from 0", TopologyScalars.TryNumber);
        ImmutableArray<string> ends = map.List<string>("ends", TopologyScalars.NameMeans, TopologyScalars.TryName);
        Relation relation = map.Required<Relation>(
            "relation", "backbone, customer or peer", TopologyScalars.TryRelation);
        if (ends.Length != 2 || ends[0] == ends[1]) map.Reading.Fault(map.Node, "a link has two different ends");
        foreach (string end in ends.Where(end => topology.Host(end) is null))
            map.Reading.Fault(map.Node, $"link {number}: no host '{end}'");
        var prefixes = ImmutableArray.CreateBuilder<Prefix>();
        foreach (Prefix pool in pools)
        {
            // IPv4: the N-th /31 (RFC 3021). IPv6: the /127 (RFC 6164) at the start of the N-th /64.
            UInt128 bits = pool.Bits + ((UInt128)number << (pool.IsIPv4 ? 1 : 64));
            Prefix link = Prefix.OfMapped(bits, 127);
            if (pool.Contains(link)) prefixes.Add(link);
            else map.Reading.Fault(map.Node, $"link {number} does not fit into {pool}");
        }

        return new LinkSpec
        {
            Number = number,
            One = ends.ElementAtOrDefault(0) ?? "",
            Other = ends.ElementAtOrDefault(1) ?? "",
            Relation = relation,
            Prefixes = prefixes.ToImmutable(),
        };
    }

    private static void CheckHost(YamlReading reading, YamlNode place, Topology topology, HostSpec host)
    {
        // Devices carry hosts' names, and the kernel's limit for those is 15 characters.
        if (host.Name.Length > 15) reading.Fault(place, $"'{host.Name}' is longer than a device's name may be (15)");
        if (host.Name is "lo" or "lan" or "eth0") reading.Fault(place, $"'{host.Name}' is the name of a device");
        foreach (string program in host.Programs.Where(program => topology.Program(program) is null))
            reading.Fault(place, $"host '{host.Name}': no program '{program}'");
        if (host.Network is null)
        {
            if (host.Addresses.Length > 0) reading.Fault(place, $"host '{host.Name}' has addresses but no network");
            if (host.Xdp) reading.Fault(place, $"host '{host.Name}' has xdp but no network");
            return;
        }

        if (topology.Network(host.Network) is not { } network)
        {
            reading.Fault(place, $"host '{host.Name}': no network '{host.Network}'");
            return;
        }

        foreach (IPAddress address in host.Addresses)
        {
            if (!network.Prefixes.Any(prefix => prefix.Contains(address)))
                reading.Fault(place, $"host '{host.Name}': {address} is not in network '{network.Name}'");
            HostSpec first = topology.Hosts.First(other => other.Addresses.Contains(address));
            if (first != host) reading.Fault(place, $"host '{host.Name}': {address} is already {first.Name}'s");
        }
    }
}

/// <summary>The scalars of topology files.</summary>
internal static class TopologyScalars
{
    public const string NameMeans = "a name of lower-case letters, digits and hyphens";
    public const string PrefixMeans = "a prefix such as 192.0.2.0/24, without host bits";

    public static bool TryName(string text, out string value) =>
        (value = text) is { Length: > 0 and <= 63 } && text[0] != '-' && text[^1] != '-'
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    public static bool TryText(string text, out string value) => !string.IsNullOrWhiteSpace(value = text);

    public static bool TryBird(string text, out string value) => (value = text) == "bird";

    public static bool TryPrefix(string text, out Prefix value) =>
        Prefix.TryParse(text, out value) && text.Contains('/', StringComparison.Ordinal);

    public static bool TryAsn(string text, out Asn value) => Asn.TryParse(text, out value);

    public static bool TryNumber(string text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value <= ushort.MaxValue;

    public static bool TryAddress(string text, out IPAddress value)
    {
        bool read = Prefix.TryParse(text, out Prefix host) && !text.Contains('/', StringComparison.Ordinal);
        value = read ? host.Address : IPAddress.None;
        return read && value.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6;
    }

    public static bool TryRelation(string text, out Relation value)
    {
        (value, bool known) = text switch
        {
            "backbone" => (Relation.Backbone, true),
            "customer" => (Relation.Customer, true),
            "peer" => (Relation.Peer, true),
            _ => (default, false),
        };
        return known;
    }

    public static bool TryDuration(string text, out TimeSpan value)
    {
        int digits = text.TakeWhile(char.IsAsciiDigit).Count();
        int? unit = text[digits..] switch { "ms" => 1, "s" => 1000, "m" => 60_000, _ => null };
        value = default;
        if (unit is null) return false;
        if (!int.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out int count)) return false;
        value = TimeSpan.FromMilliseconds((double)count * unit.Value);
        return true;
    }
}
