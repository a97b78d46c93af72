using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Fairlead.Api;
using Fairlead.Tests.Decide;

namespace Fairlead.Tests.Api;

public class MetricsTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    private static readonly StatusView Status = new()
    {
        Fleet = "three-cities",
        Pop = "lon",
        Node = "lon1",
        Version = "0.1.0",
        Generation = 7,
        Store = new StoreView(true, 0.25, null),
        Plan = new Situation().Silent("nyc", 60).Plan(),
        Intents = [],
        Checks =
        [
            new CheckView("web/lon/192.0.2.5", true, true, "status 200", null)
            {
                Tries = 12,
                Failures = 3,
                Unknowns = 1,
                TookSeconds = 0.004,
                ChangedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_799_999_000_500),
            },
            new CheckView("odd \"one\"\\two\nthree", true, false, "x", null),
        ],
        Peers = [new PeerView("lon-edge/ipv4", "192.0.2.9", "Established", 12.5, "Up", 10, "")],
        Announcements = ["192.0.2.0/24"],
        GuardRefusals = 3,
        Dns = new DnsView
        {
            QueriesByTransport = Of(("udp", 1_000_000_000_000), ("tcp", 5)),
            QueriesByType = Of(("A", 7), ("TYPE65", 1)),
            AnswersByRcode = Of(("noerror", 7)),
            Steered = Of(("web/nyc preferred", 3), ("dns anycast", 1)),
            Events = Of(("faults", 0), ("tcp_closed_idle", 2)),
            MedianMicroseconds = 12.5,
            P99Microseconds = 90,
            TapDropped = 0,
        },
        Transfers = new TransfersView
        {
            Given = Of(("axfr", 2), ("ixfr", 3)),
            Refused = Of(("bad_key", 4)),
            LastRefused = null,
            Notified = Of(("taken", 5)),
            Unheard = 1,
            Secondaries =
            [
                new SecondaryView("example.net.", 7, Now.AddSeconds(-90), false, null, 3, 2),
                new SecondaryView("example.org.", null, null, true, "no answer in time", 0, 0),
            ],
        },
    };

    private static ImmutableSortedDictionary<string, long> Of(params (string Name, long Value)[] pairs) =>
        pairs.ToImmutableSortedDictionary(pair => pair.Name, pair => pair.Value);

    /// <summary>The text format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.</summary>
    [Fact]
    public void Every_line_is_of_the_format_and_each_family_is_explained_once_before_its_samples()
    {
        string text = Metrics.Write(Status, Now);
        var name = new Regex("^[a-zA-Z_:][a-zA-Z0-9_:]*$");
        const string Label = """
            [a-z_]+="(\\[\\"n]|[^"\\\n])*"
            """;
        var sample = new Regex($@"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{{{Label}(,{Label})*\}})? (\S+)$");
        var explained = new HashSet<string>();
        var samples = new HashSet<string>();
        string family = "";

        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        string[] lines = text[..^1].Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].StartsWith("# HELP ", StringComparison.Ordinal))
            {
                family = lines[i].Split(' ')[2];
                Assert.Matches(name, family);
                Assert.True(explained.Add(family), $"{family} twice");
                Assert.Matches($"^# TYPE {family} (gauge|counter)$", lines[++i]);
                Assert.Equal(lines[i].EndsWith("counter", StringComparison.Ordinal),
                    family.EndsWith("_total", StringComparison.Ordinal));
                continue;
            }

            Match match = sample.Match(lines[i]);
            Assert.True(match.Success, lines[i]);
            Assert.Equal(family, match.Groups[1].Value);
            Assert.True(samples.Add(lines[i][..lines[i].LastIndexOf(' ')]), $"{lines[i]} twice");
            string value = match.Groups[^1].Value;
            Assert.True(double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out _), value);
        }

        Assert.True(explained.Count > 10);
    }

    [Theory]
    [InlineData("fairlead_config_generation 7\n")]
    [InlineData("fairlead_store_connected 1\n")]
    [InlineData("fairlead_pop_state{pop=\"nyc\",state=\"Dead\"} 1\n")]
    [InlineData("fairlead_pop_state{pop=\"lon\",state=\"Up\"} 1\n")]
    [InlineData("fairlead_panic_active{service=\"web\"} 0\n")]
    [InlineData("fairlead_health_state{check=\"odd \\\"one\\\"\\\\two\\nthree\"} 0\n")]
    [InlineData("fairlead_health_tries_total{service=\"web\",pop=\"lon\",backend=\"192.0.2.5\"} 12\n")]
    [InlineData("fairlead_health_failures_total{service=\"web\",pop=\"lon\",backend=\"192.0.2.5\"} 3\n")]
    [InlineData("fairlead_health_unknowns_total{service=\"web\",pop=\"lon\",backend=\"192.0.2.5\"} 1\n")]
    [InlineData("fairlead_health_duration_seconds{service=\"web\",pop=\"lon\",backend=\"192.0.2.5\"} 0.004\n")]
    [InlineData("fairlead_health_changed_timestamp_seconds{service=\"web\",pop=\"lon\",backend=\"192.0.2.5\"} "
        + "1799999000.5\n")]
    [InlineData("fairlead_bgp_session_up{peer=\"lon-edge/ipv4\"} 1\n")]
    [InlineData("fairlead_bfd_session_up{peer=\"lon-edge/ipv4\"} 1\n")]
    [InlineData("fairlead_bgp_guard_rejections_total 3\n")]
    [InlineData("fairlead_dns_queries_total{transport=\"tcp\"} 5\n")]
    [InlineData("fairlead_dns_transfers_given_total{kind=\"ixfr\"} 3\n")]
    [InlineData("fairlead_dns_transfers_refused_total{reason=\"bad_key\"} 4\n")]
    [InlineData("fairlead_dns_notify_unheard 1\n")]
    [InlineData("fairlead_dns_secondary_taken_total{zone=\"example.net.\",kind=\"axfr\"} 1\n")]
    [InlineData("fairlead_dns_secondary_serial{zone=\"example.net.\"} 7\n")]
    [InlineData("fairlead_dns_secondary_age_seconds{zone=\"example.net.\"} 90\n")]
    [InlineData("fairlead_dns_secondary_failing{zone=\"example.org.\"} 1\n")]
    [InlineData("fairlead_dns_secondary_expired{zone=\"example.org.\"} 1\n")]
    public void What_an_operator_alarms_on_is_there(string line) =>
        Assert.Contains(line, Metrics.Write(Status, Now), StringComparison.Ordinal);

    [Fact]
    public void Where_there_are_too_many_checks_the_backends_of_a_pool_are_one()
    {
        StatusView many = Status with
        {
            Checks =
            [
                .. Enumerable.Range(0, HealthMetrics.BackendsMax + 1).Select(i =>
                    new CheckView($"web/lon/10.0.{i / 256}.{i % 256}", true, true, "", null)
                    {
                        Tries = 2,
                        TookSeconds = i,
                    }),
            ],
        };
        string text = Metrics.Write(many, Now);

        Assert.Contains("fairlead_health_tries_total{service=\"web\",pop=\"lon\",backend=\"\"} 2002\n", text,
            StringComparison.Ordinal);
        Assert.Contains("fairlead_health_duration_seconds{service=\"web\",pop=\"lon\",backend=\"\"} 1000\n", text,
            StringComparison.Ordinal);
    }
}
