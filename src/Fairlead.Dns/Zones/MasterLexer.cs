using System.Text;

namespace Fairlead.Dns.Zones;

/// <summary>
/// A word of a master file, its escapes still in it: where its text stands, without the quotes. Joined: no space
/// stands between it and the word before it, as in alpn="h2".
/// </summary>
internal readonly record struct MasterToken(int Start, int Length, bool Quoted, bool Joined, int Line, int Column);

/// <summary>
/// Cuts a master file into entries (RFC 1035 §5.1): words, quoted strings, comments, parentheses. An entry is what
/// stands up to the end of a line, or of the last line when parentheses join several. The text is UTF-8.
/// </summary>
internal sealed class MasterLexer(ReadOnlyMemory<byte> source, Action<int, int, string> report)
{
    private int at;
    private int line = 1;
    private int lineStart;

    /// <summary>The words of the entry that Next went to.</summary>
    public List<MasterToken> Words { get; } = [];

    /// <summary>The entry begins with a space: its owner is that of the entry before it.</summary>
    public bool StartsBlank { get; private set; }

    private ReadOnlySpan<byte> Text => source.Span;

    private int Column => at - lineStart + 1;

    public ReadOnlySpan<byte> TextOf(in MasterToken token) => source.Span.Slice(token.Start, token.Length);

    public string StringOf(in MasterToken token) => Encoding.UTF8.GetString(TextOf(token));

    /// <summary>Goes to the next entry with at least one word; false at the end.</summary>
    public bool Next()
    {
        while (at < Text.Length)
        {
            StartsBlank = Text[at] is (byte)' ' or (byte)'\t';
            Words.Clear();
            ReadEntry();
            if (Words.Count > 0) return true;
        }

        return false;
    }

    private void ReadEntry()
    {
        ReadOnlySpan<byte> text = Text;
        (int Line, int Column)? open = null;
        while (at < text.Length)
        {
            switch (text[at])
            {
                case (byte)'\n':
                    at++;
                    line++;
                    lineStart = at;
                    if (open is null) return;
                    break;
                case (byte)' ' or (byte)'\t' or (byte)'\r':
                    at++;
                    break;
                case (byte)';':
                    while (at < text.Length && text[at] != '\n') at++;
                    break;
                case (byte)'(':
                    if (open is not null) report(line, Column, "a parenthesis inside parentheses");
                    open ??= (line, Column);
                    at++;
                    break;
                case (byte)')':
                    if (open is null) report(line, Column, "this parenthesis was never opened");
                    open = null;
                    at++;
                    break;
                case (byte)'"':
                    Quoted(text);
                    break;
                default:
                    Word(text);
                    break;
            }
        }

        if (open is var (openLine, openColumn)) report(openLine, openColumn, "this parenthesis is never closed");
    }

    private void Word(ReadOnlySpan<byte> text)
    {
        (int start, int column) = (at, Column);
        while (at < text.Length && !" \t\r\n;()\""u8.Contains(text[at]))
            at += text[at] == '\\' && at + 1 < text.Length && text[at + 1] != '\n' ? 2 : 1;
        Add(text, start, at - start, false, column);
    }

    private void Quoted(ReadOnlySpan<byte> text)
    {
        int column = Column, start = ++at;
        while (at < text.Length && text[at] is not ((byte)'"' or (byte)'\n'))
            at += text[at] == '\\' && at + 1 < text.Length && text[at + 1] != '\n' ? 2 : 1;
        int length = at - start;
        if (at < text.Length && text[at] == '"') at++;
        else report(line, column, "this string is not closed on its line");
        Add(text, start, length, true, column);
    }

    private void Add(ReadOnlySpan<byte> text, int start, int length, bool quoted, int column)
    {
        int opening = start - (quoted ? 1 : 0);
        bool joined = Words.Count > 0 && Words[^1] is var last
            && last.Start + last.Length + (last.Quoted ? 1 : 0) == opening;
        Words.Add(new MasterToken(start, length, quoted, joined, line, column));
        // A column is a character: the bytes after the first of a character (RFC 3629 §3) do not count.
        foreach (byte value in text.Slice(start, length))
        {
            if ((value & 0xc0) == 0x80) lineStart++;
        }
    }
}
