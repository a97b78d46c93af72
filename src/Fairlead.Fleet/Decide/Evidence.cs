using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// The questions that the rules ask of the world. It also gathers the moments at which an answer will change.
/// </summary>
internal sealed class Evidence(FleetSpec fleet, World world, DateTimeOffset now)
{
    // A fleet may have a thousand services, and each asks for its own: nobody looks through those of all others.
    private readonly Lazy<ILookup<(string SeenFrom, string Service, string Pop), PoolReport>> pools = new(() =>
        fleet.Pops.SelectMany(pop => world.Nodes
                .Where(view => view.Report.Pop == pop.Name && world.Store.SilenceSince(view.HeardAt)
                    < fleet.Safety.DeadAfter)
                .SelectMany(view => view.Report.Pools).Where(pool => pool.Known)
                .Select(pool => (SeenFrom: pop.Name, Pool: pool)))
            .ToLookup(seen => (seen.SeenFrom, seen.Pool.Service, seen.Pool.Pop), seen => seen.Pool));

    private readonly Lazy<ILookup<string, ServicePlan>> previous =
        new(() => (world.Previous?.Services ?? []).ToLookup(service => service.Service, StringComparer.Ordinal));

    public FleetSpec Fleet => fleet;

    public World World => world;

    public DateTimeOffset Now => now;

    public DateTimeOffset? LookAgain { get; private set; }

    private TimeSpan DeadAfter => fleet.Safety.DeadAfter;

    /// <summary>Asks to be run again then; what lies in the past is no reason.</summary>
    public void LookAgainAt(DateTimeOffset when)
    {
        if (when > now && (LookAgain is null || when < LookAgain)) LookAgain = when;
    }

    /// <summary>True: heard of. False: silent for too long while the store lives. Null: cannot be said.</summary>
    public bool? IsAlive(PopSpec pop)
    {
        if (pop.Name == world.OwnPop || pop.Nodes.IsEmpty) return true;
        DateTimeOffset? heard = Views(pop).Select(view => (DateTimeOffset?)view.HeardAt).Max();
        if (world.Store.SilenceSince(heard) >= DeadAfter) return false;
        // I4: without the store there is no silence, only deafness. The last verdict stands until there is news.
        bool news = heard is not null && world.Store.LiveSince is { } since && heard >= since;
        if (news) return true;
        return heard is null ? null : world.Previous?.Pop(pop.Name)?.State != PopState.Dead;
    }

    /// <summary>Since when the pop is heard without a gap.</summary>
    public DateTimeOffset? FreshSince(PopSpec pop) =>
        Fresh(pop).Select(view => (DateTimeOffset?)view.FreshSince).Min();

    /// <summary>For how long the prefix has been announced by a node of the pop; null: by none.</summary>
    public TimeSpan? AnnouncedFor(PopSpec pop, Prefix prefix)
    {
        TimeSpan? longest = null;
        foreach (NodeView view in Fresh(pop))
        {
            foreach (AnnouncedReport announced in view.Report.Announced)
            {
                if (announced.Prefix != prefix) continue;
                // It grows after the report, as far as the store has been heard since: while we are deaf it stands.
                TimeSpan age = announced.Age + world.Store.SilenceSince(view.HeardAt);
                if (longest is null || age > longest) longest = age;
            }
        }

        return longest;
    }

    /// <summary>For how long all of these have been announced by the pop; null: one is not.</summary>
    public TimeSpan? AllAnnouncedFor(PopSpec pop, IEnumerable<Prefix> prefixes)
    {
        TimeSpan? shortest = TimeSpan.MaxValue;
        foreach (Prefix prefix in prefixes)
        {
            TimeSpan? age = AnnouncedFor(pop, prefix);
            if (age is null) return null;
            if (age < shortest) shortest = age;
        }

        return shortest;
    }

    public Intent? DrainOf(PopSpec pop) =>
        world.Intents.FirstOrDefault(
            intent => intent.Kind == IntentKind.Drain && intent.Pop == pop.Name && intent.HoldsAt(now));

    /// <summary>The pops that can take another one's users: alive, not being drained, announcing every cover.</summary>
    public IEnumerable<PopSpec> SurvivorsOf(PopSpec pop) => fleet.Pops.Where(other =>
        other != pop && !other.Nodes.IsEmpty && IsAlive(other) == true && DrainOf(other) is null
        && (other.Routers.IsEmpty || AllAnnouncedFor(other, fleet.Cover) >= fleet.Safety.Settle));

    /// <summary>A service's part of the last plan.</summary>
    public ServicePlan? Previous(ServiceSpec service) => previous.Value[service.Name].FirstOrDefault();

    /// <summary>What the nodes of a pop know of a service's pool, in their reports that still count.</summary>
    public PoolReport[] Pools(PopSpec seenFrom, ServiceSpec service, PopSpec pop) =>
        [.. pools.Value[(seenFrom.Name, service.Name, pop.Name)]];

    /// <summary>The nodes' reports that still count.</summary>
    public IEnumerable<NodeView> Fresh(PopSpec pop) =>
        Views(pop).Where(view => world.Store.SilenceSince(view.HeardAt) < DeadAfter);

    private IEnumerable<NodeView> Views(PopSpec pop) => world.Nodes.Where(view => view.Report.Pop == pop.Name);
}
