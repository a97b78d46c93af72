using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static unsafe partial class Libc
{
    public const int BPF_MAP_CREATE = 0;
    public const int BPF_MAP_LOOKUP_ELEM = 1;
    public const int BPF_MAP_UPDATE_ELEM = 2;
    public const int BPF_PROG_LOAD = 5;
    public const int BPF_OBJ_PIN = 6;
    public const int BPF_OBJ_GET = 7;
    public const int BPF_PROG_TEST_RUN = 10;
    public const int BPF_PROG_GET_FD_BY_ID = 13;
    public const int BPF_OBJ_GET_INFO_BY_FD = 15;
    public const int BPF_LINK_CREATE = 28;
    public const int BPF_LINK_UPDATE = 29;
    public const int BPF_LINK_DETACH = 34;

    public const uint BPF_MAP_TYPE_ARRAY = 2;
    public const uint BPF_PROG_TYPE_SYSCALL = 31;
    public const uint BPF_F_SLEEPABLE = 1 << 4;
    public const uint BPF_XDP = 37;
    public const uint XDP_FLAGS_SKB_MODE = 1 << 1;
    public const uint XDP_FLAGS_DRV_MODE = 1 << 2;

    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int MAP_SHARED = 1;
    public const int MEMBARRIER_CMD_GLOBAL = 1;
    public const long BPF_FS_MAGIC = 0xcafe4a11;
    public const int EEXIST = 17;
    public const int EBUSY = 16;
    public const int ENOSPC = 28;
    public const int EOPNOTSUPP = 95;

    // The C library has no name for bpf(2) and membarrier(2); their numbers differ by architecture.
    private static readonly nint BpfNumber = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 280 : 321;
    private static readonly nint MemBarrierNumber =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 283 : 324;

    /// <summary>bpf(2). The kernel takes a longer union when what it does not know is zero.</summary>
    public static int Bpf(int command, ref BpfAttributes attributes)
    {
        fixed (BpfAttributes* at = &attributes)
            return (int)SystemCall(BpfNumber, command, (nint)at, sizeof(BpfAttributes));
    }

    /// <summary>membarrier(2): 0, or -1 with errno.</summary>
    public static int MemBarrier(int command) => (int)SystemCall(MemBarrierNumber, command, 0, 0);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int MemoryUnmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Mount(string source, string target, string kind, nuint flags, nint data);

    public const int MNT_DETACH = 2;

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unmount(string target, int flags);

    [LibraryImport("libc", EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatFs(string path, StatFsBuffer* into);

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true,
        StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint InterfaceIndex(string name);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint one, nint two, nint three);

    /// <summary>struct statfs begins with the file system's magic number; the rest is of no use here.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatFsBuffer
    {
        [FieldOffset(0)] public long Kind;
    }

    /// <summary>union bpf_attr, as far as we use it. Fields of one offset belong to different commands.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    public struct BpfAttributes
    {
        [FieldOffset(0)] public uint MapType;
        [FieldOffset(4)] public uint KeySize;
        [FieldOffset(8)] public uint ValueSize;
        [FieldOffset(12)] public uint MaxEntries;

        [FieldOffset(0)] public int MapFd;
        [FieldOffset(8)] public void* Key;
        [FieldOffset(16)] public void* Value;

        [FieldOffset(0)] public uint ProgramType;
        [FieldOffset(4)] public uint InstructionCount;
        [FieldOffset(8)] public void* Instructions;
        [FieldOffset(16)] public void* License;
        [FieldOffset(44)] public uint ProgramFlags;
        [FieldOffset(120)] public void* FdArray;

        [FieldOffset(0)] public void* PathName;
        [FieldOffset(8)] public int PinnedFd;

        [FieldOffset(0)] public int RunFd;
        [FieldOffset(4)] public uint ReturnValue;
        [FieldOffset(8)] public uint DataSizeIn;
        [FieldOffset(12)] public uint DataSizeOut;
        [FieldOffset(16)] public void* DataIn;
        [FieldOffset(24)] public void* DataOut;
        [FieldOffset(32)] public uint Repeat;
        [FieldOffset(36)] public uint Duration;
        [FieldOffset(40)] public uint ContextSizeIn;
        [FieldOffset(48)] public void* ContextIn;
        [FieldOffset(64)] public uint RunFlags;
        [FieldOffset(72)] public uint RunBatch;

        [FieldOffset(0)] public uint Id;

        [FieldOffset(0)] public int InfoFd;
        [FieldOffset(4)] public uint InfoLength;
        [FieldOffset(8)] public void* Info;

        [FieldOffset(0)] public int LinkProgramFd;
        [FieldOffset(4)] public uint LinkTarget;
        [FieldOffset(8)] public uint AttachType;
        [FieldOffset(12)] public uint LinkFlags;

        [FieldOffset(0)] public int LinkFd;
        [FieldOffset(4)] public int NewProgramFd;
    }
}
