using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int EPOLL_CLOEXEC = 0x80000;
    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_MOD = 3;
    public const uint EPOLLIN = 1;
    public const uint EPOLLOUT = 4;

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int EpollControl(int epoll, int operation, int fd, byte* happening);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    public static partial int EpollWait(int epoll, byte* happenings, int max, int timeoutMilliseconds);
}

/// <summary>
/// What one thread with thousands of sockets waits for; Poller, which hands the kernel the whole list at each wait, is
/// for few. A socket is known by a key that is never used twice: what the kernel still tells of a closed one is of a
/// key that nobody knows any more. Closing a socket takes it out.
/// </summary>
public sealed unsafe class EventPoll : IDisposable
{
    private const int BatchMax = 256;
    private const long WakeKey = -1;

    // struct epoll_event is packed on x86-64 alone: events u32, then the key, at once or after four bytes of padding.
    private static readonly int KeyOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    private static readonly int Size = KeyOffset + sizeof(long);

    private readonly byte[] batch = new byte[BatchMax * Size];
    private readonly WakeUp wakeUp = new();
    private int fd;

    /// <summary>IOException when the kernel gives no descriptor.</summary>
    public EventPoll()
    {
        fd = Libc.EpollCreate(Libc.EPOLL_CLOEXEC);
        int error = fd < 0 ? Marshal.GetLastPInvokeError() : Add(wakeUp.Fd, WakeKey, write: false);
        if (error == 0) return;
        Dispose();
        throw new IOException($"epoll: errno {error}");
    }

    /// <summary>
    /// Ends the wait of the thread that polls, now or at its next one. From any thread; never blocks.
    /// </summary>
    public void Wake() => wakeUp.Signal();

    /// <summary>Waits for this socket too: until it can be written to, or until there is something to read.</summary>
    public int Add(int socket, long key, bool write) => Control(Libc.EPOLL_CTL_ADD, socket, key, write);

    public int Change(int socket, long key, bool write) => Control(Libc.EPOLL_CTL_MOD, socket, key, write);

    /// <summary>
    /// Waits until sockets are ready, a Wake, or the time is over; gives how many keys it has put into ready. Time is
    /// rounded up to the kernel's millisecond: who wakes early finds nothing due and turns in vain.
    /// </summary>
    public int Wait(TimeSpan atMost, Span<long> ready)
    {
        int milliseconds = (int)Math.Clamp(Math.Ceiling(atMost.TotalMilliseconds), 0, 60_000);
        fixed (byte* first = batch)
        {
            int count = Libc.EpollWait(fd, first, Math.Min(BatchMax, ready.Length), milliseconds);
            int keys = 0;
            for (int i = 0; i < count; i++)
            {
                long key = BitConverter.ToInt64(batch, (i * Size) + KeyOffset);
                if (key != WakeKey) ready[keys++] = key;
                else wakeUp.TakeSignals();
            }

            return keys;
        }
    }

    public void Dispose()
    {
        Libc.CloseOnce(ref fd);
        wakeUp.Dispose();
    }

    private int Control(int operation, int socket, long key, bool write)
    {
        byte* happening = stackalloc byte[16];
        BitConverter.TryWriteBytes(new Span<byte>(happening, 4), write ? Libc.EPOLLOUT : Libc.EPOLLIN);
        BitConverter.TryWriteBytes(new Span<byte>(happening + KeyOffset, 8), key);
        return Libc.EpollControl(fd, operation, socket, happening) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }
}
