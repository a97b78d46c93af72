using System.Text;

namespace Fairlead.Import;

/// <summary>Words up to a semicolon, or up to and with a block.</summary>
internal sealed record BlockStatement(
    TextPlace At, IReadOnlyList<string> Words, IReadOnlyList<BlockStatement>? Block)
{
    public string Key => Words.Count > 0 ? Words[0] : "";

    public string? Value => Words.Count > 1 ? Words[1] : null;

    /// <summary>The word behind this one: "as" of "local 192.0.2.1 as 64500".</summary>
    public string? After(string word)
    {
        for (int i = 1; i + 1 < Words.Count; i++)
        {
            if (Words[i] == word) return Words[i + 1];
        }

        return null;
    }

    public override string ToString() => string.Join(' ', Words) + (Block is null ? "" : " {...}");
}

/// <summary>
/// Reads what the files of ExaBGP and BIRD have in common: statements that end in a semicolon or in a block in braces,
/// texts in quotes, comments (# and /* */). What the words mean is others' business. Faults are ImportExceptions.
/// </summary>
internal sealed class BlockConf
{
    private const int DepthMax = 32;

    private readonly string file;
    private readonly string text;
    private int at;
    private int line = 1;
    private int lineStart;

    private BlockConf(string file, string text) => (this.file, this.text) = (file, text);

    private TextPlace Here => new(file, line, at - lineStart + 1);

    public static IReadOnlyList<BlockStatement> ReadFile(string path)
    {
        var conf = new BlockConf(path, ReadText(path));
        List<BlockStatement> all = conf.Statements(0);
        return conf.at < conf.text.Length
            ? throw new ImportException(conf.Here, "expected a statement, found \"}\"")
            : all;
    }

    /// <summary>ImportException when the file cannot be read.</summary>
    public static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ImportException(new TextPlace(path, 1, 1), $"cannot be read: {fault.Message}");
        }
    }

    // Up to the end of the file or a closing brace, which is left.
    private List<BlockStatement> Statements(int level)
    {
        if (level > DepthMax) throw new ImportException(Here, "blocks go too deep");
        var all = new List<BlockStatement>();
        for (SkipBlank(); at < text.Length && text[at] != '}'; SkipBlank())
        {
            if (text[at] == ';') at++; // Behind a block it may stand or not.
            else all.Add(Statement(level));
        }

        return all;
    }

    private BlockStatement Statement(int level)
    {
        TextPlace start = Here;
        var words = new List<string>();
        for (; at < text.Length && text[at] is not (';' or '{' or '}'); SkipBlank()) words.Add(Word());
        if (at >= text.Length) throw new ImportException(start, $"expected \";\" or a block after \"{words[^1]}\"");
        if (text[at] != '{')
        {
            if (text[at] == ';') at++;
            return new BlockStatement(start, words, null);
        }

        TextPlace opened = Here;
        at++;
        List<BlockStatement> block = Statements(level + 1);
        if (at >= text.Length) throw new ImportException(opened, "this block is never closed");
        at++;
        return new BlockStatement(start, words, block);
    }

    // Brackets are words of their own; quotes may stand in the middle of a word, as in a shell's --cmd="a b".
    private string Word()
    {
        if (text[at] is '[' or ']') return text[at++].ToString();
        var word = new StringBuilder();
        while (at < text.Length && !char.IsWhiteSpace(text[at]) && !";{}[]".Contains(text[at]))
        {
            if (text[at] is '"' or '\'') Quoted(word);
            else word.Append(text[at++]);
        }

        return word.ToString();
    }

    private void Quoted(StringBuilder word)
    {
        TextPlace start = Here;
        char quote = text[at];
        for (at++; at < text.Length && text[at] != quote; at++)
        {
            if (text[at] == '\n') (line, lineStart) = (line + 1, at + 1);
            if (text[at] == '\\' && at + 1 < text.Length && text[at + 1] == quote) at++;
            word.Append(text[at]);
        }

        if (at >= text.Length) throw new ImportException(start, "this text is never closed");
        at++;
    }

    private void SkipBlank()
    {
        while (at < text.Length)
        {
            if (text[at] == '\n') (line, lineStart) = (line + 1, at + 1);
            if (char.IsWhiteSpace(text[at])) at++;
            else if (text[at] == '#') while (at < text.Length && text[at] != '\n') at++;
            else if (text.AsSpan(at).StartsWith("/*")) SkipLongComment();
            else return;
        }
    }

    private void SkipLongComment()
    {
        TextPlace start = Here;
        int end = text.IndexOf("*/", at + 2, StringComparison.Ordinal);
        if (end < 0) throw new ImportException(start, "this comment is never closed");
        for (; at < end; at++)
        {
            if (text[at] == '\n') (line, lineStart) = (line + 1, at + 1);
        }

        at = end + 2;
    }
}
