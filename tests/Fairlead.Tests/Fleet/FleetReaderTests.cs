using System.Text.Json.Nodes;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Fleet;

public class FleetReaderTests
{
    public static TheoryData<string, string, int, int, string> BrokenFiles => new()
    {
        { "asn: 64500", "asns: 64500", 2, 1, "a fleet has no key \"asns\"; did you mean \"asn\"?" },
        { "asn: 64500", "asn: sixty", 2, 6, "expected an AS number, found \"sixty\"" },
        { "latitude: 40.71", "latitude: north", 9, 39, "expected degrees from -90 to 90, found \"north\"" },
        { "regional: [\"2001:db8:f02::/48\"]", "regional: [\"2001:db8:f01::/48\"]", 15, 16,
            "overlaps 2001:db8:f01::/48 of pop nyc" },
        { "regional: [\"2001:db8:f02::/48\"]", "regional: [\"2001:db9::/48\"]", 15, 16, "not inside a cover prefix" },
        { "cover: [192.0.2.0/24,", "cover: [192.0.3.0/24,", 5, 11, "192.0.3.0/24 is outside every anycast subnet" },
        { "cover: [192.0.2.0/24,", "cover: [192.0.2.0/25,", 5, 11,
            "longer than /24, which the internet does not carry" },
        { "cover: [192.0.2.0/24,", "cover: [192.0.2.1/24,", 5, 11, "expected a prefix such as 192.0.2.0/24" },
        { "backends: {nyc: [198.51.100.5], lon: [198.51.100.21]}", "check: {kind: tcp}", 19, 3,
            "service web has no backends" },
        { "lon: [198.51.100.21]}", "lonn: [198.51.100.21]}", 22, 37, "unknown pop \"lonn\"; did you mean \"lon\"?" },
        { "{service: web}", "{service: wev}", 24, 64, "unknown service \"wev\"; did you mean \"web\"?" },
        { "ports: [tcp/80]", "ports: [tcp/80000]", 21, 13, "expected a port such as tcp/443" },
        { "ports: [tcp/80]", "ports: []", 21, 12, "expected at least one port" },
        { "ports: [tcp/80]", "vips: [203.0.113.1]\n    ports: [tcp/80]", 21, 12, "outside every anycast subnet" },
        { "ports: [tcp/80]", "vips: [\"2001:db8:f01::9\"]\n    ports: [tcp/80]", 21, 12,
            "falls into the regional prefix of pop nyc" },
        { "addresses: [198.51.100.2]", "addresses: [192.0.2.7]", 11, 31, "192.0.2.7 is inside an anycast subnet" },
        { "store: {etcd: [\"http://198.51.100.7:2379\"]}", "geo: {}", 1, 1,
            "more than one pop with nodes needs a shared store" },
        { "host: \"::1\"", "host: \"::1:0:0\"", 20, 11, "does not fit into 192.0.2.0/24" },
        { "fleet: small", "fleet: [small", 2, 1, "not YAML" },
        { "fleet: small", "fleet: &a small", 1, 8, "anchors and aliases are not read" },
    };

    [Fact]
    public void A_file_without_fault_is_read_and_what_can_be_derived_is_derived()
    {
        FleetSpec fleet = FleetFiles.Read(FleetFiles.Good);

        Assert.Equal(["nyc", "lon"], fleet.Pops.Select(pop => pop.Name));
        string[] vips = ["192.0.2.1/32", "2001:db8:f00::1/128", "2001:db8:f01::1/128", "2001:db8:f02::1/128"];
        Assert.Equal(vips, fleet.AllVips(fleet.Services[0]).Select(vip => vip.ToString()));
        Assert.Equal(4, fleet.Aggregates.Count());
    }

    [Theory]
    [MemberData(nameof(BrokenFiles))]
    public void A_fault_is_named_with_its_line_and_column(
        string right, string wrong, int line, int column, string message)
    {
        Assert.Contains(right, FleetFiles.Good, StringComparison.Ordinal);
        string text = FleetFiles.Good.Replace(right, wrong, StringComparison.Ordinal);

        Assert.Null(FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems));

