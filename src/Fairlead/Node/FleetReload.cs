using Fairlead.Bgp.Session;
using Fairlead.Dns.Server;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// SIGHUP or a changed file: reads the fleet file again. A faulty one is refused as a whole, and the old one goes on.
/// </summary>
public sealed class FleetReload(
    NodeOptions options, ReconcileLoop loop, CheckEngine checks, BgpSpeaker? speaker, NodePeers peers,
    OriginGuard origins, ILogger log, DnsServer? dns = null, ZoneTransfers? transfers = null,
    Balancing? balancing = null)
{
    private readonly Lock gate = new();

    /// <summary>What the last reload found; empty when it was taken.</summary>
    public IReadOnlyList<string> Refused { get; private set; } = [];

    public void Run(bool fleetFileToo = true)
    {
        lock (gate)
        {
            dns?.Hurry(true);
            try
            {
                Read(fleetFileToo);
            }
            finally
            {
                dns?.Hurry(false);
            }
        }
    }

    private void Read(bool fleetFileToo)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        LoadedFleet? next = fleetFileToo
            ? LoadedFleet.Read(options.FleetFile, out IReadOnlyList<SpecProblem> problems, loop.Fleet, now)
            : loop.Fleet.ReadFilesAgain(options.FleetFile, out problems, now);
        Refused = [.. problems.Select(problem => problem.ToString()), .. next is null ? [] : Unchangeable(next)];
        if (next is null || Refused.Count > 0)
        {
            foreach (string problem in Refused) log.LogError("{Problem}", problem);
            log.LogError("what was read is refused; the old fleet goes on");
            return;
        }

        PopSpec pop = next.Spec.Pop(options.Pop)!;
        NodeSpec node = pop.Node(options.Node)!;
        // The guard first: no route of the new file may meet the old list.
        origins.Take(next.Spec);
        speaker?.ReplacePeers(peers.Of(next.Spec));
        checks.Apply(OwnReport.Checks(next.Spec, pop, node));
        balancing?.Sample(next.Spec.Balancer?.Sample ?? 0);
        transfers?.Follow(next, loop.Fleet);
        loop.Replace(next);
        transfers?.Forget(next);
        // What the old fleet held is given back in the background: a collection that blocks would be felt.
        GC.Collect(2, GCCollectionMode.Forced, blocking: false);
        log.LogInformation("{What} read again and taken",
            fleetFileToo ? "the fleet file is" : "zones and databases are");
    }

    /// <summary>What a running process cannot go over to; each needs a restart.</summary>
    private IEnumerable<string> Unchangeable(LoadedFleet next)
    {
        FleetSpec old = loop.Fleet.Spec;
        if (next.Spec.Pop(options.Pop)?.Node(options.Node) is null)
        {
            yield return $"{options.FleetFile}: pop {options.Pop} has no node {options.Node} any more: "
                + "stop this one instead";
            yield break;
        }

        if (next.Spec.Name != old.Name)
            yield return $"{options.FleetFile}: the fleet's name has changed: restart the node";
        if (next.Spec.Rpki?.Cache.Equals(old.Rpki?.Cache) != true && (next.Spec.Rpki ?? old.Rpki) is not null)
            yield return $"{options.FleetFile}: rpki.cache has changed: restart the node";
        if (!next.Spec.Store.Etcd.SequenceEqual(old.Store.Etcd))
            yield return $"{options.FleetFile}: store.etcd has changed: restart the node";
        if (!next.Spec.Dns.Listen.SequenceEqual(old.Dns.Listen) || next.HasZones != loop.Fleet.HasZones)
            yield return $"{options.FleetFile}: where DNS listens has changed: restart the node";
        foreach (string key in FixedAtStart(old.Dns, next.Spec.Dns))
            yield return $"{options.FleetFile}: dns.{key} has changed: restart the node";
        PopSpec pop = next.Spec.Pop(options.Pop)!;
        NodeSpec self = pop.Node(options.Node)!, before = old.Pop(options.Pop)!.Node(options.Node)!;
        if (BalancesOn(next.Spec, self) != BalancesOn(old, before))
            yield return $"{options.FleetFile}: the balancer's key or devices have changed, or its first service came: "
                + "restart the node";
        if (speaker is null && peers.MayBeAny(next.Spec))
            yield return $"{options.FleetFile}: the pop's first router has come: restart the node";
    }

    /// <summary>What the balancer was started with; null: it was not.</summary>
    private static string? BalancesOn(FleetSpec fleet, NodeSpec node) =>
        fleet.Balancer is { } balancer && fleet.Services.Any(service => service.Balance is not null)
            ? $"{balancer.Key} {string.Join(' ', balancer.DevicesOf(node))}"
            : null;

    /// <summary>The keys of the DNS server that differ, and that it reads when it starts and never again.</summary>
    internal static IEnumerable<string> FixedAtStart(DnsSpec old, DnsSpec next)
    {
        if (old.UdpThreads != next.UdpThreads) yield return "udpThreads";
        if (!Same(old.Tls, next.Tls)) yield return "tls";
        if (!Same(old.Https, next.Https)) yield return "https";
        if (!old.CookieSecrets.SequenceEqual(next.CookieSecrets)) yield return "cookieSecrets";
        if (old.RateLimit with { Exempt = [] } != next.RateLimit with { Exempt = [] }
            || !old.RateLimit.Exempt.SequenceEqual(next.RateLimit.Exempt)) yield return "rateLimit";
        if (old.Tcp != next.Tcp) yield return "tcp";
        if (old.Tap != next.Tap) yield return "tap";

        // The files are read again when they change; only where and with which is fixed.
        static bool Same(TlsSpec? one, TlsSpec? other) => one is null || other is null
            ? one == other
            : one.Listen.SequenceEqual(other.Listen) && one.Certificate == other.Certificate && one.Key == other.Key;
    }
}
