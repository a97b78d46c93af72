using System.Diagnostics;
using System.Globalization;
using Fairlead.Lab.Probing;
using Spectre.Console;

namespace Fairlead.Lab.Scenarios;

/// <summary>What happens, a line each as it happens: colours on a terminal, plain lines otherwise.</summary>
public sealed class Timeline(IAnsiConsole console, Stopwatch clock)
{
    private readonly Dictionary<ProbeLog, string> landed = [];
    private readonly Lock gate = new();

    public void Step(string title)
    {
        lock (gate) console.MarkupLine($"[bold]{At()}  == {Markup.Escape(title)}[/]");
    }

    public void Act(string text) => Line("yellow", "-> " + text);

    public void Note(string text) => Line("grey", "   " + text);

    public void Judge(Verdict verdict) => Line(
        verdict.Holds ? "green" : "red",
        $"{(verdict.Holds ? "ok" : "NOT SO")}  {verdict.Expectation}: {verdict.Measured} (bar: {verdict.Bar})");

    /// <summary>Tells which probes land elsewhere than at the last look; those that moved alike share a line.</summary>
    public void Follow(IEnumerable<ProbeLog> logs)
    {
        var moves = new List<(string Probe, string Client, string From, string To)>();
        foreach (ProbeLog log in logs)
        {
            if (log.Newest is not { Answered: true } newest) continue;
            string before = landed.GetValueOrDefault(log, "nowhere");
            if (before == newest.Pop) continue;
            landed[log] = newest.Pop;
            moves.Add((log.Probe, log.Client, before, newest.Pop));
        }

        foreach (var group in moves.GroupBy(move => (move.From, move.To)))
        {
            string who = string.Join(",", group.Select(move => move.Client).Distinct());
            string what = string.Join(",", group.Select(move => move.Probe).Distinct());
            Line("blue", $"{who} by {what}: {group.Key.From} -> {group.Key.To}");
        }
    }

    private void Line(string colour, string text)
    {
        lock (gate) console.MarkupLine($"[{colour}]{At()}  {Markup.Escape(text)}[/]");
    }

    private string At() => clock.Elapsed.TotalSeconds.ToString("0.00", CultureInfo.InvariantCulture).PadLeft(7) + " s";
}
