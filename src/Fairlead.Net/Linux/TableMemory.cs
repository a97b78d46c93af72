using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Fairlead.Net.Linux;

/// <summary>
/// Zeroed memory for a table that is read at random: on huge pages where the kernel has them (madvise(2)), since a walk
/// through page tables costs as much as the read itself; and lines of it can be asked for ahead.
/// </summary>
public sealed unsafe partial class TableMemory
{
    private const int HugePageBytes = 2 << 20;
    private const int LineBytes = 64;
    private const int AdviseHugePages = 14;

    private readonly byte* start;
    private readonly int length;

    public TableMemory(int bytes)
    {
        length = bytes;
        bool isLarge = bytes >= HugePageBytes;
        start = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, (nuint)(isLarge ? HugePageBytes : LineBytes));
        // Advice only: a kernel without huge pages says no, and the table is as good on small ones.
        if (isLarge) _ = MemoryAdvise(start, (nuint)bytes, AdviseHugePages);
        NativeMemory.Clear(start, (nuint)bytes);
    }

    /// <summary>Given back when nobody knows the table any more, as an array is.</summary>
    ~TableMemory() => NativeMemory.AlignedFree(start);

    /// <summary>The span is valid as long as the table is held by whoever uses it.</summary>
    public Span<byte> Slice(int at, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)at, (uint)length, nameof(at));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)(length - at), nameof(bytes));
        return new Span<byte>(start + at, bytes);
    }

    /// <summary>Asks for the cache line at this place. It never waits and never fails, wherever that is.</summary>
    public void Prefetch(int at)
    {
        if (Sse.IsSupported) Sse.Prefetch0(start + at);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(void* address, nuint length, int advice);
}
