using Fairlead.Lab.Probing;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Lab.Scenarios;

/// <summary>What the probes' records say, since a step began. Times are seconds since the probing began.</summary>
internal sealed class Evidence(IReadOnlyList<ProbeLog> logs, Scenario scenario)
{
    private const int SteadyAnswers = 5;

    /// <summary>
    /// Seconds from the mark until every one of these clients lands in one of the pops with every one of these probes, and has
    /// stayed there; null: not (yet) so.
    /// </summary>
    public double? LandedAfter(ExpectLanding expected, double mark)
    {
        double latest = 0;
        foreach (ProbeLog log in Logs(expected.Clients, expected.Probes))
        {
            List<ProbeRecord> records = log.Since(mark);
            int good = records.Count;
            while (good > 0 && records[good - 1].Answered && expected.Pops.Contains(records[good - 1].Pop)) good--;
            if (records.Count - good < SteadyAnswers) return null;
            // Nothing before it was wrong: it never left.
            if (good > 0) latest = Math.Max(latest, records[good].Done - mark);
        }

        return latest;
    }

    /// <summary>The probes that are not where they should be, for the report.</summary>
    public string NotLanded(ExpectLanding expected, double mark) => string.Join(", ",
        Logs(expected.Clients, expected.Probes)
            .Select(log => (log, last: log.Since(mark) is [.., var newest] ? newest : default))
            .Where(seen => !seen.last.Answered || !expected.Pops.Contains(seen.last.Pop))
            .Select(seen => $"{seen.log.Client} {seen.log.Probe}: {(seen.last.Answered ? seen.last.Pop : "no answer")}"));

    /// <summary>The longest silence, in seconds, that one of these clients has seen with the probe since the mark.</summary>
    public double LongestSilence(ExpectOutage expected, double mark, double now)
    {
        double longest = 0;
        foreach (ProbeLog log in Logs(expected.Clients, [expected.Probe]))
        {
            double before = mark;
            foreach (ProbeRecord record in log.Since(mark))
            {
                longest = Math.Max(longest, record.Done - before);
                before = record.Done;
            }

            longest = Math.Max(longest, now - before);
        }

        return longest;
    }

    /// <summary>Requests over TCP since the mark: how many there were, failed, and were asked twice.</summary>
    public (int All, int Failed, int Retried) Requests(IReadOnlyCollection<string> clients, double mark)
    {
        (int all, int failed, int retried) = (0, 0, 0);
        foreach (ProbeLog log in logs.Where(log => KindOf(log) == ProbeKind.Web && (clients.Count == 0 || clients.Contains(log.Client))))
        {
            foreach (ProbeRecord record in log.Since(mark))
            {
                all++;
                if (!record.Answered) failed++;
                if (record.Retried) retried++;
            }
        }

        return (all, failed, retried);
    }

    /// <summary>Answers of backends since the mark, and how many of them saw an address that was not the client's.</summary>
    public (int All, int Foreign) OwnAddresses(double mark)
    {
        ProbeRecord[] answers = [.. logs.Where(log => KindOf(log) != ProbeKind.Name).SelectMany(log => log.Since(mark)).Where(r => r.Answered)];
        return (answers.Length, answers.Count(record => !record.OwnAddress));
    }

    private IEnumerable<ProbeLog> Logs(IReadOnlyCollection<string> clients, IReadOnlyCollection<string> probes) =>
        logs.Where(log => clients.Contains(log.Client) && probes.Contains(log.Probe));

    private ProbeKind KindOf(ProbeLog log) => scenario.Probes.First(probe => probe.Name == log.Probe).Kind;
}
