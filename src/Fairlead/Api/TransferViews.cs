using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Node;

namespace Fairlead.Api;

/// <summary>What became of transfers since the start.</summary>
public sealed record TransfersView
{
    /// <summary>Transfers begun: axfr, ixfr.</summary>
    public required ImmutableSortedDictionary<string, long> Given { get; init; }

    /// <summary>Refused, by the reason's word.</summary>
    public required ImmutableSortedDictionary<string, long> Refused { get; init; }

    public required RefusedView? LastRefused { get; init; }

    /// <summary>NOTIFYs that came: taken, refused.</summary>
    public required ImmutableSortedDictionary<string, long> Notified { get; init; }

    /// <summary>Zones and targets whose last NOTIFY was not answered, or refused.</summary>
    public required int Unheard { get; init; }

    public required ImmutableArray<SecondaryView> Secondaries { get; init; }
}

public sealed record RefusedView(DateTimeOffset At, IPAddress Client, string? Zone, string Why);

/// <summary>
/// A secondary zone. Serial null: there is nothing to serve. FreshAt: when a primary last said that it is the newest.
/// </summary>
public sealed record SecondaryView(
    string Zone, uint? Serial, DateTimeOffset? FreshAt, bool Expired, string? Problem, int Taken, int TakenIncremental);

public sealed record ZoneList(ImmutableArray<ZoneView> Zones);

/// <summary>A zone as this node answers it.</summary>
public sealed record ZoneView
{
    public required string Zone { get; init; }

    /// <summary>primary or secondary.</summary>
    public required string Kind { get; init; }

    public required bool Steered { get; init; }

    /// <summary>By us, or by whoever it comes from.</summary>
    public required bool Signed { get; init; }

    /// <summary>The one served; null: there is nothing to serve.</summary>
    public required uint? Serial { get; init; }

    public required int Records { get; init; }

    /// <summary>A secondary zone: when a primary last said that it is the newest.</summary>
    public required DateTimeOffset? CheckedAt { get; init; }

    /// <summary>Why there is no newer version, if there may be one.</summary>
    public required string? Problem { get; init; }
}

/// <summary>Zones and transfers by the words of the status, the metrics and `dns zones`.</summary>
internal static class TransferViews
{
    public static TransfersView Of(ZoneTransfers transfers)
    {
        TransferCounters counters = transfers.Handler.Counters;
        return new TransfersView
        {
            Given = DnsViews.Sorted([("axfr", counters.Full), ("ixfr", counters.Incremental)]),
            Refused = DnsViews.Sorted(
                Enum.GetValues<TransferRefusal>().Select(why => (DnsViews.WordOf(why), counters[why]))),
            LastRefused = counters.LastRefused is { } last
                ? new RefusedView(last.At, Prefix.OfMapped(last.ClientMapped, 128).Address, last.Zone?.ToString(),
                    DnsViews.WordOf(last.Why))
                : null,
            Notified = DnsViews.Sorted([("taken", counters.NotifiesTaken), ("refused", counters.NotifiesRefused)]),
            // One that was tried once may be on its way.
            Unheard = transfers.Handler.NotifyOutcomes.Count(
                told => told is { Rcode: not null and not 0 } or { Rcode: null, Tries: > 1 }),
            Secondaries =
            [
                .. transfers.Secondaries.Statuses.Select(Of).OrderBy(one => one.Zone, StringComparer.Ordinal),
            ],
        };
    }

    public static ZoneList Zones(ReconcileLoop loop, ZoneTransfers? transfers, IReadOnlyList<string> refused)
    {
        DnsTable table = loop.Table;
        LoadedFleet fleet = loop.Fleet;
        Dictionary<DnsName, ZoneFile> files = fleet.ZoneFiles.ToDictionary(file => file.Zone.Origin);
        HashSet<DnsName> origins = [.. table.Zones.Select(zone => zone.Origin)];
        HashSet<DnsName> steered = [.. table.Steering.Names.Select(name => OriginOf(name.Owner, origins))];
        return new ZoneList(
        [
            .. table.Zones.OrderBy(zone => zone.Origin.ToString(), StringComparer.Ordinal).Select(zone =>
            {
                SecondaryStatus? secondary = transfers?.Secondaries.StatusOf(zone.Origin);
                return new ZoneView
                {
                    Zone = zone.Origin.ToString(),
                    Kind = secondary is null ? "primary" : "secondary",
                    Steered = steered.Contains(zone.Origin),
                    Signed = zone.IsSigned,
                    Serial = zone.IsExpired ? null : table.SerialOf(zone),
                    Records = zone.IsExpired ? 0 : zone.RecordCount,
                    CheckedAt = secondary?.FreshAt,
                    Problem = secondary is null
                        ? FaultOf(files.GetValueOrDefault(zone.Origin), refused)
                        : secondary.Problem,
                };
            }),
        ]);
    }

    private static SecondaryView Of(SecondaryStatus status) => new(
        status.Origin.ToString(), status.Zone.IsExpired ? null : status.Zone.Serial, status.FreshAt,
        status.Zone.IsExpired, status.Problem, status.Transfers, status.Incremental);

    // The fault of the newest version of its file, or of a file that this one includes.
    private static string? FaultOf(ZoneFile? file, IReadOnlyList<string> refused) => file is null
        ? null
        : refused.FirstOrDefault(line => file.Included.Select(included => included.Path).Prepend(file.Path)
            .Any(path => line.StartsWith($"{path}:", StringComparison.Ordinal)));

    private static DnsName OriginOf(DnsName name, HashSet<DnsName> origins)
    {
        while (!name.IsRoot && !origins.Contains(name)) name = name.Parent;
        return name;
    }
}
