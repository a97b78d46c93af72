using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;

namespace Fairlead.Lab.Topologies;

/// <summary>A lab's hosts, links and programs, as one topology file declares them. TopologyReader makes it.</summary>
public sealed record Topology
{
    public required string Name { get; init; }

    /// <summary>The folder of the topology file; paths in it are relative to this.</summary>
    public required string Folder { get; init; }

    /// <summary>The fleet file, absolute. Null: the lab holds no fleet.</summary>
    public string? FleetFile { get; init; }

    public ImmutableArray<NetworkSpec> Networks { get; init; } = [];

    /// <summary>In the order in which they are started.</summary>
    public ImmutableArray<ProgramSpec> Programs { get; init; } = [];

    public ImmutableArray<HostSpec> Hosts { get; init; } = [];

    public ImmutableArray<LinkSpec> Links { get; init; } = [];

    public HostSpec? Host(string name) => Hosts.FirstOrDefault(host => host.Name == name);

    public NetworkSpec? Network(string? name) => Networks.FirstOrDefault(network => network.Name == name);

    public ProgramSpec? Program(string name) => Programs.FirstOrDefault(program => program.Name == name);

    public IEnumerable<LinkSpec> LinksOf(string host) => Links.Where(link => link.One == host || link.Other == host);

    /// <summary>A router forwards: it owns a network or stands for an AS.</summary>
    public bool Forwards(HostSpec host) => host.Asn is not null || Networks.Any(network => network.Router == host.Name);
}

/// <summary>A bridge in its router's namespace; the router is every other member's gateway.</summary>
public sealed record NetworkSpec(string Name, string Router, ImmutableArray<Prefix> Prefixes);

/// <summary>A network namespace.</summary>
public sealed record HostSpec
{
    public required string Name { get; init; }

    /// <summary>The AS this router stands for.</summary>
    public Asn? Asn { get; init; }

    public string? Network { get; init; }

    public ImmutableArray<IPAddress> Addresses { get; init; } = [];

    /// <summary>What its AS originates.</summary>
    public ImmutableArray<Prefix> Announces { get; init; } = [];

    public ImmutableArray<string> Programs { get; init; } = [];

    /// <summary>Its cable takes what XDP sends.</summary>
    public bool Xdp { get; init; }

    public IPAddress? Address(AddressFamily family) => Addresses.FirstOrDefault(a => a.AddressFamily == family);
}

/// <summary>What the first end of a link is to the second.</summary>
public enum Relation
{
    Backbone,
    Customer,
    Peer,
}

/// <summary>A cable. The first end has the even address of each prefix. Devices are named after the far end.</summary>
public sealed record LinkSpec
{
    public required int Number { get; init; }

    public required string One { get; init; }

    public required string Other { get; init; }

    public required Relation Relation { get; init; }

    public ImmutableArray<Prefix> Prefixes { get; init; } = [];

    public string FarEnd(string host) => host == One ? Other : One;

    /// <summary>The host's own addresses on this link.</summary>
    public IEnumerable<(IPAddress Address, int Length)> AddressesOf(string host) => Prefixes.Select(prefix =>
        (Prefix.OfMapped(prefix.Bits | (host == One ? UInt128.Zero : UInt128.One), 128).Address, prefix.Length));
}

/// <summary>Something that runs on hosts; its texts hold {placeholders} (see ProgramText).</summary>
public sealed record ProgramSpec
{
    public required string Name { get; init; }

    public FileSpec? Writes { get; init; }

    /// <summary>Words divided by blanks; no quoting.</summary>
    public required string Command { get; init; }

    public ReadySpec? Ready { get; init; }
}

public enum FileSource
{
    /// <summary>What a command prints.</summary>
    Command,

    /// <summary>A file beside the topology, with placeholders.</summary>
    Template,

    /// <summary>The router configuration that follows from the links ("bird").</summary>
    Router,
}

/// <summary>A file that is written before the program starts.</summary>
public sealed record FileSpec(string File, FileSource Source, string From);

public enum ReadyKind
{
    /// <summary>A UNIX stream socket takes a connection.</summary>
    Socket,

    /// <summary>A TCP port takes a connection, asked from inside the host.</summary>
    Tcp,

    /// <summary>A GET over HTTP gives 200, asked from inside the host.</summary>
    Http,

    /// <summary>A command exits with 0 inside the host.</summary>
    Answers,
}

public sealed record ReadySpec(ReadyKind Kind, string Target, TimeSpan Within);
