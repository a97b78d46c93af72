using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Fairlead.Health;

/// <summary>
/// What a body or an answer must match. Linear in time, since a backend that is sick may send anything.
/// </summary>
public static class Patterns
{
    // One for all checks that say the same: a compiled pattern weighs some hundred kilobytes, and a service has as many
    // checks as backends.
    private static readonly ConcurrentDictionary<string, Regex> Known = new(StringComparer.Ordinal);

    public static Regex Compile(string pattern) => Known.GetOrAdd(
        pattern, static text => new Regex(text, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant));

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
