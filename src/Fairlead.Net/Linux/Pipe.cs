using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_SETPIPE_SZ = 1031;
    public const int O_NONBLOCK = 0x800;

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int fd, int command, int argument);
}

/// <summary>One end of a pipe, for threads that poll by themselves or must never wait for the other end.</summary>
public static unsafe class Pipe
{
    private const int CapacityBytes = 1 << 20; // What anybody may ask for (pipe(7)).

    /// <summary>
    /// From now on this end never waits, and the pipe takes a megabyte where the kernel lets it. Both ends of a pipe
    /// decide this for themselves.
    /// </summary>
    public static void NeverBlock(int fd)
    {
        _ = Libc.Fcntl(fd, Libc.F_SETPIPE_SZ, CapacityBytes);
        _ = Libc.Fcntl(fd, Libc.F_SETFL, Libc.Fcntl(fd, Libc.F_GETFL, 0) | Libc.O_NONBLOCK);
    }

    /// <summary>How many bytes came; 0: the other end is gone; a negative errno otherwise.</summary>
    public static int Read(int fd, Span<byte> into)
    {
        fixed (byte* bytes = into)
        {
            nint read = Libc.Read(fd, bytes, into.Length);
            return read >= 0 ? (int)read : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>
    /// Whether all of it went in. A part of it is worse than nothing, and who cannot take what it is told no longer
    /// serves: the caller gives the other end up.
    /// </summary>
    public static bool TryWrite(int fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* bytes = data) return Libc.Write(fd, bytes, data.Length) == data.Length;
    }
}
