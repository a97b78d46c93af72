using System.Text.RegularExpressions;

namespace Fairlead.Health;

/// <summary>
/// What a body or an answer must match. Linear in time, since a backend that is sick may send anything.
/// </summary>
public static class Patterns
{
    public static Regex Compile(string pattern) =>
        new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    /// <summary>Null, or why this is no pattern (look-arounds and back references are none).</summary>
    public static string? Fault(string pattern)
    {
        try
        {
            _ = Compile(pattern);
            return null;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            return fault.Message;
        }
    }
}
