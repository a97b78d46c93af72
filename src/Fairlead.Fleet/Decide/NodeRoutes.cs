using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Decide;

/// <summary>One node's share of a plan: what it announces, and where its VIPs' packets go.</summary>
public static class NodeRoutes
{
    /// <summary>
    /// The node's announcements. A host route goes out while the node's own checks say that its pool serves that
    /// family. An aggregate goes out only behind such a host route, with it as next hop: the router resolves the one
    /// through the other, and lets nothing upstream that has no living service behind it.
    /// </summary>
    public static RouteSet Of(FleetSpec fleet, Plan plan, NodeReport own, long generation)
    {
        PopSpec pop = fleet.Pop(own.Pop)!;
        PopPlan stance = plan.Pop(own.Pop)!;
        var routes = ImmutableArray.CreateBuilder<Route>();
        // Of several routes to a prefix a peer is told the first that is for it.
        ExtraAnnouncement[] extra = [.. plan.Extra.Where(one => one.Pop == own.Pop)];
        routes.AddRange(extra.Where(one => one.Blackhole)
            .Select(one => new Route { Prefix = one.Prefix, Blackhole = true }));
        // Those that fail come last: an aggregate leans on one of them only when no other is left.
        List<Host> hosts = stance.Serves
            ? [.. Hosts(fleet, plan, own).OrderBy(host => host.Stance)]
            : [];
        routes.AddRange(hosts.Select(RouteOf));

        foreach (Prefix aggregate in Aggregates(fleet, plan, pop, stance, own))
        {
            // What is only sent on must not call anybody here: behind the cover is somebody who serves.
            if (hosts.Find(host => !host.Spills && aggregate.Contains(host.Vip)) is not { } host) continue;
            bool last = stance.Aggregates == AggregateStance.Deprefer
                || host is { Failing.GracefulShutdown: true };
            routes.Add(new Route
            {
                Prefix = aggregate,
                NextHop = host.Vip.Address,
                GracefulShutdown = last,
            });
        }

        routes.AddRange(extra.Where(one => !one.Blackhole).Select(one => new Route { Prefix = one.Prefix }));
        return new RouteSet(generation, routes.ToImmutable());
    }

    /// <summary>
    /// Every VIP's way. A pool with nothing healthy keeps all its backends: its routes are withdrawn anyway, and what
    /// still arrives has at least a chance.
    /// </summary>
    public static VipTable VipsOf(FleetSpec fleet, Plan plan, NodeReport own, long generation)
    {
        PopSpec pop = fleet.Pop(own.Pop)!;
        NodeSpec node = pop.Node(own.Node)!;
        var entries = ImmutableArray.CreateBuilder<VipEntry>();
        var balanced = ImmutableArray.CreateBuilder<ServiceEntry>();
        Dictionary<string, PoolReport> pools = PoolsOf(own);
        foreach (ServiceSpec service in fleet.Services)
        {
            ImmutableArray<IPAddress> pool = service.PoolOf(pop, node);
            // Before each check has spoken nobody is down.
            PoolReport? seen = pools.GetValueOrDefault(service.Name) is { Known: true } known ? known : null;
            HashSet<IPAddress> healthy = [.. seen?.Healthy ?? pool];
            foreach (IGrouping<AddressFamily, Prefix> family in fleet.AllVips(service).GroupBy(vip => vip.Family))
            {
                AddressFamily behind = service.Behind(family.Key);
                ImmutableArray<IPAddress> all = [.. pool.Where(address => address.AddressFamily == behind)];
                if (!service.OnNodes && all.IsEmpty) continue;
                ImmutableArray<IPAddress> up = [.. all.Where(healthy.Contains)];
                ImmutableArray<IPAddress> backends = service.OnNodes ? [] : up.IsEmpty ? all : up;
                if (service.Balance is { } balance)
                {
                    ImmutableArray<IPAddress> next = Spill.Targets(fleet, plan, pop, service, family.Key);
                    // A node that does not know yet who is up knows no better than the others.
                    bool spills = up.IsEmpty && seen is not null && !next.IsEmpty;
                    balanced.Add(Balanced(service, balance, family, spills ? [] : backends, all, seen, next));
                }

                // What the balancer leaves (other ports, pings) follows the routes. Backends behind tunnels are no
                // neighbours, so there it ends here: by the default route it would go round in a circle.
                if (service.Balance is { Mode: not DeliveryMode.L2 }) backends = [];
                entries.AddRange(family.Select(vip => new VipEntry(vip, service.OnNodes, backends)));
            }
        }

        return new VipTable(generation, entries.ToImmutable())
        {
            Services = balanced.ToImmutable(),
            Spillers = Spill.Sources(fleet, pop),
        };
    }

