namespace Fairlead.Tests;

/// <summary>A clock that stands until it is moved; timers fire, in order, while it moves.</summary>
public sealed class FakeTime(DateTimeOffset start) : TimeProvider
{
    private readonly List<FakeTimer> timers = [];
    private readonly Lock gate = new();
    private DateTimeOffset now = start;

    public FakeTime()
        : this(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => now;

    public override long GetTimestamp() => now.UtcTicks;

    public void Advance(TimeSpan by)
    {
        DateTimeOffset target = now + by;
        while (true)
        {
            FakeTimer? next;
            lock (gate)
            {
                next = timers.Where(t => t.Due <= target).MinBy(t => t.Due);
                if (next is null) break;
                now = next.Due > now ? next.Due : now;
            }

            next.Fire();
        }

        now = target;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class FakeTimer(FakeTime time, Action callback) : ITimer
    {
        private TimeSpan period;

        public DateTimeOffset Due { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            lock (time.gate)
            {
                time.timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                (Due, period) = (time.now + dueTime, newPeriod);
                time.timers.Add(this);
                return true;
            }
        }

        public void Fire()
        {
            lock (time.gate)
            {
                if (!time.timers.Contains(this)) return;
                if (period <= TimeSpan.Zero) time.timers.Remove(this);
                else Due += period;
            }

            callback();
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
