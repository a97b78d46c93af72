namespace Fairlead.Dns.Server;

/// <summary>
/// Whether a thread that carries traffic may run before ordinary ones: only while it leaves them half of its core.
/// Under a flood it takes its turn like everybody, or what it went ahead of would never end. One thread's own; times
/// are since its start.
/// </summary>
internal struct Precedence
{
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(20);

    private TimeSpan windowStart;
    private TimeSpan busyInWindow;
    private bool isDenied;

    public readonly bool IsAllowed => !isDenied;

    /// <summary>It worked for so long on what came at this time.</summary>
    public void After(TimeSpan busy, TimeSpan now)
    {
        busyInWindow += busy;
        TimeSpan passed = now - windowStart;
        if (passed < Window) return;
        isDenied = busyInWindow * 2 > passed;
        windowStart = now;
        busyInWindow = TimeSpan.Zero;
    }
}
