using System.Globalization;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>
/// A process that runs `exabgp healthcheck`: its options, and the file of --config, as services. Its defaults are those
/// of ExaBGP 4 and 5.
/// </summary>
internal sealed class ExabgpHealthcheck
{
    private const int HostsMax = 256;

    /// <summary>Flags that take no value; all others do.</summary>
    private static readonly string[] Flags =
    [
        "silent", "no-syslog", "debug", "no-ack", "sudo", "deaggregate-networks", "no-ip-setup", "dynamic-ip-setup",
        "label-exact-match", "withdraw-on-down", "debounce",
    ];

    /// <summary>How it logs, runs, and talks to ExaBGP. Addresses a node puts on lo itself.</summary>
    private static readonly string[] Machinery =
    [
        "silent", "no-syslog", "syslog-facility", "debug", "no-ack", "sudo", "pid", "user", "group", "debounce",
        "no-ip-setup", "label", "label-exact-match", "config",
    ];

    private static readonly Dictionary<string, string> Short = new(StringComparer.Ordinal)
    {
        ["s"] = "silent",
        ["sF"] = "syslog-facility",
        ["d"] = "debug",
        ["a"] = "no-ack",
        ["n"] = "name",
        ["F"] = "config",
        ["p"] = "pid",
        ["i"] = "interval",
        ["f"] = "fast-interval",
        ["t"] = "timeout",
        ["c"] = "command",
        ["N"] = "next-hop",
        ["cmd"] = "command",
    };

    private readonly List<(string Name, string Value)> options = [];
    private readonly AnnouncerFleet fleet;
    private readonly TextPlace at;
    private readonly string process;
    private readonly string folder;

    private ExabgpHealthcheck(AnnouncerFleet fleet, TextPlace at, string process, string folder) =>
        (this.fleet, this.at, this.process, this.folder) = (fleet, at, process, folder);

    /// <summary>Whether these words run it.</summary>
    public static bool Is(IReadOnlyList<string> words) => words.Skip(1).Take(4).Contains("healthcheck")
        || words.Any(word => word.EndsWith("healthcheck.py", StringComparison.Ordinal));

    /// <param name="fleet">What takes its services.</param>
    /// <param name="at">Where its command stands.</param>
    /// <param name="process">The process' name.</param>
    /// <param name="words">The command.</param>
    /// <param name="folder">Where a file of --config is looked for that is not where it says.</param>
    public static void Take(
        AnnouncerFleet fleet, TextPlace at, string process, IReadOnlyList<string> words, string folder)
    {
        var check = new ExabgpHealthcheck(fleet, at, process, folder);
        int start = words.ToList().FindIndex(word =>
            word == "healthcheck" || word.EndsWith("healthcheck.py", StringComparison.Ordinal));
        check.Read(words.Skip(start + 1).ToList());
        check.Take();
    }

    private void Read(List<string> words)
    {
        var given = new List<(string Name, string Value)>();
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            if (!word.StartsWith('-')) throw new ImportException(at, $"expected an option, found \"{word}\"");
            string name = word.TrimStart('-');
            string? value = null;
            if (word.StartsWith("--", StringComparison.Ordinal) && name.IndexOf('=') is > 0 and int sign)
                (name, value) = (name[..sign], name[(sign + 1)..]);
            name = Short.GetValueOrDefault(name, name);
            if (value is null && !Flags.Contains(name))
                value = ++i < words.Count ? words[i] : throw new ImportException(at, $"{word} needs a value");
            given.Add((name, value ?? ""));
        }

