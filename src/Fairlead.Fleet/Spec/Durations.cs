using System.Globalization;

namespace Fairlead.Fleet.Spec;

/// <summary>
/// Times as people write them: a whole number and its unit, ms, s, m or h. A year at most: what is added to a moment
/// must not leave the calendar.
/// </summary>
public static class Durations
{
    public static bool TryParse(string text, out TimeSpan value)
    {
        int digits = text.TakeWhile(char.IsAsciiDigit).Count();
        value = default;
        if (digits is 0 or > 9) return false;
        double count = double.Parse(text[..digits], CultureInfo.InvariantCulture);
        double? seconds = text[digits..] switch { "ms" => 0.001, "s" => 1, "m" => 60, "h" => 3600, _ => null };
        if (seconds is null) return false;
        value = TimeSpan.FromMilliseconds(Math.Round(count * seconds.Value * 1000));
        return value <= TimeSpan.FromDays(366);
    }
}
