using System.Net.Sockets;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Transfers;

/// <summary>What all followers share.</summary>
internal sealed class FollowerContext(
    SecondaryOptions options, TimeProvider time, Action<SecondaryStatus, SecondaryStatus> turned)
{
    private readonly long started = time.GetTimestamp();

    public SecondaryOptions Options => options;

    public TimeProvider Time => time;

    public ZoneCopies Copies { get; } = new(options.Folder, time);

    public SemaphoreSlim AtOnce { get; } = new(options.TransfersMax);

    /// <summary>Since the start.</summary>
    public TimeSpan Now => time.GetElapsedTime(started);

    public void Turned(SecondaryStatus before, SecondaryStatus after) => turned(before, after);
}

/// <summary>One zone, followed by one task.</summary>
internal sealed class Follower
{
    private readonly SecondaryZone zone;
    private readonly TsigKeys keys;
    private readonly FollowerContext context;
    private readonly Random random;
    private readonly SemaphoreSlim poked = new(0, 1);
    private readonly CancellationTokenSource stopped = new();
    private SecondaryStatus status;

    // What IXFR goes on from, though it may be too old to be served.
    private Zone? kept;

    // Whether what is kept stands on disk.
    private bool isCopied = true;

    /// <summary>`before`: who followed the zone until now, to be stopped; null: the copy on disk is read.</summary>
    public Follower(SecondaryZone zone, TsigKeys keys, FollowerContext context, int seed, Follower? before)
    {
        (this.zone, this.keys, this.context, random) = (zone, keys, context, new Random(seed));
        TimeSpan now = context.Now;
        if (before is not null)
        {
            (kept, isCopied, SecondaryStatus last) = (before.kept, before.isCopied, before.Status);
            status = last with { Problem = null, Timers = last.Timers.On(SecondaryEvent.Notified, now, 0) };
            return;
        }

        (Zone? copy, TimeSpan age, string? problem) = context.Copies.Read(zone.Origin);
        SecondaryTimers timers = copy is null
            ? SecondaryTimers.Start(now)
            : SecondaryTimers.FromDisk(copy.Soa, age, now, context.Options.WaitMin);
        kept = copy;
        Zone served = copy is null || timers.IsExpired(now) ? Zone.Expired(zone.Origin) : copy;
        DateTimeOffset? freshAt = copy is null ? null : context.Time.GetUtcNow() - age;
        status = new SecondaryStatus(zone.Origin, served, problem, timers, 0, 0, freshAt);
    }

    public DnsName Origin => zone.Origin;

    public SecondaryStatus Status => Volatile.Read(ref status);

    private TimeSpan Now => context.Now;

    /// <summary>Whether there is nothing to change: the same primaries, asked in the same way.</summary>
    public bool IsFor(SecondaryZone other, TsigKeys otherKeys) =>
        zone.Primaries.SequenceEqual(other.Primaries) && zone.Primaries.All(primary => primary.Key is null
            || keys.Find(primary.Key)!.IsSame(otherKeys.Find(primary.Key)!));

    /// <summary>Ends RunAsync soon.</summary>
    public void Stop() => stopped.Cancel();

    public bool IsPrimary(UInt128 addressMapped, DnsName? signedWith) => zone.Primaries.Any(primary =>
        primary.Key is null
            ? Prefix.BitsOf(primary.Address.Address) == addressMapped
            : primary.Key == signedWith);

    /// <summary>Any thread. One that comes while another waits adds nothing.</summary>
    public void Poke()
    {
        try
        {
            if (poked.CurrentCount == 0) poked.Release();
        }
        catch (SemaphoreFullException)
        {
            // Two came at once: one is enough.
        }
    }

