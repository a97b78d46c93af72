using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Fairlead.Net.Addresses;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Lab.Scenarios;

/// <summary>A fault of a scenario's text; lines and columns count from 1.</summary>
public sealed class ScenarioException(string file, int line, int column, string message)
    : Exception($"{file}:{line}:{column}: {message}");

/// <summary>
/// Reads .scn text: a line a statement, words divided by blanks, `#` begins a comment. Lists are joined by commas
/// without blanks, times are 10ms, 5s, 2m. A statement inside a step is an act, a `watch`, or an `expect`.
/// </summary>
public sealed class ScenarioReader
{
    private readonly string file;
    private string name = "";
    private string topology = "";
    private readonly List<(Prefix, string)> places = [];
    private readonly List<ProbeSpec> probes = [];
    private readonly List<(string Title, List<ScenarioLine> Lines)> steps = [];
    private Words words = null!;

    private ScenarioReader(string file) => this.file = file;

    /// <summary>The scenario; ScenarioException at the first fault.</summary>
    public static Scenario Read(string file, string text) => new ScenarioReader(file).ReadAll(text);

    private Scenario ReadAll(string text)
    {
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            words = new Words(file, i + 1, lines[i]);
            if (words.More) ReadStatement();
        }

        words = new Words(file, lines.Length, "");
        if (name.Length == 0 || topology.Length == 0)
            throw words.Fault("expected the lines \"scenario NAME\" and \"topology NAME\"");
        if (steps.Count == 0) throw words.Fault("expected at least one \"step TITLE\"");
        return new Scenario
        {
            Name = name,
            Topology = topology,
            Places = [.. places],
            Probes = [.. probes],
            Steps = [.. steps.Select(step => new ScenarioStep(step.Title, [.. step.Lines]))],
        };
    }

    private void ReadStatement()
    {
        switch (words.Next("a statement"))
        {
            case "scenario":
                name = words.Next("the scenario's name");
                break;
            case "topology":
                topology = words.Next("the topology's name");
                break;
            case "place":
                places.Add((ReadPrefix(), AfterWord("is")));
                break;
            case "probe":
                probes.Add(ReadProbe());
                break;
            case "step":
                steps.Add((words.Rest(), []));
                return;
            case var verb when steps.Count > 0:
                steps[^1].Lines.Add(ReadLine(verb));
                break;
            case var verb:
                throw words.FaultAtLast($"\"{verb}\" stands before the first step; "
                    + "here belong scenario, topology, place, probe, step");
        }

        words.End();
    }

    private ProbeSpec ReadProbe()
    {
        string probe = words.Next("the probe's name");
        ProbeKind kind = words.Next("web, echo, name or stay") switch
        {
            "web" => ProbeKind.Web,
            "echo" => ProbeKind.Echo,
            "name" => ProbeKind.Name,
            "stay" => ProbeKind.Stay,
            var other => throw words.FaultAtLast($"expected web, echo, name or stay, found \"{other}\""),
        };
        int count = kind == ProbeKind.Stay ? ReadNumber() : 0;
        ImmutableArray<string> clients = [.. AfterWord("from").Split(',')];
        string target = AfterWord("to");
        bool holds = target == "first";
        if (holds) target = words.Next("a domain name");
        bool isAddress = IPAddress.TryParse(target, out IPAddress? address);
        if (isAddress && (holds || kind == ProbeKind.Name))
            throw words.FaultAtLast("expected a domain name, found an address");
        if (!isAddress && kind == ProbeKind.Stay)
            throw words.FaultAtLast("expected an address: connections are kept to one");
        IPAddress? server = null;
        if (!isAddress && !IPAddress.TryParse(AfterWord("at"), out server))
            throw words.FaultAtLast("expected a name server's address");
        return new ProbeSpec
        {
            Name = probe,
            Kind = kind,
            Clients = clients,
            Address = address,
            Question = isAddress ? null : target,
            Server = server,
            Count = count,
            Holds = holds || kind == ProbeKind.Stay,
            Every = ReadTime("every"),
        };
    }

    private ScenarioLine ReadLine(string verb)
    {
        string text = words.Line.Trim();
        return verb switch
        {
            "kill" => new Kill(text, words.Next("a pop")),
            "restore" => new Restore(text, words.Next("a pop")),
            "stop" => new Stop(text, ReadList("hosts")),
            "start" => new Start(text, ReadList("hosts")),
            "sicken" => new Sicken(text, words.Next("a pop")),
            "heal" => new Heal(text, words.Next("a pop")),
            "drain" => new Drain(text, words.Next("a pop"), AfterWord("at")),
            "undrain" => new Undrain(text, words.Next("a pop"), AfterWord("at")),
            "poison" => new Poison(text, words.Next("a pop"), ReadPrefix(), AfterWord("at")),
            "cleanse" => new Cleanse(text, words.Next("a pop"), ReadPrefix(), AfterWord("at")),
            "rogue" => new Rogue(text, words.Next("a host"), AfterWord("runs")),
            "unrogue" => new EndRogue(text, words.Next("a host")),
            "hold" => new Hold(text),
            "watch" => new Watch(text, ReadTime(null)),
            "expect" => ReadExpectation(text),
            _ => throw words.FaultAtLast($"unknown statement \"{verb}\" "
                + "(known: kill, restore, stop, start, sicken, heal, drain, undrain, poison, cleanse, "
                + "rogue, unrogue, hold, watch, expect)"),
        };
    }

    private ScenarioLine ReadExpectation(string text) => words.Next("what is expected") switch
    {
        "users" => new ExpectLanding(
            text, ReadList("clients"), [.. AfterWord("in").Split(',')], [.. AfterWord("by").Split(',')],
            ReadTime("within")),
        "outage" => new ExpectOutage(text, [.. AfterWord("of").Split(',')], AfterWord("by"), ReadTime("under")),
        "lost" => ReadLost(text),
        "broken" => new ExpectBroken(text, ReadNumber(), AfterWord("by")),
        "stalled" => new ExpectStalled(text, AfterWord("by"), ReadTime("under")),
        "requests" => new ExpectRequests(text, ReadNumber()),
        "own-address" => new ExpectOwnAddress(text),
        "guard" => new ExpectGuard(text, words.Next("a host"), ReadTime("within")),
        "no-route" => new ExpectNoRoute(text, [.. ReadList("prefixes").Select(ParsePrefix)]),
        "filtered" => new ExpectFiltered(text, words.Next("a router"), AfterWord("from"), ReadTime("within")),
        var other => throw words.FaultAtLast($"unknown expectation \"{other}\" "
            + "(known: users, outage, lost, broken, stalled, requests, own-address, guard, no-route, filtered)"),
    };

    private ExpectLost ReadLost(string text)
    {
        int atMost = ReadNumber();
        ImmutableArray<string> clients = [];
        while (words.More)
        {
            string word = words.Next("\"of\" or \"after\"");
            if (word == "after") return new ExpectLost(text, atMost, clients, ReadTime(null));
            if (word != "of" || !clients.IsEmpty) throw words.FaultAtLast("expected \"of\" or \"after\"");
            clients = ReadList("clients");
        }

        return new ExpectLost(text, atMost, clients, TimeSpan.Zero);
    }

    private string AfterWord(string keyword)
    {
        if (words.Next($"\"{keyword}\"") != keyword) throw words.FaultAtLast($"expected \"{keyword}\"");
        return words.Next($"something after \"{keyword}\"");
    }

    private ImmutableArray<string> ReadList(string what) => [.. words.Next(what).Split(',')];

    private Prefix ReadPrefix() => ParsePrefix(words.Next("a prefix"));

    private Prefix ParsePrefix(string text) =>
        Prefix.TryParse(text, out Prefix prefix)
            ? prefix
            : throw words.FaultAtLast($"expected a prefix, found \"{text}\"");

    private int ReadNumber() =>
        int.TryParse(words.Next("a number"), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : throw words.FaultAtLast("expected a number");

    private TimeSpan ReadTime(string? keyword)
    {
        string text = keyword is null ? words.Next("a time") : AfterWord(keyword);
        int digits = text.TakeWhile(char.IsAsciiDigit).Count();
        double? unit = text[digits..] switch { "ms" => 0.001, "s" => 1, "m" => 60, _ => null };
        return digits is > 0 and < 9 && unit is not null
            ? TimeSpan.FromSeconds(int.Parse(text[..digits], CultureInfo.InvariantCulture) * unit.Value)
            : throw words.FaultAtLast($"expected a time such as 500ms or 5s, found \"{text}\"");
    }

    /// <summary>The words of one line, each with its column.</summary>
    private sealed class Words
    {
        private readonly string file;
        private readonly int number;
        private int at;
        private int last;

        public Words(string file, int number, string line)
        {
            (this.file, this.number) = (file, number);
            int comment = line.IndexOf('#');
            Line = (comment < 0 ? line : line[..comment]).TrimEnd();
            Skip();
        }

        public string Line { get; }

        public bool More => at < Line.Length;

        public string Next(string expected)
        {
            last = at;
            if (!More) throw Fault($"expected {expected}, found the end of the line");
            while (at < Line.Length && !char.IsWhiteSpace(Line[at])) at++;
            string word = Line[last..at];
            Skip();
            return word;
        }

        public string Rest()
        {
            last = at;
            string rest = Line[at..];
            at = Line.Length;
            return rest.Length > 0 ? rest : throw Fault("expected a title");
        }

        public void End()
        {
            last = at;
            if (More) throw Fault($"expected the end of the line, found \"{Line[at..]}\"");
        }

        public ScenarioException Fault(string message) => new(file, number, at + 1, message);

        public ScenarioException FaultAtLast(string message) => new(file, number, last + 1, message);

        private void Skip()
        {
            while (at < Line.Length && char.IsWhiteSpace(Line[at])) at++;
        }
    }
}
