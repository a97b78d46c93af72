using System.Collections.Concurrent;
using System.Collections.Immutable;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// Zones on their way between servers: who may take ours, whom we tell, and what we take from primaries. It follows the
/// tables that the loop publishes, and wakes the loop when a secondary zone has changed.
/// </summary>
public sealed class ZoneTransfers : IAsyncDisposable
{
    private readonly ILogger log;
    private readonly string copies;
    private readonly ServedSerials serials;
    private readonly ConcurrentDictionary<NotifyTarget, bool> deaf = new();
    private int turns;

    /// <summary>
    /// Reads the serials and the copies of secondary zones. IOException or UnauthorizedAccessException when the state
    /// folder cannot be written to.
    /// </summary>
    public ZoneTransfers(
        LoadedFleet fleet, string stateFolder, TimeProvider time, int seed, ILogger log, Action wake)
    {
        this.log = log;
        copies = Path.Combine(stateFolder, "secondary");
        serials = new ServedSerials(stateFolder);
        Secondaries = new SecondaryZones(OptionsOf(fleet), time, seed);
        Secondaries.Turned += LogTurn;
        Secondaries.Changed += _ =>
        {
            Interlocked.Increment(ref turns);
            wake();
        };
        Handler = new TransferHandler(fleet.Transfers.Options, serials.Keeper, Secondaries, time, LogTold);
        foreach (SecondaryStatus status in Secondaries.Statuses)
        {
            log.LogInformation("zone {Zone}: {What}", status.Origin, status switch
            {
                { Problem: { } problem } => problem,
                { FreshAt: null } => "no copy yet",
                { Zone.IsExpired: true } => "its copy has expired",
                _ => $"serial {status.Zone.Serial} from its copy",
            });
        }
    }

    /// <summary>What the server asks.</summary>
    public TransferHandler Handler { get; }

    public SecondaryZones Secondaries { get; }

    /// <summary>Another number when a secondary zone has changed.</summary>
    public int Turns => Volatile.Read(ref turns);

    /// <summary>Starts asking the primaries.</summary>
    public void Start() => Secondaries.Start();

    /// <summary>All zones of the fleet: those of files, and the secondary ones as they stand now.</summary>
    public ImmutableArray<Zone> ZonesOf(LoadedFleet fleet) => fleet.Transfers.Secondaries.IsEmpty
        ? fleet.Zones
        :
        [
            .. fleet.Zones,
            .. fleet.Transfers.Secondaries.Select(
                zone => Secondaries.StatusOf(zone.Origin)?.Zone ?? Zone.Expired(zone.Origin)),
        ];

    /// <summary>Before a table is published: gives it its serials.</summary>
    public DnsTable Prepare(DnsTable table, LoadedFleet fleet) => Handler.Prepare(
        table, origin => fleet.Transfers.IsSecondary(origin) ? null : fleet.Signing.SignerOf(origin));

    /// <summary>
    /// Goes over to another fleet, before the loop does: so no table of the new one lacks a zone. What only the old one
    /// had is forgotten by Forget, after the loop has it.
    /// </summary>
    public void Follow(LoadedFleet next, LoadedFleet old)
    {
        LogUnseen(next, old);
        Handler.Apply(next.Transfers.Options);
        Secondaries.Apply(OptionsOf(next) with
        {
            Zones =
            [
                .. next.Transfers.Secondaries,
                .. old.Transfers.Secondaries.Where(zone => !next.Transfers.IsSecondary(zone.Origin)
                    && zone.Primaries.All(primary => primary.Key is null
                        || next.Transfers.Options.Keys.Any(key => key.Name == primary.Key))),
            ],
        });
    }

    public void Forget(LoadedFleet next) => Secondaries.Apply(OptionsOf(next));

    /// <summary>Why the serials are not on disk, or null. Called after each table.</summary>
    public string? Save() => serials.Save();

    public async ValueTask DisposeAsync()
    {
        await Secondaries.DisposeAsync();
        await Handler.DisposeAsync();
        if (serials.Save(isLast: true) is { } fault)
            log.LogError("the served serials are not on disk, the next start goes ahead of them: {Fault}", fault);
    }

    private SecondaryOptions OptionsOf(LoadedFleet fleet) => new()
    {
        Zones = fleet.Transfers.Secondaries,
        Keys = fleet.Transfers.Options.Keys,
        Folder = copies,
    };

    // A zone whose serial we keep has another one by itself.
    private void LogUnseen(LoadedFleet next, LoadedFleet old)
    {
        Dictionary<DnsName, Zone> before = old.ZoneFiles.ToDictionary(file => file.Zone.Origin, file => file.Zone);
        foreach (Zone zone in next.ZoneFiles.Select(file => file.Zone))
        {
            if (!before.TryGetValue(zone.Origin, out Zone? was) || was == zone || was.Serial != zone.Serial
                || serials.Keeper.Knows(zone.Origin) || !next.Transfers.Options.IsTransferred(zone.Origin)
                || TransferHandler.HaveSameRecords(was, zone)) continue;
            log.LogWarning("zone {Zone}: changed, but its serial is still {Serial}: its secondaries will not see it",
                zone.Origin, zone.Serial);
        }
    }

    private void LogTurn(SecondaryStatus before, SecondaryStatus after)
    {
        if (after.Transfers > before.Transfers)
        {
            log.LogInformation("zone {Zone}: serial {Serial} taken by {Way}", after.Origin, after.Zone.Serial,
                after.Incremental > before.Incremental ? "IXFR" : "AXFR");
        }

        if (after.Zone.IsExpired && !before.Zone.IsExpired)
            log.LogError("zone {Zone}: expired, its primaries were silent for too long: SERVFAIL", after.Origin);
        if (after.Problem is { } problem && problem != before.Problem)
            log.LogWarning("zone {Zone}: {Problem}", after.Origin, problem);
        else if (after.Problem is null && before.Problem is not null)
            log.LogInformation("zone {Zone}: all is well again", after.Origin);
    }

    // Once per target and change: a thousand zones of one silent secondary are one line.
    private void LogTold(NotifyOutcome outcome)
    {
        bool heard = outcome.Rcode == (int)Rcode.NoError;
        if (heard ? !deaf.TryRemove(outcome.Target, out _) : !deaf.TryAdd(outcome.Target, true)) return;
        if (heard) log.LogInformation("NOTIFY to {Target}: answered again", outcome.Target.To);
        else
        {
            log.LogWarning("NOTIFY of {Zone} to {Target}: {What}", outcome.Zone, outcome.Target.To,
                outcome.Rcode is { } rcode ? $"answered {(Rcode)rcode}" : $"no answer to {outcome.Tries} tries");
        }
    }
}
