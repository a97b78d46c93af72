using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int PR_SET_TIMERSLACK = 29;

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int Prctl(int option, ulong argument);

    [LibraryImport("libc", EntryPoint = "nanosleep", SetLastError = true)]
    public static partial int NanoSleep(TimeSpec* request, TimeSpec* left);
}

/// <summary>Pauses of microseconds, for threads that carry traffic.</summary>
public static unsafe class ShortPause
{
    /// <summary>
    /// The kernel may end a thread's sleep late by its timer slack, 50 us by default; from now on the calling thread's
    /// end on time (prctl(2)).
    /// </summary>
    public static void MakeExact() => _ = Libc.Prctl(Libc.PR_SET_TIMERSLACK, 1);

    /// <summary>For less than a second; a signal may end it before.</summary>
    public static void For(TimeSpan time)
    {
        var request = new Libc.TimeSpec { Nanoseconds = time.Ticks * TimeSpan.NanosecondsPerTick };
        _ = Libc.NanoSleep(&request, null);
    }
}
