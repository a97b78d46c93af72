using System.Collections.Immutable;
using System.Text;

namespace Fairlead.Api;

/// <summary>
/// What checks have seen, by service, pop and backend. Where there are more checks than a scrape should carry, the
/// backends of a pool are one: their counts are added, and of times the longest and the newest count.
/// </summary>
internal static class HealthMetrics
{
    public const int BackendsMax = 1_000;

    private sealed record Row(
        string Service, string Pop, string Backend, long Tries, long Failures, long Unknowns, double? Took,
        DateTimeOffset? ChangedAt);

    public static void Write(StringBuilder text, ImmutableArray<CheckView> checks)
    {
        Row[] rows = [.. checks.GroupBy(check => Labels(check.Id, checks.Length > BackendsMax)).Select(Sum)];
        Family("fairlead_health_tries_total", "counter", "Tries of checks.", row => row.Tries);
        Family("fairlead_health_failures_total", "counter", "Tries that failed.", row => row.Failures);
        Family("fairlead_health_unknowns_total", "counter",
            "Tries that said nothing of the backend, by a fault of this node.", row => row.Unknowns);
        Family("fairlead_health_duration_seconds", "gauge", "How long the last try took.", row => row.Took);
        Family("fairlead_health_changed_timestamp_seconds", "gauge", "When the check last turned.",
            row => row.ChangedAt?.ToUnixTimeMilliseconds() / 1000.0);

        void Family(string name, string type, string help, Func<Row, double?> value)
        {
            Metrics.Family(text, name, type, help);
            foreach (Row row in rows)
            {
                if (value(row) is { } known)
                    Metrics.Sample(text, name, known,
                        ("service", row.Service), ("pop", row.Pop), ("backend", row.Backend));
            }
        }
    }

    /// <summary>An id is "service/pop/address".</summary>
    private static (string Service, string Pop, string Backend) Labels(string id, bool isPool)
    {
        string[] parts = id.Split('/', 3);
        return (parts[0], parts.Length > 1 ? parts[1] : "", parts.Length > 2 && !isPool ? parts[2] : "");
    }

    private static Row Sum(IGrouping<(string Service, string Pop, string Backend), CheckView> checks) => new(
        checks.Key.Service, checks.Key.Pop, checks.Key.Backend, checks.Sum(check => check.Tries),
        checks.Sum(check => check.Failures), checks.Sum(check => check.Unknowns),
        checks.Max(check => check.TookSeconds), checks.Max(check => check.ChangedAt));
}
