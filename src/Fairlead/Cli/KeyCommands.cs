using System.CommandLine;
using System.Globalization;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Node;

namespace Fairlead.Cli;

/// <summary>The keys that zones are signed with. A running node sees a change of the folder by itself.</summary>
internal static class KeyCommands
{
    public static Command Key() => new("key", "The keys that zones are signed with.")
    {
        Generate(), List(), Roll(), DsSeen(),
    };

    private static Command Generate()
    {
        Option<string> role = CommandLine.WithDefault("--role", "csk", "csk: one key for all; ksk: a KSK and a ZSK");
        role.AcceptOnlyFromAmong("csk", "ksk");
        const string Help = "Makes a zone's first key (P-256): it is signed from now on.";
        return Of("generate", Help, [role], (keys, zone, parsed) =>
        {
            KeyRole asked = Enum.Parse<KeyRole>(parsed.GetValue(role)!, ignoreCase: true);
            ZoneKey made = keys.Folder.Generate(zone.Origin, asked, keys.Now, keys.TimingOf(zone));
            Output.Data(Line(made, keys.Now));
            Output.Data("for the parent zone: " + made.Key.DsText());
        });
    }

    private static Command List() => Of("list", "Lists a zone's keys, their states and the DS for the parent.", [],
        (keys, zone, _) =>
        {
            foreach (ZoneKey key in keys.Folder.List(zone.Origin)) Output.Data(Line(key, keys.Now));
            if (keys.Folder.At(zone.Origin, keys.Now) is not { } now)
            {
                Output.Say($"{zone.Origin} has no keys: it is not signed here");
                return;
            }

            foreach (DnssecKey wanted in now.ForParent) Output.Data("for the parent zone: " + wanted.DsText());
            if (now.AwaitsParent is { } awaited)
            {
                Output.Say($"key {awaited.Tag} waits for the parent: when all its servers give the DS, say "
                    + $"fairlead dns key ds-seen {zone.Origin} {awaited.Tag}");
            }
        });

    private static Command Roll()
    {
        Option<string> role = CommandLine.WithDefault("--role", "csk", "csk, ksk or zsk");
        role.AcceptOnlyFromAmong("csk", "ksk", "zsk");
        return Of("roll", "Brings a new key in beside the active one, and the old one out in time.", [role],
            (keys, zone, parsed) =>
            {
                KeyRole asked = Enum.Parse<KeyRole>(parsed.GetValue(role)!, ignoreCase: true);
                keys.Folder.Roll(zone.Origin, asked == KeyRole.Csk ? null : asked, keys.Now, keys.TimingOf(zone));
                foreach (ZoneKey key in keys.Folder.List(zone.Origin)) Output.Data(Line(key, keys.Now));
            });
    }

    private static Command DsSeen()
    {
        var tag = new Argument<ushort>("tag") { Description = "the key's tag" };
        Command command = Of("ds-seen", "Says that all servers of the parent give the DS of this key.", [],
            (keys, zone, parsed) =>
            {
                keys.Folder.ParentHasDs(zone.Origin, parsed.GetValue(tag), keys.Now, keys.TimingOf(zone));
                foreach (ZoneKey key in keys.Folder.List(zone.Origin)) Output.Data(Line(key, keys.Now));
            });
        command.Arguments.Add(tag);
        return command;
    }

    private sealed record Keys(LoadedFleet Fleet, KeyFolder Folder, DateTimeOffset Now)
    {
        public KeyTiming TimingOf(Zone zone)
        {
            TimeSpan steered = Fleet.Spec.Zones
                .Where(spec => Steering.TryOwner(spec, "@", out DnsName? origin) && origin == zone.Origin)
                .SelectMany(spec => spec.Steer).Select(steer => steer.Ttl.Max).DefaultIfEmpty().Max();
            return KeyTiming.Of(zone, steered, new SigningOptions());
        }
    }

    private static Command Of(
        string name, string help, Option[] options, Action<Keys, Zone, ParseResult> act)
    {
        var zone = new Argument<string>("zone") { Description = "a zone of the fleet" };
        Option<string> fleet = CommandLine.WithDefault("--fleet", "/etc/fairlead/fleet.yaml", "the fleet file");
        var command = new Command(name, help) { zone, fleet };
        foreach (Option option in options) command.Options.Add(option);
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(fleet)!;
            if (FileCommands.Load(path) is not { } loaded) return ExitCode.InvalidFile;
            if (loaded.Spec.Dns.Dnssec is not { } dnssec)
                return Output.Fault(ExitCode.Usage, $"{path}: give \"dns.dnssec.keys\", the folder for keys");
            string asked = parsed.GetValue(zone)!;
            Zone? found = DnsName.TryParse(asked.TrimEnd('.') + ".", out DnsName? origin)
                ? loaded.Zones.FirstOrDefault(one => one.Origin == origin)
                : null;
            if (found is null)
            {
                string hint = NearestName.Hint(asked, loaded.Spec.Zones.Select(one => one.Origin));
                return Output.Fault(ExitCode.Usage, $"the fleet has no zone \"{asked}\"{hint}");
            }

            string folder = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, dnssec.Keys);
            try
            {
                act(new Keys(loaded, new KeyFolder(folder), TimeProvider.System.GetUtcNow()), found, parsed);
                return ExitCode.Ok;
            }
            catch (InvalidOperationException refused)
            {
                return Output.Fault(ExitCode.Refused, refused.Message);
            }
            catch (InvalidDataException fault)
            {
                return Output.Fault(ExitCode.InvalidFile, fault.Message);
            }
        });
        return command;
    }

    private static string Line(ZoneKey key, DateTimeOffset now)
    {
        (string What, DateTimeOffset? At)[] times =
        [
            ("active", key.Times.Active), ("ds wanted", key.Times.DsWanted), ("ds seen", key.Times.DsSeen),
            ("retired", key.Times.Retired), ("removed", key.Times.Removed),
        ];
        string when = string.Join(", ", times.Where(time => time.At is not null).Select(time =>
            $"{time.What} {time.At!.Value.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}"));
        return $"{key.Key,-30} {key.Times.StateAt(now).ToString().ToLowerInvariant(),-10} {when}";
    }
}
