using System.Text.RegularExpressions;

namespace Fairlead.Tests.Tidy;

/// <summary>The measurable half of STYLE.md.</summary>
public partial class StyleTests
{
    private const int FileLinesMax = 600;
    private const int MemberLinesMax = 70;
    private const int ColumnsMax = 120;

    /// <summary>Files with longer members, each with its reason.</summary>
    private static readonly Dictionary<string, string> LongMembers = new()
    {
        ["src/Fairlead/Import/BindAdvice.cs"] = "a table",
        ["src/Fairlead.Fleet/Routers/BirdGuard.cs"] = "one text in BIRD's language, read from top to bottom",
    };

    /// <summary>Where any exception at all may be caught, each with its reason.</summary>
    private static readonly Dictionary<string, string> CatchesEverything = new()
    {
        ["src/Fairlead.Net/Linux/NetworkNamespace.cs"] = "carries it from the namespace's thread to the caller's",
        ["src/Fairlead.Dns/Server/AnswerGuard.cs"] = "one packet must not take the server from everybody else",
        ["src/Fairlead.Dns/Server/DnsServer.cs"] = "a lost thread is told to the owner, who ends the process",
        ["src/Fairlead.Dns/Transfers/SecondaryZones.cs"] = "a zone that nobody follows is told to the owner, as above",
        ["tests/Fairlead.Fuzz/Fuzzer.cs"] = "whatever is thrown is a finding",
        ["tests/Fairlead.Tests/Property.cs"] = "names the seed of whatever failed",
    };

    /// <summary>Fixtures that cannot hold a # line, each with its origin. None today.</summary>
    private static readonly Dictionary<string, string> OriginsElsewhere = [];

    [Fact]
    public void Files_are_short_enough_to_hold_in_mind() => Tree.AssertNone(
        from file in Tree.Sources
        where file.Lines.Length > FileLinesMax
        select $"{file.Path}: {file.Lines.Length} lines");

    [Fact]
    public void Members_are_short_enough_to_see_whole() => Tree.AssertNone(
        from file in Tree.Sources
        where !LongMembers.ContainsKey(file.Path)
        from member in file.Members()
        where member.Length > MemberLinesMax
        select $"{file.Path}:{member.Line}: {member.Length} lines");

    [Fact]
    public void Lines_fit_beside_each_other() => Tree.AssertNone(
        from file in Tree.Sources
        from line in file.Lines.Index()
        where line.Item.Length > ColumnsMax
        select $"{file.Path}:{line.Index + 1}: {line.Item.Length} columns");

    [Fact]
    public void Only_listed_files_catch_everything() => Tree.AssertNone(
        from file in Tree.Sources
        where !CatchesEverything.ContainsKey(file.Path)
        from Match match in CatchAll().Matches(file.Code)
        select $"{file.Path}:{file.LineOf(match.Index)}: name the exceptions, throw on, or be on the list");

    [Fact]
    public void The_list_of_those_who_catch_everything_is_not_longer_than_needed() => Tree.AssertNone(
        CatchesEverything.Keys.Where(path => !Tree.Sources.Any(
            file => file.Path == path && CatchAll().IsMatch(file.Code))));

    [Fact]
    public void Rfcs_are_cited_in_one_form() => Tree.AssertNone(
        from text in Tree.Sources.Select(file => (file.Path, file.Text))
            .Concat(Tree.Pages().Select(page => (Path: page, Text: Tree.Text(page))))
        where text.Path != "tests/Fairlead.Tests/Tidy/StyleTests.cs"
        from Match match in BadCite().Matches(text.Text)
        select $"{text.Path}: \"{match.Value}\" (the form is: RFC 4271 §4.2)");

    [Fact]
    public void Every_fixture_says_where_it_came_from() => Tree.AssertNone(
        from path in Tree.Files("tests/fixtures", "*")
        where !OriginsElsewhere.ContainsKey(path) && !Tree.Text(path).StartsWith("# ", StringComparison.Ordinal)
        select path);

    [Fact]
    public void Nobody_sleeps() => Tree.AssertNone(
        from file in Tree.Sources
        from Match match in Sleep().Matches(file.Code)
        select $"{file.Path}:{file.LineOf(match.Index)}: move the fake clock, or wait for a condition");

    [Fact]
    public void The_reader_of_the_tree_tells_code_from_talk()
    {
        const string Text = "class A { int F() { return \"}\".Length; /* } */ } // {\n int G() {\n\n } }";
        var file = new SourceFile("a.cs", Text);
        Assert.Equal([(1, 1), (2, 3)], file.Members());
        Assert.Equal(Text.Length, file.Code.Length);
    }

    // `catch (Exception e)` without a `when`, or `catch` alone; either is fine when it only cleans up and throws on.
    [GeneratedRegex("""
        catch\s*(\(\s*(System\.)?Exception(\s+\w+)?\s*\)\s*)?\{(?![^{}]*\bthrow;)
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex CatchAll();

    [GeneratedRegex(@"RFC[-_]?\d+|RFC \d+(§|, ?§|\s+\d+\.\d|,? [Ss]ec)|RFCs? \d+ §\s|(?<!\w)[Ss]ection \d")]
    private static partial Regex BadCite();

    [GeneratedRegex(@"\bThread\s*\.\s*Sleep\b")]
    private static partial Regex Sleep();
}
