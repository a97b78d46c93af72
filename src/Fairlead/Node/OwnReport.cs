using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Fairlead.Net.Addresses;

namespace Fairlead.Node;

/// <summary>What this node sees and does, as a report. Used by the reconcile loop alone.</summary>
public sealed class OwnReport(string pop, string node, DateTimeOffset started)
{
    private readonly Dictionary<Prefix, (long Generation, DateTimeOffset? Since)> announced = [];
    private readonly Dictionary<(string Service, AddressFamily Family), PoolStand> stands = [];
    private readonly Dictionary<(string Service, IPAddress Backend), BackendStand> backends = [];
    private long sequence;

    /// <summary>When time alone changes the report; null: never. Of the last Make.</summary>
    public DateTimeOffset? NextChange { get; private set; }

    /// <summary>The checks that a node of this pop runs: its own pools, and those of pops without nodes.</summary>
    public static CheckSet Checks(FleetSpec fleet, PopSpec own, NodeSpec node) => new(
    [
        .. from service in fleet.Services
           from pop in fleet.Pops.Where(p => p == own || p.Nodes.IsEmpty)
           from address in service.PoolOf(pop, node)
           select service.CheckOf(IdOf(service, pop, address), address),
    ]);

    public NodeReport Make(
        FleetSpec fleet, IReadOnlyList<CheckStatus> checks, IEnumerable<Intent> intents, RouteSet routes,
        ImmutableArray<PeerStatus> peers, DateTimeOffset now)
    {
        Follow(fleet, routes, peers, now);
        HashSet<IPAddress> drained =
        [
            .. intents.Where(intent => intent is { Kind: IntentKind.DrainBackend, Backend: not null }
                && intent.HoldsAt(now)).Select(intent => intent.Backend!),
        ];
        var states = checks.ToDictionary(status => status.Check.Id, status => status.State, StringComparer.Ordinal);
        return new NodeReport
        {
            Pop = pop,
            Node = node,
            Sequence = ++sequence,
            Started = started,
            Pools = [.. Pools(fleet, states, drained, now)],
            Announced =
            [
                .. announced.Where(pair => pair.Value.Since is not null).OrderBy(pair => pair.Key)
                    .Select(pair => new AnnouncedReport(
                        pair.Key, (long)(now - pair.Value.Since!.Value).TotalMilliseconds)),
            ],
        };
    }

    private static string IdOf(ServiceSpec service, PopSpec pop, IPAddress address) =>
        $"{service.Name}/{pop.Name}/{address}";

    private IEnumerable<PoolReport> Pools(
        FleetSpec fleet, Dictionary<string, CheckState> states, HashSet<IPAddress> drained, DateTimeOffset now)
    {
        NextChange = null;
        PopSpec own = fleet.Pop(pop)!;
        NodeSpec self = own.Node(node)!;
        foreach (ServiceSpec service in fleet.Services)
        {
            foreach (PopSpec seen in fleet.Pops.Where(p => p == own || p.Nodes.IsEmpty))
            {
                ImmutableArray<IPAddress> pool = service.PoolOf(seen, self);
                CheckState StateOf(IPAddress address) => states.GetValueOrDefault(IdOf(service, seen, address));
                bool IsDrained(IPAddress address) => !service.OnNodes && drained.Contains(address);
                ImmutableArray<IPAddress> up = [.. pool.Where(address => StateOf(address).Up)];
                var report = new PoolReport(
                    service.Name, seen.Name, pool.All(address => StateOf(address).Known),
                    [.. up.Where(address => !IsDrained(address))])
                {
                    Draining = [.. up.Where(IsDrained)],
                    Turns = Turns(service, pool.Length, [.. pool.Where(one => !IsDrained(one)).Select(StateOf)]),
                };
                yield return seen != own ? report : report with
                {
                    Warming = [.. Warming(service, pool, report, now)],
                    StanceIPv4 = StanceOf(service, own, self, report, AddressFamily.InterNetwork, now),
                    StanceIPv6 = StanceOf(service, own, self, report, AddressFamily.InterNetworkV6, now),
                };
            }
        }
    }

