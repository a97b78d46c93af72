using System.Collections.Immutable;

namespace Fairlead.Dns.Steering;

/// <summary>
/// The labels of steered answers and the numbers that they are counted under, the same as long as the process lives: a
/// new table goes on counting where the old one ended. Labels beyond the limit share the last number.
/// </summary>
internal static class SteeredLabels
{
    public const int CountMax = 1024;
    private const string Others = "others";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, int> Numbers = new(StringComparer.Ordinal) { [""] = 0 };

    /// <summary>By number; 0 is none.</summary>
    public static ImmutableArray<string> Names { get; private set; } = [""];

    public static int NumberOf(string label)
    {
        lock (Gate)
        {
            if (Numbers.TryGetValue(label, out int number)) return number;
            if (Names.Length >= CountMax - 1) label = Others;
            if (Numbers.TryGetValue(label, out number)) return number;
            Numbers[label] = number = Names.Length;
            Names = Names.Add(label);
            return number;
        }
    }
}
