using System.Collections.Immutable;
using Fairlead.Balancer;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

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
        FleetSpec fleet, World world, NodeReport own, DateTimeOffset now)
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
            foreach (ServiceEntry entry in NodeRoutes.VipsOf(fleet, peer.Report, 0).Services)
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

    /// <summary>The table with what is known of the others.</summary>
    public static VipTable With(
        VipTable table, ImmutableSortedDictionary<string, ImmutableArray<OtherBalancer>> others) =>
        others.IsEmpty ? table : table with
        {
            Services =
            [
                .. table.Services.Select(service => others.TryGetValue(service.Name, out var known)
                    ? service with { Others = known } : service),
            ],
        };

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
                other.Sets[^1].All(backend => pool.Healthy.Contains(backend.Address)));
        });

    /// <summary>A table is worked out for each: what somebody writes into the store must not cost us more.</summary>
    private const int SetsMax = 8;
}
