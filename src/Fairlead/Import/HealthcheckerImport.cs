using System.Globalization;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>
/// Reads the configuration of anycast_healthchecker (0.9) and of the BIRD beside it as a fleet. What that program
/// does by way of BIRD's files the node does itself; what has no counterpart is left and named.
/// </summary>
internal sealed class HealthcheckerImport
{
    /// <summary>How it talks to BIRD, and to its own files: here nothing stands between check and session.</summary>
    private static readonly string[] Machinery =
    [
        "pidfile", "ipv4", "ipv6", "bird_conf", "bird6_conf", "bird_variable", "bird6_variable", "bird_reconfigure_cmd",
        "bird6_reconfigure_cmd", "dummy_ip_prefix", "dummy_ip6_prefix", "bird_keep_changes", "bird6_keep_changes",
        "bird_changes_counter", "bird6_changes_counter", "purge_ip_prefixes", "loglevel", "splay_startup",
    ];

    private readonly AnnouncerFleet fleet = new();
    private readonly IniFile ini = new();
    private readonly string folder;

    private HealthcheckerImport(string folder) => this.folder = folder;

    /// <summary>
    /// The main file (services in it, or in the folder beside it that has .d for .conf), or a folder with such files.
    /// ImportException when a file cannot be read as one.
    /// </summary>
    public static AnnouncerFleet Read(string path)
    {
        bool isFolder = Directory.Exists(path);
        string main = isFolder ? Path.Combine(path, "anycast-healthchecker.conf") : path;
        var import = new HealthcheckerImport(Path.GetDirectoryName(Path.GetFullPath(main))!);
        if (!isFolder || File.Exists(main)) import.ini.Read(main);
        string beside = Path.ChangeExtension(main, ".d");
        string services = Directory.Exists(beside) || !isFolder ? beside : path;
        if (Directory.Exists(services))
        {
            foreach (string file in Directory.GetFiles(services, "*.conf").Order(StringComparer.Ordinal))
                if (file != main && !IsBird(file)) import.ini.Read(file);
        }

        import.Take();
        return import.fleet;
    }

    private static bool IsBird(string file) =>
        Path.GetFileName(file).StartsWith("bird", StringComparison.Ordinal)
        || Path.GetFileName(file) is "anycast-prefixes.conf";

    private void Take()
    {
        foreach (IniSection section in ini.Sections())
        {
            if (section.Name == "daemon") Daemon(section);
            else Service(section);
        }

        string bird = Path.Combine(folder, "bird.conf");
        if (File.Exists(bird)) BirdNeighbors.Read(bird, fleet);
        else fleet.Leave(new TextPlace(bird, 1, 1),
            "there is no such file: give \"asn\" and \"routers\" what BIRD's protocols say, or put its bird.conf here");
        foreach (IniSection daemon in ini.Sections().Where(section => section.Name == "daemon")) Lists(daemon);
    }

    private void Daemon(IniSection section)
    {
        foreach ((string key, IniValue value) in section.Values.Where(pair => !pair.Value.IsDefault))
        {
            if (Machinery.Contains(key)) continue;
            fleet.Leave(value.At, key.StartsWith("log_", StringComparison.Ordinal)
                || key.StartsWith("json_", StringComparison.Ordinal) || key is "stderr_file" or "stdout_file"
                    ? $"{key}: a node logs to standard error, for its service manager to keep"
                    : $"the option {key} has no counterpart");
        }
    }

    private void Service(IniSection section)
    {
        foreach ((string key, IniValue value) in section.Values)
        {
            switch (key)
            {
                case "check_cmd" or "check_interval" or "check_timeout" or "check_rise" or "check_fail"
                    or "check_disabled" or "on_disabled" or "ip_prefix" or "ip_check_disabled":
                    break;
                case "interface" when value.Text is "lo":
                    break;
                case "interface":
                    fleet.Leave(value.At, $"interface {value.Text}: a node puts its services' addresses on lo itself");
                    break;
                case "custom_bird_reconfigure_cmd":
                    fleet.Leave(value.At, $"{key}: nothing is run when a service turns; watch the log or the metrics");
                    break;
                default:
                    if (!value.IsDefault) fleet.Leave(value.At, $"the option {key} has no counterpart");
                    break;
            }
        }

        if (VipOf(section) is not { } vip || CheckOf(section) is not { } check) return;
        fleet.Services.Add(new ImportedService(section.At, fleet.FreeName(section.Name), [vip], check)
        {
            Announce = !IsDisabled(section) ? null
                : Text(section, "on_disabled", "withdraw") == "advertise" ? "when: always" : "when: never",
        });
    }

