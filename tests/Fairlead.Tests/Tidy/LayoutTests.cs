using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Fairlead.Tests.Tidy;

/// <summary>Which room may lean on which, and which words are spoken in them.</summary>
public partial class LayoutTests
{
    /// <summary>Net &lt;- engines &lt;- Fleet &lt;- Fairlead, and Net &lt;- Lab &lt;- Fairlead.</summary>
    private static readonly Dictionary<string, string[]> MayReference = new()
    {
        ["Fairlead.Net"] = [],
        ["Fairlead.Dns"] = ["Fairlead.Net"],
        ["Fairlead.Bgp"] = ["Fairlead.Net"],
        ["Fairlead.Health"] = ["Fairlead.Net"],
        ["Fairlead.Balancer"] = ["Fairlead.Net"],
        ["Fairlead.Fleet"] =
            ["Fairlead.Net", "Fairlead.Dns", "Fairlead.Bgp", "Fairlead.Health", "Fairlead.Balancer"],
        ["Fairlead.Lab"] = ["Fairlead.Net"],
        ["Fairlead"] = ["Fairlead.Fleet", "Fairlead.Lab"],
    };

    private static readonly string[] Engines =
        ["Fairlead.Net", "Fairlead.Dns", "Fairlead.Bgp", "Fairlead.Health", "Fairlead.Balancer"];

    /// <summary>Names in which the words mean something else.</summary>
    private static readonly Dictionary<string, string> OtherMeanings = new()
    {
        ["Pop()"] = "takes the top of a stack",
        ["PopCount("] = "counts bits",
        ["DrainClosing("] = "reads closing sockets empty",
    };

    [Fact]
    public void Project_references_point_one_way() => Tree.AssertNone(
        from project in Tree.Files("src", "*.csproj")
        let name = Path.GetFileNameWithoutExtension(project)
        from reference in XDocument.Parse(Tree.Text(project)).Descendants("ProjectReference")
        let target = Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!)
        where !MayReference.TryGetValue(name, out string[]? allowed) || !allowed.Contains(target)
        select $"{project} must not reference {target}");

    [Fact]
    public void Every_project_of_src_has_its_place_in_the_order() => Assert.Equal(
        MayReference.Keys.Order(StringComparer.Ordinal),
        Tree.Files("src", "*.csproj").Select(project => Path.GetFileNameWithoutExtension(project)!)
            .Order(StringComparer.Ordinal));

    [Fact]
    public void No_folder_is_a_drawer_for_what_has_no_place() => Tree.AssertNone(
        Tree.Files("src", "*").Concat(Tree.Files("tests", "*"))
            .Select(file => Path.GetDirectoryName(file)!).Distinct()
            .Where(folder => folder.Split('/').Any(
                part => part is "Utils" or "Util" or "Common" or "Helpers" or "Managers" or "Services")));

    [Fact]
    public void Engines_do_not_know_the_fleet() => Tree.AssertNone(
        from engine in Engines
        from file in Tree.SourcesOf($"src/{engine}")
        from Match match in FleetWord().Matches(file.Text)
        where !OtherMeanings.Keys.Any(name => file.Text.AsSpan(match.Index).StartsWith(name))
        select $"{file.Path}:{file.LineOf(match.Index)}: \"{match.Value}\"");

    // As a word of its own or as a word of a name: pop, pops, PopPlan, isDrained, FleetSpec; not popular or Populate.
    [GeneratedRegex("""
        (?<![A-Za-z])(pops?|drain(s|ed|ing)?|fleets?)(?![a-z])
        |(Pops?|Drain(s|ed|ing)?|Fleets?)(?![a-z])
        |(?<![A-Za-z])(POPS?|FLEETS?|DRAINS?)(?![A-Za-z])
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex FleetWord();
}
