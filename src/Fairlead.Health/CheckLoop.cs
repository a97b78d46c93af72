using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Fairlead.Health.Probes;
using Fairlead.Net.Linux;

namespace Fairlead.Health;

/// <summary>What the loop is doing with a check. The loop's own.</summary>
internal sealed class Trying
{
    /// <summary>Changes when a new timer is set: older ones in the queue are then void.</summary>
    public int Timer { get; set; }

    public TimeSpan BeganAt { get; set; }

    /// <summary>The socket of a try that the loop polls itself, and the key that it is polled under.</summary>
    public Exchange? Exchange { get; set; }

    public long Key { get; set; }

    public Regex? Expect { get; set; }

    /// <summary>HTTP: what every try says.</summary>
    public byte[]? Request { get; set; }

    /// <summary>Ends the try that runs beside the loop.</summary>
    public CancellationTokenSource Stop { get; } = new();

    /// <summary>How many tries in a row were not judged because we came late ourselves.</summary>
    public int Late { get; set; }

    public bool ReportedUp { get; set; }

    /// <summary>Push: until when the last report counts.</summary>
    public TimeSpan ReportEnds { get; set; }

    public bool HasEnded { get; set; }
}

/// <summary>
/// The engine's one thread: a queue of what is due, and a poll over the sockets of tries in flight. A check costs a
/// socket and an entry in the queue, no thread and no task. HTTP/2, TLS, gRPC and commands run beside it as tasks and
/// hand their results in. Everything below runs on that thread, but for Start, Begin, End, Rename, Report and
/// StopAsync.
/// </summary>
internal sealed class CheckLoop
{
    private readonly record struct Due(Running Check, int Timer);

    // Who was stopped, or starved, cannot say that others were slow. But who is always late must judge all the same.
    private const int LateTriesMax = 2;

    private const int ReadyMax = 256;

    // However long the interval: a first result is not waited for longer than this.
    private static readonly TimeSpan FirstTryWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Punctual = TimeSpan.FromMilliseconds(200);

    private readonly EventPoll poll = new();
    private readonly ConcurrentQueue<Action> posted = new();
    private readonly PriorityQueue<Due, TimeSpan> queue = new();
    private readonly Dictionary<long, Running> polled = [];
    private readonly HashSet<Running> all = [];
    private readonly HashSet<Task> beside = [];
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeProvider time;
    private readonly Action<CheckStatus> onChange;
    private readonly long started;
    private readonly string folder;
    private Prober? prober;
    private long lastKey;

    private CheckLoop(TimeProvider time, Action<CheckStatus> onChange, string? folder)
    {
        (this.time, this.onChange) = (time, onChange);
        started = time.GetTimestamp();
        this.folder = folder ?? "";
    }

    private TimeSpan Now => time.GetElapsedTime(started);

    public static CheckLoop Start(TimeProvider time, Action<CheckStatus> onChange, string? folder)
    {
        var loop = new CheckLoop(time, onChange, folder);
        new Thread(loop.Run) { Name = "checks", IsBackground = true }.Start();
        return loop;
    }

    public void Begin(Running check) => Post(() => BeginNow(check));

    public void End(Running check) => Post(() => EndNow(check));

    public void Rename(Running check, ImmutableArray<Check> askers) => Post(() => check.Askers = askers);

    public void Report(Running check, bool up, string detail, TimeSpan timeToLive) => Post(() =>
    {
        if (check.Try.HasEnded) return;
        check.Try.ReportEnds = Now + timeToLive;
        Tell(check, up, detail);
    });

    public async Task StopAsync()
    {
        await stop.CancelAsync();
        poll.Wake();
        await finished.Task;
        prober?.Dispose();
        stop.Dispose();
    }

    private void Post(Action work)
    {
        posted.Enqueue(work);
        poll.Wake();
    }

    private void Run()
    {
        Span<long> ready = stackalloc long[ReadyMax];
        while (!stop.IsCancellationRequested)
        {
            while (posted.TryDequeue(out Action? work)) work();
            int count = poll.Wait(queue.TryPeek(out _, out TimeSpan first) ? first - Now : TimeSpan.MaxValue, ready);
            foreach (long key in ready[..count]) Continue(key);
            // What has come is heard before anybody's time is called.
            if (count < ReadyMax - 1) CallTime();
        }

        foreach (Running check in all.ToList()) EndNow(check);
        _ = FinishAsync();
    }

