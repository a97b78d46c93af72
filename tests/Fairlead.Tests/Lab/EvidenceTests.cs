using Fairlead.Lab.Probing;
using Fairlead.Lab.Scenarios;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Tests.Lab;

/// <summary>What the probes' records prove, on records made by hand: one each 0.1 s unless said otherwise.</summary>
public class EvidenceTests
{
    private static readonly Scenario Scenario = ScenarioReader.Read("s.scn", """
        scenario s
        topology t
        probe web web from us,gb to 192.0.2.1 every 100ms
        probe fine echo from us,gb to 192.0.2.1 every 100ms
        probe dns name from us to www.example.com at 192.0.2.1 every 100ms
        step x
        """);

    [Fact]
    public void Landing_counts_from_the_mark_to_the_first_answer_of_the_last_unbroken_run()
    {
        ProbeLog log = Log("us", "web", [.. Pop("nyc", 10), .. Pop("", 3), .. Pop("lon", 20)]);

        Assert.Equal(0.31, Evidence(log).LandedAfter(Landing("us", "lon", "web"), 1.0)!.Value, 6);
        Assert.Null(Evidence(log).LandedAfter(Landing("us", "nyc", "web"), 1.0));
        // From a mark after the change nothing was ever wrong.
        Assert.Equal(0, Evidence(log).LandedAfter(Landing("us", "lon", "web"), 2.0));
    }

    [Fact]
    public void Landing_needs_several_answers_in_a_row_and_forgives_no_gap()
    {
        Assert.Null(Evidence(Log("us", "web", [.. Pop("nyc", 10), .. Pop("lon", 4)]))
            .LandedAfter(Landing("us", "lon", "web"), 1.0));
        Assert.NotNull(Evidence(Log("us", "web", [.. Pop("nyc", 10), .. Pop("lon", 5)]))
            .LandedAfter(Landing("us", "lon", "web"), 1.0));
        Assert.Null(Evidence(Log("us", "web", [.. Pop("lon", 9), .. Pop("", 1)]))
            .LandedAfter(Landing("us", "lon", "web"), 0));
        Assert.Equal(1.01, Evidence(Log("us", "web", [.. Pop("lon", 9), .. Pop("", 1), .. Pop("lon", 5)]))
            .LandedAfter(Landing("us", "lon", "web"), 0)!.Value, 6);
        Assert.Null(Evidence(Log("us", "web", [])).LandedAfter(Landing("us", "lon", "web"), 0));
    }

    [Fact]
    public void All_clients_and_probes_must_land_and_the_last_one_counts()
    {
        ProbeLog early = Log("us", "web", [.. Pop("nyc", 2), .. Pop("lon", 20)]);
        ProbeLog late = Log("gb", "web", [.. Pop("nyc", 7), .. Pop("tyo", 15)]);

        Assert.Equal(0.71, Evidence(early, late).LandedAfter(Landing("us,gb", "lon,tyo", "web"), 0)!.Value, 6);
        Assert.Null(Evidence(early, late).LandedAfter(Landing("us,gb", "lon", "web"), 0));
        Assert.Equal("gb web: tyo", Evidence(early, late).NotLanded(Landing("us,gb", "lon", "web")));
    }

    [Fact]
    public void Nobody_who_was_asked_is_no_proof_of_landing() =>
        Assert.Null(Evidence(Log("us", "web", Pop("lon", 20))).LandedAfter(Landing("de", "lon", "web"), 0));

    [Fact]
    public void The_longest_silence_reaches_from_answer_to_answer_and_to_now()
    {
        ProbeLog log = Log("us", "fine", [.. Pop("nyc", 10), .. Pop("lon", 10, from: 1.8)]);
        var outage = new ExpectOutage("", ["us"], "fine", TimeSpan.FromSeconds(1));

        Assert.Equal(0.9, Evidence(log).LongestSilence(outage, 0, 2.72), 6); // From 0.91 to 1.81.
        Assert.Equal(5 - 2.71, Evidence(log).LongestSilence(outage, 0, 5), 6);
        Assert.Equal(7, Evidence(log).LongestSilence(outage, 3, 10), 6); // Not one answer since the mark.
    }

    [Fact]
    public void A_probe_that_failed_is_silence_not_an_answer()
    {
        ProbeLog log = Log("us", "fine", [.. Pop("nyc", 10), .. Pop("", 10), .. Pop("lon", 10)]);

        Assert.Equal(1.1, Evidence(log).LongestSilence(
            new ExpectOutage("", ["us"], "fine", TimeSpan.FromSeconds(1)), 0, 2.92), 6);
    }

    [Fact]
    public void Requests_are_those_over_tcp_of_the_clients_asked_for()
    {
        ProbeLog us = Log("us", "web", [.. Pop("nyc", 8), .. Pop("", 2)]);
        us.Add(new ProbeRecord(1.0, 1.01, true, true, "lon", true));
        Evidence evidence = Evidence(us, Log("gb", "web", Pop("lon", 5)), Log("us", "fine", Pop("", 50)));

        Assert.Equal((16, 2, 1), evidence.Requests([], 0));
        Assert.Equal((11, 2, 1), evidence.Requests(["us"], 0));
        Assert.Equal((1, 0, 1), evidence.Requests(["us"], 0.95));
    }

    [Fact]
    public void An_answer_that_saw_another_address_is_foreign_and_dns_is_not_asked()
    {
        ProbeLog us = Log("us", "web", Pop("nyc", 3));
        us.Add(new ProbeRecord(0.3, 0.31, true, false, "nyc", false));
        us.Add(new ProbeRecord(0.4, 0.41, false, false, "", false));
        ProbeLog dns = Log("us", "dns", Pop("nyc", 9));

        Assert.Equal((4, 1), Evidence(us, dns).OwnAddresses(0));
    }

    private static Evidence Evidence(params ProbeLog[] logs) => new(logs, Scenario);

    private static ExpectLanding Landing(string clients, string pops, string probes) =>
        new("", [.. clients.Split(',')], [.. pops.Split(',')], [.. probes.Split(',')], TimeSpan.FromSeconds(5));

    private static (string Pop, double? From)[] Pop(string pop, int count, double? from = null) =>
        [.. Enumerable.Range(0, count).Select(i => (pop, i == 0 ? from : null))];

    private static ProbeLog Log(string client, string probe, (string Pop, double? From)[] answers)
    {
        var log = new ProbeLog(client, probe);
        double at = 0;
        foreach ((string pop, double? from) in answers)
        {
            at = from ?? at;
            log.Add(new ProbeRecord(at, at + 0.01, pop.Length > 0, false, pop, true));
            at = Math.Round(at + 0.1, 3); // Else ten steps of 0.1 end before 1.
        }

        return log;
    }
}
