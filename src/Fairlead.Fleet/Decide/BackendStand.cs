namespace Fairlead.Fleet.Decide;

/// <summary>
/// A backend's slow start: one that has come up while its pool was watched begins with a tenth of its weight, and each
/// tenth of the time brings another. Pure; a node keeps one for each backend of a service that asks for it.
/// </summary>
/// <param name="Up">Whether it takes new flows.</param>
/// <param name="RoseAt">Since when, where it did not before; null: it was up when it was first seen.</param>
public readonly record struct BackendStand(bool Up, DateTimeOffset? RoseAt)
{
    private const int Steps = 10;

    public BackendStand Next(bool up, DateTimeOffset now)
    {
        if (up != Up) return new BackendStand(up, up ? now : null);
        // A clock that was set back must not make it wait for the time that it has waited for already.
        return RoseAt > now ? this with { RoseAt = now } : this;
    }

    /// <summary>The share of its weight: 10 to 90 during the slow start, 100 before and after.</summary>
    public int PercentAt(TimeSpan slowStart, DateTimeOffset now) =>
        Step(slowStart, now) is { } step ? (step + 1) * 100 / Steps : 100;

    /// <summary>When time alone changes the share; null: never.</summary>
    public DateTimeOffset? ChangesAt(TimeSpan slowStart, DateTimeOffset now) =>
        Step(slowStart, now) is { } step ? RoseAt + (slowStart * (step + 1) / Steps) : null;

    private int? Step(TimeSpan slowStart, DateTimeOffset now) => RoseAt is { } rose && now - rose is var up
        && up < slowStart * (Steps - 1) / Steps ? (int)(up / slowStart * Steps) : null;
}
