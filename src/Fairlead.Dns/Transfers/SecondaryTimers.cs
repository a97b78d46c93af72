using System.Buffers.Binary;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>What happened to a secondary zone.</summary>
public enum SecondaryEvent
{
    /// <summary>A primary has our serial, or gave us its new version.</summary>
    Fresh,

    /// <summary>No primary could be asked, or none gave a zone that can be served.</summary>
    Failed,

    /// <summary>A primary says that there may be a new version.</summary>
    Notified,
}

/// <summary>
/// When a secondary zone asks its primary again, and until when it may be served (RFC 1034 §4.3.5). Pure: times are
/// since the start, `chance` is from 0 to 1.
/// </summary>
/// <param name="Refresh">The SOA's, in bounds.</param>
/// <param name="Retry">The SOA's, in bounds.</param>
/// <param name="Expire">The SOA's.</param>
/// <param name="NextPoll">When to ask.</param>
/// <param name="ExpiresAt">When to serve no more; null: there is nothing to serve.</param>
/// <param name="Failures">In a row.</param>
public sealed record SecondaryTimers(
    TimeSpan Refresh, TimeSpan Retry, TimeSpan Expire, TimeSpan NextPoll, TimeSpan? ExpiresAt, int Failures)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(14);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestFirstRetry = TimeSpan.FromMinutes(10);

    /// <summary>Nothing is there yet: ask at once.</summary>
    public static SecondaryTimers Start(TimeSpan now) => new(FirstRetry, FirstRetry, LongestWait, now, null, 0);

    /// <summary>A copy from disk; `age`: since a primary last said that it is the newest. Ask at once.</summary>
    public static SecondaryTimers FromDisk(RRset soa, TimeSpan age, TimeSpan now, TimeSpan waitMin)
    {
        SecondaryTimers timers = Start(now).With(soa, waitMin);
        return timers with { ExpiresAt = now + timers.Expire - age };
    }

    public bool IsExpired(TimeSpan now) => ExpiresAt is not { } end || now >= end;

    /// <summary>When something is to be done next.</summary>
    public TimeSpan NextWake(TimeSpan now) =>
        ExpiresAt is { } end && end > now && end < NextPoll ? end : NextPoll;

    /// <summary>The values of a SOA (RFC 1035 §3.3.13).</summary>
    public SecondaryTimers With(RRset soa, TimeSpan waitMin)
    {
        ReadOnlySpan<byte> times = soa[0][^16..];
        TimeSpan Bounded(uint seconds) =>
            TimeSpan.FromTicks(Math.Clamp(seconds * TimeSpan.TicksPerSecond, waitMin.Ticks, LongestWait.Ticks));
        TimeSpan refresh = Bounded(BinaryPrimitives.ReadUInt32BigEndian(times));
        TimeSpan retry = Bounded(BinaryPrimitives.ReadUInt32BigEndian(times[4..]));
        TimeSpan expire = TimeSpan.FromSeconds(BinaryPrimitives.ReadUInt32BigEndian(times[8..]));
        return this with { Refresh = refresh, Retry = retry, Expire = expire };
    }

    public SecondaryTimers On(SecondaryEvent happened, TimeSpan now, double chance) => happened switch
    {
        // Up to a tenth earlier, so that a thousand zones that came together do not ask together.
        SecondaryEvent.Fresh => this with
        {
            NextPoll = now + (Refresh * (1 - (chance / 10))),
            ExpiresAt = now + Expire,
            Failures = 0,
        },
        SecondaryEvent.Failed => this with
        {
            NextPoll = now + (Wait(Failures) * (1 - (chance / 10))),
            Failures = Failures + 1,
        },
        SecondaryEvent.Notified => this with { NextPoll = NextPoll < now ? NextPoll : now },
        _ => this,
    };

    // Without a zone there is no retry interval of its SOA: ask soon, and then ever less often.
    private TimeSpan Wait(int failures) => ExpiresAt is not null
        ? Retry
        : TimeSpan.FromTicks(Math.Min(FirstRetry.Ticks << Math.Min(failures, 10), LongestFirstRetry.Ticks));
}
