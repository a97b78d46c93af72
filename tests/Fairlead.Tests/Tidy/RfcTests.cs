using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Fairlead.Tests.Tidy;

/// <summary>
/// docs/rfc.md: which RFCs are obeyed where, and which tests cover them. It is made of the cites in src and tests: a
/// cite above a test or inside it is that test's, another one in a test's file is its class's.
/// </summary>
public partial class RfcTests
{
    private const string Page = "docs/rfc.md";
    private const string Again =
        "FAIRLEAD_WRITE=1 dotnet test tests/Fairlead.Tests --filter FullyQualifiedName~page_of_rfcs";

    /// <summary>What a DNS server of this kind must obey; each needs a test that covers it.</summary>
    private static readonly int[] MustBeCovered =
    [
        1034, 1035, 1995, 1996, 2181, 2308, 3596, 3597, 4034, 4035, 4343, 4592, 5001, 5155, 5936, 6672, 6891, 7766,
        7828, 7858, 7871, 7873, 8482, 8484, 8906, 8914, 8945, 9018, 9460,
    ];

    // These speak of cites and are none.
    private static readonly string[] Apart = ["RfcTests.cs", "RfcTitles.cs", "StyleTests.cs"];

    private static readonly SourceFile[] Files =
        [.. Tree.Sources.Where(file => !Apart.Contains(Path.GetFileName(file.Path)))];

    [Fact]
    public void The_page_of_rfcs_is_as_new_as_the_cites()
    {
        string page = Write();
        if (Environment.GetEnvironmentVariable("FAIRLEAD_WRITE") is { Length: > 0 })
            File.WriteAllText(Path.Combine(Tree.Root, Page), page);
        Assert.True(page == Tree.Text(Page), $"{Page} is older than the cites; write it anew: {Again}");
    }

    [Fact]
    public void Every_rfc_that_is_cited_has_its_title_and_no_other() => Assert.Equal(
        Files.SelectMany(file => Cite().Matches(file.Text)).Select(NumberOf).Distinct().Order(),
        RfcTitles.All.Keys.Order());

    [Fact]
    public void Every_rfc_of_the_dns_server_has_a_place_and_a_test()
    {
        ILookup<int, string> tests = Tests();
        HashSet<int> obeyed = [.. Sources().Select(cites => cites.Key)];
        Tree.AssertNone(
            MustBeCovered.Where(rfc => !obeyed.Contains(rfc)).Select(rfc => $"{rfc}: cited nowhere in src"));
        Tree.AssertNone(MustBeCovered.Where(rfc => !tests.Contains(rfc)).Select(rfc => $"{rfc}: no test cites it"));
    }

    private static string Write()
    {
        var page = new StringBuilder($"""
            # RFCs

            Made from the cites in `src` and `tests`; do not edit it. To write it anew:

            ```
            {Again}
            ```

            A rule is cited where it is obeyed, with its section; a departure says so there. A test stands in the last
            column when it cites the RFC.

            | RFC | title | obeyed in | covered by |
            | --- | --- | --- | --- |

            """);
        ILookup<int, string> tests = Tests();
        var sources = Sources().ToDictionary(cites => cites.Key, cites => cites.ToArray());
        foreach ((int rfc, string title) in RfcTitles.All.OrderBy(rfc => rfc.Key))
        {
            IEnumerable<string> places = from cite in sources.GetValueOrDefault(rfc, [])
                                         group cite.Part by cite.File into file
                                         let parts = file.Where(part => part.Length > 0).Distinct()
                                         select $"`{file.Key}` {string.Join(", ", parts)}".TrimEnd();
            page.Append(CultureInfo.InvariantCulture,
                $"| [{rfc}](https://www.rfc-editor.org/rfc/rfc{rfc}) | {title} | {string.Join("; ", places)} | ");
            page.AppendJoin(", ", tests[rfc].Distinct().Select(test => $"`{test}`")).Append(" |\n");
        }

        return page.ToString();
    }

    private static IEnumerable<IGrouping<int, (string File, string Part)>> Sources() =>
        from file in Files
        where file.Path.StartsWith("src/", StringComparison.Ordinal)
        from cite in Cite().Matches(file.Text)
        group (file.Path["src/".Length..], cite.Groups["part"].Value) by NumberOf(cite);

    private static ILookup<int, string> Tests() => Files
        .Where(file => file.Path.StartsWith("tests/", StringComparison.Ordinal)).SelectMany(CitesOfTests)
        .ToLookup(cite => cite.Rfc, cite => cite.Test);

    private static IEnumerable<(int Rfc, string Test)> CitesOfTests(SourceFile file)
    {
        string type = Path.GetFileNameWithoutExtension(file.Path), test = type;
        var above = new List<int>();
        foreach (string line in file.Lines)
        {
            bool isMember = MemberLine().IsMatch(line);
            if (isMember)
            {
                test = TestLine().Match(line) is { Success: true } named ? $"{type}.{named.Groups[1].Value}" : type;
                foreach (int rfc in above) yield return (rfc, test);
                above.Clear();
            }

            IEnumerable<int> cited = Cite().Matches(line).Select(NumberOf);
            if (OutsideLine().IsMatch(line)) above.AddRange(cited);
            else foreach (int rfc in cited) yield return (rfc, line.StartsWith(' ') ? test : type);
        }
    }

    private static int NumberOf(Match cite) => int.Parse(cite.Groups["rfc"].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"RFC (?<rfc>\d+)( (?<part>§[0-9A-Za-z]+(\.[0-9A-Za-z]+)*|Appendix [A-Z]))?")]
    private static partial Regex Cite();

    // What begins a member of a class: neither an attribute nor a comment.
    [GeneratedRegex(@"^    [a-z]")]
    private static partial Regex MemberLine();

    [GeneratedRegex(@"^    public (?:async )?(?:void|Task) ([A-Z][a-z0-9]*_\w+)\(")]
    private static partial Regex TestLine();

    // A comment above a member, or an attribute of it.
    [GeneratedRegex(@"^    (//|\[)")]
    private static partial Regex OutsideLine();
}
