using System.Collections.Immutable;

namespace Fairlead.Fleet.Spec;

/// <summary>
/// A zone: a master file and the names in it that are steered, or the primaries that it is taken from.
/// </summary>
public sealed record ZoneSpec
{
    /// <summary>The zone's name as written, with or without the last dot.</summary>
    public required string Origin { get; init; }

    /// <summary>The master file, relative to the fleet file. Null: the zone stands in the zone folder.</summary>
    public string? File { get; init; }

    /// <summary>Whom the zone is taken from, in the order in which they are asked; none: it is a file here.</summary>
    public ImmutableArray<PrimarySpec> Primaries { get; init; } = [];

    public bool IsSecondary => !Primaries.IsEmpty;

    public ImmutableArray<SteerSpec> Steer { get; init; } = [];
}

public enum SteerAnswer
{
    Regional,
    Anycast,
    Cname,
    Backends,
}

/// <summary>
/// How long resolvers may keep an answer: Max while nothing is about to change, down to Min when it may.
/// </summary>
public readonly record struct TtlSpec(TimeSpan Min, TimeSpan Max)
{
    public static TtlSpec Default { get; } = Of(TimeSpan.FromSeconds(30));

    /// <summary>Min is half of it, and never 0.</summary>
    public static TtlSpec Of(TimeSpan max) =>
        new(TimeSpan.FromSeconds(Math.Max(Math.Min(1, (int)max.TotalSeconds), (int)max.TotalSeconds / 2)), max);
}

/// <summary>A steered name: relative to its zone, "@" for the apex.</summary>
public sealed record SteerSpec
{
    public required string Name { get; init; }

    /// <summary>The service whose state and VIPs decide. Empty: the name is an alias or reflects.</summary>
    public string Service { get; init; } = "";

    public SteerAnswer Answer { get; init; } = SteerAnswer.Regional;

    /// <summary>For Answer Cname: each pop's target name.</summary>
    public ImmutableSortedDictionary<string, string> Cname { get; init; } =
        ImmutableSortedDictionary<string, string>.Empty;

    public TtlSpec Ttl { get; init; } = TtlSpec.Default;

    /// <summary>Filters and orders first, then choices.</summary>
    public ImmutableArray<PolicyStep> Policy { get; init; } = [new PolicyStep.Up(), new PolicyStep.Geo()];

    /// <summary>The name whose addresses this one answers with.</summary>
    public string? Alias { get; init; }

    /// <summary>TXT answers say what the server sees of the asker.</summary>
    public bool Reflect { get; init; }

    /// <summary>Equal for names that say the same.</summary>
    public string ToKey() => string.Join('|',
        Service, Answer, Ttl, string.Join(' ', Cname.Select(pair => $"{pair.Key}={pair.Value}")),
        string.Join(' ', Policy.Select(step => step.Text)));
}

/// <summary>One step of a policy: from a list of pops, the best first, to a list of pops.</summary>
public abstract record PolicyStep
{
    public abstract string Word { get; }

    /// <summary>Choices tell clients of one region apart; they come last.</summary>
    public virtual bool IsChoice => false;

    /// <summary>The step as one line, for people and for comparing.</summary>
    public virtual string Text => Word;

    /// <summary>Drops the pops that are down or not to be named.</summary>
    public sealed record Up : PolicyStep
    {
        public override string Word => "up";
    }

    /// <summary>
    /// Fewer are up than Count, or than Percent of all: then none is dropped. One of the two is 0.
    /// </summary>
    public sealed record Min(int Count, int Percent) : PolicyStep
    {
        public override string Word => "min";

        public override string Text => Count > 0 ? $"min {Count}" : $"min {Percent}%";
    }

    /// <summary>The nearest first.</summary>
    public sealed record Geo : PolicyStep
    {
        public override string Word => "geo";
    }

    /// <summary>The order that a map of the fleet gives to the client; pops not in it are dropped.</summary>
    public sealed record Map(string Name) : PolicyStep
    {
        public override string Word => "map";

