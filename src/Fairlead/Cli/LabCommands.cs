using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using Fairlead.Fleet.Spec;
using Fairlead.Lab;
using Fairlead.Lab.Backends;
using Fairlead.Lab.Running;
using Fairlead.Lab.Scenarios;
using Spectre.Console;
using Command = System.CommandLine.Command;

namespace Fairlead.Cli;

/// <summary>
/// The lab: a small internet in network namespaces, with real routers, to see a fleet at work and at fault.
/// </summary>
internal static class LabCommands
{
    public static Command Lab() =>
        new("lab", "A small internet on this machine: pops, routers, users, and faults.")
        {
            Up(), Down(), Run(), Status(), Exec(), Backend(),
        };

    private static Command Up()
    {
        var name = new Argument<string>("name")
        {
            Description = "the topology, or its file",
            DefaultValueFactory = _ => "three-cities",
        };
        var command = new Command("up", "Brings a topology up and leaves it standing.") { name };
        command.SetAction((parsed, stop) => GuardAsync(() =>
        {
            using LabRun lab = LabRun.Up(
                Options(FileOf("topologies", parsed.GetValue(name)!, "yaml"), Output.Say), stop);
            lab.Leave();
            Output.Say("the lab stands: fairlead lab status, fairlead lab exec HOST COMMAND, fairlead lab down");
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Down()
    {
        var command = new Command("down", "Takes the lab away, whoever left it.");
        command.SetAction((_, _) => GuardAsync(() =>
        {
            (int processes, int namespaces) = LabRun.Down(Options("", Output.Say));
            Output.Say($"taken away: {processes} processes, {namespaces} namespaces");
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Run()
    {
        var name = new Argument<string>("name") { Description = "the scenario, or its file" };
        Option<string> format = CommandLine.OutputFormat();
        var logs = new Option<string?>("--logs") { Description = "keep the programs' logs in this folder" };
        var command = new Command("run", "Runs a scenario in a lab of its own: exits with 0 only if everything held.")
        {
            name, format, logs,
        };
        command.SetAction((parsed, stop) => GuardAsync(() =>
            RunScenario(parsed.GetValue(name)!, parsed.GetValue(format) == "json", parsed.GetValue(logs), stop)));
        return command;
    }

    private static int RunScenario(string name, bool json, string? logs, CancellationToken stop)
    {
        string file = FileOf("scenarios", name, "scn");
        Scenario scenario = ScenarioReader.Read(file, File.ReadAllText(file));
        // With --output json the timeline goes to standard error: standard output is the report's alone.
        IAnsiConsole console = Output.Terminal(error: json);
        var clock = Stopwatch.StartNew();
        var timeline = new Timeline(console, clock);
        using LabRun lab = LabRun.Up(Options(FileOf("topologies", scenario.Topology, "yaml"), timeline.Note), stop);
        ScenarioReport report;
        try
        {
            report = new ScenarioRun(scenario, lab, timeline, clock).Run(stop);
        }
        finally
        {
            if (logs is not null) KeepLogs(lab, logs);
        }

        lab.Down();
        timeline.Note("the lab is taken away");
        if (json) Output.Json(report);
        else Print(console, report);
        return report.Holds ? ExitCode.Ok : ExitCode.Failed;
    }

    private static void KeepLogs(LabRun lab, string folder)
    {
        foreach (string log in Directory.EnumerateFiles(lab.RunFolder, "*.log", SearchOption.AllDirectories))
        {
            string kept = Path.Combine(folder, Path.GetRelativePath(lab.RunFolder, log));
            Directory.CreateDirectory(Path.GetDirectoryName(kept)!);
            File.Copy(log, kept, overwrite: true);
        }
    }

    private static void Print(IAnsiConsole console, ScenarioReport report)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title($"{report.Scenario}, {report.Seconds:0} s")
            .AddColumns("step", "expectation", "bar", "measured", "verdict");
        string before = "";
        foreach (Verdict verdict in report.Verdicts)
        {
            table.AddRow(
                Markup.Escape(verdict.Step == before ? "" : verdict.Step), Markup.Escape(verdict.Expectation),
                Markup.Escape(verdict.Bar),
                Markup.Escape(verdict.Measured), verdict.Holds ? "[green]holds[/]" : "[red]FAILS[/]");
            before = verdict.Step;
        }

        console.Write(table);
        int failed = report.Verdicts.Count(verdict => !verdict.Holds);
        console.MarkupLine(failed == 0
            ? $"[green]all {report.Verdicts.Length} expectations hold[/]"
            : $"[red]{failed} of {report.Verdicts.Length} expectations fail[/]");
    }

    private static Command Status()
    {
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("status", "Shows the lab's hosts, programs and BGP sessions.") { format };
        command.SetAction((parsed, _) => GuardAsync(() =>
        {
            LabStatus status = LabRun.Attach(Options("", Output.Say)).Status();
            if (parsed.GetValue(format) == "json")
            {
                Output.Json(status);
                return ExitCode.Ok;
            }

            var table = new Table().Title(status.Name).AddColumns("host", "addresses", "programs", "BGP sessions up");
            foreach (HostStatus host in status.Hosts)
            {
                table.AddRow(
                    host.Name, string.Join('\n', host.Addresses),
                    string.Join('\n',
                        host.Processes.Select(p => $"{p.Program} {(p.IsAlive ? $"pid {p.Pid}" : "not running")}")),
                    host.Sessions.IsEmpty
                        ? ""
                        : $"{host.Sessions.Count(session => session.IsUp)} of {host.Sessions.Length}");
            }

            Output.Terminal().Write(table);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Exec()
    {
        var host = new Argument<string>("host") { Description = "the host" };
        var words = new Argument<string[]>("command")
        {
            Description = "what to run there",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("exec", "Runs a command on a host of the lab (write -- before its options).")
        {
            host, words,
        };
        command.SetAction((parsed, _) => GuardAsync(() =>
        {
            string[] all = parsed.GetValue(words)!;
            return LabRun.Attach(Options("", Output.Say)).ExecAttached(parsed.GetValue(host)!, all[0], all[1..]);
        }));
        return command;
    }

    private static Command Backend()
    {
        Option<string> name = CommandLine.Required("--name", "what it calls itself");
        Option<string> fleet = CommandLine.Required("--fleet", "the fleet file: its VIPs go onto loopback");
        Option<string> sick = CommandLine.Required("--sick-file", "while this file exists, /health is 503");
        var command = new Command("backend", "What stands for a user's application in the lab.") { name, fleet, sick };
        command.Hidden = true;
        command.SetAction((parsed, stop) => GuardAsync(() =>
        {
            if (FileCommands.Load(parsed.GetValue(fleet)!) is not { } loaded) return ExitCode.InvalidFile;
            BackendServer.Run(
                new BackendOptions
                {
                    Name = parsed.GetValue(name)!,
                    SickFile = parsed.GetValue(sick),
                    Vips = [.. VipsOfThisHost(loaded.Spec)],
                }, stop);
            return ExitCode.Ok;
        }));
        return command;
    }

    /// <summary>The VIPs of every service that has one of this host's addresses among its backends.</summary>
    private static IEnumerable<IPAddress> VipsOfThisHost(FleetSpec fleet)
    {
        HashSet<IPAddress> own =
        [
            .. NetworkInterface.GetAllNetworkInterfaces()
                .SelectMany(device => device.GetIPProperties().UnicastAddresses).Select(a => a.Address),
        ];
        return fleet.Services.Where(service => service.Backends.Values.Any(pool => pool.Any(own.Contains)))
            .SelectMany(service => fleet.AllVips(service)).Select(vip => vip.Address);
    }

    private static LabOptions Options(string topologyFile, Action<string> progress) =>
        new() { TopologyFile = topologyFile, Progress = progress };

    /// <summary>
    /// A name stands for lab/FOLDER/NAME.EXTENSION beside the binary's checkout, or under /usr/share/fairlead.
    /// </summary>
    private static string FileOf(string folder, string name, string extension)
    {
        if (name.Contains('/') || name.Contains('.')) return name;
        for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
        {
            string candidate = Path.Combine(at, "lab", folder, $"{name}.{extension}");
            if (File.Exists(candidate)) return candidate;
        }

        string installed = $"/usr/share/fairlead/lab/{folder}/{name}.{extension}";
        return File.Exists(installed)
            ? installed
            : throw new LabException(LabFault.Unknown, $"there is no lab/{folder}/{name}.{extension}");
    }

    /// <summary>
    /// The lab blocks on processes and threads of its own, so it runs beside the command line's loop.
    /// </summary>
    private static async Task<int> GuardAsync(Func<int> work)
    {
        try
        {
            return await Task.Run(work);
        }
        catch (LabException fault)
        {
            int code = fault.Kind switch
            {
                LabFault.NotRoot => ExitCode.NoPermission,
                LabFault.Topology => ExitCode.InvalidFile,
                LabFault.Unknown => ExitCode.Usage,
                _ => ExitCode.Unavailable,
            };
            return Output.Fault(code, fault.Message);
        }
        catch (ScenarioException fault)
        {
            return Output.Fault(ExitCode.InvalidFile, fault.Message);
        }
        catch (OperationCanceledException)
        {
            return Output.Fault(ExitCode.Failed, "stopped; nothing is left behind");
        }
    }
}
