using Fairlead.Lab.Probing;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Lab.Scenarios;

/// <summary>What the probes' records say, since a step began. Times are seconds since the probing began.</summary>
internal sealed class Evidence(IReadOnlyList<ProbeLog> logs, Scenario scenario)
{
    private const int SteadyAnswers = 5;

    /// <summary>
    /// Seconds from the mark until every one of these clients lands in one of the pops with every one of these probes,
    /// and has stayed there; null: not (yet) so.
    /// </summary>
    public double? LandedAfter(ExpectLanding expected, double mark)
    {
        double latest = 0;
        ProbeLog[] asked = [.. Logs(expected.Clients, expected.Probes)];
        // Where nobody asks, nobody has landed: a misspelt client must not make an expectation hold.
        if (asked.Length == 0) return null;
        foreach (ProbeLog log in asked)
        {
            if (log.Newest is not { } newest || !IsGood(newest)) return null;
            double after = log.Since(mark, records =>
            {
                int good = records.Length;
                while (good > 0 && IsGood(records[good - 1])) good--;
                if (records.Length - good < SteadyAnswers) return double.NaN;
                // Nothing before it was wrong: it never left.
                return good > 0 ? records[good].Done - mark : 0;
            });
            if (double.IsNaN(after)) return null;
            latest = Math.Max(latest, after);
        }

        return latest;

        bool IsGood(ProbeRecord record) => record.Answered && expected.Pops.Contains(record.Pop);
    }

    /// <summary>The probes that are not where they should be, for the report.</summary>
    public string NotLanded(ExpectLanding expected) => string.Join(", ",
        Logs(expected.Clients, expected.Probes)
            .Select(log => (log, last: log.Newest ?? default))
            .Where(seen => !seen.last.Answered || !expected.Pops.Contains(seen.last.Pop))
            .Select(seen => (seen.log, where: seen.last.Answered ? seen.last.Pop : "no answer"))
            .Select(seen => $"{seen.log.Client} {seen.log.Probe}: {seen.where}"));

    /// <summary>The longest silence, in seconds, that one of these clients has seen since the mark.</summary>
    public double LongestSilence(ExpectOutage expected, double mark, double now)
    {
        double longest = 0;
        ProbeLog[] asked = [.. Logs(expected.Clients, [expected.Probe])];
        if (asked.Length == 0) return now - mark;
        foreach (ProbeLog log in asked)
        {
            longest = Math.Max(longest, log.Since(mark, records =>
            {
                (double before, double gap) = (mark, 0);
                foreach (ProbeRecord record in records)
                {
                    if (record.Answered) (gap, before) = (Math.Max(gap, record.Done - before), record.Done);
                }

                return Math.Max(gap, now - before);
            }));
        }

        return longest;
    }

    /// <summary>Requests over TCP since the mark: how many there were, failed, and were asked twice.</summary>
    public (int All, int Failed, int Retried) Requests(IReadOnlyCollection<string> clients, double mark)
    {
        (int all, int failed, int retried) = (0, 0, 0);
        foreach (ProbeLog log in logs.Where(log => KindOf(log) == ProbeKind.Web))
        {
            if (clients.Count > 0 && !clients.Contains(log.Client)) continue;
            all += log.Since(mark, records => records.Length);
            failed += log.Since(mark, records => Count(records, record => !record.Answered));
            retried += log.Since(mark, records => Count(records, record => record.Retried));
        }

        return (all, failed, retried);
    }

    /// <summary>The requests over TCP that failed since the mark, a line each: who, when, and why.</summary>
    public IEnumerable<string> Lost(IReadOnlyCollection<string> clients, double mark)
    {
        foreach (ProbeLog log in logs.Where(log => KindOf(log) == ProbeKind.Web))
        {
            if (clients.Count > 0 && !clients.Contains(log.Client)) continue;
            foreach (ProbeRecord record in log.Since(mark, records => records.ToArray()).Where(r => !r.Answered))
            {
                yield return $"{log.Client} by {log.Probe} at {record.At:0.00} s, "
                    + $"after {record.Done - record.At:0.00} s, {record.Pop}";
            }
        }
    }

    /// <summary>Answers of backends since the mark, and how many saw an address that was not the client's.</summary>
    public (int All, int Foreign) OwnAddresses(double mark)
    {
        (int all, int foreign) = (0, 0);
        foreach (ProbeLog log in logs.Where(log => KindOf(log) != ProbeKind.Name))
        {
            all += log.Since(mark, records => Count(records, record => record.Answered));
            foreign += log.Since(mark, records => Count(records, record => record.Answered && !record.OwnAddress));
        }

        return (all, foreign);
    }

    private static int Count(ReadOnlySpan<ProbeRecord> records, Func<ProbeRecord, bool> counts)
    {
        int count = 0;
        foreach (ProbeRecord record in records) count += counts(record) ? 1 : 0;
        return count;
    }

    private IEnumerable<ProbeLog> Logs(IReadOnlyCollection<string> clients, IReadOnlyCollection<string> probes) =>
        logs.Where(log => clients.Contains(log.Client) && probes.Contains(log.Probe));

    private ProbeKind KindOf(ProbeLog log) => scenario.Probes.First(probe => probe.Name == log.Probe).Kind;
}