    public async Task RunAsync(CancellationToken ended)
    {
        await Task.Yield();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ended, stopped.Token);
        CancellationToken stop = either.Token;
        try
        {
            while (true)
            {
                TimeSpan wait = status.Timers.NextWake(Now) - Now;
                if (wait > TimeSpan.Zero) await WaitAsync(wait, stop);
                TimeSpan now = Now;
                if (status.Timers.IsExpired(now) && !status.Zone.IsExpired)
                    Become(status with { Zone = Zone.Expired(zone.Origin) });
                if (now >= status.Timers.NextPoll) await PollAsync(stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // We are asked to stop.
        }
    }

    private async Task WaitAsync(TimeSpan wait, CancellationToken stop)
    {
        using var woken = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task poke = poked.WaitAsync(woken.Token), timer = Task.Delay(wait, context.Time, woken.Token);
        await Task.WhenAny(poke, timer);
        await woken.CancelAsync();
        await Task.WhenAny(Task.WhenAll(poke, timer)); // Both have ended, and their being cancelled is no fault.
        stop.ThrowIfCancellationRequested();
        if (poke.IsCompletedSuccessfully)
            status = status with { Timers = status.Timers.On(SecondaryEvent.Notified, Now, 0) };
    }

    private async Task PollAsync(CancellationToken stop)
    {
        await context.AtOnce.WaitAsync(stop);
        try
        {
            string problem = "";
            foreach (Primary primary in zone.Primaries)
            {
                try
                {
                    await AskAsync(primary, stop);
                    return;
                }
                catch (Exception fault) when (fault is IOException or SocketException
                    || (fault is OperationCanceledException && !stop.IsCancellationRequested))
                {
                    string what = fault is OperationCanceledException ? "no answer in time" : fault.Message;
                    problem += $"{(problem.Length > 0 ? "; " : "")}{primary.Address}: {what}";
                }
            }

            Become(status with
            {
                Problem = problem,
                Timers = status.Timers.On(SecondaryEvent.Failed, Now, random.NextDouble()),
            });
        }
        finally
        {
            context.AtOnce.Release();
        }
    }

    private async Task AskAsync(Primary primary, CancellationToken stop)
    {
        TsigKey? key = primary.Key is null ? null : keys.Find(primary.Key);
        RRset soa;
        using (var client = new TransferClient(
            primary.Address, primary.Source, context.Options.NewSocket, context.Time))
            soa = await client.SoaAsync(zone.Origin, key, context.Options.Patience, stop);
        if (kept is not null && !SerialOrder.IsNewer(Zone.SerialOf(soa), kept.Serial))
        {
            // A primary that is behind us has nothing for us, but it does not stand for our version either.
            if (Zone.SerialOf(soa) != kept.Serial)
                throw new IOException($"its serial {Zone.SerialOf(soa)} is behind ours, {kept.Serial}");
            Fresh(kept, status, Keep(kept, isNew: false));
            return;
        }

        ReceivedZone? received = null;
        try
        {
            received = await TransferAsync(primary, key, kept, stop);
            if (received.Build(out List<string> problems) is { } next) Take(next, received.IsIncremental);
            else if (!received.IsIncremental) throw new IOException(Refusal(problems));
            else received = null;
        }
        catch (IOException) when (kept is not null && received is not { IsIncremental: false })
        {
            received = null;
        }

        if (received is not null) return;
        // RFC 1995 §4: a difference that does not fit is replaced by the whole.
        received = await TransferAsync(primary, key, null, stop);
        Zone? whole = received.Build(out List<string> faults);
        Take(whole ?? throw new IOException(Refusal(faults)), false);
    }

    private async Task<ReceivedZone> TransferAsync(Primary primary, TsigKey? key, Zone? since, CancellationToken stop)
    {
        var received = new ReceivedZone(zone.Origin, since, context.Options.ZoneBytesMax);
        using var client = new TransferClient(
            primary.Address, primary.Source, context.Options.NewSocket, context.Time);
        await client.TransferAsync(zone.Origin, since?.Soa, key, context.Options.Patience, received.Take, stop);
        if (received.IsUpToDate) throw new IOException("its transfer has an older serial than its SOA");
        return received;
    }

    private static string Refusal(List<string> problems) =>
        $"its zone has {problems.Count} faults: {string.Join("; ", problems.Take(3))}";

    private void Take(Zone next, bool isIncremental)
    {
        // The copy is the successor's by now.
        if (stopped.IsCancellationRequested) return;
        string? problem = Keep(next, isNew: true);
        kept = next;
        SecondaryStatus taken = status with
        {
            Transfers = status.Transfers + 1,
            Incremental = status.Incremental + (isIncremental ? 1 : 0),
        };
        Fresh(next, taken, problem);
    }

    // A disk that is full must not stop the zone: it is served from memory, and only a restart would miss it.
    private string? Keep(Zone newest, bool isNew)
    {
        try
        {
            if (isNew || !isCopied) context.Copies.Write(newest);
            else context.Copies.Touch(zone.Origin);
            isCopied = true;
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            isCopied = false;
            return $"its copy is not on disk: {fault.Message}";
        }
    }

    private void Fresh(Zone served, SecondaryStatus before, string? problem) => Become(before with
    {
        Zone = served,
        Problem = problem,
        FreshAt = context.Time.GetUtcNow(),
        Timers = before.Timers.With(served.Soa, context.Options.WaitMin)
            .On(SecondaryEvent.Fresh, Now, random.NextDouble()),
    });

    private void Become(SecondaryStatus next)
    {
        SecondaryStatus before = status;
        Volatile.Write(ref status, next);
        // One who has been told to stop has a successor, whose words alone count.
        if (!stopped.IsCancellationRequested) context.Turned(before, next);
    }
}
