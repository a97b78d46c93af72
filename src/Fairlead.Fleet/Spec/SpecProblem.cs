namespace Fairlead.Fleet.Spec;

/// <summary>One fault of a file, at a place that an editor can jump to. Lines and columns count from 1.</summary>
public sealed record SpecProblem(string File, int Line, int Column, string Message)
{
    public override string ToString() => $"{File}:{Line}:{Column}: {Message}";
}

/// <summary>
/// "did you mean": the nearest of the known names, when one is near enough to be a slip of the finger.
/// </summary>
public static class NearestName
{
    /// <summary>
    /// "; did you mean "lon"? (known: nyc, lon)", or only the known names, or nothing when there are none.
    /// </summary>
    public static string Hint(string given, IEnumerable<string> known)
    {
        string[] names = [.. known];
        if (names.Length == 0) return "";
        string nearest = names.MinBy(name => Distance(given, name))!;
        string meant = Distance(given, nearest) <= Math.Max(1, given.Length / 3)
            ? $"; did you mean \"{nearest}\"?"
            : "";
        string list = string.Join(", ", names.Take(12)) + (names.Length > 12 ? ", ..." : "");
        return $"{meant} (known: {list})";
    }

    /// <summary>Levenshtein: how many single letters must be put in, taken out or changed.</summary>
    private static int Distance(string one, string other)
    {
        int[] row = [.. Enumerable.Range(0, other.Length + 1)];
        for (int i = 1; i <= one.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= other.Length; j++)
            {
                int changed = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[^1];
    }
}
