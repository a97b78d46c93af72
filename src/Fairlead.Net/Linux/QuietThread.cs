namespace Fairlead.Net.Linux;

/// <summary>Lowers the calling thread below the rest of the process (setpriority(2) with a thread's id).</summary>
public static class QuietThread
{
    // About a third of an ordinary thread's share where cores are short. Not lower: a collection waits for every thread
    // that runs our code to reach a place where it may stop, and one that gets no turn would hold them all up.
    private const int Nice = 5;

    /// <summary>False when the kernel does not let us, which leaves the thread as it was.</summary>
    public static bool LowerCurrent() => Libc.SetPriority(0, Libc.GetTid(), Nice) == 0;
}
