using System.CommandLine;
using Fairlead.Fleet.Routers;
using Fairlead.Fleet.Spec;
using Fairlead.Node;

namespace Fairlead.Cli;

/// <summary>Commands about files alone: they need no running node.</summary>
internal static class FileCommands
{
    public static IEnumerable<Command> All() => [Check(), Schema(), RouterConfigs()];

    /// <summary>The fleet, or null after its faults were printed, a line each.</summary>
    public static LoadedFleet? Load(string path, bool sign = false)
    {
        LoadedFleet? loaded = LoadedFleet.Read(
            path, out IReadOnlyList<SpecProblem> problems, null, sign ? TimeProvider.System.GetUtcNow() : null);
        foreach (SpecProblem problem in problems) Output.Say(problem.ToString());
        return loaded;
    }

    private static Command Check()
    {
        var file = new Argument<string>("file") { Description = "the fleet file" };
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command(
            "check", "Checks a fleet file and every file it names. Exits with 0, or 65 and all faults.")
        {
            file, format,
        };
        command.SetAction(parsed =>
        {
            LoadedFleet? loaded = LoadedFleet.Read(parsed.GetValue(file)!, out IReadOnlyList<SpecProblem> problems);
            if (parsed.GetValue(format) == "json") Output.Json(new { ok = loaded is not null, problems });
            else foreach (SpecProblem problem in problems) Output.Say(problem.ToString());
            if (loaded is null) return ExitCode.InvalidFile;
            FleetSpec spec = loaded.Spec;
            Output.Say($"{spec.Name}: no fault (pops: {spec.Pops.Length}, services: {spec.Services.Length}, "
                + $"zones: {spec.Zones.Length})");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Schema()
    {
        var command = new Command("schema", "Prints the JSON schema of fleet files.");
        command.SetAction(_ =>
        {
            Output.Json(FleetReader.Schema());
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command RouterConfigs()
    {
        var command = new Command(
            "router-config", "Prints the router's side of the guard: what it may accept from nodes.");
        foreach ((string name, string what, Func<FleetSpec, string, string, string> write) in RouterConfig.Languages)
            command.Add(Language(name, what, write));
        return command;
    }

    private static Command Language(string name, string what, Func<FleetSpec, string, string, string> write)
    {
        Option<string> fleet = CommandLine.Required("--fleet", "the fleet file");
        Option<string> pop = CommandLine.Required("--pop", "the pop");
        Option<string> router = CommandLine.Required("--router", "the router");
        var command = new Command(name, $"For {what}.") { fleet, pop, router };
        command.SetAction(parsed =>
        {
            if (Load(parsed.GetValue(fleet)!) is not { } loaded) return ExitCode.InvalidFile;
            PopSpec? found = loaded.Spec.Pop(parsed.GetValue(pop)!);
            if (found?.Router(parsed.GetValue(router)!) is null)
                return Output.Fault(
                    ExitCode.Usage, Unknown(loaded.Spec, found, parsed.GetValue(pop)!, parsed.GetValue(router)!));
            try
            {
                Output.Data(write(loaded.Spec, found.Name, parsed.GetValue(router)!));
                return ExitCode.Ok;
            }
            catch (ArgumentException cannot)
            {
                return Output.Fault(ExitCode.InvalidFile, cannot.Message);
            }
        });
        return command;
    }

    private static string Unknown(FleetSpec spec, PopSpec? pop, string popName, string routerName) => pop is null
        ? $"unknown pop \"{popName}\"{NearestName.Hint(popName, spec.Pops.Select(p => p.Name))}"
        : $"pop {pop.Name} has no router \"{routerName}\""
            + NearestName.Hint(routerName, pop.Routers.Select(r => r.Name));
}
