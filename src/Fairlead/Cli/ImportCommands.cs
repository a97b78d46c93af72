using System.CommandLine;
using Fairlead.Fleet.Spec;
using Fairlead.Import;
using Fairlead.Node;

namespace Fairlead.Cli;

/// <summary>Other servers' configurations as fleets.</summary>
internal static class ImportCommands
{
    public static Command Import() => new("import", "Makes a fleet of another server's configuration.")
    {
        Of("gdnsd", "folder", "gdnsd's configuration folder", "From gdnsd 3: config, zones/ and geoip/.",
            GdnsdImport.Read),
        Of("bind", "file", "BIND's named.conf",
            "From BIND 9.16 to 9.20: named.conf with its includes, and master files.", BindImport.Read),
        Printed("anycast-healthchecker", "path", "anycast-healthchecker.conf, or the folder with it",
            "From anycast_healthchecker 0.9: its services, and the sessions of the bird.conf beside it.",
            HealthcheckerImport.Read),
        Printed("exabgp", "file", "exabgp.conf",
            "From ExaBGP 3.4 to 5: neighbors, static routes, and the processes that run its healthcheck.",
            ExabgpImport.Read),
    };

    /// <summary>A fleet of one file: it goes to standard output.</summary>
    private static Command Printed(
        string name, string argument, string what, string help, Func<string, AnnouncerFleet> read)
    {
        var source = new Argument<string>(argument) { Description = what };
        var command = new Command(
            name, $"{help} Prints the fleet file. Exits with 0, or 75 when something was not taken: it is named.")
        {
            source,
        };
        command.SetAction(parsed => Print(parsed.GetValue(source)!, read));
        return command;
    }

    private static int Print(string source, Func<string, AnnouncerFleet> read)
    {
        AnnouncerFleet fleet;
        try
        {
            fleet = read(source);
        }
        catch (ImportException fault)
        {
            Output.Say(fault.Message);
            return ExitCode.InvalidFile;
        }

        string text = fleet.Text(source);
        Output.Data(text);
        foreach (SpecProblem one in fleet.NotTaken) Output.Say(one.ToString());
        FleetFile? checkedFile = FleetReader.Read("(the printed file)", text, out IReadOnlyList<SpecProblem> problems);
        foreach (SpecProblem problem in problems) Output.Say(problem.ToString());
        if (checkedFile is null)
            return Output.Fault(ExitCode.InvalidFile, "the printed file has faults: mend them there");
        Output.Say($"routers: {fleet.Routers.Count}, services: {fleet.Services.Count}, "
            + $"not taken: {fleet.NotTaken.Count}");
        return fleet.NotTaken.Count == 0 ? ExitCode.Ok : ExitCode.NotConverged;
    }

    private static Command Of(string name, string argument, string what, string help, Func<string, ImportedFleet> read)
    {
        var source = new Argument<string>(argument) { Description = what };
        Option<string> into = CommandLine.Required("--into", "the folder that is written; new or empty");
        var command = new Command(
            name, $"{help} Exits with 0, or 75 when something was not taken: it is named, a line each.")
        {
            source, into,
        };
        command.SetAction(parsed => Run(parsed.GetValue(source)!, parsed.GetValue(into)!, read));
        return command;
    }

    private static int Run(string source, string into, Func<string, ImportedFleet> read)
    {
        if (Directory.Exists(into) && Directory.EnumerateFileSystemEntries(into).Any())
            return Output.Fault(ExitCode.Refused, $"{into} is not empty: an import overwrites nothing");
        ImportedFleet fleet;
        try
        {
            fleet = read(source);
        }
        catch (ImportException fault)
        {
            Output.Say(fault.Message);
            return ExitCode.InvalidFile;
        }

        fleet.Write(into);
        foreach (SpecProblem one in fleet.NotTaken) Output.Say(one.ToString());
        string file = Path.Combine(into, "fleet.yaml");
        LoadedFleet? loaded = LoadedFleet.Read(file, out IReadOnlyList<SpecProblem> problems);
        foreach (SpecProblem problem in problems) Output.Say(problem.ToString());
        if (loaded is null) return Output.Fault(ExitCode.InvalidFile,
            $"{file} is written, but has faults: mend them there");
        Output.Say($"{file}: written (pops: {loaded.Spec.Pops.Length}, services: {loaded.Spec.Services.Length}, "
            + $"zones: {loaded.Zones.Length}; not taken: {fleet.NotTaken.Count})");
        return fleet.NotTaken.Count == 0 ? ExitCode.Ok : ExitCode.NotConverged;
    }
}
