using System.Net;
using System.Text.Json.Serialization;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet;

public enum IntentKind
{
    /// <summary>Take a pop out with nothing lost.</summary>
    Drain,

    /// <summary>Announce a prefix beside what the fleet file says. The guard still has the last word.</summary>
    Announce,

    /// <summary>Count pops as up or down for DNS names, whatever the checks say.</summary>
    Override,

    /// <summary>Have the routers throw away what is sent to a prefix (RFC 7999).</summary>
    Blackhole,

    /// <summary>Give a server no new flow, whatever its checks say, and let those end that it has.</summary>
    DrainBackend,
}

/// <summary>What an operator has said. It always ends, and always says why.</summary>
public sealed record Intent
{
    public required string Id { get; init; }

    public required IntentKind Kind { get; init; }

    /// <summary>Empty for an override, a backend, and for a blackhole in every pop.</summary>
    public required string Pop { get; init; }

    /// <summary>Override: "name/pop" or "service/pop", * standing for anything.</summary>
    public string? Pattern { get; init; }

    /// <summary>Override: what the pops count as.</summary>
    public bool Up { get; init; }

    /// <summary>Announce, Blackhole: what, from every node of the pop.</summary>
    public Prefix? Prefix { get; init; }

    /// <summary>DrainBackend: which, in every service that it serves.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IPAddress? Backend { get; init; }

    public required string Reason { get; init; }

    /// <summary>When it was said; null: at At.</summary>
    public DateTimeOffset? SaidAt { get; init; }

    /// <summary>From when on it holds.</summary>
    public required DateTimeOffset At { get; init; }

    public required DateTimeOffset Until { get; init; }

    public bool HoldsAt(DateTimeOffset now) => now >= At && now < Until;

    /// <summary>Whether its times can be reckoned with: one at the end of the calendar cannot be added to.</summary>
    public bool IsWhole => At.Year < 9000 && Until.Year < 9000;
}
