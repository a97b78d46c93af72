namespace Fairlead.Health;

/// <summary>
/// A check's state: pure. The very first result decides at once (a node that starts must not wait rise x interval to be
/// of use, nor announce what it has not seen), unless the check counts as up or down while unknown; after that it falls
/// after Fall failures in a row, or when FailPercent of the window failed; and rises after Rise successes in a row, a
/// whole window since its fall with at most half as many failures (or a server that loses every fifth request would
/// rise and fall for ever), and the end of its hold-down. Times are since the engine's start.
/// </summary>
/// <param name="Known">Whether any result has come in.</param>
/// <param name="Up">The verdict; false while not known.</param>
/// <param name="Streak">How many results in a row have spoken against the verdict.</param>
public readonly record struct CheckState(bool Known, bool Up, int Streak)
{
    // One failure among so many of the last results makes us look more often. With fewer, a server that loses a fifth
    // of its requests would look healthy again too soon: ten in a row succeed every ninth time, twenty every ninetieth.
    private const int SuspicionTries = 20;

    /// <summary>
    /// The last results, the newest in the lowest bit, a failure is 1. Kept where the check has a window.
    /// </summary>
    private UInt128 Failed { get; init; }

    /// <summary>How many results there are in Failed.</summary>
    private int Seen { get; init; }

    /// <summary>How often it has fallen without having been up for HoldDownMax in between.</summary>
    public int Falls { get; init; }

    public TimeSpan TurnedAt { get; init; }

    /// <summary>It does not rise before this.</summary>
    public TimeSpan HeldUntil { get; init; }

    public static CheckState Before(CheckSpec spec) => spec.WhileUnknown == WhileUnknown.Wait
        ? default
        : new CheckState(true, spec.WhileUnknown == WhileUnknown.Up, 0);

    public CheckState Next(bool success, CheckSpec spec, TimeSpan now)
    {
        CheckState counted = spec.Window > 0 ? Count(success, spec.Window) : this;
        if (!Known) return counted with { Known = true, Up = success, TurnedAt = now };
        if (success == Up) counted = counted with { Streak = 0 };
        else counted = counted with { Streak = Math.Min(Streak + 1, Up ? spec.Fall : spec.Rise) };
        bool turns = Up ? counted.MustFall(spec) : counted.MayRise(spec, now);
        return turns ? counted.Turned(!Up, spec, now) : counted;
    }

    /// <summary>
    /// What is told, not tried (a push, a composite's parts), needs no second opinion, but keeps a hold-down.
    /// </summary>
    public CheckState Told(bool up, CheckSpec spec, TimeSpan now)
    {
        if (!Known) return this with { Known = true, Up = up, TurnedAt = now };
        return up == Up || (up && now < HeldUntil) ? this : Turned(up, spec, now);
    }

    /// <summary>Time to the next try, before chance is added.</summary>
    public TimeSpan Pace(CheckSpec spec) => spec.Recheck is { } soon && soon < spec.Interval && IsSuspicious
        ? soon
        : spec.Interval;

    /// <summary>The time in which it can turn at the earliest.</summary>
    public TimeSpan SoonestTurn(CheckSpec spec) => spec.Kind is CheckKind.Push or CheckKind.Composite
        ? TimeSpan.Zero
        : (spec.Recheck ?? spec.Interval) * Math.Max(0, (Up ? spec.Fall : spec.Rise) - Streak);

    private bool IsSuspicious =>
        Streak > 0 || (Up && (Failed & ((UInt128.One << SuspicionTries) - 1)) != UInt128.Zero);

    private int FailuresSeen => (int)UInt128.PopCount(Failed);

    private CheckState Count(bool success, int window) => this with
    {
        Failed = ((Failed << 1) | (success ? UInt128.Zero : UInt128.One)) & (UInt128.MaxValue >> (128 - window)),
        Seen = Math.Min(Seen + 1, window),
    };

    private bool MustFall(CheckSpec spec) =>
        Streak >= spec.Fall || (spec.Window > 0 && FailuresSeen >= FailuresMax(spec));

    private bool MayRise(CheckSpec spec, TimeSpan now) =>
        Streak >= spec.Rise && now >= HeldUntil
        && (spec.Window == 0 || (Seen == spec.Window && FailuresSeen <= FailuresMax(spec) / 2));

    private CheckState Turned(bool up, CheckSpec spec, TimeSpan now)
    {
        CheckState turned = this with { Up = up, Streak = 0, TurnedAt = now };
        if (up) return turned;
        // What was before the fall speaks for it no more: three failures in a row after a clean window would else be
        // forgiven at once.
        turned = turned with { Failed = 0, Seen = 0 };
        int falls = now - TurnedAt >= spec.HoldDownMax ? 1 : Falls + 1;
        // Beyond thirty doublings even a millisecond is more than any limit.
        double held = Math.Min(
            spec.HoldDown.TotalSeconds * Math.Pow(2, Math.Min(falls, 30) - 1), spec.HoldDownMax.TotalSeconds);
        return turned with { Falls = falls, HeldUntil = now + TimeSpan.FromSeconds(held) };
    }

    private static int FailuresMax(CheckSpec spec) =>
        Math.Max(1, ((spec.Window * spec.FailPercent) + 99) / 100);
}
