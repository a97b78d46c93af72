using Fairlead.Health;

namespace Fairlead.Node;

/// <summary>How old what the checks say is. Pure.</summary>
internal static class Freshness
{
    /// <summary>
    /// When the check that has been silent for longest last spoke; null: none has spoken. One that asks nobody, or
    /// waits to be told, has nothing to repeat.
    /// </summary>
    public static DateTimeOffset? OldestOf(IEnumerable<CheckStatus> checks) => checks
        .Where(check => check.Check.Spec.Kind is not (CheckKind.None or CheckKind.Push))
        .Min(check => check.LastTry);

    /// <summary>Never negative: clocks jump.</summary>
    public static TimeSpan AgeOf(IEnumerable<CheckStatus> checks, DateTimeOffset now) =>
        OldestOf(checks) is { } oldest && oldest < now ? now - oldest : TimeSpan.Zero;
}
