using System.Text;
using System.Text.RegularExpressions;

namespace Fairlead.Tests.Tidy;

/// <summary>The checked-out tree, as the tidy tests read it. Paths are relative to its root, with slashes.</summary>
internal static class Tree
{
    private static readonly Lazy<SourceFile[]> AllSources = new(() =>
        [.. Files("src", "*.cs").Concat(Files("tests", "*.cs")).Select(path => new SourceFile(path, Text(path)))]);

    public static string Root => Fixture.Repository;

    /// <summary>Every C# file of src and tests.</summary>
    public static IReadOnlyList<SourceFile> Sources => AllSources.Value;

    public static IEnumerable<SourceFile> SourcesOf(string folder) =>
        Sources.Where(file => file.Path.StartsWith(folder + "/", StringComparison.Ordinal));

    public static string Text(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>The files below a folder; what a build has made is none of ours.</summary>
    public static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj" or "artifacts" or "node_modules"))
            .Order(StringComparer.Ordinal);

    /// <summary>README.md and its like, and everything of docs.</summary>
    public static IEnumerable<string> Pages() =>
        Directory.EnumerateFiles(Root, "*.md").Select(path => Path.GetFileName(path)).Concat(Files("docs", "*.md"));

    /// <summary>Fails with all findings at once, a line each.</summary>
    public static void AssertNone(IEnumerable<string> findings)
    {
        string[] all = [.. findings];
        Assert.True(all.Length == 0, $"{all.Length} found:\n{string.Join('\n', all)}");
    }
}

/// <summary>
/// A C# file and its shadow: Code has every comment and every string blanked out, line by line and column by column
/// as in Text, so that a search for code does not meet what is only talk. Comments has the rest of the comments.
/// </summary>
internal sealed partial class SourceFile
{
    public SourceFile(string path, string text)
    {
        (Path, Text) = (path, text);
        var code = new StringBuilder(text.Length);
        var comments = new StringBuilder();
        int end = 0;
        // Raw strings, verbatim strings, strings, characters and comments, whichever comes first.
        foreach (Match match in Talk().Matches(text))
        {
            code.Append(text, end, match.Index - end);
            foreach (char letter in match.Value) code.Append(letter == '\n' ? '\n' : ' ');
            if (match.Value[0] == '/') comments.Append(match.Value).Append('\n');
            end = match.Index + match.Length;
        }

        code.Append(text, end, text.Length - end);
        (Code, Comments) = (code.ToString(), comments.ToString());
    }

    public string Path { get; }

    public string Text { get; }

    public string Code { get; }

    public string Comments { get; }

    public string[] Lines => Text.Split('\n');

    public int LineOf(int at) => Text.AsSpan(0, at).Count('\n') + 1;

    /// <summary>
    /// The members of types that have a body in braces: where each begins and how many lines it takes. A block is a
    /// type when its head says so, and a member when what holds it is a type.
    /// </summary>
    public IEnumerable<(int Line, int Length)> Members()
    {
        var open = new Stack<(bool IsType, int Begin)>();
        int head = 0;
        for (int at = 0; at < Code.Length; at++)
        {
            switch (Code[at])
            {
                case ';':
                    head = at + 1;
                    break;
                case '{':
                    open.Push((TypeHead().IsMatch(Code[head..at]), head + Blanks(head)));
                    head = at + 1;
                    break;
                case '}' when open.TryPop(out (bool IsType, int Begin) block):
                    bool isMember = !block.IsType && open.TryPeek(out (bool IsType, int Begin) outer) && outer.IsType;
                    if (isMember) yield return (LineOf(block.Begin), LineOf(at) - LineOf(block.Begin) + 1);
                    head = at + 1;
                    break;
            }
        }
    }

    private int Blanks(int from) => Code.AsSpan(from).Length - Code.AsSpan(from).TrimStart().Length;

    // A hole of an interpolated string may hold a string with its own quotes, one level deep.
    [GeneratedRegex("""
        \$*("{3,})[\s\S]*?\1(?!")
        |(\$@|@\$)"([^"]|"")*"
        |@"([^"]|"")*"
        |\$"(\\.|\{\{|\{([^{}"\\]|"(\\.|[^"\\])*"|\{[^{}]*\})*\}|[^"\\{])*"
        |"(\\.|[^"\\\n])*"
        |'(\\[^\n]{1,9}?|[^'\\\n])'
        |//[^\n]*
        |/\*[\s\S]*?\*/
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Talk();

    [GeneratedRegex(@"\b(class|struct|record|interface|enum)\s+\w")]
    private static partial Regex TypeHead();
}
