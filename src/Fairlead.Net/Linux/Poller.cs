namespace Fairlead.Net.Linux;

/// <summary>
/// What one thread waits for: sockets, and a wake-up by which other threads reach it. Allocates only to grow.
/// </summary>
public sealed unsafe class Poller : IDisposable
{
    private readonly WakeUp wakeUp = new();
    private Libc.PollFd[] fds = new Libc.PollFd[16];
    private int count;

    /// <summary>IOException when the kernel gives no event descriptor.</summary>
    public Poller() => Clear();

    /// <summary>
    /// Ends the wait of the thread that polls, now or at its next wait. From any thread; never blocks.
    /// </summary>
    public void Wake() => wakeUp.Signal();

    /// <summary>Forgets every socket.</summary>
    public void Clear()
    {
        fds[0] = new Libc.PollFd { Fd = wakeUp.Fd, Events = Libc.POLLIN };
        count = 1;
    }

    /// <summary>Waits for this socket too. Gives the slot to ask about afterwards.</summary>
    public int Add(int fd, bool read, bool write)
    {
        if (count == fds.Length) Array.Resize(ref fds, count * 2);
        short events = (short)((read ? Libc.POLLIN : 0) | (write ? Libc.POLLOUT : 0));
        fds[count] = new Libc.PollFd { Fd = fd, Events = events };
        return count++;
    }

    /// <summary>Waits until a socket is ready, a Wake, or the time is over (at once when it is not positive).</summary>
    public void Wait(TimeSpan atMost)
    {
        long ticks = Math.Max(0, atMost.Ticks);
        var timeout = new Libc.TimeSpec
        {
            Seconds = ticks / TimeSpan.TicksPerSecond,
            Nanoseconds = ticks % TimeSpan.TicksPerSecond * 100,
        };
        fixed (Libc.PollFd* first = fds)
        {
            int ready = Libc.PPoll(first, (nuint)count, &timeout, null);
            if (ready <= 0)
            {
                // A signal or the time-out: the caller looks at its timers and comes back.
                for (int i = 0; i < count; i++) first[i].Returned = 0;
                return;
            }
        }

        if (fds[0].Returned != 0) wakeUp.TakeSignals();
    }

    /// <summary>Whether the socket has data, an end or an error to be read.</summary>
    public bool CanRead(int slot) => (fds[slot].Returned & ~Libc.POLLOUT) != 0;

    /// <summary>Whether the socket takes data again, or its connect has ended.</summary>
    public bool CanWrite(int slot) => (fds[slot].Returned & ~Libc.POLLIN) != 0;

    public void Dispose() => wakeUp.Dispose();
}
