using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static partial class Libc
{
    public const int O_RDONLY = 0;
    public const int O_CLOEXEC = 0x80000;
    public const int CLONE_NEWNET = 0x40000000;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int fd);

    /// <summary>
    /// The only way to close one: the first time, and never again. A closed descriptor's number is soon another one's,
    /// which a second close would take away from whoever has it.
    /// </summary>
    public static void CloseOnce(ref int fd)
    {
        if (Interlocked.Exchange(ref fd, -1) is >= 0 and var open) _ = Close(open);
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNs(int fd, int kind);
}

/// <summary>
/// Work inside a named network namespace (ip-netns(8)). A socket stays in the namespace it was made in.
/// </summary>
public static class NetworkNamespace
{
    /// <summary>
    /// Runs the work on a thread of its own inside the namespace and gives its result. The thread ends with the work:
    /// one that has changed its namespace must never go back to the pool.
    /// </summary>
    public static T Run<T>(string name, Func<T> work)
    {
        T? result = default;
        System.Runtime.ExceptionServices.ExceptionDispatchInfo? fault = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter(name);
                result = work();
            }
            catch (Exception thrown)
            {
                fault = System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(thrown);
            }
        })
        { IsBackground = true, Name = $"netns {name}" };
        thread.Start();
        thread.Join();
        fault?.Throw();
        return result!;
    }

    /// <summary>
    /// Moves the calling thread into the namespace, for good. Only for a thread that the caller owns.
    /// </summary>
    public static void Enter(string name)
    {
        int fd = Libc.Open($"/run/netns/{name}", Libc.O_RDONLY | Libc.O_CLOEXEC);
        if (fd < 0) throw new IOException($"network namespace {name}: errno {Marshal.GetLastPInvokeError()}");
        try
        {
            if (Libc.SetNs(fd, Libc.CLONE_NEWNET) == 0) return;
            int error = Marshal.GetLastPInvokeError();
            // What a machine that was switched off leaves there is a file and nothing more.
            throw new IOException(error == Libc.EINVAL
                ? $"/run/netns/{name} is no network namespace any more: ip netns delete {name}"
                : $"setns {name}: errno {error}");
        }
        finally
        {
            Libc.CloseOnce(ref fd);
        }
    }
}
