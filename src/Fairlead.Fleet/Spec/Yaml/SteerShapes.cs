using System.Collections.Immutable;
using static Fairlead.Fleet.Spec.Yaml.FleetShapes;
using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

using PopLists = ImmutableArray<KeyValuePair<string, ImmutableArray<string>>>;

/// <summary>The part of the fleet file's declaration that says who is answered what.</summary>
internal static class SteerShapes
{
    private static readonly ListOf<string> PopList = new(Name);

    private static readonly Scalar<int> Permille = new(
        "a share such as 20% or 2.5%",
        (string text, out int value) =>
        {
            bool read = decimal.TryParse(
                text.TrimEnd('%'), System.Globalization.NumberStyles.AllowDecimalPoint,
                System.Globalization.CultureInfo.InvariantCulture, out decimal percent);
            bool fits = read && text.EndsWith('%') && percent is >= 0 and <= 100;
            value = fits ? (int)(percent * 10) : 0;
            return fits && value == percent * 10;
        },
        "^[0-9]+(\\.[0-9])?%$");

    private static readonly Scalar<PolicyStep> Least = new(
        "a number of pops such as 2, or a share such as 50%",
        (string text, out PolicyStep value) =>
        {
            bool percent = text.EndsWith('%');
            bool read = int.TryParse(text.TrimEnd('%'), out int number) && number is >= 1 and <= 100;
            value = new PolicyStep.Min(percent ? 0 : number, percent ? number : 0);
            return read;
        },
        "^[0-9]+%?$");

    private static readonly EitherOf<PolicyStep> Step = new(
        new OneOf<PolicyStep>(
            ("up", new PolicyStep.Up()), ("geo", new PolicyStep.Geo()), ("spread", new PolicyStep.Spread())),
        new OneKeyOf<PolicyStep>(
            ("min", Least),
            ("skip", new MadeOf<int, PolicyStep>(Number(1, 100), count => new PolicyStep.Skip(count))),
            ("map", new MadeOf<string, PolicyStep>(Name, name => new PolicyStep.Map(name))),
            ("failover", new MadeOf<ImmutableArray<string>, PolicyStep>(
                PopList, pops => new PolicyStep.Failover(pops))),
            ("weighted", new MadeOf<ImmutableArray<KeyValuePair<string, int>>, PolicyStep>(
                new MapOf<int>(Name, Number(0, 1_000_000)),
                weights => new PolicyStep.Weighted(weights.ToImmutableSortedDictionary(StringComparer.Ordinal)))),
            ("shed", new MadeOf<ImmutableArray<KeyValuePair<string, int>>, PolicyStep>(
                new MapOf<int>(Name, Permille),
                shares => new PolicyStep.Shed(shares.ToImmutableSortedDictionary(StringComparer.Ordinal)))),
            ("multi", new MadeOf<int, PolicyStep>(Number(1, 32), count => new PolicyStep.Multi(count)))));

    private static readonly EitherOf<TtlSpec> Ttl = new(
        new MadeOf<TimeSpan, TtlSpec>(Duration, TtlSpec.Of),
        new ObjectOf<TtlSpec>("a TTL", f => new TtlSpec(
            f.Required("min", Duration, "while the answer may be about to change"),
            f.Required("max", Duration, "while nothing is about to change"))));

    private static readonly ObjectOf<SteerSpec> Steer = new("a steered name", f => new SteerSpec
    {
        Name = "",
        Service = f.Optional("service", Name, "", "the service whose state and addresses decide"),
        Answer = f.Optional("answer", new OneOf<SteerAnswer>(
            ("regional", SteerAnswer.Regional), ("anycast", SteerAnswer.Anycast), ("cname", SteerAnswer.Cname),
            ("backends", SteerAnswer.Backends)),
            SteerAnswer.Regional,
            "the regional VIP, the anycast VIP, a CNAME a pop, or the healthy backends' own addresses"),
        Cname = f.Optional("cname", new MapOf<string>(Name, Text), [], "answer cname: each pop's target name")
            is { IsDefaultOrEmpty: false } targets
                ? targets.ToImmutableSortedDictionary()
                : ImmutableSortedDictionary<string, string>.Empty,
        Ttl = f.Optional("ttl", Ttl, TtlSpec.Default,
            "how long resolvers may keep the answer: one time, or min and max"),
        Policy = f.Optional("policy", new ListOf<PolicyStep>(Step), new SteerSpec { Name = "" }.Policy,
            "steps that choose among the pops: up, min, geo, map, failover, skip, then shed, spread, weighted, multi"),
        Alias = f.Optional<string?>("alias", Text!, null, "answers with the addresses of this name of the fleet"),
        Reflect = f.Optional("reflect", Switch, false, "TXT answers say what the server sees of the asker"),
    });

