using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Decide;

/// <summary>
/// A moment in the three-cities fleet, in words: everything stands and is healthy until the test says otherwise.
/// </summary>
internal sealed class Situation
{
    public static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly long Old = (long)TimeSpan.FromHours(1).TotalMilliseconds;
    private readonly Dictionary<string, NodeView> nodes = [];
    private readonly List<Intent> intents = [];
    private Plan? previous;

    public Situation(FleetSpec? fleet = null)
    {
        Fleet = fleet ?? ThreeCities.Fleet;
        foreach (PopSpec pop in Fleet.Pops)
        {
            foreach (NodeSpec node in pop.Nodes) nodes[node.Name] = Healthy(pop, node);
        }
    }

    public FleetSpec Fleet { get; }

    public string OwnPop { get; set; } = "lon";

    public StoreSight Store { get; set; } = new(Now.AddHours(-1), Now);

    /// <summary>All pools of the service in the pop fail, as each of its nodes sees them.</summary>
    public Situation Fails(string service, string pop, bool onlyIPv4 = false) => Change(pop, report => report with
    {
        Pools =
        [
            .. report.Pools.Select(pool => pool.Service != service || pool.Pop != pop ? pool : pool with
            {
                Healthy = [.. pool.Healthy.Where(address => onlyIPv4 && address.ToString().Contains(':'))],
            }),
        ],
    });

    /// <summary>Time holds against the pool's count, in both families.</summary>
    public Situation Stands(string service, string pop, HostStance stance) => Change(pop, report => report with
    {
        Pools =
        [
            .. report.Pools.Select(pool => pool.Service != service || pool.Pop != pop
                ? pool
                : pool with { StanceIPv4 = stance, StanceIPv6 = stance }),
        ],
    });

    public Situation NotChecked(string pop) => Change(pop, report => report with
    {
        Pools = [.. report.Pools.Select(pool => pool with { Known = false, Healthy = [] })],
    });

    /// <summary>The pop's nodes have been silent for that long.</summary>
    public Situation Silent(string pop, double seconds)
    {
        foreach (NodeSpec node in Fleet.Pop(pop)!.Nodes)
            nodes[node.Name] = nodes[node.Name] with { HeardAt = Now.AddSeconds(-seconds) };
        return this;
    }

    public Situation Announces(string pop, string prefix, double seconds) => Change(pop, report => report with
    {
        Announced = [.. report.Announced, new AnnouncedReport(Prefix.Parse(prefix), (long)(seconds * 1000))],
    });

    public Situation LostItsSessions(string pop) => Change(pop, report => report with { Announced = [] });

    public Situation Drains(string pop, double secondsAgo)
    {
        intents.Add(new Intent
        {
            Id = $"drain-{pop}",
            Kind = IntentKind.Drain,
            Pop = pop,
            Reason = "works on the roof",
            At = Now.AddSeconds(-secondsAgo),
            Until = Now.AddHours(1),
        });
        return this;
    }

    public Situation With(Intent intent)
    {
        intents.Add(intent);
        return this;
    }

    /// <summary>What has been decided so far becomes the previous plan.</summary>
    public Situation Goes()
    {
        previous = Plan();
        return this;
    }

    public World World() => new()
    {
        OwnPop = OwnPop,
        Store = Store,
        Nodes = [.. nodes.Values],
        Intents = [.. intents],
        Previous = previous,
    };

    public Plan Plan() => Decision.Decide(Fleet, World(), Now).Plan;

    public DateTimeOffset? LookAgain() => Decision.Decide(Fleet, World(), Now).LookAgain;

    public NodeReport Report(string node) => nodes[node].Report;

    public ImmutableArray<Route> Routes(string node) =>
        NodeRoutes.Of(Fleet, Plan(), nodes[node].Report, 1).Routes;

    public string[] Announced(string node) => [.. Routes(node).Select(route => route.Prefix.ToString())];

    public string[] Refusals(Intent intent) =>
        [.. IntentRules.Refusals(Fleet, World() with { Previous = Plan() }, intent, Now)];

    public static Intent Drain(string pop) => new()
    {
        Id = $"drain-{pop}",
        Kind = IntentKind.Drain,
        Pop = pop,
        Reason = "works on the roof",
        At = Now,
        Until = Now.AddHours(1),
    };

    public static Intent Announce(string pop, string? prefix) => Drain(pop) with
    {
        Id = $"announce-{pop}",
        Kind = IntentKind.Announce,
        Prefix = prefix is null ? null : Prefix.Parse(prefix),
    };

    public static Intent Blackhole(string pop, string? prefix) => Announce(pop, prefix) with
    {
        Id = $"blackhole-{pop}",
        Kind = IntentKind.Blackhole,
        Reason = "under attack",
    };

    private NodeView Healthy(PopSpec pop, NodeSpec node) => new(
        new NodeReport
        {
            Pop = pop.Name,
            Node = node.Name,
            Sequence = 1,
            Started = Now.AddDays(-1),
            Pools =
            [
                .. from service in Fleet.Services
                   from seen in Fleet.Pops.Where(p => p == pop || p.Nodes.IsEmpty)
                   select new PoolReport(service.Name, seen.Name, true, service.PoolOf(seen, node)),
            ],
            Announced = [.. Fleet.Cover.Concat(pop.Regional).Select(prefix => new AnnouncedReport(prefix, Old))],
        },
        Now, Now.AddHours(-1));

    private Situation Change(string pop, Func<NodeReport, NodeReport> change)
    {
        foreach (NodeSpec node in Fleet.Pop(pop)!.Nodes)
            nodes[node.Name] = nodes[node.Name] with { Report = change(nodes[node.Name].Report) };
        return this;
    }

    /// <summary>When the pop's pool of web may change at the earliest, as its nodes see it.</summary>
    public Situation Turns(string pop, PoolTurns turns) => Change(pop, report => report with
    {
        Pools = [.. report.Pools.Select(pool => pool.Service == "web" ? pool with { Turns = turns } : pool)],
    });

    /// <summary>One address of a pool fails.</summary>
    public Situation BackendFails(string pop, string address) => Change(pop, report => report with
    {
        Pools = [.. report.Pools.Select(pool => pool with { Healthy = pool.Healthy.Remove(IPAddress.Parse(address)) })],
    });
}
