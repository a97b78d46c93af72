using System.CommandLine;
using System.CommandLine.Parsing;

namespace Fairlead.Cli;

/// <summary>The command line as a whole. Each command is declared in the file of its kind.</summary>
internal static class CommandLine
{
    public static RootCommand Root()
    {
        var root = new RootCommand("Steers users to the nearest healthy point of presence, and keeps them there.");
        Command[] all =
        [
            .. NodeCommands.All(), .. FileCommands.All(), .. IntentCommands.All(), .. DnsCommands.All(),
            .. BgpCommands.All(), RouterAuditCommand.RouterAudit(), .. BalancerCommands.All(),
            ImportCommands.Import(), LabCommands.Lab(),
        ];
        foreach (Command command in all) root.Subcommands.Add(command);
        return root;
    }

    public static async Task<int> RunAsync(string[] arguments)
    {
        ParseResult parsed = Root().Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors) Output.Say($"fairlead: {error.Message}");
            string command = parsed.CommandResult.Command is RootCommand ? "" : $" {parsed.CommandResult.Command.Name}";
            Output.Say($"see: fairlead{command} --help");
            return ExitCode.Usage;
        }

        try
        {
            // A handler that throws is a bug, and is shown as one: with its trace, for the report.
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                // A node withdraws and a lab is taken away before they end: that may take longer than the usual 2 s.
                ProcessTerminationTimeout = TimeSpan.FromSeconds(30),
            });
        }
        catch (UnauthorizedAccessException fault)
        {
            return Output.Fault(ExitCode.NoPermission, $"{fault.Message} (run it as root)");
        }
        catch (IOException fault)
        {
            return Output.Fault(ExitCode.Unavailable, fault.Message);
        }
    }

    public static Option<string> Required(string name, string help) => new(name)
    {
        Description = help,
        Required = true,
    };

    public static Option<string> WithDefault(string name, string value, string help) =>
        new(name) { Description = help, DefaultValueFactory = _ => value };

    public static Option<string> OutputFormat()
    {
        Option<string> option = WithDefault("--output", "text", "text or json");
        option.AcceptOnlyFromAmong("text", "json");
        return option;
    }
}
