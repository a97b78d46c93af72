using Fairlead.Net.Addresses;

namespace Fairlead.Fleet;

public enum IntentKind
{
    /// <summary>Take a pop out with nothing lost.</summary>
    Drain,

    /// <summary>Announce a prefix beside what the fleet file says. The guard still has the last word.</summary>
    Announce,
}

/// <summary>What an operator has said. It always ends, and always says why.</summary>
public sealed record Intent
{
    public required string Id { get; init; }

    public required IntentKind Kind { get; init; }

    public required string Pop { get; init; }

    /// <summary>Announce: what, from every node of the pop.</summary>
    public Prefix? Prefix { get; init; }

    public required string Reason { get; init; }

    public required DateTimeOffset At { get; init; }

    public required DateTimeOffset Until { get; init; }

    public bool HoldsAt(DateTimeOffset now) => now < Until;

    /// <summary>Whether its times can be reckoned with: one at the end of the calendar cannot be added to.</summary>
    public bool IsWhole => At.Year < 9000 && Until.Year < 9000;
}