    private IPAddress? VipOf(IniSection section)
    {
        string given = Text(section, "ip_prefix", "");
        TextPlace at = section.Values.TryGetValue("ip_prefix", out IniValue? value) ? value.At : section.At;
        string why = !Prefix.TryParse(given, out Prefix prefix) ? $"\"{given}\" is no prefix"
            : prefix.LengthMapped < 128 ? $"{prefix} is an aggregate: one is announced while a service in it is up"
            : !fleet.IsFree(prefix.Address) ? $"{prefix.Address} is another service's already"
            : "";
        if (why.Length == 0) return prefix.Address;
        fleet.Leave(at, $"service {section.Name} is left out: {why}");
        return null;
    }

    private string? CheckOf(IniSection section)
    {
        List<string>? words = ShellWords.Split(Text(section, "check_cmd", ""));
        if (words is null or [])
        {
            TextPlace at = section.Values.TryGetValue("check_cmd", out IniValue? value) ? value.At : section.At;
            fleet.Leave(at, $"service {section.Name} is left out: it has no check_cmd, or a quote in it never ends");
            return null;
        }

        double interval = Number(section, "check_interval", 10), timeout = Number(section, "check_timeout", 2);
        if (timeout > interval)
        {
            TextPlace at = section.Values.TryGetValue("check_timeout", out IniValue? value) ? value.At : section.At;
            fleet.Leave(at, $"check_timeout: a try takes no longer than the interval ({interval} s)");
            timeout = interval;
        }

        // Any exit code but 0 is a failure there; the 1 of a Nagios program is a warning here, and healthy.
        string[] command = ["/bin/sh", "-c", "\"$@\" || exit 2", "check", .. words];
        return string.Create(CultureInfo.InvariantCulture,
            $"kind: command, {AnnouncerFleet.Command(command)}, interval: {AnnouncerFleet.Time(interval)}, ")
            + string.Create(CultureInfo.InvariantCulture,
                $"timeout: {AnnouncerFleet.Time(timeout)}, rise: {Number(section, "check_rise", 2):0}, ")
            + string.Create(CultureInfo.InvariantCulture, $"fall: {Number(section, "check_fail", 2):0}");
    }

    // What stands in BIRD's list without a service is announced until the daemon writes the file anew.
    private void Lists(IniSection daemon)
    {
        foreach ((string key, string dummyKey, string dummy) in ((string, string, string)[])
        [
            ("bird_conf", "dummy_ip_prefix", "10.189.200.255/32"),
            ("bird6_conf", "dummy_ip6_prefix", "2001:db8::1/128"),
        ])
        {
            string path = Text(daemon, key, "");
            string file = Path.Combine(folder, Path.GetFileName(path));
            if (path.Length == 0 || !File.Exists(file)) continue;
            foreach (BlockStatement statement in BlockConf.ReadFile(file).Where(one => one.Key == "define"))
            {
                foreach (string word in statement.Words.SelectMany(word => word.Split(',')))
                {
                    if (!word.Contains('/') || !Prefix.TryParse(word, out Prefix prefix)
                        || word == Text(daemon, dummyKey, dummy) || !fleet.IsFree(prefix.Address)) continue;
                    fleet.Leave(statement.At, $"{word} is announced without a service: it is left out");
                }
            }
        }
    }

    private static string Text(IniSection section, string key, string fallback) =>
        section.Values.TryGetValue(key, out IniValue? value) ? value.Text : fallback;

    // Its own default is true: a check that nobody has switched on is off.
    private static bool IsDisabled(IniSection section)
    {
        if (!section.Values.TryGetValue("check_disabled", out IniValue? value)) return true;
        switch (value.Text.ToLowerInvariant())
        {
            case "true" or "yes" or "on" or "1":
                return true;
            case "false" or "no" or "off" or "0":
                return false;
            default:
                throw new ImportException(value.At, $"expected true or false, found \"{value.Text}\"");
        }
    }

    private static double Number(IniSection section, string key, double fallback)
    {
        if (!section.Values.TryGetValue(key, out IniValue? value)) return fallback;
        bool read = double.TryParse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number);
        return read && number is > 0 and < 86_400
            ? number
            : throw new ImportException(value.At, $"expected a number above 0, found \"{value.Text}\"");
    }
}
