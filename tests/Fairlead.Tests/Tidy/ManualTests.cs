using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Fairlead.Cli;
using Fairlead.Fleet.Spec;
using Fairlead.Node;

namespace Fairlead.Tests.Tidy;

/// <summary>The manual says what the program does: nothing missing, nothing that is no more.</summary>
public partial class ManualTests
{
    private const string Manual = "docs/manual/";

    [Fact]
    public void Every_command_and_option_stands_in_the_manual()
    {
        Dictionary<string, string> sections = Sections(Tree.Text(Manual + "commands.md"));
        (string Name, Command Command)[] commands = [.. Commands(CommandLine.Root(), "fairlead")];
        Tree.AssertNone(commands.SelectMany(each => !sections.TryGetValue(each.Name, out string? section)
            ? [$"{each.Name}: no heading \"## `{each.Name}`\""]
            : each.Command.Options.Where(option => !section.Contains($"`{option.Name}", StringComparison.Ordinal))
                .Select(option => $"{each.Name}: {option.Name} is missing")));
        Tree.AssertNone(
            sections.Keys.Except(commands.Select(each => each.Name)).Select(name => $"{name}: no such command"));
    }

    [Fact]
    public void Every_exit_code_stands_in_the_manual()
    {
        string page = Tree.Text(Manual + "commands.md");
        Tree.AssertNone(
            from field in typeof(ExitCode).GetFields(BindingFlags.Public | BindingFlags.Static)
            let code = Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture)
            where !page.Contains($"| {code} |", StringComparison.Ordinal)
            select $"{field.Name}: no row for {code}");
    }

    [Fact]
    public void Every_key_of_a_fleet_file_stands_in_the_manual_and_no_other()
    {
        Dictionary<string, bool> required = [];
        Collect(FleetReader.Schema(), "", required);
        var rows = KeyRow().Matches(Tree.Text(Manual + "fleet-file.md"))
            .ToDictionary(row => row.Groups["key"].Value, row => row.Groups["default"].Value.Trim());
        Tree.AssertNone(required.Keys.Except(rows.Keys).Select(key => $"{key}: no row"));
        Tree.AssertNone(rows.Keys.Except(required.Keys).Select(key => $"{key}: no such key"));
        Tree.AssertNone(required.Where(key => key.Value != (rows[key.Key] == "required"))
            .Select(key => $"{key.Key}: {(key.Value ? "is" : "is not")} required"));
    }

    [Fact]
    public void The_shipped_schema_is_the_one_that_the_program_prints() => Assert.True(
        JsonNode.DeepEquals(FleetReader.Schema(), JsonNode.Parse(Tree.Text("docs/fleet.schema.json"))),
        "write it anew: fairlead schema > docs/fleet.schema.json");

    [Fact]
    public void Fleet_files_in_the_manual_have_no_fault() => Tree.AssertNone(
        from page in Tree.Pages()
        from Match block in FleetBlock().Matches(Tree.Text(page))
        from problem in Problems(page, block.Groups["yaml"].Value)
        select problem);

    [Fact]
    public void The_examples_have_no_fault() => Tree.AssertNone(
        Tree.Files("examples", "*.yaml").Where(path => Path.GetDirectoryName(path) == "examples").SelectMany(path =>
        {
            _ = LoadedFleet.Read(Path.Combine(Tree.Root, path), out IReadOnlyList<SpecProblem> problems);
            return problems.Select(problem => problem.ToString());
        }));

    [Fact]
    public void Every_metric_stands_in_the_manual_and_no_other()
    {
        string[] Names(params IEnumerable<string> paths) =>
        [
            .. paths.SelectMany(path => MetricName().Matches(Tree.Text(path)).Select(m => m.Groups[1].Value))
                .Distinct().Order(StringComparer.Ordinal),
        ];
        Assert.Equal(Names(Tree.Files("src/Fairlead/Api", "*Metrics.cs")), Names(Manual + "node.md"));
    }

    [Fact]
    public void Every_statement_of_a_scenario_stands_in_the_manual()
    {
        string page = Tree.Text(Manual + "lab.md");
        string reader = Tree.Text("src/Fairlead.Lab/Scenarios/ScenarioReader.cs");
        Match[] words = [.. Statement().Matches(reader).AsEnumerable()];
        Assert.NotEmpty(words);
        Tree.AssertNone(words.Select(word => word.Groups[1].Value)
            .Where(word => !Regex.IsMatch(page, $@"`(expect )?{word}\b")));
    }

    [Fact]
    public void Links_lead_to_files_that_exist() => Tree.AssertNone(
        from page in Tree.Pages()
        let folder = Path.GetDirectoryName(Path.Combine(Tree.Root, page))!
        from Match link in Link().Matches(Tree.Text(page))
        let target = link.Groups[1].Value
        where !target.Contains("://", StringComparison.Ordinal) && !Path.Exists(Path.Combine(folder, target))
        select $"{page}: {target}");

    private static IEnumerable<(string Name, Command Command)> Commands(Command command, string name)
    {
        yield return (name, command);
        foreach (Command child in command.Subcommands.Where(child => !child.Hidden))
        {
            foreach ((string, Command) below in Commands(child, $"{name} {child.Name}")) yield return below;
        }
    }

    /// <summary>What stands under each heading that is a command line in backticks.</summary>
    private static Dictionary<string, string> Sections(string page)
    {
        string[] parts = CommandHeading().Split(page);
        return Enumerable.Range(0, parts.Length / 2).ToDictionary(i => parts[(2 * i) + 1], i => parts[(2 * i) + 2]);
    }

    /// <summary>Every key with whether it is required; NAME stands for a name of the operator's choice.</summary>
    private static void Collect(JsonObject schema, string at, Dictionary<string, bool> keys)
    {
        JsonArray required = schema["required"] as JsonArray ?? [];
        foreach ((string name, JsonNode? child) in schema["properties"] as JsonObject ?? [])
        {
            keys[at + name] = required.Any(node => (string?)node == name);
            Collect((JsonObject)child!, $"{at}{name}.", keys);
        }

        if (schema["additionalProperties"] is JsonObject item) Collect(item, at + "NAME.", keys);
    }

    private static IEnumerable<string> Problems(string page, string yaml)
    {
        _ = FleetReader.Read(page, yaml, out IReadOnlyList<SpecProblem> problems);
        return problems.Select(problem => problem.ToString());
    }

    [GeneratedRegex("^#+ `(fairlead[a-z -]*)`\\s*$", RegexOptions.Multiline)]
    private static partial Regex CommandHeading();

    [GeneratedRegex(@"^\| `(?<key>[A-Za-z0-9.]+)` \|[^|\n]*\|(?<default>[^|\n]*)\|", RegexOptions.Multiline)]
    private static partial Regex KeyRow();

    [GeneratedRegex(@"^```yaml\n(?<yaml>(#[^\n]*\n)*fleet:[\s\S]*?)^```", RegexOptions.Multiline)]
    private static partial Regex FleetBlock();

    [GeneratedRegex(@"\b(fairlead_[a-z_]+)")]
    private static partial Regex MetricName();

    [GeneratedRegex("""^\s+"([a-z-]+)" => (?:new|Read)""", RegexOptions.Multiline)]
    private static partial Regex Statement();

    [GeneratedRegex(@"\]\(([^)#\s]+)(#[^)\s]*)?\)")]
    private static partial Regex Link();
}