    /// <summary>Where time holds against the count of the pool's healthy backends; null: nowhere.</summary>
    private HostStance? StanceOf(
        ServiceSpec service, PopSpec own, NodeSpec self, PoolReport report, AddressFamily family, DateTimeOffset now)
    {
        if (!report.Known) return null;
        bool healthy = NodeRoutes.IsHealthy(service, own, self, report, family);
        PoolStand stand = stands.TryGetValue((service.Name, family), out PoolStand before)
            ? before.Next(healthy, service.Announce, now)
            : PoolStand.First(healthy, now);
        stands[(service.Name, family)] = stand;
        if (stand.ChangesAt(service.Announce) is { } at && !(NextChange < at)) NextChange = at;
        return (stand.Stance == HostStance.Announce) == healthy && stand.Stance != HostStance.Deprefer
            ? null
            : stand.Stance;
    }

    /// <summary>Those in their slow start.</summary>
    private IEnumerable<WarmingBackend> Warming(
        ServiceSpec service, ImmutableArray<IPAddress> pool, PoolReport report, DateTimeOffset now)
    {
        if (!report.Known || service.Balance is not { } balance || balance.SlowStart == TimeSpan.Zero) yield break;
        foreach (IPAddress backend in pool)
        {
            bool up = report.Healthy.Contains(backend);
            BackendStand stand = backends.TryGetValue((service.Name, backend), out BackendStand before)
                ? before.Next(up, now)
                : new BackendStand(up, null);
            backends[(service.Name, backend)] = stand;
            if (stand.ChangesAt(balance.SlowStart, now) is not { } at) continue;
            if (!(NextChange < at)) NextChange = at;
            yield return new WarmingBackend(backend, stand.PercentAt(balance.SlowStart, now));
        }
    }

    /// <param name="size">Of the whole pool, those with it that an operator drains.</param>
    private static PoolTurns? Turns(ServiceSpec service, int size, CheckState[] states)
    {
        if (states.Length == 0 || states.Any(state => !state.Known)) return null;
        int SecondsOf(CheckState state) => (int)state.SoonestTurn(service.Check).TotalSeconds;
        int[] falls = [.. states.Where(state => state.Up).Select(SecondsOf).Order()];
        int[] rises = [.. states.Where(state => !state.Up).Select(SecondsOf).Order()];
        int up = falls.Length, needed = service.MinHealthy.Of(size);
        // As many must fall, or rise, as stand between the pool and its other verdict: the last of them decides.
        int verdict = up >= needed ? falls[up - needed]
            : needed - up <= rises.Length ? rises[needed - up - 1]
            : int.MaxValue;
        return new PoolTurns(falls.Concat(rises).Min(), verdict);
    }

    /// <summary>Follows since when each aggregate is held by a router: told on a session that is up.</summary>
    private void Follow(FleetSpec fleet, RouteSet routes, ImmutableArray<PeerStatus> peers, DateTimeOffset now)
    {
        HashSet<Prefix> aggregates = [.. fleet.Aggregates];
        HashSet<Prefix> wanted = [.. routes.Routes.Select(route => route.Prefix).Where(aggregates.Contains)];
        foreach (Prefix gone in announced.Keys.Where(prefix => !wanted.Contains(prefix)).ToList())
            announced.Remove(gone);
        foreach (Prefix prefix in wanted)
        {
            (long generation, DateTimeOffset? since) = announced.GetValueOrDefault(prefix, (routes.Generation, null));
            bool held = peers.Any(peer => peer.State == SessionState.Established && peer.ToldGeneration >= generation
                && peer.Address.AddressFamily == prefix.Family);
            announced[prefix] = (generation, held ? since ?? now : null);
        }
    }
}