    private static ServiceEntry Balanced(
        ServiceSpec service, BalanceSpec balance, IGrouping<AddressFamily, Prefix> vips,
        ImmutableArray<IPAddress> backends, ImmutableArray<IPAddress> pool, PoolReport? seen,
        ImmutableArray<IPAddress> next)
    {
        // Shares of whole numbers: while one backend has but a part of its weight, all are a hundredfold.
        WarmingBackend[] warming = [.. seen?.Warming.Where(one => backends.Contains(one.Address)) ?? []];
        IPAddress[] leaving = [.. seen?.Draining.Where(pool.Contains).Except(backends) ?? []];
        BackendEntry Entry(IPAddress at) => new(at, service.Weights.GetValueOrDefault(at, 1)
            * (warming.Length == 0 ? 1 : Array.Find(warming, one => one.Address.Equals(at))?.Percent ?? 100));
        return new ServiceEntry
        {
            Name = NameOf(service.Name, vips.Key),
            Vips =
            [
                .. from vip in vips
                   from port in service.Ports
                   select new VipPort(
                       vip.Address, (byte)(port.Protocol == PortProtocol.Tcp ? ProtocolType.Tcp : ProtocolType.Udp),
                       (ushort)port.Port),
            ],
            // Who is to be sent on to is always there: flows that went there stay when the pop's own are back.
            Backends =
            [
                .. backends.Select(Entry), .. leaving.Select(at => new BackendEntry(at, 0)),
                .. next.Select(at => new BackendEntry(at, backends.IsEmpty ? 1 : 0) { IsElsewhere = true }),
            ],
            Down = [.. pool.Except(backends).Except(leaving).Select(Entry)],
            Mode = balance.Mode,
            IsSticky = balance.IsSticky,
            Slots = balance.Slots,
            FollowsFragments = balance.FollowsFragments,
            Transition = balance.Transition,
            Quic =
            [
                .. balance.Quic
                    .Select(config => config with { Ids = config.Ids.RemoveAll(id => !pool.Contains(id.Backend)) })
                    .Where(config => !config.Ids.IsEmpty),
            ],
        };
    }

    /// <summary>A service has a table for each family.</summary>
    internal static string NameOf(string service, AddressFamily family) =>
        $"{service}/{(family == AddressFamily.InterNetwork ? "ipv4" : "ipv6")}";

    /// <summary>A host route, and how it is told.</summary>
    private sealed record Host(Prefix Vip, ServiceSpec Service, HostStance Stance)
    {
        /// <summary>What it is told as while it fails; null: it does not.</summary>
        public FailingSpec? Failing => Spills ? Service.Announce.Failing ?? LastChoice
            : Stance == HostStance.Deprefer ? Service.Announce.Failing : null;

        /// <summary>Nobody here serves it: packets that come all the same are sent on to another pop.</summary>
        public bool Spills { get; init; }

        private static readonly FailingSpec LastChoice = new() { For = TimeSpan.Zero };
    }

