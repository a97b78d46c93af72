using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// The zones that other servers are the primaries of: asks for their SOA when it is time or NOTIFY says so, takes new
/// versions, keeps copies on disk. The owner of the tables hears of each change and makes a new table of Zones.
/// </summary>
public sealed class SecondaryZones : IAsyncDisposable
{
    private readonly SecondaryOptions options;
    private readonly TimeProvider time;
    private readonly Dictionary<DnsName, Follower> followers;
    private readonly SemaphoreSlim atOnce;
    private readonly CancellationTokenSource stop = new();
    private Task running = Task.CompletedTask;

    /// <summary>Reads the copies on disk. ArgumentException when the options have problems.</summary>
    public SecondaryZones(SecondaryOptions options, TimeProvider? time = null, int seed = 0)
    {
        List<string> problems = [.. options.Problems()];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        this.options = options;
        this.time = time ?? TimeProvider.System;
        atOnce = new SemaphoreSlim(options.TransfersMax);
        var keys = new TsigKeys(options.Keys);
        var random = new Random(seed);
        var copies = new ZoneCopies(options.Folder, this.time);
        followers = options.Zones.ToDictionary(zone => zone.Origin, zone => new Follower(
            zone, options, keys, copies, this.time, random.Next(), atOnce, () => Changed?.Invoke(zone.Origin)));
    }

    /// <summary>
    /// A zone has a new version, or has expired: see Zones. Raised on threads of the pool, several at once.
    /// </summary>
    public event Action<DnsName>? Changed;

    /// <summary>What is to be served now; zones that IsExpired among them.</summary>
    public IEnumerable<Zone> Zones => followers.Values.Select(follower => follower.Status.Zone);

    public IEnumerable<SecondaryStatus> Statuses => followers.Values.Select(follower => follower.Status);

    /// <summary>Starts asking. Called once.</summary>
    public void Start() => running = Task.WhenAll(followers.Values.Select(follower => follower.RunAsync(stop.Token)));

    /// <summary>Asks for the zone's SOA now; false: it is not one of ours.</summary>
    public bool Refresh(DnsName origin)
    {
        if (!followers.TryGetValue(origin, out Follower? follower)) return false;
        follower.Poke();
        return true;
    }

    /// <summary>
    /// RFC 1996 §3.10: a NOTIFY is believed by where it comes from, or by its key; and all that is believed is that
    /// one should ask. Its SOA is not looked at.
    /// </summary>
    internal Rcode Notified(ReadOnlySpan<byte> message, in Asker asker, DnsName? signedWith)
    {
        var reader = new MessageReader(message);
        Span<byte> name = stackalloc byte[DnsName.WireBytesMax];
        if (reader.IsResponse || reader.Questions != 1) return Rcode.FormErr;
        int length = reader.Question(name, out RecordType type, out ushort @class);
        if (reader.Failed || type != RecordType.Soa || @class != (ushort)RecordClass.Internet
            || !DnsName.TryFromWire(name[..length], out DnsName origin)) return Rcode.FormErr;
        if (!followers.TryGetValue(origin, out Follower? follower)) return Rcode.NotAuth;
        if (!follower.IsPrimary(asker.ClientMapped, signedWith)) return Rcode.Refused;
        follower.Poke();
        return Rcode.NoError;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        stop.Dispose();
        atOnce.Dispose();
    }
}

/// <summary>One zone, followed by one task.</summary>
internal sealed class Follower
{
    private readonly SecondaryZone zone;
    private readonly SecondaryOptions options;
    private readonly TsigKeys keys;
    private readonly ZoneCopies copies;
    private readonly TimeProvider time;
    private readonly Random random;
    private readonly SemaphoreSlim atOnce;
    private readonly SemaphoreSlim poked = new(0, 1);
    private readonly Action changed;
    private readonly long started;
    private SecondaryStatus status;

