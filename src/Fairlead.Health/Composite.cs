namespace Fairlead.Health;

/// <summary>A composite's verdict: pure.</summary>
internal static class Composite
{
    /// <summary>Up, down, or null while the parts that are not known could make it either.</summary>
    public static bool? Verdict(IEnumerable<CheckState> parts, int need)
    {
        int up = 0, unknown = 0, all = 0;
        foreach (CheckState part in parts)
        {
            all++;
            if (!part.Known) unknown++;
            else if (part.Up) up++;
        }

        int needed = need == 0 ? all : need;
        if (up >= needed) return true;
        return up + unknown < needed ? false : null;
    }

    public static string Detail(IEnumerable<CheckStatus> parts, int need)
    {
        CheckStatus[] all = [.. parts];
        IEnumerable<string> down =
            all.Where(part => !part.State.Up).Select(part => $"{part.Check.Id}: {part.Detail}");
        int up = all.Count(part => part.State.Up);
        string seen = $"{up} of {all.Length} up, {(need == 0 ? all.Length : need)} needed";
        return string.Join("; ", down.Prepend(seen));
    }
}
