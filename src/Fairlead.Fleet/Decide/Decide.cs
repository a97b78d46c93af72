using System.Collections.Immutable;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// Observe -> decide -> act: this is the middle. A pure function of the fleet file, what is known of the world, and
/// now. All safety rules live below it.
/// </summary>
public static class Decision
{
    /// <summary>The plan, and when to ask again though nothing else has changed (null: only on a change).</summary>
    public static (Plan Plan, DateTimeOffset? LookAgain) Decide(FleetSpec fleet, World world, DateTimeOffset now)
    {
        var evidence = new Evidence(fleet, world, now);
        ImmutableArray<PopPlan> pops = [.. fleet.Pops.Select(pop => PopStages.Of(pop, evidence))];
        var plan = new Plan
        {
            Pops = pops,
            Services = [.. fleet.Services.Select(service => ServiceVerdicts.Of(service, pops, evidence))],
            Extra =
            [
                .. world.Intents
                    .Where(intent => intent is { Prefix: not null, Kind: IntentKind.Announce or IntentKind.Blackhole }
                        && intent.HoldsAt(now))
                    .OrderBy(intent => intent.Id, StringComparer.Ordinal)
                    .SelectMany(intent => Extra(fleet, intent)),
            ],
            Overrides =
            [
                .. world.Intents
                    .Where(intent => intent is { Kind: IntentKind.Override, Pattern: not null } && intent.HoldsAt(now))
                    .OrderByDescending(intent => intent.Pattern!.Count(c => c != '*'))
                    .ThenBy(intent => intent.Id, StringComparer.Ordinal)
                    .Select(intent => new OverridePlan(intent.Pattern!, intent.Up, intent.Reason)),
            ],
        };
        foreach (Intent intent in world.Intents)
        {
            evidence.LookAgainAt(intent.At);
            evidence.LookAgainAt(intent.Until);
        }

        return (plan, evidence.LookAgain);
    }

    // A blackhole that names no pop is one in each.
    private static IEnumerable<ExtraAnnouncement> Extra(FleetSpec fleet, Intent intent) =>
        (intent.Pop.Length > 0 ? [intent.Pop] : fleet.Pops.Select(pop => pop.Name)).Select(
            pop => new ExtraAnnouncement(pop, intent.Prefix!.Value)
            {
                Blackhole = intent.Kind == IntentKind.Blackhole,
                Reason = intent.Reason,
            });
}
