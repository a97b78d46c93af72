using System.Collections.Immutable;

namespace Fairlead.Health;

/// <summary>
/// Runs the checks of a CheckSet, each at its own pace from a seeded phase so that they never beat in step. What
/// several of them ask alike, of one address and port, is asked once and its answer is each one's. Tells of a turn of
/// state once a check, from the thread of its loop: what is told must not wait for anybody.
/// </summary>
/// <param name="folder">Where the files that checks name are; null: the working folder.</param>
public sealed class CheckEngine(
    TimeProvider time, int seed, Action<CheckStatus> onChange, string? folder = null) : IAsyncDisposable
{
    private readonly Dictionary<Check, Running> asked = [];
    private readonly Lock gate = new();
    private volatile Dictionary<string, (Check Check, Running Running)> checks = new(StringComparer.Ordinal);
    private CheckLoop? loop;

    /// <summary>How every check stands, now. From any thread.</summary>
    public IReadOnlyList<CheckStatus> Status() => [.. checks.Values.Select(one => one.Running.Snapshot(one.Check))];

    /// <summary>
    /// Goes over to this set: unchanged checks go on with their state, the others end or begin. The first call starts
    /// the loop's thread, in the network namespace of the caller. IOException when the kernel gives no descriptors.
    /// </summary>
    public void Apply(CheckSet set)
    {
        lock (gate)
        {
            loop ??= CheckLoop.Start(time, onChange, folder);
            ILookup<Check, Check> wanted = set.Checks.ToLookup(QuestionOf);
            foreach ((Check question, Running check) in asked)
            {
                if (wanted.Contains(question)) loop.Rename(check, [.. wanted[question]]);
                else if (asked.Remove(question)) loop.End(check);
            }

            foreach (IGrouping<Check, Check> alike in wanted.Where(alike => !asked.ContainsKey(alike.Key)))
            {
                var begun = new Running([.. alike], null, seed);
                asked[alike.Key] = begun;
                loop.Begin(begun);
            }

            checks = set.Checks.ToDictionary(
                check => check.Id, check => (check, asked[QuestionOf(check)]), StringComparer.Ordinal);
        }
    }

    /// <summary>
    /// A service reports itself, for a check of kind push: it is up or down until the time to live is over (the check's
    /// own when none is given), then down. False: there is no such check.
    /// </summary>
    public bool Report(string id, bool up, string detail, TimeSpan? timeToLive = null)
    {
        Running? check = Find(id);
        if (check?.Check.Spec.Kind != CheckKind.Push) return false;
        loop!.Report(check, up, detail, timeToLive ?? check.Check.Spec.TimeToLive);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        if (loop is not null) await loop.StopAsync();
        checks = [];
    }

    /// <summary>What a check asks, whoever wants to know. A push and a composite's parts answer to their ids.</summary>
    private static Check QuestionOf(Check check) =>
        check.Spec.Kind is CheckKind.Push or CheckKind.Composite ? check : check with { Id = "" };

    /// <summary>A check, or the part of a composite ("web/nyc/192.0.2.5#disk").</summary>
    private Running? Find(string id) => checks.TryGetValue(id, out (Check Check, Running Running) found)
        ? found.Running
        : checks.Values.SelectMany(one => one.Running.Parts).FirstOrDefault(part => part.Check.Id == id);
}

/// <summary>
/// What is asked for one check, or for several that ask alike. Its status is written by the loop alone and read by
/// anybody.
/// </summary>
internal sealed class Running
{
    private CheckStatus status;

    public Running(ImmutableArray<Check> askers, Running? whole, int seed)
    {
        Check check = askers[0];
        (Check, Askers) = (check, askers);
        Whole = whole;
        status = new CheckStatus(check, CheckState.Before(check.Spec), null, "not asked yet", null);
        // String hash codes differ between processes; the phase must not.
        Random = new Random(check.Id.Aggregate(seed, (hash, letter) => unchecked((hash * 31) + letter)));
        Parts = [.. check.Parts.Select(part => new Running([part], this, seed))];
    }

    /// <summary>The first that asked.</summary>
    public Check Check { get; }

    /// <summary>Whose answer it is. The loop's own.</summary>
    public ImmutableArray<Check> Askers { get; set; }

    /// <summary>The composite that it is a part of.</summary>
    public Running? Whole { get; }

    public ImmutableArray<Running> Parts { get; }

    public Random Random { get; }

    public CheckStatus Status
    {
        get => Volatile.Read(ref status);
        set => Volatile.Write(ref status, value);
    }

    /// <summary>What the loop is doing with it.</summary>
    public Trying Try { get; } = new();

    /// <summary>How it stands for one of its askers.</summary>
    public CheckStatus Snapshot(Check asker) => Status with
    {
        Check = asker,
        Parts = [.. Parts.Select(part => part.Snapshot(part.Check))],
    };
}
