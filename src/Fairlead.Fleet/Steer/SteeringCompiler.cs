using System.Collections.Immutable;
using System.Text;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Steer;

/// <summary>
/// Makes the answers of a fleet's steered names, plan after plan. What no plan changes is settled once: the owners,
/// their order, and which names say the same. A plan then costs one run of each policy, and with the table before it
/// only what it changes is made anew. Immutable.
/// </summary>
public sealed class SteeringCompiler
{
    private readonly FleetSpec fleet;
    private readonly ClientViews views;

    // In canonical order, as a table wants them.
    private readonly ImmutableArray<Template> templates;

    /// <summary>Aliases: the addresses of the static names that aliases point to.</summary>
    public SteeringCompiler(
        FleetSpec fleet, ClientViews views, IReadOnlyDictionary<DnsName, SteeredAnswer>? aliases = null)
    {
        (this.fleet, this.views) = (fleet, views);
        templates = [.. Templates(aliases).OrderBy(template => template.Owner)];
    }

    public SteeringTable Of(
        Plan plan, Func<DnsName, SetSigner?>? signerOf = null, SteeringTable? previous = null) =>
        new(Names(plan, previous), signerOf, previous);

    /// <summary>
    /// The names before they are a table: SteeringTable.Problems says whether they can be one. An answer that is the
    /// one of the table before it is that very one, so that what was made of it can be kept.
    /// </summary>
    public IReadOnlyList<SteeredName> Names(Plan plan, SteeringTable? previous = null)
    {
        var names = new SteeredName[templates.Length];
        var compiled = new Dictionary<(string Says, string Overrides), ImmutableArray<SteeredRegion>>();
        for (int i = 0; i < names.Length; i++)
        {
            Template template = templates[i];
            ClientView? view = template.View;
            names[i] = template.Fixed ?? new SteeredName
            {
                Owner = template.Owner,
                TtlSeconds = template.TtlSeconds,
                ByRegion = ByRegion(template, plan, compiled, i, previous),
                Regions = view!.Table,
            };
        }

        return names;
    }

    private ImmutableArray<SteeredRegion> ByRegion(
        Template template, Plan plan,
        Dictionary<(string Says, string Overrides), ImmutableArray<SteeredRegion>> compiled, int index,
        SteeringTable? previous)
    {
        // Names that say the same, and that no override tells apart, are compiled once.
        (string, string) key = (template.Says, OverridesOf(template, plan));
        if (compiled.TryGetValue(key, out ImmutableArray<SteeredRegion> regions)) return regions;
        var answers = new NameAnswers(fleet, plan, template.Steer!, template.OwnerText);
        regions = [.. template.View!.Regions.Select(answers.Of)];
        if (index < previous?.Names.Length && ReferenceEquals(previous.Names[index].Owner, template.Owner)
            && SteeredRegion.SayTheSame(previous.Names[index].ByRegion, regions))
            regions = previous.Names[index].ByRegion;
        return compiled[key] = regions;
    }

    // Which of the plan's overrides speak of this owner, pop by pop: all that a policy asks of an owner.
    private string OverridesOf(Template template, Plan plan)
    {
        if (plan.Overrides.IsEmpty) return "";
        var said = new StringBuilder();
        foreach (OverridePlan one in plan.Overrides)
        {
            if (one.Pattern.StartsWith("*/", StringComparison.Ordinal)) continue;
            foreach (PopSpec pop in fleet.Pops)
                said.Append(PolicyRun.SpeaksOf(one, template.OwnerText, pop.Name) ? '1' : '0');
        }

        return said.ToString();
    }

    private IEnumerable<Template> Templates(IReadOnlyDictionary<DnsName, SteeredAnswer>? aliases)
    {
        var byOwner = new Dictionary<DnsName, Template>();
        (ZoneSpec Zone, SteerSpec Steer)[] all =
            [.. fleet.Zones.SelectMany(zone => zone.Steer.Select(steer => (zone, steer)))];
        foreach ((ZoneSpec zone, SteerSpec steer) in all.Where(pair => pair.Steer.Alias is null))
        {
            if (!Steering.TryOwner(zone, steer.Name, out DnsName? owner)) continue;
            Template made = steer.Reflect
                ? Template.Of(Reflecting(owner!, views.Of(steer)))
                : new Template(owner!, owner!.ToString(), (uint)steer.Ttl.Max.TotalSeconds, views.KeyTextOf(steer))
                {
                    Steer = steer,
                    View = views.Of(steer),
                };
            byOwner[owner!] = made;
            yield return made;
        }

        // An alias is flattened: it answers with its target's addresses, by the target's own regions.
        foreach ((ZoneSpec zone, SteerSpec steer) in all.Where(pair => pair.Steer.Alias is not null))
        {
            if (!Steering.TryOwner(zone, steer.Name, out DnsName? owner)
                || !Steering.TryOwner(zone, steer.Alias!, out DnsName? target)) continue;
            uint ttl = (uint)steer.Ttl.Max.TotalSeconds;
            if (byOwner.TryGetValue(target!, out Template? of))
            {
                yield return of with
                {
                    Owner = owner!,
                    TtlSeconds = Math.Min(ttl, of.TtlSeconds),
                    Fixed = of.Fixed is null ? null : of.Fixed with { Owner = owner!, TtlSeconds = 0 },
                };
            }
            else if (aliases?.GetValueOrDefault(target!) is { } answer)
                yield return Template.Of(new SteeredName { Owner = owner!, TtlSeconds = ttl, ByRegion = [answer] });
        }
    }

    private static SteeredName Reflecting(DnsName owner, ClientView view) => new()
    {
        Owner = owner,
        TtlSeconds = 0,
        ByRegion = [],
        Regions = view.Table,
        ReflectsRegions = [.. view.Regions.Select(region => region.ToString())],
    };

    /// <summary>A steered name without its answers.</summary>
    /// <param name="Owner">Its own name.</param>
    /// <param name="OwnerText">The name whose overrides count: its own, or the one that it is an alias of.</param>
    /// <param name="TtlSeconds">The longest TTL.</param>
    /// <param name="Says">Equal for names that say the same.</param>
    private sealed record Template(DnsName Owner, string OwnerText, uint TtlSeconds, string Says)
    {
        /// <summary>Null for a name that no plan changes.</summary>
        public SteerSpec? Steer { get; init; }

        public ClientView? View { get; init; }

        /// <summary>The whole name, when no plan changes it.</summary>
        public SteeredName? Fixed { get; init; }

        public static Template Of(SteeredName name) =>
            new(name.Owner, name.Owner.ToString(), name.TtlSeconds, "") { Fixed = name };
    }
}
