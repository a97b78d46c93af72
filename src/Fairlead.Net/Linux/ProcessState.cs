using System.Globalization;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint PRead(int fd, byte* into, nint length, long offset);
}

/// <summary>Whether another process runs (proc_pid_stat(5)). Allocates nothing when asked. One thread.</summary>
public sealed class ProcessState : IDisposable
{
    private int fd;
    private readonly byte[] text = new byte[512];

    /// <summary>A process that is not there counts as stopped.</summary>
    public ProcessState(int process)
    {
        string id = process.ToString(CultureInfo.InvariantCulture);
        // The first thread's own line: the process's would be added up from all of its threads. A stop stops them all.
        fd = Libc.Open($"/proc/{id}/task/{id}/stat", Libc.O_RDONLY | Libc.O_CLOEXEC);
    }

    /// <summary>Stopped by a signal, or dead. A debugger's short stops do not count.</summary>
    public bool IsStopped()
    {
        int length = Read();
        if (length <= 0) return true;
        // `pid (name) state ...`, and the name may hold any byte.
        int name = text.AsSpan(0, length).LastIndexOf((byte)')');
        return name < 0 || name + 2 >= length || (char)text[name + 2] is 'T' or 'Z' or 'X';
    }

    private unsafe int Read()
    {
        fixed (byte* bytes = text) return (int)Libc.PRead(fd, bytes, text.Length, 0);
    }

    public void Dispose() => Libc.CloseOnce(ref fd);
}
