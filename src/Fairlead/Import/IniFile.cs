using System.Text;

namespace Fairlead.Import;

/// <summary>A value and where it stands; Default: it comes from the section DEFAULT.</summary>
internal sealed record IniValue(TextPlace At, string Text, bool IsDefault);

internal sealed record IniSection(string Name, TextPlace At, IReadOnlyDictionary<string, IniValue> Values);

/// <summary>
/// Reads files of Python's configparser: sections, "key = value" or "key: value", values that go on in deeper lines,
/// comments that begin a line with # or ;, a section DEFAULT that every other one inherits, %(key)s. Faults are
/// ImportExceptions.
/// </summary>
internal sealed class IniFile
{
    private const string Defaults = "DEFAULT";
    private const int InterpolationDepthMax = 10;

    private readonly OrderedDictionary<string, (TextPlace At, Dictionary<string, (TextPlace At, string Text)> Values)>
        sections = [];

    private (TextPlace At, StringBuilder Text, string Section, string Key)? open;

    /// <summary>Adds a file: configparser reads several as one.</summary>
    public void Read(string path)
    {
        string[] lines = BlockConf.ReadText(path).Split('\n');
        string? section = null;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].TrimEnd();
            string content = line.TrimStart();
            var at = new TextPlace(path, i + 1, line.Length - content.Length + 1);
            if (content.Length == 0 || content[0] is '#' or ';') continue;
            if (at.Column > 1 && open is { } goesOn) goesOn.Text.Append('\n').Append(content);
            else if (content[0] == '[') section = Open(content, at);
            else if (section is null) throw new ImportException(at, "expected a section such as [daemon]");
            else Begin(section, content, at);
        }

        Close();
    }

    /// <summary>Every section but DEFAULT, with what it inherits.</summary>
    public IEnumerable<IniSection> Sections()
    {
        sections.TryGetValue(Defaults, out var defaults);
        foreach ((string name, (TextPlace at, Dictionary<string, (TextPlace At, string Text)> own)) in sections)
        {
            if (name == Defaults) continue;
            var all = new Dictionary<string, (TextPlace At, string Text)>(own, StringComparer.OrdinalIgnoreCase);
            foreach ((string key, (TextPlace At, string Text) value) in defaults.Values ?? []) all.TryAdd(key, value);
            yield return new IniSection(name, at, all.ToDictionary(
                pair => pair.Key.ToLowerInvariant(),
                pair => new IniValue(
                    pair.Value.At, Interpolated(all, pair.Value, 0), !own.ContainsKey(pair.Key)),
                StringComparer.Ordinal));
        }
    }

    private string Open(string content, TextPlace at)
    {
        Close();
        int end = content.IndexOf(']');
        if (end < 2) throw new ImportException(at, "expected a section's name in brackets");
        string name = content[1..end];
        if (!sections.ContainsKey(name))
            sections[name] = (at, new Dictionary<string, (TextPlace, string)>(StringComparer.OrdinalIgnoreCase));
        return name;
    }

    private void Begin(string section, string content, TextPlace at)
    {
        Close();
        int sign = content.AsSpan().IndexOfAny('=', ':');
        if (sign < 1) throw new ImportException(at, "expected \"key = value\"");
        open = (at, new StringBuilder(content[(sign + 1)..].Trim()), section, content[..sign].Trim());
    }

    private void Close()
    {
        if (open is { } done) sections[done.Section].Values[done.Key] = (done.At, done.Text.ToString());
        open = null;
    }

    private static string Interpolated(
        Dictionary<string, (TextPlace At, string Text)> all, (TextPlace At, string Text) value, int depth)
    {
        if (depth > InterpolationDepthMax) throw new ImportException(value.At, "%(...)s goes round in circles");
        var text = new StringBuilder();
        for (int i = 0; i < value.Text.Length; i++)
        {
            char c = value.Text[i], next = i + 1 < value.Text.Length ? value.Text[i + 1] : '\0';
            if (c != '%') text.Append(c);
            else if (next == '%') text.Append(value.Text[i++]);
            else if (next == '(' && value.Text.IndexOf(")s", i, StringComparison.Ordinal) is > 0 and int end
                && all.TryGetValue(value.Text[(i + 2)..end], out var other))
            {
                text.Append(Interpolated(all, other, depth + 1));
                i = end + 1;
            }
            else throw new ImportException(value.At, "% stands for itself only as %%, and %(key)s needs that key");
        }

        return text.ToString();
    }
}