    private static readonly ObjectOf<ZoneSpec> Zone = new("a zone", f => new ZoneSpec
    {
        Origin = "",
        File = f.Optional<string?>(
            "file", Text!, null, "the master file, relative to this file; none: it stands in the folder \"dir\""),
        Primaries = f.Optional("primaries", TransferShapes.Primaries, [],
            "whom the zone is taken from (it is a secondary one), in the order in which they are asked"),
        Steer = Named(f.Optional("steer", new MapOf<SteerSpec>(Text, Steer), [], "names answered by place and health"),
            (name, steer) => steer with { Name = name }),
    });

    public static readonly MadeOf<(string? Folder, ImmutableArray<KeyValuePair<string, ZoneSpec>> Zones),
        (string? Folder, ImmutableArray<ZoneSpec> Zones)> Zones = new(
        new WithKey<string, ImmutableArray<KeyValuePair<string, ZoneSpec>>>(
            "dir", Text, new MapOf<ZoneSpec>(Text, Zone)),
        read => (read.Folder, Named(read.Zones, (origin, zone) => zone with { Origin = origin })));

    private static readonly Scalar<string> Continent = new(
        "a continent: AF, AN, AS, EU, NA, OC or SA",
        (string text, out string value) =>
            (value = text) is "AF" or "AN" or "AS" or "EU" or "NA" or "OC" or "SA");

    private static readonly Scalar<string> Country = new(
        "a country of two capital letters (ISO 3166-1)",
        (string text, out string value) => (value = text).Length == 2 && text.All(char.IsAsciiLetterUpper));

    private static readonly Scalar<string> Subdivision = new(
        "a subdivision such as US-CA (ISO 3166-2)",
        (string text, out string value) => (value = text).Length is >= 4 and <= 6 && text[2] == '-'
            && text.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '-'));

    private static readonly Scalar<string> City = new(
        "a city such as US-TX/Dallas or US/Dallas",
        (string text, out string value) => (value = text).IndexOf('/', StringComparison.Ordinal) is var slash
            && slash > 0 && slash + 1 < text.Length
            && text.AsSpan(0, slash) is var place && place.Length is 2 or (>= 4 and <= 6)
            && char.IsAsciiLetterUpper(place[0]) && char.IsAsciiLetterUpper(place[1])
            && (place.Length == 2 || place[2] == '-'));

    private static readonly Scalar<string> AsnText = new(
        "an AS number",
        (string text, out string value) => Net.Addresses.Asn.TryParse(value = text, out _));

    private static readonly Scalar<string> Network = new(
        "a prefix such as 192.0.2.0/24 or 2001:db8::/32, without host bits",
        (string text, out string value) => Net.Addresses.Prefix.TryParse(value = text, out _) && text.Contains('/'));

    private static readonly ObjectOf<MapSpec> Map = new("a map", f => new MapSpec
    {
        Name = "",
        Default = f.Required("default", PopList, "the pops, the best first, of clients that nothing else names"),
        Pops = f.Optional("pops", PopList, [], "what the word nearest stands for; default: all pops")
            is { IsDefault: false } pops ? pops : [],
        Continents = Lists(f, "continents", Continent, "the pops of a continent's clients"),
        Countries = Lists(f, "countries", Country, "the pops of a country's clients"),
        Subdivisions = Lists(f, "subdivisions", Subdivision, "the pops of a part of a country"),
        Cities = Lists(f, "cities", City, "the pops of a city"),
        Asns = Lists(f, "asns", AsnText, "the pops of an AS"),
        Networks = Lists(f, "networks", Network, "the pops of a network: it wins over all else"),
    });

    public static readonly ObjectOf<GeoSpec> Geo = new("geo", f => new GeoSpec
    {
        Database = f.Optional<string?>("database", Text!, null,
            "an MMDB file (Country or City), relative to this file; none, and no map: the one that ships"),
        AsnDatabase = f.Optional<string?>("asnDatabase", Text!, null, "an MMDB file of AS numbers"),
        Map =
            f.Optional<string?>("map", Text!, null, "a CSV file of prefixes and places, which wins over the database"),
        Maps = Named(
            f.Optional("maps", new MapOf<MapSpec>(Name, Map), [], "orders of pops by what is known of a client"),
            (name, map) => map with { Name = name }),
    });

    private static PopLists Lists(Fields f, string name, Scalar<string> key, string doc) =>
        f.Optional(name, new MapOf<ImmutableArray<string>>(key, PopList), [], doc) is { IsDefault: false } lists
            ? lists : [];
}
