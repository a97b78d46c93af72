using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>The kernel's file system of names for BPF objects.</summary>
public static unsafe class BpfFs
{
    public const string Root = "/sys/fs/bpf";

    /// <summary>Mounts it when nobody has. IOException when that cannot be.</summary>
    public static void Mount(string folder = Root)
    {
        if (!Is(folder) && Libc.Mount("bpf", folder, "bpf", 0, 0) != 0)
            throw new IOException($"{folder} cannot be mounted: errno {Marshal.GetLastPInvokeError()}");
    }

    /// <summary>All that is named in this mount of it ends, if nobody else holds it.</summary>
    public static void Unmount(string folder)
    {
        if (Is(folder)) _ = Libc.Unmount(folder, Libc.MNT_DETACH);
    }

    /// <summary>Whether this path lies in it.</summary>
    public static bool Is(string path)
    {
        Libc.StatFsBuffer buffer;
        return Libc.StatFs(path, &buffer) == 0 && buffer.Kind == Libc.BPF_FS_MAGIC;
    }
}
