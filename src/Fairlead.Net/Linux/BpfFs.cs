using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>The kernel's file system of names for BPF objects.</summary>
public static unsafe class BpfFs
{
    public const string Root = "/sys/fs/bpf";

    /// <summary>Mounts it in its usual place when nobody has. IOException when that cannot be.</summary>
    public static void Mount()
    {
        if (!Is(Root) && Libc.Mount("bpf", Root, "bpf", 0, 0) != 0)
            throw new IOException($"{Root} cannot be mounted: errno {Marshal.GetLastPInvokeError()}");
    }

    /// <summary>Whether this path lies in it.</summary>
    public static bool Is(string path)
    {
        Libc.StatFsBuffer buffer;
        return Libc.StatFs(path, &buffer) == 0 && buffer.Kind == Libc.BPF_FS_MAGIC;
    }
}
