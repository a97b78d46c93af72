using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>
/// The C library's calls, each declared once with the kernel's layout and the reason for its flags. Files named
/// Libc.*.cs hold one group of calls each.
/// </summary>
public static partial class Libc
{
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int SIGKILL = 9;

    /// <summary>A negative process is a process group.</summary>
    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int process, int signal);
}
