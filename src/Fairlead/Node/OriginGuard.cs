using System.Collections.Immutable;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Rpki;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>How the RPKI cache stands, and what of ours it calls invalid.</summary>
public sealed record OriginView(
    string State, int Payloads, bool HasData, string? Fault, ImmutableArray<string> Invalid);

/// <summary>
/// Joins the guard's list with what the RPKI says of our own prefixes (RFC 6811): one that the world would refuse is
/// named in the log, and with `invalid: refuse` kept back. Without data nothing is invalid: a cache that is away must
/// not take a service with it.
/// </summary>
public sealed class OriginGuard : IAsyncDisposable
{
    private readonly Lock gate = new();
    private readonly ILogger log;
    private readonly RtrClient? client;
    private FleetSpec fleet;
    private ImmutableArray<Prefix> invalid = [];

    public OriginGuard(FleetSpec fleet, TimeProvider time, int seed, ILogger log)
    {
        (this.fleet, this.log) = (fleet, log);
        if (fleet.Rpki is { } rpki)
            client = new RtrClient(new RtrOptions(rpki.Cache), time, new Random(seed), () => Look(always: false));
    }

    /// <summary>Where each new guard is handed over, in their order; it must not block.</summary>
    public Action<Guard>? Changed { get; set; }

    public OriginView? View => client?.Status is { } status
        ? new OriginView(status.State.ToString(), status.Payloads, status.HasData, status.LastFault,
            [.. invalid.Select(prefix => prefix.ToString())])
        : null;

    public void Start() => client?.Start();

    /// <summary>Goes over to another fleet file.</summary>
    public void Take(FleetSpec next)
    {
        lock (gate)
        {
            fleet = next;
            Look(always: true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (client is not null) await client.DisposeAsync();
    }

    private void Look(bool always)
    {
        lock (gate)
        {
            ImmutableArray<Prefix> now = Invalid();
            bool differs = !now.SequenceEqual(invalid);
            foreach (Prefix one in now.Except(invalid))
                log.LogError("RPKI: {Prefix} from AS{Asn} is invalid: other networks will refuse it", one, fleet.Asn);
            foreach (Prefix one in invalid.Except(now))
                log.LogInformation("RPKI: {Prefix} is not invalid any more", one);
            invalid = now;
            bool refuses = fleet.Rpki is { Refuses: true };
            if (always || (differs && refuses))
                Changed?.Invoke(new Guard(fleet.AnycastSubnets, refuses ? now : []));
        }
    }

    private ImmutableArray<Prefix> Invalid()
    {
        if (client is null || !client.Status.HasData || fleet.Asn is not { } asn) return [];
        OriginValidation table = client.Table.Current;
        return [.. fleet.Aggregates.Where(prefix => table.Of(prefix, asn) == OriginValidity.Invalid).Order()];
    }
}
