using Fairlead.Lab.Scenarios;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Tests.Lab;

public class ScenarioReaderTests
{
    private const string Head = "scenario s\ntopology t\n";
    private static readonly string ThreeCitiesFile =
        Path.Combine(Fixture.Repository, "lab", "scenarios", "three-cities.scn");

    public static TheoryData<string, int, int, string> Faults => new()
    {
        { "", 1, 1, "expected the lines \"scenario NAME\" and \"topology NAME\"" },
        { Head, 3, 1, "expected at least one \"step TITLE\"" },
        { "scenario\n", 1, 9, "expected the scenario's name, found the end of the line" },
        { "scenario a b\n", 1, 12, "expected the end of the line, found \"b\"" },
        { "topology\n", 1, 9, "expected the topology's name" },
        { "feed cats\n", 1, 1, "\"feed\" stands before the first step" },
        { "place 192.0.2.1/24 is nyc\n", 1, 7, "expected a prefix, found \"192.0.2.1/24\"" },
        { "place 192.0.2.0/24 in nyc\n", 1, 20, "expected \"is\"" },
        { "place 192.0.2.0/24 is # nyc\n", 1, 22, "expected something after \"is\"" },
        { "probe p ftp from a to 192.0.2.1 every 1s\n", 1, 9, "expected web, echo, name or stay, found \"ftp\"" },
        { "probe p stay from a to 192.0.2.1 every 1s\n", 1, 14, "expected a number" },
        { "probe p stay 5 from a to www at 192.0.2.1 every 1s\n", 1, 26, "expected an address: connections are kept" },
        { "probe p web to 192.0.2.1 every 1s\n", 1, 13, "expected \"from\"" },
        { "probe p name from a to 192.0.2.1 every 1s\n", 1, 24, "expected a domain name, found an address" },
        { "probe p web from a to first 192.0.2.1 every 1s\n", 1, 29, "expected a domain name, found an address" },
        { "probe p web from a to www.example.com at home every 1s\n", 1, 42, "expected a name server's address" },
        { "probe p web from a to 192.0.2.1 every soon\n", 1, 39, "expected a time such as 500ms or 5s, found" },
        { "probe p web from a to 192.0.2.1 every 5\n", 1, 39, "expected a time" },
        { "step\n", 1, 5, "expected a title" },
        { "step x\n  feed cats\n", 2, 3, "unknown statement \"feed\" (known: kill, restore," },
        { "step x\n  kill\n", 2, 7, "expected a pop, found the end of the line" },
        { "step x\n  restore nyc lon\n", 2, 15, "expected the end of the line, found \"lon\"" },
        { "step x\n\tdrain tyo\n", 2, 11, "expected \"at\", found the end of the line" },
        { "step x\n  poison nyc 10.0.0.0 at\n", 2, 25, "expected something after \"at\"" },
        { "step x\n  cleanse nyc ten at lon\n", 2, 15, "expected a prefix, found \"ten\"" },
        { "step x\n  rogue nyc2\n", 2, 13, "expected \"runs\"" },
        { "step x\n  hold on\n", 2, 8, "expected the end of the line, found \"on\"" },
        { "step x\n  watch 5h\n", 2, 9, "expected a time such as 500ms or 5s, found \"5h\"" },
        { "step x\n  expect\n", 2, 9, "expected what is expected" },
        { "step x\n  expect rain\n", 2, 10, "unknown expectation \"rain\" (known: users," },
        { "step x\n  expect users us in nyc by web\n", 2, 32, "expected \"within\"" },
        { "step x\n  expect outage of us by fine within 1s\n", 2, 31, "expected \"under\"" },
        { "step x\n  expect lost none\n", 2, 15, "expected a number" },
        { "step x\n  expect lost 0 for a\n", 2, 17, "expected \"of\" or \"after\"" },
        { "step x\n  expect lost 0 of a after b\n", 2, 28, "expected a time" },
        { "step x\n  expect broken 0\n", 2, 18, "expected \"by\", found the end of the line" },
        { "step x\n  expect stalled by p\n", 2, 22, "expected \"under\", found the end of the line" },
        { "step x\n  expect requests -1\n", 2, 19, "expected a number" },
        { "step x\n  expect guard nyc1 within 1\n", 2, 28, "expected a time" },
        { "step x\n  expect no-route 10.0.0.0/8,x\n", 2, 19, "expected a prefix, found \"x\"" },
        { "step x\n  expect filtered r from\n", 2, 25, "expected something after \"from\"" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_fault_is_named_with_its_line_and_column(string text, int line, int column, string message)
    {
        ScenarioException fault = Assert.Throws<ScenarioException>(() => ScenarioReader.Read("s.scn", text));

        Assert.StartsWith($"s.scn:{line}:{column}: {message}", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_three_cities_scenario_is_read_line_by_line_as_it_is_written()
    {
        string text = File.ReadAllText(ThreeCitiesFile);

        Scenario scenario = ScenarioReader.Read(ThreeCitiesFile, text);

        Assert.Equal(("three-cities", "three-cities"), (scenario.Name, scenario.Topology));
        Assert.Equal(3, scenario.Places.Length);
        string[] inSteps = [.. text.Split('\n').Where(line => line.StartsWith("  ", StringComparison.Ordinal))
            .Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0)];
        Assert.Equal(inSteps, scenario.Steps.SelectMany(step => step.Lines).Select(line => line.Text));
        string[] titles = [.. text.Split('\n').Where(line => line.StartsWith("step ", StringComparison.Ordinal))
            .Select(line => line[5..])];
        Assert.Equal(titles, scenario.Steps.Select(step => step.Title));
        // What is expected of a probe must be asked by one.
        HashSet<string> probes = [.. scenario.Probes.Select(probe => probe.Name)];
        Assert.All(scenario.Steps.SelectMany(step => step.Lines).OfType<ExpectLanding>(),
            line => Assert.All(line.Probes, probe => Assert.Contains(probe, probes)));
    }

    [Fact]
    public void Statements_are_read_with_all_their_parts()
    {
        Scenario scenario = ScenarioReader.Read("s.scn", Head + """
            place 2001:db8:f01::/48 is nyc # The city.
            probe fine echo from us,ca to first www.example.com at 2001:db8::53 every 10ms
            step Something happens # and is told
              expect outage of us,ca by fine under 1500ms
              expect lost 3 of gb
              expect lost 0
              watch 2m
              poison nyc 203.0.113.128/25 at lon-etcd
            """);

        ProbeSpec probe = Assert.Single(scenario.Probes);
        Assert.True(probe is { Kind: ProbeKind.Echo, Holds: true, Address: null, Question: "www.example.com" });
        Assert.Equal((10, 2), (probe.Every.TotalMilliseconds, probe.Clients.Length));
        Assert.Equal("Something happens", scenario.Steps[0].Title);
        ScenarioLine[] lines = [.. scenario.Steps[0].Lines];
        Assert.Equal(1.5, Assert.IsType<ExpectOutage>(lines[0]).Under.TotalSeconds);
        Assert.Equal((3, "gb"), (Assert.IsType<ExpectLost>(lines[1]).AtMost, ((ExpectLost)lines[1]).Clients[0]));
        Assert.Empty(Assert.IsType<ExpectLost>(lines[2]).Clients);
        Assert.Equal(2, Assert.IsType<Watch>(lines[3]).For.TotalMinutes);
        Assert.Equal("lon-etcd", Assert.IsType<Poison>(lines[4]).At);
    }

    [Fact]
    public void No_mutation_ends_in_another_exception() => Property.Holds(2_000, random =>
    {
        char[] text = File.ReadAllText(ThreeCitiesFile).ToCharArray();
        for (int edits = random.Next(1, 6); edits > 0; edits--)
            text[random.Next(text.Length)] = " \n\t#,/:.x0"[random.Next(10)];
        try
        {
            ScenarioReader.Read("s.scn", new string(text));
        }
        catch (ScenarioException)
        {
            // The one that is promised.
        }
    });
}
