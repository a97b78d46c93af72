using System.CommandLine;
using System.Globalization;
using Fairlead.Api;
using Fairlead.Fleet.Steer;
using Fairlead.Node;

namespace Fairlead.Cli;

/// <summary>Questions about what DNS answers.</summary>
internal static class DnsCommands
{
    public static IEnumerable<Command> All() => [WhyCommand(), Dns()];

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
        return new Command("why", "Explains what the fleet does.") { dns };
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
        return new Command("dns", "What DNS answers.") { ttl };
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
