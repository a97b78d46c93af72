using System.Text;

namespace Fairlead.Dns.Zones;

/// <summary>A word of a master file, its escapes still in it.</summary>
internal sealed record MasterToken(string Text, bool Quoted, int Line, int Column);

/// <summary>One entry: the words up to the end of a line, or of the last line when parentheses join several.</summary>
internal sealed record MasterEntry(IReadOnlyList<MasterToken> Words, bool StartsBlank, int Line);

/// <summary>Cuts a master file into entries (RFC 1035 §5.1): words, quoted strings, comments, parentheses.</summary>
internal sealed class MasterLexer(string text, Action<int, int, string> report)
{
    private int at;
    private int line = 1;
    private int lineStart;

    private int Column => at - lineStart + 1;

    /// <summary>The next entry with at least one word; null at the end.</summary>
    public MasterEntry? Next()
    {
        while (at < text.Length)
        {
            int startLine = line;
            bool blank = text[at] is ' ' or '\t';
            List<MasterToken> words = ReadEntry();
            if (words.Count > 0) return new MasterEntry(words, blank, startLine);
        }

        return null;
    }

    private List<MasterToken> ReadEntry()
    {
        var words = new List<MasterToken>();
        (int Line, int Column)? open = null;
        while (at < text.Length)
        {
            char c = text[at];
            if (c == '\n')
            {
                EndLine();
                if (open is null) return words;
            }
            else if (c is ' ' or '\t' or '\r')
            {
                at++;
            }
            else if (c == ';')
            {
                while (at < text.Length && text[at] != '\n') at++;
            }
            else if (c == '(')
            {
                if (open is not null) report(line, Column, "a parenthesis inside parentheses");
                open ??= (line, Column);
                at++;
            }
            else if (c == ')')
            {
                if (open is null) report(line, Column, "this parenthesis was never opened");
                open = null;
                at++;
            }
            else
            {
                words.Add(c == '"' ? Quoted() : Word());
            }
        }

        if (open is var (openLine, openColumn)) report(openLine, openColumn, "this parenthesis is never closed");
        return words;
    }

    private void EndLine()
    {
        at++;
        line++;
        lineStart = at;
    }

    private MasterToken Word()
    {
        (int start, int column) = (at, Column);
        while (at < text.Length && text[at] is not (' ' or '\t' or '\r' or '\n' or ';' or '(' or ')' or '"'))
            at += text[at] == '\\' && at + 1 < text.Length && text[at + 1] != '\n' ? 2 : 1;
        return new MasterToken(text[start..at], false, line, column);
    }

    private MasterToken Quoted()
    {
        (int startLine, int column) = (line, Column);
        var inside = new StringBuilder();
        at++;
        while (at < text.Length && text[at] is not ('"' or '\n'))
        {
            if (text[at] == '\\' && at + 1 < text.Length && text[at + 1] != '\n') inside.Append(text[at++]);
            inside.Append(text[at++]);
        }

        if (at < text.Length && text[at] == '"') at++;
        else report(startLine, column, "this string is not closed on its line");
        return new MasterToken(inside.ToString(), true, startLine, column);
    }
}
