using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Fairlead.Lab.Probing;
using Fairlead.Lab.Running;
using Fairlead.Lab.Topologies;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Lab.Scenarios;

/// <summary>Runs a scenario in a lab that stands: probes all the time, acts in order, judges what was seen.</summary>
public sealed class ScenarioRun
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly Scenario scenario;
    private readonly LabRun lab;
    private readonly Stopwatch clock;
    private readonly Timeline timeline;
    private readonly Acts acts;
    private readonly List<Prober> probers = [];
    private readonly ManualResetEvent stopped = new(false);
    private readonly ManualResetEvent holding = new(false);
    private readonly Evidence evidence;
    private readonly List<Verdict> verdicts = [];
    private string step = "";
    private double mark;

    public ScenarioRun(Scenario scenario, LabRun lab, Timeline timeline, Stopwatch clock)
    {
        (this.scenario, this.lab, this.timeline, this.clock) = (scenario, lab, timeline, clock);
        acts = new Acts(lab, timeline);
        foreach (ProbeSpec probe in scenario.Probes)
        {
            foreach (string client in probe.Clients)
            {
                HostSpec host = lab.Topology.Host(client)
                    ?? throw new LabException(LabFault.Unknown, $"probe {probe.Name}: there is no host \"{client}\"");
                var log = new ProbeLog(client, probe.Name);
                probers.Add(new Prober(
                    probe, log, $"{lab.State.Prefix}-{client}", host.Addresses, PopOf, clock, stopped, holding));
            }
        }

        evidence = new Evidence([.. probers.Select(prober => prober.Log)], scenario);
    }

    private double Now => clock.Elapsed.TotalSeconds;

    /// <summary>Runs it to its end, failed expectations or not. Ctrl-C: OperationCanceledException.</summary>
    public ScenarioReport Run(CancellationToken cancellation)
    {
        double began = Now;
        probers.ForEach(prober => prober.Start());
        try
        {
            foreach (ScenarioStep next in scenario.Steps)
            {
                (step, mark) = (next.Title, Now);
                timeline.Step(next.Title);
                foreach (ScenarioLine line in next.Lines) RunLine(line, cancellation);
            }
        }
        finally
        {
            stopped.Set();
            probers.ForEach(prober => prober.Join());
        }

        return new ScenarioReport(scenario.Name, Now - began, [.. verdicts]);
    }

    private void RunLine(ScenarioLine line, CancellationToken cancellation)
    {
        switch (line)
        {
            case Hold:
                timeline.Act(line.Text);
                holding.Set();
                break;
            case Watch watch:
                Until(() => false, watch.For, cancellation);
                break;
            case ExpectLanding expected:
                JudgeLanding(expected, cancellation);
                break;
            case ExpectOutage expected:
                double silence = evidence.LongestSilence(expected, mark, Now);
                double under = expected.Under.TotalSeconds;
                Judge(expected, $"< {Ms(under)}", Ms(silence), silence < under);
                break;
            case ExpectLost expected:
                JudgeLost(expected);
                break;
            case ExpectBroken expected:
                JudgeBroken(expected);
                break;
            case ExpectStalled expected:
                // Where nobody asks, nobody has been answered.
                double longest = Stays(expected.Probe).Select(one => one.LongestWait(mark, Now))
                    .DefaultIfEmpty(Now - mark).Max();
                Judge(expected, $"< {Ms(expected.Under.TotalSeconds)}", Ms(longest),
                    longest < expected.Under.TotalSeconds);
                break;
            case ExpectRequests expected:
                int all = evidence.Requests([], mark).All;
                Judge(expected, $">= {expected.AtLeast}", $"{all}", all >= expected.AtLeast);
                break;
            case ExpectOwnAddress expected:
                (int answers, int foreign) = evidence.OwnAddresses(mark);
                Judge(expected, "all", $"{answers - foreign} of {answers}", foreign == 0 && answers > 0);
                break;
            case ExpectGuard expected:
                JudgeCount(expected, expected.Within, () => acts.GuardRefusals(expected.Host), "refused", cancellation);
                break;
            case ExpectFiltered expected:
                long Filtered() => acts.FilteredFrom(expected.Router, expected.Host);
                JudgeCount(expected, expected.Within, Filtered, "dropped", cancellation);
                break;
            case ExpectNoRoute expected:
                ImmutableArray<string> found = acts.RoutesTo(expected.Prefixes, out int routers);
                string where = found.IsEmpty ? $"none in {routers} routers" : string.Join("; ", found);
                Judge(expected, "none", where, found.IsEmpty);
                break;
            default:
                RunAct(line, cancellation);
                break;
        }
    }

    private StayLog[] Stays(string probe) =>
        [.. probers.Where(prober => prober.Log.Probe == probe).Select(prober => prober.Stays).OfType<StayLog>()];

    private void JudgeBroken(ExpectBroken expected)
    {
        StayLog[] all = Stays(expected.Probe);
        string[] broken = [.. all.SelectMany(one => one.BrokenSince(mark))];
        foreach (IGrouping<string, string> why in broken.GroupBy(why => why))
            timeline.Note($"broken: {why.Count()} x {why.Key}");
        int kept = all.Sum(one => one.Wanted);
        Judge(expected, $"<= {expected.AtMost}", $"{broken.Length} of {kept}",
            broken.Length <= expected.AtMost && kept > 0);
    }

    /// <summary>An act runs beside the looking, so that the timeline shows what it does while it does it.</summary>
    private void RunAct(ScenarioLine act, CancellationToken cancellation)
    {
        timeline.Act(act.Text);
        // What an act does to users is measured from its first moment.
        mark = Now;
        Task running = Task.Run(() => acts.Run(act, cancellation), CancellationToken.None);
        while (!running.IsCompleted) Until(() => running.IsCompleted, TimeSpan.FromSeconds(1), cancellation);
        running.GetAwaiter().GetResult();
    }

    private void JudgeLanding(ExpectLanding expected, CancellationToken cancellation)
    {
        double left = expected.Within.TotalSeconds - (Now - mark);
        // Beyond the bar it is still followed for a while: how late it came says more than that it was late.
        var patience = TimeSpan.FromSeconds(Math.Max(left, 1) + 10);
        Until(() => evidence.LandedAfter(expected, mark) is not null, patience, cancellation);
        double? after = evidence.LandedAfter(expected, mark);
        string measured = after is null ? evidence.NotLanded(expected) : after == 0 ? "all the time" : Ms(after.Value);
        Judge(expected, $"<= {Ms(expected.Within.TotalSeconds)}", measured, after <= expected.Within.TotalSeconds);
    }

    private void JudgeLost(ExpectLost expected)
    {
        double from = mark + expected.After.TotalSeconds;
        (int all, int failed, int retried) = evidence.Requests(expected.Clients, from);
        foreach (string lost in evidence.Lost(expected.Clients, from).Take(10)) timeline.Note($"lost: {lost}");
        string measured = $"{failed} of {all}" + (retried > 0 ? $", {retried} asked twice" : "");
        Judge(expected, $"<= {expected.AtMost}", measured, failed <= expected.AtMost && all > 0);
    }

    private void JudgeCount(
        ScenarioLine expected, TimeSpan within, Func<long> count, string word, CancellationToken cancellation)
    {
        long seen = 0;
        Until(() => (seen = count()) > 0, within, cancellation);
        Judge(expected, "> 0", $"{seen} {word}", seen > 0);
    }

    private void Judge(ScenarioLine expected, string bar, string measured, bool holds)
    {
        const string Prefix = "expect ";
        string text = expected.Text.StartsWith(Prefix, StringComparison.Ordinal)
            ? expected.Text[Prefix.Length..]
            : expected.Text;
        var verdict = new Verdict(step, text, bar, measured, holds);
        verdicts.Add(verdict);
        timeline.Judge(verdict);
    }

    private void Until(Func<bool> done, TimeSpan within, CancellationToken cancellation)
    {
        double end = Now + within.TotalSeconds;
        while (!done() && Now < end)
        {
            cancellation.WaitHandle.WaitOne(Look);
            cancellation.ThrowIfCancellationRequested();
            timeline.Follow(probers.Select(prober => prober.Log));
        }
    }

    private string PopOf(IPAddress address) =>
        scenario.Places.FirstOrDefault(place => place.Prefix.Contains(address)).Pop ?? "elsewhere";

    private static string Ms(double seconds) => seconds < 10
        ? (seconds * 1000).ToString("0", CultureInfo.InvariantCulture) + " ms"
        : seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s";
}
