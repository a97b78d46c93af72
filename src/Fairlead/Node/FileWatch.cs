using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// Looks once a second whether a zone file or a geo database has changed. What is half-written is refused by its
/// reader, the old one goes on, and the next change is another try.
/// </summary>
public sealed class FileWatch(ReconcileLoop loop, FleetReload reload, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    public async Task RunAsync(CancellationToken stop)
    {
        LoadedFleet fleet = loop.Fleet;
        var seen = new Dictionary<string, FileStamp>(fleet.Files);
        LoadedFleet? triedFor = null;
        using var timer = new PeriodicTimer(Pace, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                if (loop.Fleet != fleet) seen = new Dictionary<string, FileStamp>((fleet = loop.Fleet).Files);
                string? changed = fleet.Files.Keys.FirstOrDefault(path => FileStamp.Of(path) != seen[path]);
                bool due = changed is null && fleet.Signing.NextLook <= time.GetUtcNow() && triedFor != fleet;
                if (changed is null && !due) continue;
                // A renewal that is refused is tried again only when a file has changed: its fault stands in the log.
                if (due) triedFor = fleet;
                foreach (string path in fleet.Files.Keys) seen[path] = FileStamp.Of(path);
                log.LogInformation("{What}", due ? "signatures or keys are due" : $"{changed} has changed");
                reload.Run(fleetFileToo: false);
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops, and so does the watch.
        }
    }
}
