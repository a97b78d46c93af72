using System.Collections.Immutable;

namespace Fairlead.Health;

/// <summary>What one try came to.</summary>
public enum Outcome
{
    Success,
    Failure,

    /// <summary>
    /// The fault is ours (no descriptors, no privilege, stopped ourselves): it says nothing of the backend.
    /// </summary>
    Unknown,
}

/// <summary>What one try saw: for people who ask why.</summary>
/// <param name="Detail">The status, or why it failed.</param>
/// <param name="Code">HTTP's status, DNS' code, the exit code; where there is one.</param>
/// <param name="Bytes">The first bytes that were heard, at most BytesMax.</param>
public sealed record LastResult(
    Outcome Outcome, string Detail, DateTimeOffset At, TimeSpan Took, int? Code, ImmutableArray<byte> Bytes)
{
    public const int BytesMax = 256;
}

/// <summary>A check as it stands: its state, and what the last try saw.</summary>
public sealed record CheckStatus(
    Check Check, CheckState State, DateTimeOffset? LastTry, string Detail, DateTimeOffset? ChangedAt)
{
    /// <summary>Null before the first try.</summary>
    public LastResult? Last { get; init; }

    /// <summary>The last try that failed; kept when later ones do not.</summary>
    public LastResult? LastFailure { get; init; }

    public long Tries { get; init; }

    public long Failures { get; init; }

    public long Unknowns { get; init; }

    /// <summary>A composite's parts.</summary>
    public ImmutableArray<CheckStatus> Parts { get; init; } = [];
}
