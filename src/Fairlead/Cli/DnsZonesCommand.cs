using System.CommandLine;
using System.Globalization;
using Fairlead.Api;

namespace Fairlead.Cli;

/// <summary>The zones that a running node answers.</summary>
internal static class DnsZonesCommand
{
    public static Command Zones()
    {
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("zones", "Lists the zones of a node: kind, serial, records, last check, problem.")
        {
            control, format,
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            ZoneList list = await client.ZonesAsync(stop);
            if (parsed.GetValue(format) == "json") Output.Json(list);
            else Output.Data(Show(list, TimeProvider.System.GetUtcNow()));
            return ExitCode.Ok;
        }));
        return command;
    }

    internal static string Show(ZoneList list, DateTimeOffset now)
    {
        string[][] rows =
        [
            ["zone", "kind", "serial", "records", "checked", "problem"],
            .. list.Zones.Select(zone => (string[])
            [
                zone.Zone,
                zone.Kind + (zone.Steered ? " steered" : "") + (zone.Signed ? " signed" : ""),
                zone.Serial?.ToString(CultureInfo.InvariantCulture) ?? "none",
                zone.Records.ToString(CultureInfo.InvariantCulture),
                zone.CheckedAt is { } at ? Ago(now - at) : zone.Kind == "secondary" ? "never" : "-",
                zone.Problem ?? "-",
            ]),
        ];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length - 1).Select(i => rows.Max(row => row[i].Length))];
        return string.Concat(rows.Select(row =>
            string.Join("  ", row.Select((cell, i) => i < widths.Length ? cell.PadRight(widths[i]) : cell)) + "\n"));
    }

    private static string Ago(TimeSpan age) => age switch
    {
        { TotalMinutes: < 2 } => $"{(int)Math.Max(0, age.TotalSeconds)} s ago",
        { TotalHours: < 2 } => $"{(int)age.TotalMinutes} min ago",
        { TotalDays: < 2 } => $"{(int)age.TotalHours} h ago",
        _ => $"{(int)age.TotalDays} days ago",
    };
}