        string named = string.Join('\n', problems);
        Assert.True(
            problems.Any(p => (p.Line, p.Column) == (line, column)
                && p.Message.Contains(message, StringComparison.Ordinal)), named);
    }

    [Fact]
    public void All_faults_come_in_one_pass_sorted_by_place()
    {
        string text = FleetFiles.Good.Replace("asn: 64500", "asn: x", StringComparison.Ordinal)
            .Replace("ports: [tcp/80]", "ports: [http]", StringComparison.Ordinal)
            .Replace("latitude: 40.71", "latitude: 91", StringComparison.Ordinal)
            .Replace("store:", "safety: {deadAfter: 1s}\nstore:", StringComparison.Ordinal);

        FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems);

        Assert.Equal([2, 10, 22], problems.Select(problem => problem.Line));
    }

    [Fact]
    public void Services_may_have_addresses_of_their_own_and_a_router_may_be_the_gateway()
    {
        const string Text = """
            fleet: hosts
            asn: 64500
            anycast: {subnets: [192.0.2.0/24]}
            pops:
              one:
                nodes: {n1: {addresses: [10.0.0.2]}}
                routers: {r1: {addresses: gateway}}
            services:
              dns: {vips: [192.0.2.53, 192.0.2.54], ports: [], check: {kind: none}, onNodes: true}
            """;
        FleetSpec fleet = FleetFiles.Read(Text);
        Assert.True(fleet.Pops[0].Routers[0] is { IsGateway: true, Addresses.IsEmpty: true });
        Assert.Equal(["192.0.2.53/32", "192.0.2.54/32"],
            fleet.AllVips(fleet.Services[0]).Select(vip => vip.ToString()));
        Assert.Empty(fleet.Aggregates);

        string faulty = Text.Replace("gateway}", "gateway}, r2: {addresses: gateway}", StringComparison.Ordinal)
            + "\n  web: {vips: [192.0.2.54], ports: [], check: {kind: none}, onNodes: true}";
        FleetReader.Read("fleet.yaml", faulty, out IReadOnlyList<SpecProblem> problems);
        Assert.Equal(
        [
            "fleet.yaml:7:57: another router of this pop is the gateway already: a node has one a family",
            "fleet.yaml:10:15: 192.0.2.54 is a VIP of dns already",
        ], problems.Select(problem => problem.ToString()));
    }

    /// <summary>
    /// YAML 1.1 reads NO as false, 1e3 as a number and 12:30 as minutes; a fleet file means what it says.
    /// </summary>
    [Theory]
    [InlineData("NO")]
    [InlineData("on")]
    [InlineData("1e3")]
    [InlineData("12:30")]
    [InlineData("null")]
    public void A_plain_word_stays_the_word_it_is(string city)
    {
        string text = FleetFiles.Good.Replace("city: New York", $"city: {city}", StringComparison.Ordinal);

        Assert.Equal(city, FleetFiles.Read(text).Pops[0].Place!.City);
    }

    [Fact]
    public void No_mutation_of_a_file_ends_in_an_exception() => Property.Holds(3_000, random =>
    {
        char[] text = FleetFiles.Good.ToCharArray();
        for (int edits = random.Next(1, 5); edits > 0; edits--)
            text[random.Next(text.Length)] = "[]{}:,&*!|>'\"%@`#-? \n\tx0/"[random.Next(25)];

        FleetFile? file = FleetReader.Read("fleet.yaml", new string(text), out IReadOnlyList<SpecProblem> problems);

        Assert.Equal(file is null, problems.Count > 0);
        Assert.All(problems, problem => Assert.True(problem.Line >= 1 && problem.Column >= 1, problem.ToString()));
    });

    [Fact]
    public void Deep_nesting_and_large_files_are_refused_at_once()
    {
        string deep = "fleet: " + new string('[', 5_000) + new string(']', 5_000);
        FleetReader.Read("f", deep, out IReadOnlyList<SpecProblem> problems);
        Assert.Contains("nested deeper", Assert.Single(problems).Message, StringComparison.Ordinal);

        FleetReader.Read("f", new string('#', 5_000_000), out problems);
        Assert.Contains("larger than", Assert.Single(problems).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_schema_knows_every_key_of_the_three_cities_file()
    {
        JsonObject schema = FleetReader.Schema();
        JsonNode? pop = schema["properties"]!["pops"]!["additionalProperties"];

        Assert.Equal(["fleet", "pops"], schema["required"]!.AsArray().Select(name => (string)name!));
        Assert.NotNull(pop!["properties"]!["routers"]!["additionalProperties"]!["properties"]!["upstreams"]);
        Assert.NotNull(FleetFiles.Read(File.ReadAllText(FleetFiles.ThreeCities)).Pop("tyo")!.Routers[0].Bfd);
    }

    [Theory]
    [InlineData("::1", "192.0.2.0/24", "192.0.2.1/32")]
    [InlineData("::53", "192.0.2.0/24", "192.0.2.83/32")]
    [InlineData("::53", "2001:db8:f01::/48", "2001:db8:f01::53/128")]
    public void A_host_part_joins_a_prefix_to_a_vip(string host, string prefix, string vip)
    {
        var part = new HostPart(Prefix.BitsOf(System.Net.IPAddress.Parse(host)));

        Assert.Equal(vip, part.In(Prefix.Parse(prefix)).ToString());
    }
}
