using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Fairlead.Net.Linux;

/// <summary>
/// How other threads end the wait of one that polls (eventfd). A signal that comes after the end is nobody's: the
/// number of a closed descriptor is soon another one's, and eight bytes written there would be somebody's data.
/// </summary>
public sealed unsafe class WakeUp : SafeHandleMinusOneIsInvalid
{
    /// <summary>IOException when the kernel gives no event descriptor.</summary>
    public WakeUp() : base(ownsHandle: true)
    {
        SetHandle(Libc.EventFd(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC));
        if (IsInvalid) throw new IOException($"eventfd: errno {Marshal.GetLastPInvokeError()}");
    }

    /// <summary>For the thread that waits, which alone disposes of it.</summary>
    public int Fd => (int)handle;

    /// <summary>From any thread; never blocks.</summary>
    public void Signal()
    {
        bool held = false;
        try
        {
            DangerousAddRef(ref held);
            ulong one = 1;
            _ = Libc.Write(Fd, &one, sizeof(ulong)); // EAGAIN would mean that wake-ups are queued already.
        }
        catch (ObjectDisposedException)
        {
            // Whoever waited has ended.
        }
        finally
        {
            if (held) DangerousRelease();
        }
    }

    /// <summary>Takes what was signalled.</summary>
    public void TakeSignals()
    {
        ulong signals;
        _ = Libc.Read(Fd, &signals, sizeof(ulong));
    }

    protected override bool ReleaseHandle()
    {
        int open = Fd;
        Libc.CloseOnce(ref open);
        return true;
    }
}
