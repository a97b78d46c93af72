using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Fairlead.Api;
using Fairlead.Fleet.Steer;
using Spectre.Console;

namespace Fairlead.Cli;

/// <summary>Questions about what DNS answers.</summary>
internal static class DnsCommands
{
    public static IEnumerable<Command> All() => [WhyCommand(), Dns(), ZoneCommands.Zone()];

    private static Command WhyCommand()
    {
        var name = new Argument<string>("name") { Description = "the name that is asked for" };
        var type = new Argument<string>("type") { Description = "A, AAAA or CNAME", DefaultValueFactory = _ => "A" };
        Option<string> from = CommandLine.Required("--from", "the resolver's address, or the subnet that it tells of");
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var dns = new Command("dns", "Explains a DNS answer: where the client is, each step of the policy, TTL, scope.")
        {
            name, type, from, control, format,
        };
        dns.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            DnsWhy why = await client.WhyDnsAsync(
                parsed.GetValue(name)!, parsed.GetValue(type)!, parsed.GetValue(from)!, stop);
            if (parsed.GetValue(format) == "json") Output.Json(why);
            else Output.Data(Show(why));
            return ExitCode.Ok;
        }));
        var why = new Command("why", "Explains what the fleet does.")
        {
            dns, HealthCommands.WhyBackend(), BalancerCommands.WhyFlow(),
        };
        foreach (Command other in BgpCommands.Why()) why.Add(other);
        return why;
    }

    private static Command Dns()
    {
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var ttl = new Command("ttl", "Says for how long resolvers may still give answers that are old.")
        {
            control, format,
        };
        ttl.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            OldAnswers old = await client.OldAnswersAsync(stop);
            if (parsed.GetValue(format) == "json") Output.Json(old);
            else Output.Data(Show(old, TimeProvider.System.GetUtcNow()));
            return ExitCode.Ok;
        }));
        return new Command("dns", "What DNS answers.") { DnsZonesCommand.Zones(), ttl, Top(), KeyCommands.Key() };
    }

    private static Command Top()
    {
        Option<string> control = NodeCommands.ControlSocket();
        var once = new Option<bool>("--once") { Description = "one second's figures, and end" };
        var command = new Command("top", "Shows each second what is asked and what is answered.") { control, once };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            IAnsiConsole console = Output.Terminal();
            DnsView? before = null;
            long at = 0;
            while (!stop.IsCancellationRequested)
            {
                DnsView now = (await client.StatusAsync(stop)).Dns ?? throw new IOException("the node serves no DNS");
                double seconds = TimeProvider.System.GetElapsedTime(at).TotalSeconds;
                if (before is not null)
                {
                    if (!Console.IsOutputRedirected && !parsed.GetValue(once)) console.Clear();
                    console.Write(TopTable(before, now, seconds));
                    if (parsed.GetValue(once)) break;
                }

                (before, at) = (now, TimeProvider.System.GetTimestamp());
                await Task.Delay(TimeSpan.FromSeconds(1), stop);
            }

            return ExitCode.Ok;
        }));
        return command;
    }

    private static Table TopTable(DnsView before, DnsView now, double seconds)
    {
        var table = new Table().Border(TableBorder.None).AddColumns("what", "", "a second", "in all");
        Add("transport", view => view.QueriesByTransport);
        Add("type", view => view.QueriesByType);
        Add("answer", view => view.AnswersByRcode);
        Add("steered", view => view.Steered);
        Add("event", view => view.Events);
        table.AddRow("latency", "median, p99", $"{now.MedianMicroseconds:0} us", $"{now.P99Microseconds:0} us");
        return table;

        void Add(string what, Func<DnsView, ImmutableSortedDictionary<string, long>> part)
        {
            foreach ((string name, long count) in part(now).Where(pair => pair.Value > 0))
            {
                double rate = (count - part(before).GetValueOrDefault(name)) / seconds;
                table.AddRow(what, Markup.Escape(name), $"{rate:0}", $"{count}");
            }
        }
    }

    private static string Show(DnsWhy why)
    {
        var lines = new List<string>
        {
            $"client   {why.Client}", $"place    {why.Place}", $"name     {why.Name}", $"region   {why.Region}",
        };
        foreach (PolicyTrace step in why.Steps)
        {
            lines.Add($"  {step.Step,-9}{(step.Left.IsEmpty ? "(none left)" : string.Join(' ', step.Left))}");
            lines.AddRange(step.Notes.Select(note => $"           {note}"));
        }

        foreach (DnsWhyAnswer answer in why.Answers)
        {
            string share = answer.Share < 1
                ? string.Create(CultureInfo.InvariantCulture, $"{answer.Share:P1} ")
                : "";
            lines.Add($"answer   {share}{(answer.Answer.Length == 0 ? "no data" : answer.Answer)}  ({answer.Label})");
        }

        lines.Add($"ttl      {why.TtlSeconds} s, {why.TtlWhy}");
        lines.Add($"scope    /{why.ScopeLength}");
        return string.Join('\n', lines) + "\n";
    }

    private static string Show(OldAnswers old, DateTimeOffset now)
    {
        if (old.Answers.IsEmpty) return "no old answer is out there any more\n";
        IEnumerable<string> lines = old.Answers.Select(answer =>
            $"{Math.Max(0, Math.Ceiling((answer.Until - now).TotalSeconds)),5} s  {answer.Name}  {answer.Answer}");
        return string.Join('\n', lines) + "\n";
    }
}
