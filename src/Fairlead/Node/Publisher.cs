using Fairlead.Control;
using Fairlead.Fleet;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>Tells the other pops what this node sees: every heartbeat, and at once when there is news.</summary>
public sealed class Publisher(IStore store, ReconcileLoop loop, TimeProvider time, ILogger log)
{
    private readonly SemaphoreSlim news = new(0);

    public void Hurry()
    {
        if (news.CurrentCount == 0) news.Release();
    }

    /// <summary>
    /// A report goes out every heartbeat, also while earlier ones still wait: one that was on its way when the store's
    /// leader died is lost, and waiting for it would make us silent just when everybody listens.
    /// </summary>
    public async Task RunAsync(CancellationToken stop)
    {
        const int UnderWayMax = 8;
        List<Task<string?>> underWay = [];
        string? fault = null;
        try
        {
            while (true)
            {
                await news.WaitAsync(loop.Fleet.Spec.Store.Heartbeat, stop);
                foreach (Task<string?> ended in underWay.Where(put => put.IsCompleted).ToList())
                {
                    underWay.Remove(ended);
                    string? now = await ended;
                    if (now is not null && fault is null)
                        log.LogWarning("the store does not take our report, all goes on as it is: {Fault}", now);
                    if (now is null && fault is not null) log.LogInformation("the store takes our report again");
                    fault = now;
                }

                if (loop.View is { } view && underWay.Count < UnderWayMax) underWay.Add(PublishAsync(view, stop));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private async Task<string?> PublishAsync(LoopView view, CancellationToken stop)
    {
        // The view is as old as the last turn; the ages are told as of now.
        TimeSpan old = time.GetUtcNow() - view.World.Nodes[^1].HeardAt;
        NodeReport report = view.Report with
        {
            Announced =
            [
                .. view.Report.Announced.Select(
                    a => a with { AgeMilliseconds = a.AgeMilliseconds + (long)old.TotalMilliseconds }),
            ],
        };
        try
        {
            await store.PutAsync(Observer.KeyOf(report), FleetJson.Write(report), stop);
            return null;
        }
        catch (IOException unreachable)
        {
            return unreachable.Message;
        }
    }
}
