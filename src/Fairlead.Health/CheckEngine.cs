using System.Collections.Concurrent;
using Fairlead.Health.Probes;

namespace Fairlead.Health;

/// <summary>A check as it stands: its state, and what the last try saw.</summary>
public sealed record CheckStatus(
    Check Check, CheckState State, DateTimeOffset? LastTry, string Detail, DateTimeOffset? ChangedAt);

/// <summary>
/// Runs the checks of a CheckSet, each at its own pace from a seeded phase so that they never beat in step. Tells of a
/// turn of state once, from the thread that saw it.
/// </summary>
public sealed class CheckEngine(TimeProvider time, int seed, Action<CheckStatus> onChange) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Running> running = new(StringComparer.Ordinal);
    private readonly Prober prober = new(time);

    public IReadOnlyList<CheckStatus> Status() => [.. running.Values.Select(check => check.Status)];

    /// <summary>Goes over to this set: unchanged checks go on with their state, the others end or begin.</summary>
    public void Apply(CheckSet set)
    {
        var wanted = set.Checks.ToDictionary(check => check.Id, StringComparer.Ordinal);
        foreach ((string id, Running check) in running)
        {
            if (wanted.TryGetValue(id, out Check? same) && same == check.Status.Check) wanted.Remove(id);
            else if (running.TryRemove(id, out Running? ended)) ended.Stop.Cancel();
        }

        foreach (Check check in wanted.Values)
        {
            var begun = new Running(check);
            running[check.Id] = begun;
            begun.Loop = Task.Run(() => RunAsync(begun));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Running check in running.Values) await check.Stop.CancelAsync();
        await Task.WhenAll(running.Values.Select(check => check.Loop));
        prober.Dispose();
    }

    private async Task RunAsync(Running check)
    {
        // String hash codes differ between processes; the phase must not.
        var random = new Random(
            check.Status.Check.Id.Aggregate(seed, (hash, letter) => unchecked((hash * 31) + letter)));
        CheckSpec spec = check.Status.Check.Spec;
        try
        {
            await Task.Delay(spec.Interval * (random.NextDouble() * 0.5), time, check.Stop.Token);
            while (true)
            {
                long began = time.GetTimestamp();
                ProbeResult result = await prober.AskAsync(check.Status.Check, check.Stop.Token);
                Take(check, result);
                TimeSpan rest = (spec.Interval * (0.95 + (0.1 * random.NextDouble()))) - time.GetElapsedTime(began);
                if (rest > TimeSpan.Zero) await Task.Delay(rest, time, check.Stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
    }

    private void Take(Running check, ProbeResult result)
    {
        CheckStatus before = check.Status;
        CheckState state = before.State.Next(result.Success, before.Check.Spec);
        bool turned = state.Known != before.State.Known || state.Up != before.State.Up;
        DateTimeOffset now = time.GetUtcNow();
        check.Status = before with
        {
            State = state,
            LastTry = now,
            Detail = result.Detail,
            ChangedAt = turned ? now : before.ChangedAt,
        };
        if (turned && !check.Stop.IsCancellationRequested) onChange(check.Status);
    }

    private sealed class Running(Check check)
    {
        private CheckStatus status = new(check, default, null, "not asked yet", null);

        public CheckStatus Status
        {
            get => Volatile.Read(ref status);
            set => Volatile.Write(ref status, value);
        }

        public CancellationTokenSource Stop { get; } = new();

        public Task Loop { get; set; } = Task.CompletedTask;
    }
}
