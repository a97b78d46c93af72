using Fairlead.Fleet.Spec;
using static Fairlead.Fleet.PopState;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// How each pop stands. The stages of a drain come from (the intent's time, what the others announce, now) alone, so a
/// restart in the middle loses nothing, and a survivor that dies in the middle turns the drain back by itself (I2).
/// </summary>
internal static class PopStages
{
    public static PopPlan Of(PopSpec pop, Evidence evidence) =>
        Stage(pop, evidence) with
        {
            LeavesSoon = LeavesSoon(pop, evidence),
            Balancers = evidence.Fleet.Balancer is null ? [] :
            [
                .. evidence.Fresh(pop).Where(view => view.Report.Balances).Select(view => view.Report.Node)
                    .Where(node => pop.Node(node) is not null).Order(StringComparer.Ordinal),
            ],
        };

    private static PopPlan Stage(PopSpec pop, Evidence evidence)
    {
        bool? alive = evidence.IsAlive(pop);
        if (alive == false)
            return new PopPlan(
                pop.Name, Dead, "silent while the store lives", true, AggregateStance.Announce, false, true);
        PopPlan? previous = evidence.World.Previous?.Pop(pop.Name);
        if (alive is null)
            return previous
                ?? new PopPlan(pop.Name, Starting, "not heard of yet", true, AggregateStance.Announce, false, false);
        if (evidence.DrainOf(pop) is { } drain && !evidence.SurvivorsOf(pop).Any())
            return Alive(pop, evidence, previous, "drain held: no other pop could take over (I2); ");
        return evidence.DrainOf(pop) is { } intent
            ? Draining(pop, intent, evidence)
            : Alive(pop, evidence, previous, "");
    }

    private static PopPlan Alive(PopSpec pop, Evidence evidence, PopPlan? previous, string note)
    {
        bool hasRoutes = !pop.Routers.IsEmpty;
        TimeSpan settle = evidence.Fleet.Safety.Settle;
        TimeSpan? home = hasRoutes
            ? evidence.AllAnnouncedFor(pop, pop.Regional.Concat(evidence.Fleet.Cover))
            : TimeSpan.MaxValue;
        LookWhenReached(evidence, home, settle);

        // A pop that stood and whose routes still stand keeps its place: a node's restart is no reason to move names.
        bool settled = home >= settle || (home is not null && previous is { State: Up });
        if (settled)
            return new PopPlan(
                pop.Name, Up, note + "alive, its routes stand", true, AggregateStance.Announce, true, false);

        // Make before break, the other way round: the rescue goes on until the pop's own routes stand (I3).
        TimeSpan patience = evidence.Fleet.Safety.DeadAfter + settle;
        DateTimeOffset? since = evidence.FreshSince(pop);
        if (since is not null) evidence.LookAgainAt(since.Value + patience);
        bool neverCame = since is not null && evidence.Now - since >= patience && home is null;
        bool rescued = hasRoutes && !pop.Regional.IsEmpty && (IsRescued(pop, evidence, previous) || neverCame);
        // One that comes back from death or a drain stays out of DNS until then. When it is we who have just begun to
        // look, waiting would send the whole world to whichever pop we have seen for longest.
        bool known = previous is not null and not { State: Starting } and not { State: Returning, InDns: true };
        bool inDns = !known && !neverCame;
        string why = home is null ? "alive, its routes do not stand" : "alive, its routes are new";
        return new PopPlan(pop.Name, Returning, note + why, true, AggregateStance.Announce, inDns, rescued);
    }

    private static PopPlan Draining(PopSpec pop, Intent drain, Evidence evidence)
    {
        TimeSpan settle = evidence.Fleet.Safety.Settle;
        DateTimeOffset dnsEmpty = drain.At + LongestTtl(evidence.Fleet, drain);
        evidence.LookAgainAt(dnsEmpty);
        if (evidence.Now < dnsEmpty)
            return Stage(DrainingDns, "waiting for resolvers to forget its addresses", AggregateStance.Announce, false);

        // The evidence: for how long a survivor has been announcing our regional prefixes.
        TimeSpan? taken = pop.Regional.IsEmpty || pop.Routers.IsEmpty
            ? evidence.Now - dnsEmpty
            : evidence.SurvivorsOf(pop).Select(other => evidence.AllAnnouncedFor(other, pop.Regional)).Max();
        LookWhenReached(evidence, taken, settle, 2 * settle, 3 * settle);
        if (taken is null || taken < settle)
            return Stage(DrainingAnnounce, "the others announce its prefixes", AggregateStance.Announce, true);
        if (taken < 2 * settle)
            return Stage(DrainingDeprefer, "its routes carry GRACEFUL_SHUTDOWN", AggregateStance.Deprefer, true);
        return taken < 3 * settle
            ? Stage(DrainingWithdraw, "its aggregates are withdrawn", AggregateStance.Withdraw, true)
            : new PopPlan(pop.Name, Drained, drain.Reason, false, AggregateStance.Withdraw, false, true);

        PopPlan Stage(PopState state, string why, AggregateStance stance, bool rescued) =>
            new(pop.Name, state, why, true, stance, false, rescued);
    }

    private static bool IsRescued(PopSpec pop, Evidence evidence, PopPlan? previous) =>
        previous is { Rescued: true }
        || evidence.Fleet.Pops.Any(other => other != pop && evidence.AllAnnouncedFor(other, pop.Regional) is not null);

    /// <summary>For how long a resolver may go on handing out a pop's address. Anycast answers name no pop.</summary>
    private static TimeSpan LongestTtl(FleetSpec fleet, Intent drain)
    {
        TimeSpan longest = Ttls(fleet, ttl => ttl.Max);
        // One that was said early enough had the TTLs lowered ahead of it.
        return drain.At - (drain.SaidAt ?? drain.At) >= longest ? Ttls(fleet, ttl => ttl.Min) : longest;
    }

    private static TimeSpan Ttls(FleetSpec fleet, Func<TtlSpec, TimeSpan> part) => fleet.Zones
        .SelectMany(zone => zone.Steer).Where(steer => steer is { Answer: not SteerAnswer.Anycast, Service: not "" })
        .Select(steer => part(steer.Ttl)).DefaultIfEmpty(TimeSpan.Zero).Max();

    // Ahead of a drain that is set for later the names' TTLs go down, so that it begins with short ones.
    private static bool LeavesSoon(PopSpec pop, Evidence evidence)
    {
        TimeSpan ahead = Ttls(evidence.Fleet, ttl => ttl.Max);
        bool soon = false;
        foreach (Intent later in evidence.World.Intents)
        {
            if (later.Kind != IntentKind.Drain || later.Pop != pop.Name || later.At <= evidence.Now) continue;
            evidence.LookAgainAt(later.At - ahead);
            evidence.LookAgainAt(later.At);
            soon |= evidence.Now >= later.At - ahead;
        }

        return soon;
    }

    private static void LookWhenReached(Evidence evidence, TimeSpan? age, params ReadOnlySpan<TimeSpan> marks)
    {
        if (age is null) return;
        foreach (TimeSpan mark in marks)
        {
            if (age < mark) evidence.LookAgainAt(evidence.Now + (mark - age.Value));
        }
    }
}