        // What stands in the file comes first: the command line wins over it.
        foreach ((_, string file) in given.Where(option => option.Name == "config")) ReadFile(file);
        options.AddRange(given);
    }

    private void ReadFile(string path)
    {
        string file = File.Exists(path) ? path : Path.Combine(folder, Path.GetFileName(path));
        foreach (string line in BlockConf.ReadText(file).Split('\n').Select(line => line.Trim()))
        {
            if (line.Length == 0 || line[0] == '#') continue;
            int sign = line.IndexOf('=');
            string name = (sign < 0 ? line : line[..sign]).Trim();
            options.Add((Short.GetValueOrDefault(name, name), sign < 0 ? "" : line[(sign + 1)..].Trim()));
        }
    }

    private void Take()
    {
        foreach ((string option, string value) in options.Distinct()) Name(option, value);
        IPAddress[] vips = [.. Vips()];
        if (vips.Length == 0)
        {
            fleet.Leave(at, $"process {process} is left out: it names no address to announce with --ip");
            return;
        }

        int increase = Whole("increase", 1);
        string check = Check();
        string name = Last("name") ?? process;
        if (vips.Length == 1 || increase == 0)
        {
            fleet.Services.Add(new ImportedService(at, fleet.FreeName(name), vips, check) { Announce = Announce(0) });
            return;
        }

        // A service has one metric: addresses with a metric each are a service each.
        for (int i = 0; i < vips.Length; i++)
            fleet.Services.Add(new ImportedService(at, fleet.FreeName($"{name}-{i + 1}"), [vips[i]], check)
            {
                Announce = Announce(i * increase),
            });
    }

    private void Name(string name, string value)
    {
        switch (name)
        {
            case "name" or "interval" or "fast-interval" or "timeout" or "rise" or "fall" or "command" or "ip"
                or "deaggregate-networks" or "start-ip" or "up-metric" or "down-metric" or "increase"
                or "withdraw-on-down" or "community":
                break;
            case "next-hop" when IPAddress.TryParse(value, out IPAddress? hop) && fleet.Addresses.Contains(hop):
                break;
            case "as-path" or "up-as-path" when Prepends(value) is not null:
                break;
            case "disable" or "disabled-metric" or "disabled-community" or "disabled-as-path":
                fleet.Leave(at, $"--{name}: an operator takes a service out with \"announce: {{when: never}}\"");
                break;
            case "execute" or "up-execute" or "down-execute" or "disabled-execute":
                fleet.Leave(at, $"--{name}: nothing is run when a service turns; watch the log or the metrics");
                break;
            case "neighbor":
                fleet.Leave(at, $"--neighbor {value}: every router is told");
                break;
            default:
                if (!Machinery.Contains(name)) fleet.Leave(at, $"--{name} {value}".TrimEnd() + " has no counterpart");
                break;
        }
    }

    private IEnumerable<IPAddress> Vips()
    {
        var all = new List<IPAddress>();
        foreach ((_, string value) in options.Where(option => option.Name == "ip"))
        {
            if (!Prefix.TryParse(value, out Prefix prefix)) throw new ImportException(at, $"--ip {value}: no address");
            int bits = 128 - prefix.LengthMapped;
            bool isWhole = bits == 0 || (Has("deaggregate-networks") && 1 << Math.Min(bits, 30) <= HostsMax);
            if (!isWhole)
            {
                fleet.Leave(at,
                    $"--ip {value}: a service has addresses; an aggregate is announced while one in it is up");
                continue;
            }

            for (int i = 0; i < 1 << bits; i++)
            {
                IPAddress vip = Prefix.OfMapped(prefix.Bits + (uint)i, 128).Address;
                if (!fleet.IsFree(vip)) fleet.Leave(at, $"--ip {vip}: another service announces it");
                else if (!all.Contains(vip)) all.Add(vip);
            }
        }

        int first = all.Count == 0 ? 0 : Whole("start-ip", 0) % all.Count;
        return all.Skip(first).Concat(all.Take(first));
    }

    private string Check()
    {
        if (Last("command") is not { } command) return "kind: none";
        double interval = Number("interval", 5), fast = Number("fast-interval", 1), timeout = Number("timeout", 5);
        if (interval == 0)
        {
            fleet.Leave(at, "--interval 0: checks do not end; it is asked every 5 s");
            interval = 5;
        }

        if (timeout == 0 || timeout > interval)
        {
            if (timeout != 5) fleet.Leave(at, $"--timeout: a try takes no longer than the interval ({interval} s)");
            timeout = interval;
        }

        // A shell runs it, and any exit code but 0 is a failure; the 1 of a Nagios program is a warning here.
        string[] words = ["/bin/sh", "-c", "/bin/sh -c \"$0\" || exit 2", command];
        string text = string.Create(CultureInfo.InvariantCulture,
            $"kind: command, {AnnouncerFleet.Command(words)}, interval: {AnnouncerFleet.Time(interval)}, ")
            + string.Create(CultureInfo.InvariantCulture,
                $"timeout: {AnnouncerFleet.Time(timeout)}, rise: {Whole("rise", 3)}, fall: {Whole("fall", 3)}");
        return fast > 0 && fast < interval ? $"{text}, recheck: {AnnouncerFleet.Time(fast)}" : text;
    }

    private string Announce(int added)
    {
        var parts = new List<string> { $"med: {Whole("up-metric", 100) + added}" };
        if (Prepends(Last("up-as-path") ?? Last("as-path") ?? "") is > 0 and int prepend)
            parts.Add($"prepend: {prepend}");
        if (Last("community") is { } community)
        {
            if (AnnouncerFleet.Communities(community.Split(' ', StringSplitOptions.RemoveEmptyEntries)) is { } all)
                parts.Add(all);
            else fleet.Leave(at, $"--community {community}: expected communities such as 64500:1");
        }

        if (Has("withdraw-on-down")) return string.Join(", ", parts);
        parts.Add($"failing: {{for: 24h, med: {Whole("down-metric", 1000) + added}, gracefulShutdown: false}}");
        fleet.Leave(at, $"process {process} goes on announcing what has failed, with a worse metric: here for 24 h, "
            + "then it is withdrawn (announce.failing.for)");
        return string.Join(", ", parts);
    }

    /// <summary>How often our own AS stands in a path beyond once; null: it has others.</summary>
    private int? Prepends(string path)
    {
        string[] words = path.Split([' ', '[', ']'], StringSplitOptions.RemoveEmptyEntries);
        bool isOwn = words.All(word => Asn.TryParse(word, out Asn asn) && asn == fleet.LocalAs);
        return isOwn && words.Length <= 16 ? words.Length : null;
    }

    private bool Has(string name) => options.Any(option => option.Name == name);

    private string? Last(string name) => options.FindLast(option => option.Name == name).Value;

    private int Whole(string name, int fallback) => (int)Number(name, fallback);

    private double Number(string name, double fallback)
    {
        if (Last(name) is not { } text) return fallback;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && number is >= 0 and <= int.MaxValue
                ? number
                : throw new ImportException(at, $"--{name}: expected a number, found \"{text}\"");
    }
}