        public override string Text => $"map {Name}";
    }

    /// <summary>Drops the first Count pops, but never the last one that is left.</summary>
    public sealed record Skip(int Count) : PolicyStep
    {
        public override string Word => "skip";

        public override string Text => $"skip {Count}";
    }

    /// <summary>This order; pops that are not in it are dropped.</summary>
    public sealed record Failover(ImmutableArray<string> Pops) : PolicyStep
    {
        public override string Word => "failover";

        public override string Text => $"failover {string.Join(' ', Pops)}";
    }

    /// <summary>Each pop as often as its weight says; those without one are dropped.</summary>
    public sealed record Weighted(ImmutableSortedDictionary<string, int> Weights) : PolicyStep
    {
        public override string Word => "weighted";

        public override string Text => $"weighted {string.Join(' ', Weights.Select(w => $"{w.Key}={w.Value}"))}";

        public override bool IsChoice => true;
    }

    /// <summary>Each client's subnet to one of the pops, always the same one while it is there.</summary>
    public sealed record Spread : PolicyStep
    {
        public override string Word => "spread";

        public override bool IsChoice => true;
    }

    /// <summary>That many tenths of a per cent of a pop's users go to the next one.</summary>
    public sealed record Shed(ImmutableSortedDictionary<string, int> Permille) : PolicyStep
    {
        public override string Word => "shed";

        public override string Text => $"shed {string.Join(' ', Permille.Select(s => $"{s.Key}={s.Value / 10.0}%"))}";

        public override bool IsChoice => true;
    }

    /// <summary>Up to Count addresses in one answer, the first pops' first.</summary>
    public sealed record Multi(int Count) : PolicyStep
    {
        public override string Word => "multi";

        public override string Text => $"multi {Count}";

        public override bool IsChoice => true;
    }
}

/// <summary>
/// From what is known of a client to an order of pops. The most specific wins: network, AS, city, subdivision, country,
/// continent, then the default. In a list the word "nearest" stands for the map's other pops, the nearest first.
/// </summary>
public sealed record MapSpec
{
    public const string Nearest = "nearest";

    public required string Name { get; init; }

    /// <summary>
    /// The pops that "nearest" stands for, in the order for clients whose place is not known. Empty: all, in fleet
    /// order.
    /// </summary>
    public ImmutableArray<string> Pops { get; init; } = [];

    public ImmutableArray<string> Default { get; init; } = [];

    public ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> Continents { get; init; } = [];

    public ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> Countries { get; init; } = [];

    /// <summary>ISO 3166-2: US-CA.</summary>
    public ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> Subdivisions { get; init; } = [];

    /// <summary>A country or a subdivision, a slash and the name in English: US-TX/Dallas.</summary>
    public ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> Cities { get; init; } = [];

    public ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> Asns { get; init; } = [];

    public ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> Networks { get; init; } = [];

    public IEnumerable<(string Path, ImmutableArray<string> Pops)> Lists()
    {
        yield return ("default", Default);
        if (!Pops.IsEmpty) yield return ("pops", Pops);
        foreach ((string section, ImmutableArray<KeyValuePair<string, ImmutableArray<string>>> entries) in
            new[]
            {
                ("continents", Continents), ("countries", Countries), ("subdivisions", Subdivisions), ("cities",
                    Cities),
                ("asns", Asns), ("networks", Networks),
            })
        {
            foreach ((string key, ImmutableArray<string> pops) in entries) yield return ($"{section}.{key}", pops);
        }
    }
}

/// <summary>Where clients are. Entries of the CSV file win over the databases.</summary>
public sealed record GeoSpec
{
    /// <summary>Null, and no Map: the database that ships with Fairlead (countries).</summary>
    public string? Database { get; init; }

    public string? AsnDatabase { get; init; }

    public string? Map { get; init; }

    public ImmutableArray<MapSpec> Maps { get; init; } = [];

    public MapSpec? MapNamed(string name) => Maps.FirstOrDefault(map => map.Name == name);
}
