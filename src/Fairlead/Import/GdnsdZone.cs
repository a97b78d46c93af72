using System.Text;
using System.Text.RegularExpressions;

namespace Fairlead.Import;

/// <summary>A DYNA or DYNC record: a name that a plugin answers.</summary>
/// <param name="Owner">Absolute.</param>
internal sealed record GdnsdDynamic(
    string Owner, int? TtlMax, int? TtlMin, bool MayBeCname, string Plugin, string Resource, TextPlace At);

/// <summary>
/// A master file of gdnsd without its DYNA and DYNC records, and these. What is included is written into it; a record
/// that had its owner from one that went is given it back.
/// </summary>
internal sealed partial class GdnsdZone
{
    private const int IncludeDepthMax = 16;

    private readonly StringBuilder output = new();
    private readonly Func<GdnsdDynamic, string?> replace;
    private readonly ImportedFleet fleet;
    private string owner;
    private bool ownerIsGone;
    private string? ttl;

    private GdnsdZone(string origin, int ttlDefault, Func<GdnsdDynamic, string?> replace, ImportedFleet fleet)
    {
        (this.replace, this.fleet) = (replace, fleet);
        (owner, ttl) = (origin, $"{ttlDefault}");
    }

    /// <summary>
    /// The zone's text. Each dynamic record is handed over; what replace gives stands in its place, if anything.
    /// </summary>
    public static string Read(
        string file, string origin, int ttlDefault, Func<GdnsdDynamic, string?> replace, ImportedFleet fleet)
    {
        var zone = new GdnsdZone(origin, ttlDefault, replace, fleet);
        zone.output.Append($"$ORIGIN {origin}\n$TTL {zone.ttl}\n");
        zone.ReadFile(file, origin, new TextPlace(file, 1, 1), 0);
        return zone.output.ToString();
    }

    private void ReadFile(string file, string origin, TextPlace asked, int depth)
    {
        if (depth > IncludeDepthMax) throw new ImportException(asked, "includes go too deep");
        string text;
        try
        {
            text = File.ReadAllText(file);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ImportException(asked, $"{file} cannot be read: {fault.Message}");
        }

        foreach ((int line, string entry) in Entries(text))
        {
            (string Word, int Index)[] words =
                [.. Word().Matches(entry).Where(m => m.Value[0] is not (';' or '(' or ')')).Select(m => (m.Value,
                    m.Index))];
            if (words.Length == 0)
            {
                output.Append(entry);
                continue;
            }

            var at = new TextPlace(file, line, words[0].Index + 1);
            if (words[0].Word.StartsWith('$')) origin = Directive(words, entry, at, origin, depth);
            else Record(words, entry, file, line, origin);
        }
    }

    // The origin from here on.
    private string Directive((string Word, int Index)[] words, string entry, TextPlace at, string origin, int depth)
    {
        string word = words[0].Word.ToUpperInvariant();
        if (word == "$ORIGIN" && words.Length > 1)
        {
            origin = Absolute(words[1].Word, origin);
            output.Append($"$ORIGIN {origin}\n");
        }
        else if (word == "$INCLUDE" && words.Length > 1)
        {
            string path = Path.Combine(Path.GetDirectoryName(at.File) ?? "", words[1].Word.Trim('"'));
            string inner = words.Length > 2 ? Absolute(words[2].Word, origin) : origin;
            (string? outerTtl, string outerOwner) = (ttl, owner);
            output.Append($"$ORIGIN {inner}\n");
            ReadFile(path, inner, at, depth + 1);
            output.Append($"\n$ORIGIN {origin}\n$TTL {outerTtl}\n");
            (ttl, owner, ownerIsGone) = (outerTtl, outerOwner, true);
        }
        else if (word == "$TTL" && words.Length > 1)
        {
            ttl = words[1].Word;
            output.Append(entry);
        }
        else
        {
            fleet.Leave(at, $"{words[0].Word} has no counterpart");
        }

        return origin;
    }

    private void Record((string Word, int Index)[] words, string entry, string file, int line, string origin)
    {
        int next = 0;
        bool named = !char.IsWhiteSpace(entry[0]);
        if (named) owner = Absolute(words[next++].Word, origin);
        string? ttls = null;
        while (next < words.Length && (TtlWord().IsMatch(words[next].Word)
            || words[next].Word.Equals("IN", StringComparison.OrdinalIgnoreCase)))
        {
            if (!words[next].Word.Equals("IN", StringComparison.OrdinalIgnoreCase)) ttls = words[next].Word;
            next++;
        }

        string type = next < words.Length ? words[next].Word.ToUpperInvariant() : "";
        if (type is not ("DYNA" or "DYNC"))
        {
            output.Append(!named && ownerIsGone ? $"{owner} {entry.TrimStart()}" : entry);
            ownerIsGone = false;
            return;
        }

        ownerIsGone |= named;
        string[] limits = (ttls ?? ttl ?? "").Split('/');
        string[] target = next + 1 < words.Length ? words[next + 1].Word.Split('!', 2) : [""];
        var dynamic = new GdnsdDynamic(
            owner, GdnsdNumbers.TryTtl(limits[0], out int max) ? max : null,
            limits.Length > 1 && GdnsdNumbers.TryTtl(limits[1], out int min) ? min : null,
            type == "DYNC", target[0], target.Length > 1 ? target[1] : "",
            new TextPlace(file, line, words[next].Index + 1));
        if (replace(dynamic) is { } text) output.Append(text);
    }

    private static string Absolute(string name, string origin) =>
        name == "@" ? origin : name.EndsWith('.') ? name : origin == "." ? $"{name}." : $"{name}.{origin}";

    // Lines, joined where parentheses span them, each with its end and the number of its first line.
    private static IEnumerable<(int Line, string Entry)> Entries(string text)
    {
        (int start, int startLine, int line, int open) = (0, 1, 1, 0);
        bool quoted = false, comment = false;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '\n')
            {
                (comment, quoted) = (false, false);
                line++;
                if (open > 0) continue;
                yield return (startLine, text[start..(i + 1)]);
                (start, startLine) = (i + 1, line);
            }
            else if (comment) continue;
            else if (c == '\\') i += i + 1 < text.Length && text[i + 1] != '\n' ? 1 : 0;
            else if (c == '"') quoted = !quoted;
            else if (!quoted && c == ';') comment = true;
            else if (!quoted && c == '(') open++;
            else if (!quoted && c == ')') open--;
        }

        if (start < text.Length) yield return (startLine, text[start..] + "\n");
    }

    [GeneratedRegex("""
        "(\\.|[^"\\])*"|;[^\n]*|[()]|(\\.|[^\s;()"\\])+
        """)]
    private static partial Regex Word();

    [GeneratedRegex("^[0-9]+[0-9smhdwSMHDW]*(/[0-9]+[0-9smhdwSMHDW]*)?$")]
    private static partial Regex TtlWord();
}
