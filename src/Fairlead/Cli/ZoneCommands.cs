using System.CommandLine;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Cli;

/// <summary>Zones as files: no running node is needed.</summary>
internal static class ZoneCommands
{
    public static Command Zone()
    {
        var origin = new Argument<string>("origin") { Description = "the zone's name" };
        var file = new Argument<string>("file") { Description = "the master file" };
        var print = new Option<bool>("--print") { Description = "print the zone as it was read, a record a line" };
        var check = new Command("check", "Checks a master file. Exits with 0, or 65 and all faults, a line each.")
        {
            origin, file, print,
        };
        check.SetAction(parsed =>
        {
            if (!DnsName.TryParse(parsed.GetValue(origin)!.TrimEnd('.') + ".", out DnsName? name))
                return Output.Fault(ExitCode.Usage, $"\"{parsed.GetValue(origin)}\" is not a domain name");
            MasterFileResult result = MasterFile.ReadFile(parsed.GetValue(file)!, name!);
            foreach (ZoneProblem p in result.Problems) Output.Say($"{p.File}:{p.Line}:{p.Column}: {p.Message}");
            if (result.Zone is not { } zone) return ExitCode.InvalidFile;
            if (parsed.GetValue(print)) Output.Data(MasterFile.Print(zone));
            Output.Say($"{zone.Origin}: no fault (serial {zone.Serial}, {zone.SetCount} sets)");
            return ExitCode.Ok;
        });
        return new Command("zone", "Zones as files.") { check };
    }
}
