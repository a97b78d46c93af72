using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const uint MFD_CLOEXEC = 1;
    public const int PTHREAD_PROCESS_SHARED = 1;
    public const int PTHREAD_MUTEX_ROBUST = 1;
    public const int EOWNERDEAD = 130;

    [LibraryImport(
        "libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MemFdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int FTruncate(int fd, long length);

    // The pthread calls give their error, and leave errno alone.
    [LibraryImport("libc", EntryPoint = "pthread_mutexattr_init")]
    internal static partial int MutexAttributes(void* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_mutexattr_setpshared")]
    internal static partial int MutexShared(void* attributes, int shared);

    [LibraryImport("libc", EntryPoint = "pthread_mutexattr_setrobust")]
    internal static partial int MutexRobust(void* attributes, int robust);

    [LibraryImport("libc", EntryPoint = "pthread_mutex_init")]
    internal static partial int MutexInit(void* mutex, void* attributes);

    [LibraryImport("libc", EntryPoint = "pthread_mutex_lock")]
    internal static partial int MutexLock(void* mutex);

    [LibraryImport("libc", EntryPoint = "pthread_mutex_unlock")]
    internal static partial int MutexUnlock(void* mutex);
}

/// <summary>
/// By which another process learns at once that this one has been killed: a robust mutex in shared memory
/// (pthread_mutexattr_setrobust(3)) that a thread of ours holds. The kernel hands it on when that thread dies, before
/// it takes the process's memory down, which is tens of milliseconds of work, and only then closes what the process
/// had open: the end of a pipe or a socket comes that much later.
/// </summary>
public sealed unsafe class Lifeline : IDisposable
{
    private const int Bytes = 4096;

    private readonly ManualResetEventSlim ends = new();
    private readonly Thread holder;
    private int fd;

    /// <summary>It is held from now on. IOException when the kernel gives no shared memory.</summary>
    public Lifeline()
    {
        fd = Libc.MemFdCreate("fairlead-lifeline", Libc.MFD_CLOEXEC);
        if (fd < 0 || Libc.FTruncate(fd, Bytes) != 0)
            throw new IOException($"memfd: errno {Marshal.GetLastPInvokeError()}");
        nint mutex = Map(fd);
        long attributes = 0; // pthread_mutexattr_t: four bytes.
        _ = Libc.MutexAttributes(&attributes);
        _ = Libc.MutexShared(&attributes, Libc.PTHREAD_PROCESS_SHARED);
        _ = Libc.MutexRobust(&attributes, Libc.PTHREAD_MUTEX_ROBUST);
        _ = Libc.MutexInit((void*)mutex, &attributes);
        using var held = new ManualResetEventSlim();
        holder = new Thread(() =>
        {
            _ = UrgentThread.RaiseCurrent(); // Dying takes a turn too.
            _ = Libc.MutexLock((void*)mutex);
            held.Set();
            ends.Wait();
            _ = Libc.MutexUnlock((void*)mutex);
            _ = Libc.MemoryUnmap(mutex, Bytes);
        })
        { IsBackground = true, Name = "lifeline" };
        holder.Start();
        held.Wait();
    }

    /// <summary>The shared memory, for the other process.</summary>
    public int Fd => fd;

    /// <summary>The other process's side: waits until the thread that holds it has died, or has let it go.</summary>
    public static void AwaitEnd(int fd)
    {
        nint mutex = Map(fd);
        // Left as it is found: with a dead owner nobody gets it twice, and nobody needs it.
        _ = Libc.MutexLock((void*)mutex);
        _ = Libc.MemoryUnmap(mutex, Bytes);
    }

    public void Dispose()
    {
        ends.Set();
        holder.Join();
        ends.Dispose();
        Libc.CloseOnce(ref fd);
    }

    private static nint Map(int fd)
    {
        nint at = Libc.MemoryMap(0, Bytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, fd, 0);
        return at != -1 ? at : throw new IOException($"mmap: errno {Marshal.GetLastPInvokeError()}");
    }
}
