using System.Globalization;
using System.Text;

namespace Fairlead.Import;

/// <summary>Where a word stands. Lines and columns count from 1.</summary>
internal readonly record struct TextPlace(string File, int Line, int Column);

/// <summary>A file that cannot be read as what it should be; nothing is written then.</summary>
internal sealed class ImportException(TextPlace at, string message)
    : Exception($"{at.File}:{at.Line}:{at.Column}: {message}");

/// <summary>A value of gdnsd's configuration language: a text, an array, or a hash in the order of the file.</summary>
internal sealed class VscfValue
{
    public required TextPlace At { get; init; }

    public string? Text { get; init; }

    public IReadOnlyList<VscfValue>? Items { get; init; }

    public IReadOnlyList<VscfPair>? Pairs { get; init; }

    public VscfValue? this[string key] => Pairs?.FirstOrDefault(pair => pair.Key == key)?.Value;

    /// <summary>A single value stands for an array of one, everywhere.</summary>
    public IReadOnlyList<VscfValue> AsList => Items ?? [this];

    public IReadOnlyList<VscfPair> AsPairs => Pairs ?? [];
}

internal sealed record VscfPair(string Key, TextPlace At, VscfValue Value);

/// <summary>
/// Reads gdnsd's configuration language (gdnsd.config(5), "LOW-LEVEL SYNTAX"): hashes, arrays and texts, comments that
/// begin with # or ;, and $include{}. Faults are ImportExceptions.
/// </summary>
internal sealed class Vscf
{
    private const int DepthMax = 64;
    private const string Special = "][}{;#,\"=\\";

    private readonly string file;
    private readonly string text;
    private readonly int depth;
    private int at;
    private int line = 1;
    private int lineStart;

    private Vscf(string file, string text, int depth) => (this.file, this.text, this.depth) = (file, text, depth);

    private TextPlace Here => new(file, line, at - lineStart + 1);

    public static VscfValue ReadFile(string path) => ReadFile(path, new TextPlace(path, 1, 1), 0);

    public static VscfValue Read(string file, string text) => new Vscf(file, text, 0).ReadTop();

    private static VscfValue ReadFile(string path, TextPlace asked, int depth)
    {
        if (depth > DepthMax) throw new ImportException(asked, "includes go too deep");
        try
        {
            return new Vscf(path, File.ReadAllText(path), depth).ReadTop();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ImportException(asked, $"{path} cannot be read: {fault.Message}");
        }
    }

    // The top is a hash without braces, or an array with its brackets.
    private VscfValue ReadTop()
    {
        SkipBlank();
        TextPlace start = Here;
        if (Peek() == '[')
        {
            at++;
            return new VscfValue { At = start, Items = ReadItems() };
        }

        return new VscfValue { At = start, Pairs = ReadPairs('\0') };
    }

    private VscfValue ReadValue()
    {
        SkipBlank();
        TextPlace start = Here;
        if (IsInclude()) return Included(start) is [var only] ? only
            : throw new ImportException(start, "here the include must name one file");
        switch (Peek())
        {
            case '{':
                at++;
                return new VscfValue { At = start, Pairs = ReadPairs('}') };
            case '[':
                at++;
                return new VscfValue { At = start, Items = ReadItems() };
            default:
                return new VscfValue { At = start, Text = ReadText() };
        }
    }

    private List<VscfValue> ReadItems()
    {
        TextPlace start = Here;
        var items = new List<VscfValue>();
        for (SkipBlank(); Peek() != ']'; SkipBlank())
        {
            if (at >= text.Length) throw new ImportException(start, "this array is never closed");
            items.Add(ReadValue());
            SkipComma();
        }

        at++;
        return items;
    }

    private List<VscfPair> ReadPairs(char end)
    {
        TextPlace start = Here;
        var pairs = new List<VscfPair>();
        for (SkipBlank(); Peek() != end || (end == '\0' && at < text.Length); SkipBlank())
        {
            if (at >= text.Length) throw new ImportException(start, "this hash is never closed");
            TextPlace key = Here;
            if (IsInclude())
            {
                // An include where a key could stand brings its own keys.
                foreach (VscfValue file in Included(key)) pairs.AddRange(file.AsPairs);
                SkipComma();
                continue;
            }

            string name = ReadText();
            SkipBlank();
            if (Peek() != '=') throw new ImportException(Here, $"expected \"=>\" after \"{name}\"");
            at++;
            if (Peek() == '>') at++;
            VscfValue value = ReadValue();
            if (pairs.Any(pair => pair.Key == name)) throw new ImportException(key, $"\"{name}\" stands here twice");
            pairs.Add(new VscfPair(name, key, value));
            SkipComma();
        }

        at++;
        return pairs;
    }

    private bool IsInclude() => string.CompareOrdinal(text, at, "$include{", 0, 9) == 0;

    private List<VscfValue> Included(TextPlace asked)
    {
        at += "$include{".Length;
        SkipBlank();
        string name = ReadText();
        SkipBlank();
        if (Peek() != '}') throw new ImportException(asked, "this include is never closed");
        at++;
        string path = Path.Combine(Path.GetDirectoryName(file) ?? "", name);
        if (Directory.Exists(path)) path = Path.Combine(path, "*");
        if (!path.Contains('*') && !path.Contains('?')) return [ReadFile(path, asked, depth + 1)];
        string folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder)) throw new ImportException(asked, $"no file fits {path}");
        return
        [
            .. Directory.GetFiles(folder, Path.GetFileName(path)).Order(StringComparer.Ordinal)
                .Select(one => ReadFile(one, asked, depth + 1)),
        ];
    }

    private string ReadText()
    {
        bool quoted = Peek() == '"';
        TextPlace start = Here;
        if (quoted) at++;
        else if (Peek() == '$') throw new ImportException(start, "a text does not begin with \"$\"");
        var read = new StringBuilder();
        while (at < text.Length)
        {
            char c = text[at];
            if (c == '\\') read.Append(ReadEscape());
            else if (quoted ? c == '"' : char.IsWhiteSpace(c) || Special.Contains(c)) break;
            else
            {
                read.Append(c);
                Step();
            }
        }

        if (quoted && Peek() != '"') throw new ImportException(start, "this text is never closed");
        if (quoted) at++;
        else if (read.Length == 0) throw new ImportException(start, $"expected a value, found \"{Peek()}\"");
        return read.ToString();
    }

    private char ReadEscape()
    {
        TextPlace start = Here;
        at++;
        if (at >= text.Length) throw new ImportException(start, "nothing follows the \"\\\"");
        if (!char.IsAsciiDigit(text[at]))
        {
            char one = text[at];
            Step();
            return one;
        }

        bool read = at + 3 <= text.Length
            & byte.TryParse(text.AsSpan(at, Math.Min(3, text.Length - at)), NumberStyles.None,
                CultureInfo.InvariantCulture, out byte value);
        if (!read) throw new ImportException(start, "expected three digits up to 255 after \"\\\"");
        at += 3;
        return (char)value;
    }

    private char Peek() => at < text.Length ? text[at] : '\0';

    private void SkipComma()
    {
        SkipBlank();
        if (Peek() == ',') at++;
    }

    private void SkipBlank()
    {
        while (at < text.Length)
        {
            if (text[at] is '#' or ';')
            {
                while (at < text.Length && text[at] != '\n') at++;
            }
            else if (char.IsWhiteSpace(text[at])) Step();
            else return;
        }
    }

    private void Step()
    {
        if (text[at++] != '\n') return;
        line++;
        lineStart = at;
    }
}
