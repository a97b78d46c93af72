using System.Collections.Immutable;
using System.Net;
using Fairlead.Balancer;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

/// <summary>A backend of a table's service that two nodes of a pop see differently.</summary>
public sealed record Doubt(string Service, IPAddress Backend);

/// <summary>
/// Since when each backend is in doubt: some seconds of it are given. A node whose own way to a backend is broken would
/// else hold flows there for ever that nobody answers.
/// </summary>
public sealed class DoubtTimes
{
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(10);

    private readonly Dictionary<Doubt, DateTimeOffset> since = [];

    public ImmutableArray<Doubt> Follow(ImmutableArray<Doubt> doubts, DateTimeOffset now)
    {
        foreach (Doubt gone in since.Keys.Where(doubt => !doubts.Contains(doubt)).ToList()) since.Remove(gone);
        foreach (Doubt doubt in doubts) since.TryAdd(doubt, now);
        return [.. doubts.Where(doubt => now - since[doubt] < Most)];
    }
}

/// <summary>
/// What the pop's other nodes have balanced by, from their reports: their flows may come here at any time. A set counts
/// while flows of its time may live, also when its node has not been heard for as long: it is then that they come.
/// </summary>
public static class OtherBalancers
{
    /// <summary>
    /// By the name of the table's service. The node that has run longest comes first: a node without flows of its own
    /// makes its table as that one did.
    /// </summary>
    public static ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> Of(
        FleetSpec fleet, Plan plan, World world, NodeReport own, DateTimeOffset now)
    {
        var others = new SortedDictionary<string, List<OtherBalancer>>(StringComparer.Ordinal);
        IEnumerable<NodeView> peers = world.Nodes
            .Where(view => view.Report.Pop == own.Pop && view.Report.Node != own.Node
                && fleet.Pop(own.Pop)!.Node(view.Report.Node) is not null)
            .OrderBy(view => view.Report.Started).ThenBy(view => view.Report.Node, StringComparer.Ordinal);
        foreach (NodeView peer in peers)
        {
            TimeSpan silent = now > peer.HeardAt ? now - peer.HeardAt : TimeSpan.Zero;
            Dictionary<string, CarriedService> carried = [];
            foreach (CarriedService service in peer.Report.Carried) carried.TryAdd(service.Service, service);
            if (carried.Count == 0) continue;
            foreach (ServiceEntry entry in NodeRoutes.VipsOf(fleet, plan, peer.Report, 0).Services)
            {
                if (silent >= entry.Transition || !carried.TryGetValue(entry.Name, out CarriedService? past)) continue;
                IEnumerable<ImmutableArray<BackendEntry>> former = past.Former.Take(SetsMax)
                    .Where(set => TimeSpan.FromSeconds(Math.Max(0, set.AgeSeconds)) + silent < entry.Transition)
                    .Select(set => set.Backends).Reverse();
                if (!others.TryGetValue(entry.Name, out List<OtherBalancer>? known)) others[entry.Name] = known = [];
                known.Add(new OtherBalancer([.. former, entry.Backends]));
            }
        }

        return others.ToImmutableSortedDictionary(
            pair => pair.Key, pair => pair.Value.ToImmutableArray(), StringComparer.Ordinal);
    }

    /// <summary>
    /// The table with what is known of the others. A backend in doubt takes no new flows and keeps those it has.
    /// </summary>
    public static VipTable With(
        VipTable table, ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others,
        ImmutableArray<Doubt> doubts) => others.IsEmpty ? table : table with
        {
            Services =
            [
                .. table.Services.Select(service => others.TryGetValue(service.Name, out var known)
                    ? With(service, known, doubts) : service),
            ],
        };

    private static ServiceEntry With(
        ServiceEntry service, ImmutableArray<OtherBalancer> others, ImmutableArray<Doubt> doubts)
    {
        BackendEntry[] doubtful =
            [.. service.Down.Where(backend => doubts.Contains(new Doubt(service.Name, backend.Address)))];
        return service with
        {
            Others = others,
            Backends = [.. service.Backends, .. doubtful.Select(backend => backend with { Weight = 0 })],
            Down = [.. service.Down.Except(doubtful)],
        };
    }

    /// <summary>
    /// The backends that this node's checks find down and those of another node find up, which is heard at this time.
    /// One of the two is wrong; before it is known which, no connection is cut.
    /// </summary>
    public static ImmutableArray<Doubt> Doubts(
        FleetSpec fleet, World world, NodeReport own,
        ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others, DateTimeOffset now)
    {
        if (others.IsEmpty) return [];
        HashSet<Doubt> found =
        [
            .. from view in world.Nodes
               where view.Report.Pop == own.Pop && view.Report.Node != own.Node
                   && now - view.HeardAt < fleet.Safety.DeadAfter
               from pool in view.Report.Pools
               where pool.Pop == own.Pop && pool.Known
               let service = fleet.Service(pool.Service)
               where service is not null
               from up in pool.Healthy
               from family in service.InFrontOf(up.AddressFamily)
               select new Doubt(NodeRoutes.NameOf(pool.Service, family), up),
        ];
        PopSpec pop = fleet.Pop(own.Pop)!;
        NodeSpec node = pop.Node(own.Node)!;
        return
        [
            .. from pool in own.Pools
               where pool.Pop == own.Pop && pool.Known
               let service = fleet.Service(pool.Service)!
               from backend in service.PoolOf(pop, node)
               where !pool.Healthy.Contains(backend) && !pool.Draining.Contains(backend)
               from family in service.InFrontOf(backend.AddressFamily)
               let doubt = new Doubt(NodeRoutes.NameOf(pool.Service, family), backend)
               where found.Contains(doubt)
               select doubt,
        ];
    }

    /// <summary>
    /// Whether the node's checks find all backends up that another node balances over: flows of one that is not would
    /// break here.
    /// </summary>
    public static bool FindsAll(
        NodeReport own, ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others) =>
        others.All(service =>
        {
            string name = service.Key[..service.Key.LastIndexOf('/')];
            PoolReport? pool = own.Pools.FirstOrDefault(one => one.Service == name && one.Pop == own.Pop);
            return pool is null || service.Value.All(other =>
                other.Sets[^1].All(backend => backend.IsElsewhere || pool.Healthy.Contains(backend.Address)
                    || pool.Draining.Contains(backend.Address)));
        });

    /// <summary>A table is worked out for each: what somebody writes into the store must not cost us more.</summary>
    private const int SetsMax = 8;
}
