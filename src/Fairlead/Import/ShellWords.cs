using System.Text;

namespace Fairlead.Import;

/// <summary>A command line cut into words as a POSIX shell and Python's shlex do it; nothing is expanded.</summary>
internal static class ShellWords
{
    /// <summary>Null: a quote is never closed, or a backslash ends the line.</summary>
    public static List<string>? Split(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool isOpen = false;
        char quote = '\0';
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (c == '\\' && quote != '\'')
            {
                if (++i == line.Length) return null;
                // Inside double quotes a backslash is one before anything but itself and the quote.
                if (quote == '"' && line[i] is not ('"' or '\\')) word.Append('\\');
                word.Append(line[i]);
                isOpen = true;
            }
            else if (quote != '\0')
            {
                if (c == quote) quote = '\0';
                else word.Append(c);
            }
            else if (c is '"' or '\'') (quote, isOpen) = (c, true);
            else if (!char.IsWhiteSpace(c)) (_, isOpen) = (word.Append(c), true);
            else if (isOpen)
            {
                words.Add(word.ToString());
                (_, isOpen) = (word.Clear(), false);
            }
        }

        if (quote != '\0') return null;
        if (isOpen) words.Add(word.ToString());
        return words;
    }
}
