using System.Globalization;

namespace Fairlead.Import;

/// <summary>Numbers and times as gdnsd and master files write them.</summary>
internal static class GdnsdNumbers
{
    public static bool TryReal(string? text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);

    public static bool TryWhole(string? text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    /// <summary>Seconds: 300, 5m, 1h30m.</summary>
    public static bool TryTtl(string text, out int seconds)
    {
        seconds = 0;
        long sum = 0, number = 0;
        bool digits = false;
        foreach (char c in text)
        {
            if (char.IsAsciiDigit(c))
            {
                number = (number * 10) + (c - '0');
                digits = true;
            }
            else
            {
                int unit = char.ToLowerInvariant(c) switch
                {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    'd' => 86400,
                    'w' => 604800,
                    _ => 0,
                };
                if (unit == 0 || !digits) return false;
                (sum, number, digits) = (sum + (number * unit), 0, false);
            }

            if (sum + number > int.MaxValue) return false;
        }

        seconds = (int)(sum + number);
        return text.Length > 0;
    }
}