    private async Task FinishAsync()
    {
        await Task.WhenAll(beside);
        poll.Dispose();
        finished.SetResult();
    }

    private void BeginNow(Running check)
    {
        all.Add(check);
        CheckSpec spec = check.Check.Spec;
        foreach (Running part in check.Parts) BeginNow(part);
        switch (spec.Kind)
        {
            case CheckKind.None:
                Tell(check, true, "not checked");
                break;
            case CheckKind.Composite:
                Weigh(check);
                break;
            case CheckKind.Push:
                // A service that never speaks is down, after as long as one that has stopped to.
                check.Try.ReportEnds = Now + spec.TimeToLive;
                SetTimer(check, check.Try.ReportEnds);
                break;
            default:
                if (spec.Kind == CheckKind.Http) check.Try.Request = HttpAnswer.Request(check.Check);
                check.Try.Expect = spec.Expect is { } expect ? Patterns.Compile(expect) : null;
                TimeSpan within = spec.Interval * 0.5 < FirstTryWithin ? spec.Interval * 0.5 : FirstTryWithin;
                SetTimer(check, Now + (within * check.Random.NextDouble()));
                break;
        }
    }

    private void EndNow(Running check)
    {
        foreach (Running part in check.Parts) EndNow(part);
        all.Remove(check);
        check.Try.HasEnded = true;
        check.Try.Timer++;
        Close(check);
        check.Try.Stop.Cancel();
    }

    private void SetTimer(Running check, TimeSpan at) => queue.Enqueue(new Due(check, ++check.Try.Timer), at);

    private void CallTime()
    {
        TimeSpan now = Now;
        while (queue.TryPeek(out Due due, out TimeSpan at) && at <= now)
        {
            queue.Dequeue();
            if (due.Timer == due.Check.Try.Timer) TimeIsOver(due.Check, late: now - at);
        }
    }

    private void TimeIsOver(Running check, TimeSpan late)
    {
        if (check.Check.Spec.Kind == CheckKind.Composite) Weigh(check);
        else if (check.Check.Spec.Kind == CheckKind.Push) TellAgain(check);
        else if (check.Try.Exchange is null) Begin(check.Try, check);
        else
        {
            Close(check);
            Take(check, TimedOut(check, late));
        }
    }

    private void Begin(Trying one, Running check)
    {
        one.BeganAt = Now;
        if (!Exchange.Suits(check.Check.Spec))
        {
            AskBeside(check);
            return;
        }

        if (check.Check.Spec.Kind == CheckKind.Http && one.Request is null)
        {
            Take(check, ProbeResult.Of(false, "no request can hold the check's host and path"));
            return;
        }

        ProbeResult? result;
        try
        {
            one.Exchange = new Exchange(check.Check, one.Expect, one.Request);
            one.Key = ++lastKey;
            result = one.Exchange.Begin();
            if (result is null && poll.Add(one.Exchange.Fd, one.Key, one.Exchange.WantsWrite) is not 0 and int error)
                result = ProbeResult.OursToBlame($"epoll: errno {error}");
        }
        catch (IOException fault)
        {
            result = ProbeResult.OursToBlame(fault.Message);
        }

        if (result is { } known)
        {
            Close(check);
            Take(check, known);
            return;
        }

        polled[one.Key] = check;
        SetTimer(check, one.BeganAt + check.Check.Spec.EffectiveTimeout);
    }

    private void Continue(long key)
    {
        if (!polled.TryGetValue(key, out Running? check)) return;
        Exchange exchange = check.Try.Exchange!;
        bool wrote = exchange.WantsWrite;
        if (exchange.Continue() is { } result)
        {
            Close(check);
            Take(check, result);
        }
        else if (exchange.WantsWrite != wrote) poll.Change(exchange.Fd, key, exchange.WantsWrite);
    }

    private void Close(Running check)
    {
        polled.Remove(check.Try.Key);
        check.Try.Exchange?.Dispose();
        check.Try.Exchange = null;
    }

