using System.Collections.Immutable;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Lab.Scenarios;

/// <summary>A drill as text (.scn): what is asked all the time, what is done, and what must then be seen.</summary>
public sealed record Scenario
{
    public required string Name { get; init; }

    /// <summary>The topology's name: lab/topologies/NAME.yaml.</summary>
    public required string Topology { get; init; }

    /// <summary>Which pop an address in a DNS answer belongs to.</summary>
    public ImmutableArray<(Prefix Prefix, string Pop)> Places { get; init; } = [];

    public ImmutableArray<ProbeSpec> Probes { get; init; } = [];

    public ImmutableArray<ScenarioStep> Steps { get; init; } = [];
}

public sealed record ScenarioStep(string Title, ImmutableArray<ScenarioLine> Lines);

public enum ProbeKind
{
    /// <summary>A TCP connection with one GET; the answer names the backend and the address it saw.</summary>
    Web,

    /// <summary>A UDP datagram that a backend sends back with its name: the fine ruler for outages.</summary>
    Echo,

    /// <summary>A DNS query; it lands in the pop whose place holds the answer's first address.</summary>
    Name,

    /// <summary>TCP connections that are opened once and kept, with a GET on each again and again.</summary>
    Stay,
}

/// <summary>What clients ask, again and again.</summary>
public sealed record ProbeSpec
{
    public required string Name { get; init; }

    public required ProbeKind Kind { get; init; }

    public required ImmutableArray<string> Clients { get; init; }

    /// <summary>An address; else Question is set.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>The name whose AAAA is asked at Server.</summary>
    public string? Question { get; init; }

    public IPAddress? Server { get; init; }

    /// <summary>Of Stay: how many connections each client keeps.</summary>
    public int Count { get; init; }

    /// <summary>The name is looked up once, when the scenario says `hold`, and the address is kept for ever.</summary>
    public bool Holds { get; init; }

    public required TimeSpan Every { get; init; }
}

/// <summary>One line of a step. Text is as written, for the timeline and the report.</summary>
public abstract record ScenarioLine(string Text)
{
    public sealed record Kill(string Text, string Pop) : ScenarioLine(Text);

    public sealed record Restore(string Text, string Pop) : ScenarioLine(Text);

    /// <summary>Every process of these hosts is killed.</summary>
    public sealed record Stop(string Text, ImmutableArray<string> Hosts) : ScenarioLine(Text);

    public sealed record Start(string Text, ImmutableArray<string> Hosts) : ScenarioLine(Text);

    /// <summary>The pop's backends answer their check with 503, and live on.</summary>
    public sealed record Sicken(string Text, string Pop) : ScenarioLine(Text);

    public sealed record Heal(string Text, string Pop) : ScenarioLine(Text);

    public sealed record Drain(string Text, string Pop, string At) : ScenarioLine(Text);

    public sealed record Undrain(string Text, string Pop, string At) : ScenarioLine(Text);

    /// <summary>Somebody writes an announcement into the store behind the API's back.</summary>
    public sealed record Poison(string Text, string Pop, Prefix Prefix, string At) : ScenarioLine(Text);

    public sealed record Cleanse(string Text, string Pop, Prefix Prefix, string At) : ScenarioLine(Text);

    /// <summary>The node is replaced by a router daemon with a configuration of its own.</summary>
    public sealed record Rogue(string Text, string Host, string Template) : ScenarioLine(Text);

    public sealed record EndRogue(string Text, string Host) : ScenarioLine(Text);

    /// <summary>Clients that hold on to an address look it up now.</summary>
    public sealed record Hold(string Text) : ScenarioLine(Text);

    /// <summary>Looks on for a while.</summary>
    public sealed record Watch(string Text, TimeSpan For) : ScenarioLine(Text);

    /// <summary>Each client's answers come from one of the pops.</summary>
    public sealed record ExpectLanding(
        string Text, ImmutableArray<string> Clients, ImmutableArray<string> Pops, ImmutableArray<string> Probes,
        TimeSpan Within) : ScenarioLine(Text);

    public sealed record ExpectOutage(
        string Text, ImmutableArray<string> Clients, string Probe, TimeSpan Under) : ScenarioLine(Text);

    /// <summary>No clients: all.</summary>
    public sealed record ExpectLost(
        string Text, int AtMost, ImmutableArray<string> Clients, TimeSpan After) : ScenarioLine(Text);

    public sealed record ExpectBroken(string Text, int AtMost, string Probe) : ScenarioLine(Text);

    public sealed record ExpectStalled(string Text, string Probe, TimeSpan Under) : ScenarioLine(Text);

    public sealed record ExpectRequests(string Text, int AtLeast) : ScenarioLine(Text);

    public sealed record ExpectOwnAddress(string Text) : ScenarioLine(Text);

    public sealed record ExpectGuard(string Text, string Host, TimeSpan Within) : ScenarioLine(Text);

    public sealed record ExpectNoRoute(string Text, ImmutableArray<Prefix> Prefixes) : ScenarioLine(Text);

    public sealed record ExpectFiltered(string Text, string Router, string Host, TimeSpan Within) : ScenarioLine(Text);
}
