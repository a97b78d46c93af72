using System.Globalization;
using Fairlead.Balancer;

namespace Fairlead.Node;

/// <summary>Tells when a backend begins to answer SYNs with cookies, and when that has ended.</summary>
public sealed class CookieWatch
{
    /// <summary>So many looks without a SYN above the rate end a flood: floods come in waves.</summary>
    private const int QuietLooks = 5;

    private (ulong Answered, ulong Left) last, began;
    private int quiet = QuietLooks;

    /// <summary>With the backend's counts since its start, every other second; the news in words, or null.</summary>
    public string? Look(IReadOnlyDictionary<BackendReason, ulong> counts)
    {
        (ulong Answered, ulong Left) now = (counts[BackendReason.Cookie], counts[BackendReason.NoCookie]);
        bool wasQuiet = quiet == QuietLooks;
        quiet = now != last ? 0 : Math.Min(quiet + 1, QuietLooks);
        if (wasQuiet) began = last;
        last = now;
        bool isQuiet = quiet == QuietLooks;
        if (wasQuiet == isQuiet) return null;
        if (!isQuiet) return "more new connections come than synCookies leaves to the kernel: they get SYN cookies";
        ulong answered = now.Answered - began.Answered, left = now.Left - began.Left;
        return string.Create(CultureInfo.InvariantCulture,
            $"the kernel takes all new connections again: {answered} SYNs were answered with cookies, ")
            + string.Create(CultureInfo.InvariantCulture, $"{left} went to it for want of a cookie or a way back");
    }
}
