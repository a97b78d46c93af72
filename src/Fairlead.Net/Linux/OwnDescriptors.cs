using System.Globalization;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int CLONE_FILES = 0x400;
    public const int SIG_BLOCK = 0;

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int what);

    // Gives the error instead of setting errno.
    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    internal static partial int PthreadSigMask(int how, ulong* set, void* before);
}

/// <summary>
/// A thread with descriptors of its own (unshare(2), CLONE_FILES). When a process is killed, the kernel takes its
/// memory down before it closes its shared descriptors: 12 to 20 ms for a node. What belongs to one thread alone is
/// closed as that thread ends, at once, and its peers know.
/// </summary>
public static unsafe class OwnDescriptors
{
    // Signals that the runtime sends to a thread or that a thread causes itself (signal(7)); glibc keeps 32 and 33.
    private const int SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11, SIGRTMIN = 34;
    private const int SignalSetBytes = 128; // glibc's sigset_t.

    /// <summary>
    /// From now on what the calling thread opens is its own, and what other threads open is not there for it. Of what
    /// was open before it has the descriptors named, standard input and output, and files: the runtime maps code from
    /// one. A socket or pipe that it went on holding would stay open after its owner had closed it. What the thread
    /// opens it must also close; false when the kernel refuses, which leaves all as it was.
    /// </summary>
    public static bool Separate(params ReadOnlySpan<int> kept)
    {
        // The runtime's signal handler writes to a pipe that this thread will not have.
        ulong* blocked = stackalloc ulong[SignalSetBytes / sizeof(ulong)];
        new Span<ulong>(blocked, SignalSetBytes / sizeof(ulong)).Fill(ulong.MaxValue);
        foreach (int signal in (ReadOnlySpan<int>)[SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGRTMIN])
            blocked[0] &= ~(1UL << (signal - 1));
        if (Libc.PthreadSigMask(Libc.SIG_BLOCK, blocked, null) != 0 || Libc.Unshare(Libc.CLONE_FILES) != 0)
            return false;
        foreach (string entry in Directory.GetFileSystemEntries("/proc/thread-self/fd"))
        {
            int fd = int.Parse(Path.GetFileName(entry), CultureInfo.InvariantCulture);
            // Sockets, pipes and the like have names without a path.
            bool isFile = new FileInfo(entry).LinkTarget is { } target && target.StartsWith('/');
            if (fd > 2 && !isFile && !kept.Contains(fd)) _ = Libc.Close(fd);
        }

        return true;
    }
}
