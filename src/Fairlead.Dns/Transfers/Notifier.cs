using System.Collections.Concurrent;
using System.Net.Sockets;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net;

namespace Fairlead.Dns.Transfers;

/// <summary>The last NOTIFY of a zone to a target. Rcode null: no answer so far, or none that was right.</summary>
public sealed record NotifyOutcome(DnsName Zone, NotifyTarget Target, uint Serial, int Tries, int? Rcode);

/// <summary>
/// Tells the targets of new versions (RFC 1996 §3). A newer version takes the place of one that is still being told;
/// a target that does not answer is tried again, ever less often, and then left to its own refresh.
/// </summary>
internal sealed class Notifier(
    Snapshot<TransferSettings> settings, TimeProvider time, Action<NotifyOutcome>? ended) : IAsyncDisposable
{
    /// <summary>RFC 1996 §3.6 leaves the number to us: with waits of 1, 2, 4 ... s that is two minutes.</summary>
    private const int TriesMax = 7;

    private readonly ConcurrentDictionary<(DnsName Zone, NotifyTarget Target), NotifyOutcome> outcomes = new();
    private readonly ConcurrentDictionary<Task, bool> telling = new();
    private readonly SemaphoreSlim atOnce = new(32);
    private readonly CancellationTokenSource stop = new();

    public IReadOnlyList<NotifyOutcome> Outcomes => [.. outcomes.Values];

    public void Tell(NewVersion zone)
    {
        foreach (NotifyTarget target in settings.Current.Options.Notify)
        {
            if (target.Zone is not null && target.Zone != zone.Origin) continue;
            uint serial = Zone.SerialOf(zone.Soa);
            NotifyOutcome begun = new(zone.Origin, target, serial, 0, null);
            outcomes[(zone.Origin, target)] = begun;
            Task task = TellAsync(zone, begun);
            telling[task] = true;
            _ = task.ContinueWith(
                done => telling.TryRemove(done, out _), CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    /// <summary>Forgets what became of targets that are none any more.</summary>
    public void Forget()
    {
        HashSet<NotifyTarget> targets = [.. settings.Current.Options.Notify];
        foreach ((DnsName Zone, NotifyTarget Target) key in outcomes.Keys.Where(key => !targets.Contains(key.Target)))
            outcomes.TryRemove(key, out _);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await Task.WhenAll(telling.Keys);
        stop.Dispose();
        atOnce.Dispose();
    }

    private async Task TellAsync(NewVersion zone, NotifyOutcome begun)
    {
        await Task.Yield(); // The caller publishes tables, and waits for nobody.
        var key = (zone.Origin, begun.Target);
        NotifyOutcome last = begun;
        try
        {
            for (int i = 1; i <= TriesMax && last.Rcode is null; i++)
            {
                int? rcode;
                await atOnce.WaitAsync(stop.Token);
                try
                {
                    rcode = await TryOnceAsync(zone, begun.Target, TimeSpan.FromSeconds(Math.Min(3, 1 << i)));
                }
                finally
                {
                    atOnce.Release();
                }

                NotifyOutcome next = last with { Tries = i, Rcode = rcode };
                // A newer version is being told: this one is of no interest any more.
                if (!outcomes.TryUpdate(key, next, last)) return;
                last = next;
                if (rcode is null) await Task.Delay(TimeSpan.FromSeconds(1 << (i - 1)), time, stop.Token);
            }

            ended?.Invoke(last);
        }
        catch (OperationCanceledException)
        {
            // We are asked to stop.
        }
    }

    private async Task<int?> TryOnceAsync(NewVersion zone, NotifyTarget target, TimeSpan patience)
    {
        try
        {
            TransferSettings now = settings.Current;
            using var client = new TransferClient(target.To, target.Source, now.Options.NewSocket, time);
            TsigKey? key = target.Key is null ? null : now.Keys.Find(target.Key);
            // The target and its key were taken out of the options together: there is nobody to tell any more.
            if (target.Key is not null && key is null) return null;
            return await client.NotifyAsync(zone.Origin, zone.Soa, key, patience, stop.Token);
        }
        catch (Exception fault) when (fault is SocketException or IOException
            || (fault is OperationCanceledException && !stop.IsCancellationRequested))
        {
            return null; // Unreachable or silent: the outcome says so, and it is tried again.
        }
    }
}
