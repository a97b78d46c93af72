using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Fairlead.Health;

/// <summary>
/// Runs the checks of a CheckSet, each at its own pace from a seeded phase so that they never beat in step. Tells of a
/// turn of state once, from the thread of its loop: what is told must not wait for anybody.
/// </summary>
/// <param name="folder">Where the files that checks name are; null: the working folder.</param>
public sealed class CheckEngine(
    TimeProvider time, int seed, Action<CheckStatus> onChange, string? folder = null) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Running> running = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private CheckLoop? loop;

    /// <summary>How every check stands, now. From any thread.</summary>
    public IReadOnlyList<CheckStatus> Status() => [.. running.Values.Select(check => check.Snapshot())];

    /// <summary>
    /// Goes over to this set: unchanged checks go on with their state, the others end or begin. The first call starts
    /// the loop's thread, in the network namespace of the caller. IOException when the kernel gives no descriptors.
    /// </summary>
    public void Apply(CheckSet set)
    {
        lock (gate)
        {
            loop ??= CheckLoop.Start(time, onChange, folder);
            var wanted = set.Checks.ToDictionary(check => check.Id, StringComparer.Ordinal);
            foreach ((string id, Running check) in running)
            {
                if (wanted.TryGetValue(id, out Check? same) && same == check.Check) wanted.Remove(id);
                else if (running.TryRemove(id, out Running? ended)) loop.End(ended);
            }

            foreach (Check check in wanted.Values)
            {
                var begun = new Running(check, null, seed);
                running[check.Id] = begun;
                loop.Begin(begun);
            }
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
        running.Clear();
    }

    /// <summary>A check, or the part of a composite ("web/nyc/192.0.2.5#disk").</summary>
    private Running? Find(string id) => running.TryGetValue(id, out Running? check)
        ? check
        : running.Values.SelectMany(one => one.Parts).FirstOrDefault(part => part.Check.Id == id);
}

/// <summary>A check that runs. Its status is written by the loop alone and read by anybody.</summary>
internal sealed class Running
{
    private CheckStatus status;

    public Running(Check check, Running? whole, int seed)
    {
        Check = check;
        Whole = whole;
        status = new CheckStatus(check, CheckState.Before(check.Spec), null, "not asked yet", null);
        // String hash codes differ between processes; the phase must not.
        Random = new Random(check.Id.Aggregate(seed, (hash, letter) => unchecked((hash * 31) + letter)));
        Parts = [.. check.Parts.Select(part => new Running(part, this, seed))];
    }

    public Check Check { get; }

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

    public CheckStatus Snapshot() => Parts.IsEmpty
        ? Status
        : Status with { Parts = [.. Parts.Select(part => part.Snapshot())] };
}
