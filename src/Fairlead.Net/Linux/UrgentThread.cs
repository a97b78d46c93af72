using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int SCHED_OTHER = 0;
    public const int SCHED_RR = 2;
    public const int SCHED_RESET_ON_FORK = 0x40000000;

    [LibraryImport("libc", EntryPoint = "sched_setscheduler", SetLastError = true)]
    public static partial int SchedSetScheduler(int thread, int policy, int* priority);

    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    public static partial int SetPriority(int which, int who, int nice);

    [LibraryImport("libc", EntryPoint = "gettid", SetLastError = true)]
    public static partial int GetTid();
}

/// <summary>What the kernel granted a thread that must run on time.</summary>
public enum Urgency
{
    Normal,
    Nice,
    RealTime,
}

/// <summary>Raises the calling thread above the rest of the process, as far as the kernel lets us (sched(7)).</summary>
public static unsafe class UrgentThread
{
    // Above every ordinary thread, below the kernel's own threaded interrupts (50).
    private const int RealTimePriority = 10;
    private const int Nice = -15;

    // Below what must run on time, above every ordinary thread.
    private const int TurnPriority = 1;

    // Three times an ordinary thread's share where cores are short.
    private const int PreferredNice = -5;

    /// <summary>
    /// For a thread that carries traffic: what else the process does, a reload first of all, must not make it wait for
    /// its turn. False when the kernel does not let us, which leaves the thread as it was.
    /// </summary>
    public static bool PreferCurrent() => Libc.SetPriority(0, Libc.GetTid(), PreferredNice) == 0;

    /// <summary>
    /// For a while the calling thread runs before every ordinary one, or again as one of them. A nice value gives a
    /// larger share and still waits for its turn: some milliseconds on kernels since 6.6. It must not be kept by a
    /// thread that may have work without end. False when the kernel does not let us.
    /// </summary>
    public static bool RunFirst(bool first)
    {
        int priority = first ? TurnPriority : 0;
        int policy = (first ? Libc.SCHED_RR : Libc.SCHED_OTHER) | Libc.SCHED_RESET_ON_FORK;
        return Libc.SchedSetScheduler(0, policy, &priority) == 0;
    }

    /// <summary>SCHED_RR with CAP_SYS_NICE or RLIMIT_RTPRIO, else a better nice value, else nothing.</summary>
    public static Urgency RaiseCurrent()
    {
        int priority = RealTimePriority;
        if (Libc.SchedSetScheduler(0, Libc.SCHED_RR | Libc.SCHED_RESET_ON_FORK, &priority) == 0)
            return Urgency.RealTime;
        return Libc.SetPriority(0, Libc.GetTid(), Nice) == 0 ? Urgency.Nice : Urgency.Normal;
    }
}
