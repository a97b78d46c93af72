using System.Globalization;
using System.Text;

namespace Fairlead.Dns.Zones;

/// <summary>
/// $GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA, as BIND has it: one record for each number, with $ for
/// the number, ${OFFSET,WIDTH,BASE} for one that is shifted, padded with zeros and written in base d, o, x or X, and
/// \$ for a dollar.
/// </summary>
public sealed partial class MasterFile
{
    /// <summary>While records are made: where the directive stands, which is where their faults are.</summary>
    private RecordPlace? generating;

    private void Generate(MasterLexer lexer, MasterToken directive)
    {
        MasterToken range = lexer.Words[1];
        if (!TryRange(lexer.StringOf(range), out long start, out long stop, out long step))
        {
            Report(range, $"'{lexer.StringOf(range)}' is not START-STOP or START-STOP/STEP");
            return;
        }

        if ((stop - start) / step >= GenerateMax)
        {
            Report(range, $"this makes over {GenerateMax} records");
            return;
        }

        var template = new StringBuilder();
        for (int i = 2; i < lexer.Words.Count; i++)
        {
            MasterToken word = lexer.Words[i];
            if (template.Length > 0 && !word.Joined) template.Append(' ');
            template.Append(word.Quoted ? $"\"{lexer.StringOf(word)}\"" : lexer.StringOf(word));
        }

        if (lexer.Words.Count < 5)
        {
            Report(lexer.Words[^1], "$GENERATE needs a range, an owner, a type and data");
            return;
        }

        string pattern = template.ToString();
        int before = problems.Count;
        byte[] outerOwner = owner;
        generating = new RecordPlace((ushort)file, (ushort)Math.Min(directive.Column, ushort.MaxValue), directive.Line);
        for (long number = start; number <= stop && problems.Count == before; number += step)
        {
            string? line = Expand(pattern, number, out string fault);
            if (line is null) Report(directive, fault);
            else ReadEntries(new MasterLexer(Encoding.UTF8.GetBytes(line), Report));
        }

        generating = null;
        owner = outerOwner;
    }

    private static bool TryRange(string text, out long start, out long stop, out long step)
    {
        (start, stop, step) = (0, 0, 1);
        int slash = text.IndexOf('/'), dash = text.IndexOf('-');
        if (dash < 0 || (slash >= 0 && !TryNumber(text[(slash + 1)..], out step))) return false;
        return TryNumber(text[..dash], out start)
            && TryNumber(text[(dash + 1)..(slash < 0 ? text.Length : Math.Max(dash + 1, slash))], out stop)
            && stop >= start && step > 0;
    }

    private static bool TryNumber(string text, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= int.MaxValue;

    private static string? Expand(string pattern, long number, out string fault)
    {
        var line = new StringBuilder(pattern.Length + 16);
        fault = "";
        for (int i = 0; i < pattern.Length; i++)
        {
            char c = pattern[i];
            if (c == '\\' && i + 1 < pattern.Length)
            {
                line.Append(c).Append(pattern[++i]);
            }
            else if (c != '$')
            {
                line.Append(c);
            }
            else if (i + 1 < pattern.Length && pattern[i + 1] == '{')
            {
                int end = pattern.IndexOf('}', i);
                string form = end < 0 ? pattern[i..] : pattern[i..(end + 1)];
                if (end < 0 || Format(form[2..^1], number) is not { } text)
                {
                    fault = $"'{form}' is not ${{OFFSET,WIDTH,BASE}} with a base of d, o, x, X, n or N";
                    return null;
                }

                line.Append(text);
                i = end;
            }
            else
            {
                line.Append(number.ToString(CultureInfo.InvariantCulture));
            }
        }

        return line.ToString();
    }

    private static string? Format(string form, long number)
    {
        string[] parts = form.Split(',');
        if (parts.Length > 3) return null;
        if (!int.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int offset))
            return null;
        int width = 0;
        if (parts.Length > 1
            && (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out width) || width > 255))
            return null;
        long value = number + offset;
        if (value < 0) return null;
        return (parts.Length > 2 ? parts[2] : "d") switch
        {
            "d" => value.ToString($"D{width}", CultureInfo.InvariantCulture),
            "o" => Convert.ToString(value, 8).PadLeft(width, '0'),
            "x" => value.ToString($"x{width}", CultureInfo.InvariantCulture),
            "X" => value.ToString($"X{width}", CultureInfo.InvariantCulture),
            "n" => Nibbles(value.ToString("x", CultureInfo.InvariantCulture), width),
            "N" => Nibbles(value.ToString("X", CultureInfo.InvariantCulture), width),
            _ => null,
        };
    }

    // The digits from the lowest, a dot between them, as ip6.arpa has them; the width counts the dots.
    private static string Nibbles(string digits, int width) =>
        string.Join('.', digits.PadLeft((width + 1) / 2, '0').Reverse());
}