    private static Route RouteOf(Host host)
    {
        AnnounceSpec announce = host.Service.Announce;
        return new Route
        {
            Prefix = host.Vip,
            Med = (uint?)(host.Failing?.Med ?? announce.Med),
            Prepend = Math.Max(announce.Prepend, host.Failing?.Prepend ?? 0),
            Communities = announce.Communities,
            GracefulShutdown = host.Failing is { GracefulShutdown: true },
        };
    }

    private static IEnumerable<Host> Hosts(FleetSpec fleet, Plan plan, NodeReport own)
    {
        PopSpec pop = fleet.Pop(own.Pop)!;
        NodeSpec node = pop.Node(own.Node)!;
        Dictionary<string, PoolReport> pools = PoolsOf(own);
        ILookup<string, ServicePlan> verdicts = plan.Services.ToLookup(one => one.Service, StringComparer.Ordinal);
        foreach (ServiceSpec service in fleet.Services.Where(one => own.Balances || one.Balance is null))
        {
            PoolReport? pool = pools.GetValueOrDefault(service.Name);
            ServicePlan? verdict = verdicts[service.Name].FirstOrDefault();
            foreach (Prefix vip in fleet.AllVips(service))
            {
                // A held verdict (every pool failed at once) counts as healthy where it was healthy last.
                bool held = verdict?.IsHeld(vip.Family) == true && verdict.IsUp(own.Pop, vip.Family);
                HostStance stance = service.Announce.In(own.Pop) switch
                {
                    AnnounceWhen.Never => HostStance.Withdraw,
                    AnnounceWhen.Always => HostStance.Announce,
                    _ when held => HostStance.Announce,
                    _ => pool?.StanceIn(vip.Family) ?? (IsHealthy(service, pop, node, pool, vip.Family)
                        ? HostStance.Announce
                        : HostStance.Withdraw),
                };
                bool spills = stance != HostStance.Announce && pool is { Known: true }
                    && pool.HealthyIn(service.Behind(vip.Family)) == 0
                    && !Spill.Targets(fleet, plan, pop, service, vip.Family).IsEmpty;
                if (spills) yield return new Host(vip, service, HostStance.Deprefer) { Spills = true };
                else if (stance != HostStance.Withdraw) yield return new Host(vip, service, stance);
            }
        }
    }

    /// <summary>Whether a node's own pool has enough healthy backends for VIPs of a family.</summary>
    public static bool IsHealthy(
        ServiceSpec service, PopSpec pop, NodeSpec node, PoolReport? pool, AddressFamily family)
    {
        AddressFamily behind = service.Behind(family);
        int size = service.PoolOf(pop, node).Count(address => address.AddressFamily == behind);
        return pool is { Known: true } && pool.HealthyIn(behind) >= service.MinHealthy.Of(size);
    }

    /// <summary>The covers, the pop's own regional prefixes, and those of the pops it rescues.</summary>
    private static IEnumerable<Prefix> Aggregates(
        FleetSpec fleet, Plan plan, PopSpec pop, PopPlan stance, NodeReport own)
    {
        if (stance.Aggregates == AggregateStance.Withdraw) return [];
        // A node that starts calls nobody before each of its checks has answered once: the first service to answer
        // would bring the users of all.
        bool starts = own.Announced.IsEmpty && own.Pools.Any(pool => pool.Pop == pop.Name && !pool.Known);
        if (starts) return [];
        IEnumerable<Prefix> its = fleet.Cover.Concat(pop.Regional);
        // Who is on its way out takes nobody in.
        if (stance.State is not (PopState.Up or PopState.Returning)) return its;
        return its.Concat(fleet.Pops.Where(other => other != pop && plan.Pop(other.Name) is { Rescued: true })
            .SelectMany(other => other.Regional));
    }

    private static Dictionary<string, PoolReport> PoolsOf(NodeReport own) => own.Pools
        .Where(pool => pool.Pop == own.Pop).ToDictionary(pool => pool.Service, StringComparer.Ordinal);
}