    private void AskBeside(Running check)
    {
        // Not before it is needed: its libraries for HTTP and TLS weigh more than the whole engine.
        Prober asked = prober ??= new Prober(time, folder);
        Task<ProbeResult?> asking = Task.Run(() => asked.AskAsync(check.Check, check.Try.Stop.Token));
        Task? handing = null;
        handing = asking.ContinueWith(
            answered => Post(() =>
            {
                beside.Remove(handing!);
                if (check.Try.HasEnded) return;
                // Null: the time was over, and only the loop knows whether it came late itself.
                TimeSpan late = Now - check.Try.BeganAt - check.Check.Spec.EffectiveTimeout;
                Take(check, answered.GetAwaiter().GetResult() ?? TimedOut(check, late));
            }),
            TaskScheduler.Default);
        beside.Add(handing);
    }

    private static ProbeResult TimedOut(Running check, TimeSpan late)
    {
        TimeSpan timeout = check.Check.Spec.EffectiveTimeout;
        bool isOurs = late > (timeout > Punctual ? timeout : Punctual) && check.Try.Late++ < LateTriesMax;
        return isOurs
            ? ProbeResult.OursToBlame($"no answer, but this node itself stood still for {late.TotalMilliseconds:0} ms")
            : ProbeResult.Of(false, $"no answer within {timeout.TotalMilliseconds:0} ms");
    }

    private void Take(Running check, ProbeResult result)
    {
        CheckStatus before = check.Status;
        CheckSpec spec = before.Check.Spec;
        TimeSpan now = Now;
        CheckState state = result.Outcome == Outcome.Unknown
            ? before.State
            : before.State.Next(result.Success, spec, now);
        if (result.Outcome == Outcome.Success) check.Try.Late = 0;
        var last = new LastResult(
            result.Outcome, result.Detail, time.GetUtcNow(), now - check.Try.BeganAt, result.Code,
            [.. result.Heard.Span[..Math.Min(result.Heard.Length, LastResult.BytesMax)]]);
        check.Status = before with
        {
            Tries = before.Tries + 1,
            Failures = before.Failures + (result.Outcome == Outcome.Failure ? 1 : 0),
            Unknowns = before.Unknowns + (result.Outcome == Outcome.Unknown ? 1 : 0),
            LastTry = last.At,
            Last = last,
            LastFailure = result.Outcome == Outcome.Failure ? last : before.LastFailure,
        };
        TimeSpan next = check.Try.BeganAt + (state.Pace(spec) * (0.95 + (0.1 * check.Random.NextDouble())));
        SetTimer(check, next > now ? next : now);
        Stands(check, state, result.Detail, last.At);
    }

    private void Tell(Running check, bool up, string detail)
    {
        CheckState before = check.Status.State, state = before.Told(up, check.Check.Spec, Now);
        DateTimeOffset at = time.GetUtcNow();
        check.Status = check.Status with { LastTry = at };
        if (check.Check.Spec.Kind == CheckKind.Push)
        {
            check.Try.ReportedUp = up;
            bool isHeld = up && !state.Up && state.HeldUntil < check.Try.ReportEnds;
            SetTimer(check, isHeld ? state.HeldUntil : check.Try.ReportEnds);
        }
        else if (up && !state.Up) SetTimer(check, state.HeldUntil);

        Stands(check, state, detail, at);
    }

    /// <summary>A push whose report has ended, or whose hold-down has.</summary>
    private void TellAgain(Running check)
    {
        if (check.Try.ReportedUp && Now < check.Try.ReportEnds) Tell(check, true, check.Status.Detail);
        else if (check.Status is not { State: { Known: true, Up: false } })
            Stands(check, check.Status.State.Told(false, check.Check.Spec, Now), "no report in time", time.GetUtcNow());
    }

    private void Weigh(Running whole)
    {
        IEnumerable<CheckStatus> parts = whole.Parts.Select(part => part.Status);
        int need = whole.Check.Spec.Need;
        if (Composite.Verdict(parts.Select(part => part.State), need) is { } up)
            Tell(whole, up, Composite.Detail(parts, need));
    }

    /// <summary>Puts the state into the status, and tells of it where it has turned.</summary>
    private void Stands(Running check, CheckState state, string detail, DateTimeOffset at)
    {
        CheckStatus before = check.Status;
        bool turned = state.Known != before.State.Known || state.Up != before.State.Up;
        check.Status = before with
        {
            State = state,
            Detail = detail,
            ChangedAt = turned ? at : before.ChangedAt,
        };
        if (check.Whole is { } whole) Weigh(whole);
        else if (turned) foreach (Check asker in check.Askers) onChange(check.Snapshot(asker));
    }
}