    public Follower(
        SecondaryZone zone, SecondaryOptions options, TsigKeys keys, ZoneCopies copies, TimeProvider time, int seed,
        SemaphoreSlim atOnce, Action changed)
    {
        (this.zone, this.options, this.keys, this.copies, this.time) = (zone, options, keys, copies, time);
        (this.atOnce, this.changed, random) = (atOnce, changed, new Random(seed));
        started = time.GetTimestamp();
        (Zone? copy, TimeSpan age, string? problem) = copies.Read(zone.Origin);
        SecondaryTimers timers = copy is null
            ? SecondaryTimers.Start(TimeSpan.Zero)
            : SecondaryTimers.FromDisk(copy.Soa, age, TimeSpan.Zero, options.WaitMin);
        kept = copy;
        Zone served = copy is null || timers.IsExpired(TimeSpan.Zero) ? Zone.Expired(zone.Origin) : copy;
        status = new SecondaryStatus(zone.Origin, served, problem, timers, 0, 0);
    }

    // What IXFR goes on from, though it may be too old to be served.
    private Zone? kept;

    public SecondaryStatus Status => Volatile.Read(ref status);

    private TimeSpan Now => time.GetElapsedTime(started);

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

    public async Task RunAsync(CancellationToken stop)
    {
        await Task.Yield();
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
        Task poke = poked.WaitAsync(woken.Token), timer = Task.Delay(wait, time, woken.Token);
        await Task.WhenAny(poke, timer);
        await woken.CancelAsync();
        await Task.WhenAny(Task.WhenAll(poke, timer)); // Both have ended, and their being cancelled is no fault.
        stop.ThrowIfCancellationRequested();
        if (poke.IsCompletedSuccessfully)
            status = status with { Timers = status.Timers.On(SecondaryEvent.Notified, Now, 0) };
    }

    private async Task PollAsync(CancellationToken stop)
    {
        await atOnce.WaitAsync(stop);
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
                catch (Exception fault) when (fault is IOException or SocketException or UnauthorizedAccessException
                    || (fault is OperationCanceledException && !stop.IsCancellationRequested))
                {
                    string what = fault is OperationCanceledException ? "no answer in time" : fault.Message;
                    problem += $"{(problem.Length > 0 ? "; " : "")}{primary.Address}: {what}";
                }
            }

            status = status with
            {
                Problem = problem,
                Timers = status.Timers.On(SecondaryEvent.Failed, Now, random.NextDouble()),
            };
        }
        finally
        {
            atOnce.Release();
        }
    }

    private async Task AskAsync(Primary primary, CancellationToken stop)
    {
        TsigKey? key = primary.Key is null ? null : keys.Find(primary.Key);
        RRset soa;
        using (var client = new TransferClient(primary.Address, primary.Source, options.NewSocket, time))
            soa = await client.SoaAsync(zone.Origin, key, options.Patience, stop);
        if (kept is not null && !SerialOrder.IsNewer(Zone.SerialOf(soa), kept.Serial))
        {
            // A primary that is behind us has nothing for us, but it does not stand for our version either.
            if (Zone.SerialOf(soa) != kept.Serial)
                throw new IOException($"its serial {Zone.SerialOf(soa)} is behind ours, {kept.Serial}");
            copies.Touch(zone.Origin);
            Fresh(kept, status);
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
        var received = new ReceivedZone(zone.Origin, since, options.ZoneBytesMax);
        using var client = new TransferClient(primary.Address, primary.Source, options.NewSocket, time);
        await client.TransferAsync(zone.Origin, since?.Soa, key, options.Patience, received.Take, stop);
        if (received.IsUpToDate) throw new IOException("its transfer has an older serial than its SOA");
        return received;
    }

    private static string Refusal(List<string> problems) =>
        $"its zone has {problems.Count} faults: {string.Join("; ", problems.Take(3))}";

    private void Take(Zone next, bool isIncremental)
    {
        copies.Write(next);
        kept = next;
        Fresh(next, status with
        {
            Transfers = status.Transfers + 1,
            Incremental = status.Incremental + (isIncremental ? 1 : 0),
        });
    }

    private void Fresh(Zone served, SecondaryStatus before) => Become(before with
    {
        Zone = served,
        Problem = null,
        Timers = before.Timers.With(served.Soa, options.WaitMin)
            .On(SecondaryEvent.Fresh, Now, random.NextDouble()),
    });

    private void Become(SecondaryStatus next)
    {
        bool isOther = next.Zone != status.Zone;
        Volatile.Write(ref status, next);
        if (isOther) changed();
    }
}
