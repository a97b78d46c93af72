using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Fairlead.Api;

namespace Fairlead.Cli;

/// <summary>Questions about checks.</summary>
internal static class HealthCommands
{
    /// <summary>`fairlead why backend`.</summary>
    public static Command WhyBackend()
    {
        var address = new Argument<string>("address") { Description = "the backend's address" };
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("backend", "Explains a backend's state: what its checks have seen, and when.")
        {
            address, control, format,
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            BackendWhy why = await client.WhyBackendAsync(parsed.GetValue(address)!, stop);
            if (parsed.GetValue(format) == "json") Output.Json(why);
            else Output.Data(Show(why.Checks, ""));
            return ExitCode.Ok;
        }));
        return command;
    }

    internal static string Show(ImmutableArray<CheckWhy> checks, string indent) =>
        string.Concat(checks.Select(check => Show(check, indent)));

    private static string Show(CheckWhy check, string indent)
    {
        string state = !check.Known ? "not known" : check.Up ? "up" : "down";
        string since = check.ChangedAt is { } at ? $" since {Time(at)}" : "";
        List<string> lines =
        [
            $"check    {check.Id}", $"asks     {check.Target}, {check.Kind.ToString().ToLowerInvariant()}",
            $"state    {state}{since}: {check.Detail}",
            $"tries    {check.Tries}, {check.Failures} failed, {check.Unknowns} said nothing; fell {check.Falls} times",
        ];
        if (check.Last is { } last) lines.AddRange(Lines("last", last));
        if (check.LastFailure is { } failure && failure != check.Last) lines.AddRange(Lines("failure", failure));
        return string.Concat(lines.Select(line => $"{indent}{line}\n")) + Show(check.Parts, indent + "  ");
    }

    private static IEnumerable<string> Lines(string name, ResultView result)
    {
        string took = result.TookMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
        string code = result.Code is { } number ? $", code {number}" : "";
        yield return $"{name,-9}{Time(result.At)}, {took} ms, {result.Outcome.ToString().ToLowerInvariant()}{code}: "
            + result.Detail;
        if (result.Heard.Length > 0) yield return $"         heard {result.Heard}";
    }

    private static string Time(DateTimeOffset at) =>
        at.ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
