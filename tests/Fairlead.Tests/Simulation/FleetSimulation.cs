using System.Collections.Immutable;
using Fairlead.Bgp.Announcing;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Simulation;

/// <summary>
/// A whole fleet on a fake clock: every node runs the real Decide on what has reached it, through a store that delays,
/// stands still, and is cut off from some. Ticks are 250 ms. Chance comes from one seed, so a failure can be replayed.
/// </summary>
internal sealed class FleetSimulation
{
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(250);

    private readonly Random random;
    private readonly Dictionary<string, (NodeReport Report, DateTimeOffset At)> store = [];
    private readonly List<Intent> intents = [];

    public FleetSimulation(FleetSpec fleet, Random random)
    {
        (Fleet, this.random) = (fleet, random);
        Nodes = [.. fleet.Pops.SelectMany(pop => pop.Nodes.Select(node => new SimulatedNode(fleet, pop, node)))];
    }

    public FleetSpec Fleet { get; }

    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public IReadOnlyList<SimulatedNode> Nodes { get; }

    public bool StoreUp { get; set; } = true;

    public IEnumerable<SimulatedNode> Alive => Nodes.Where(node => node.Running);

    public IEnumerable<SimulatedNode> Of(string pop) => Nodes.Where(node => node.Pop.Name == pop);

    public void Drain(string pop) => intents.Add(new Intent
    {
        Id = $"drain-{pop}",
        Kind = IntentKind.Drain,
        Pop = pop,
        Reason = "simulated",
        At = Now,
        Until = Now + TimeSpan.FromHours(1),
    });

    /// <summary>What an operator asks for, where the rules let him.</summary>
    public void Blackhole(string pop, string prefix)
    {
        var intent = new Intent
        {
            Id = $"blackhole-{pop}",
            Kind = IntentKind.Blackhole,
            Pop = pop,
            Prefix = Prefix.Parse(prefix),
            Reason = "simulated",
            At = Now,
            Until = Now + TimeSpan.FromSeconds(10),
        };
        if (!IntentRules.Refusals(Fleet, Alive.First().World!, intent, Now).Any()) intents.Add(intent);
    }

    public void Undrain(string pop) => intents.RemoveAll(intent => intent.Pop == pop);

    /// <summary>One tick for everybody: reports out, news in (each with its own delay), decisions.</summary>
    public void Step()
    {
        Now += Tick;
        foreach (SimulatedNode node in Alive)
        {
            if (!StoreUp || node.CutOff || Now < node.NextHeartbeat) continue;
            node.NextHeartbeat = Now + Fleet.Store.Heartbeat;
            store[node.Key] = (node.Report(Now), Now);
        }

        foreach (SimulatedNode node in Alive)
        {
            bool hears = StoreUp && !node.CutOff && random.Next(8) > 0;
            node.Turn(Now, hears ? store : null, hears ? [.. intents] : null);
        }
    }

    public void Run(TimeSpan time, Action? check = null)
    {
        for (DateTimeOffset end = Now + time; Now < end;)
        {
            Step();
            check?.Invoke();
        }
    }

    public bool IsAnnounced(Prefix prefix) => Alive.Any(node => node.Announces(prefix));
}

/// <summary>One node: its process may die and come back, its pool may fail, its way to the store may be cut.</summary>
internal sealed class SimulatedNode(FleetSpec fleet, PopSpec pop, NodeSpec node)
{
    private readonly Dictionary<string, NodeView> heard = [];
    private readonly Dictionary<Prefix, DateTimeOffset> since = [];
    private ImmutableArray<Intent> intents = [];
    private StoreSight sight;
    private DateTimeOffset started;
    private RouteSet routes = RouteSet.Empty;

    public PopSpec Pop => pop;

    public string Key => $"{pop.Name}/{node.Name}";

    public bool Running { get; private set; } = true;

    public bool CutOff { get; set; }

    /// <summary>The services whose pool here is healthy.</summary>
    public HashSet<string> Healthy { get; } = [.. fleet.Services.Select(service => service.Name)];

    public DateTimeOffset NextHeartbeat { get; set; }

    public Plan? Plan { get; private set; }

    /// <summary>The World of the last turn, to decide on again.</summary>
    public World? World { get; private set; }

    public bool Announces(Prefix prefix) => Running && routes.Routes.Any(route => route.Prefix == prefix);

    public IEnumerable<Route> Routes => Running ? routes.Routes : [];

    public void Kill()
    {
        Running = false;
        routes = RouteSet.Empty;
        since.Clear();
    }

    /// <summary>Starts with the last plan from disk and the reports that it held.</summary>
    public void Start(DateTimeOffset now)
    {
        (Running, started, sight, NextHeartbeat) = (true, now, default, now);
        foreach ((string key, NodeView view) in heard.ToList())
            heard[key] = view with { HeardAt = now, FreshSince = now };
    }

    public NodeReport Report(DateTimeOffset now) => new()
    {
        Pop = pop.Name,
        Node = node.Name,
        Started = started,
        Pools = [.. fleet.Services.Select(service => new PoolReport(
            service.Name, pop.Name, true, Healthy.Contains(service.Name) ? service.PoolOf(pop, node) : []))],
        Announced =
            [.. since.Select(pair => new AnnouncedReport(pair.Key, (long)(now - pair.Value).TotalMilliseconds))],
    };

    public void Turn(
        DateTimeOffset now, Dictionary<string, (NodeReport Report, DateTimeOffset At)>? news,
        ImmutableArray<Intent>? newIntents)
    {
        if (news is null)
        {
            if (CutOff) sight = sight with { LiveSince = null };
        }
        else
        {
            sight = new StoreSight(sight.LiveSince ?? now, now);
            foreach ((string key, (NodeReport report, DateTimeOffset at)) in news) Hear(key, report, at, now);
            intents = newIntents ?? intents;
        }

        NodeReport own = Report(now);
        World = new World
        {
            OwnPop = pop.Name,
            Store = sight,
            Nodes = [.. heard.Values.Where(view => view.Report.Node != node.Name), new NodeView(own, now, started)],
            Intents = intents,
            Previous = Plan,
        };
        Plan = Decision.Decide(fleet, World, now).Plan;
        routes = NodeRoutes.Of(fleet, Plan, own, 1);
        HashSet<Prefix> announced = [.. routes.Routes.Select(route => route.Prefix).Intersect(fleet.Aggregates)];
        foreach (Prefix gone in since.Keys.Where(prefix => !announced.Contains(prefix)).ToList()) since.Remove(gone);
        foreach (Prefix prefix in announced) since.TryAdd(prefix, now);
    }

    private void Hear(string key, NodeReport report, DateTimeOffset at, DateTimeOffset now)
    {
        heard.TryGetValue(key, out NodeView? before);
        if (before is not null && ReferenceEquals(before.Report, report)) return;
        bool gap = before is null || before.Report.Started != report.Started
            || sight.SilenceSince(before.HeardAt) >= fleet.Safety.DeadAfter;
        // News that was in the store before we came is not fresh: it is as old as it is.
        heard[key] = new NodeView(
            report, before is null && now - at > fleet.Safety.DeadAfter ? at : now, gap ? now : before!.FreshSince);
    }
}
