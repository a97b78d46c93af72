using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>
/// An array map of the kernel as memory of this process (BPF_F_MMAPABLE): what is written here, programs see at once.
/// 65,537 entries cost 20 us this way and 51 ms by system calls.
/// </summary>
public sealed unsafe class BpfArray<T> : IDisposable where T : unmanaged
{
    private readonly T* start;
    private readonly nuint bytes;

    public BpfArray(BpfObject map)
    {
        // struct bpf_map_info: type, id, key size, value size, entries.
        Span<byte> info = stackalloc byte[40];
        map.Describe(info);
        uint size = MemoryMarshal.Read<uint>(info[12..]);
        Length = MemoryMarshal.Read<int>(info[16..]);
        // The kernel rounds each value up to 8 bytes; one that is none already would lie elsewhere than we think.
        if (size != sizeof(T) || size % 8 != 0)
            throw new InvalidOperationException($"map of {typeof(T).Name}: {size} bytes a value, not {sizeof(T)}");
        nuint page = (nuint)Environment.SystemPageSize;
        bytes = ((nuint)Length * size + page - 1) / page * page;
        nint at = Libc.MemoryMap(0, bytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, map.Fd, 0);
        if (at == -1) throw new IOException($"mmap of {typeof(T).Name}: errno {Marshal.GetLastPInvokeError()}");
        start = (T*)at;
    }

    ~BpfArray() => Dispose();

    public int Length { get; }

    public long Bytes => (long)bytes;

    public ref T this[int at]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)at, (uint)Length, nameof(at));
            return ref Unsafe.AsRef<T>(start + at);
        }
    }

    /// <summary>Valid until Dispose.</summary>
    public Span<T> Slice(int at, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)at, (uint)Length, nameof(at));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)count, (uint)(Length - at), nameof(count));
        return new Span<T>(start + at, count);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0) _ = Libc.MemoryUnmap((nint)start, bytes);
        GC.SuppressFinalize(this);
    }

    private int disposed;
}

/// <summary>A map with one value for each CPU.</summary>
public static unsafe class BpfPerCpu
{
    /// <summary>
    /// The possible CPUs of this machine, for whom the kernel keeps values whether they are on or not.
    /// </summary>
    public static int Cpus { get; } = CountCpus(File.ReadAllText("/sys/devices/system/cpu/possible"));

    /// <summary>The values of one entry, one after another; the value's size is a multiple of 8.</summary>
    public static void Read<T>(BpfObject map, uint key, Span<T> values) where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Length, Cpus, nameof(values));
        fixed (T* into = values)
        {
            var attributes = new Libc.BpfAttributes { MapFd = map.Fd, Key = &key, Value = into };
            _ = BpfObject.Check(Libc.Bpf(Libc.BPF_MAP_LOOKUP_ELEM, ref attributes), "a counter cannot be read");
        }
    }

    /// <summary>Sets the entry's values.</summary>
    public static void Write<T>(BpfObject map, uint key, ReadOnlySpan<T> values) where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Length, Cpus, nameof(values));
        fixed (T* from = values)
        {
            var attributes = new Libc.BpfAttributes { MapFd = map.Fd, Key = &key, Value = from };
            _ = BpfObject.Check(Libc.Bpf(Libc.BPF_MAP_UPDATE_ELEM, ref attributes), "a counter cannot be set");
        }
    }

    // "0-1", "0" or "0-3,8-11": the last number is the highest.
    private static int CountCpus(string text)
    {
        ReadOnlySpan<char> last = text.AsSpan().TrimEnd();
        int cut = last.LastIndexOfAny(',', '-');
        return int.Parse(last[(cut + 1)..], System.Globalization.CultureInfo.InvariantCulture) + 1;
    }
}
