namespace Fairlead.Health.Probes;

/// <summary>What one try saw. Detail is for people: the status, or why it failed.</summary>
public readonly record struct ProbeResult(Outcome Outcome, string Detail)
{
    public int? Code { get; init; }

    /// <summary>What was heard; only its beginning is kept.</summary>
    public ReadOnlyMemory<byte> Heard { get; init; }

    public bool Success => Outcome == Outcome.Success;

    public static ProbeResult Of(bool success, string detail) =>
        new(success ? Outcome.Success : Outcome.Failure, detail);

    /// <summary>The fault is ours: it says nothing of the backend.</summary>
    public static ProbeResult OursToBlame(string detail) => new(Outcome.Unknown, detail);
}
