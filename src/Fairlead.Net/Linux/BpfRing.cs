using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

/// <summary>
/// A ring of the kernel's (BPF_MAP_TYPE_RINGBUF) that programs put records into, read by one thread at a time. Its
/// descriptor is readable while there are records.
///
///   page 0          how far it is read: ours to write
///   page 1          how far it is written
///   then            the records, mapped twice in a row, so that none has a seam
///
/// A record is a word with its length and two flags, a word of the kernel's own, and the bytes, up to a multiple of 8.
/// </summary>
public sealed unsafe class BpfRing : IDisposable
{
    private const int HeaderBytes = 8;

    /// <summary>Still being written; who reads waits for it.</summary>
    private const uint Busy = 1u << 31;

    /// <summary>Given up by the program.</summary>
    private const uint Discarded = 1u << 30;

    private readonly nuint page = (nuint)Environment.SystemPageSize;
    private readonly nuint shownBytes;
    private readonly int ringBytes;
    private nint read;
    private nint shown;

    public BpfRing(BpfObject map)
    {
        // struct bpf_map_info: type, id, key size, value size, entries: for a ring its bytes, a power of two.
        Span<byte> info = stackalloc byte[40];
        map.Describe(info);
        ringBytes = MemoryMarshal.Read<int>(info[16..]);
        shownBytes = page + 2 * (nuint)ringBytes;
        Fd = map.Fd;
        read = Map(page, Libc.PROT_READ | Libc.PROT_WRITE, 0);
        try
        {
            shown = Map(shownBytes, Libc.PROT_READ, (nint)page);
        }
        catch (IOException)
        {
            Dispose();
            throw;
        }
    }

    ~BpfRing() => Dispose();

    /// <summary>Valid while the map is held.</summary>
    public int Fd { get; }

    /// <summary>
    /// Takes the records that are there now, in the order in which room was made for them. Those that come meanwhile
    /// are for the next time: under load it would never end.
    /// </summary>
    public void Read(Action<ReadOnlySpan<byte>> take)
    {
        ObjectDisposedException.ThrowIf(shown == 0, this);
        ref ulong until = ref Unsafe.AsRef<ulong>((void*)shown), from = ref Unsafe.AsRef<ulong>((void*)read);
        ulong written = Volatile.Read(ref until);
        var records = new ReadOnlySpan<byte>((byte*)shown + page, 2 * ringBytes);
        // The kernel may write over what is given back: only after a record has been taken.
        while (Next(records, from, written, out ReadOnlySpan<byte> record, out ulong next))
        {
            if (!record.IsEmpty) take(record);
            Volatile.Write(ref from, next);
        }
    }

    /// <summary>
    /// The record at `from`, empty when it was given up, and where the next one begins. False: there is none yet.
    /// `records` is the ring twice in a row.
    /// </summary>
    public static bool Next(
        ReadOnlySpan<byte> records, ulong from, ulong until, out ReadOnlySpan<byte> record, out ulong next)
    {
        record = default;
        next = from;
        if (from >= until) return false;
        int ring = records.Length / 2, at = (int)(from & (ulong)(ring - 1));
        uint head = Volatile.Read(ref Unsafe.As<byte, uint>(ref MemoryMarshal.GetReference(records[at..])));
        if ((head & Busy) != 0) return false;
        int length = (int)(head & ~(Busy | Discarded));
        if ((head & Discarded) == 0) record = records.Slice(at + HeaderBytes, length);
        next = from + (((ulong)length + HeaderBytes + 7) & ~7ul);
        return true;
    }

    public void Dispose()
    {
        nint one = Interlocked.Exchange(ref shown, 0), other = Interlocked.Exchange(ref read, 0);
        if (one != 0) _ = Libc.MemoryUnmap(one, shownBytes);
        if (other != 0) _ = Libc.MemoryUnmap(other, page);
        GC.SuppressFinalize(this);
    }

    private nint Map(nuint bytes, int protection, nint offset)
    {
        nint at = Libc.MemoryMap(0, bytes, protection, Libc.MAP_SHARED, Fd, offset);
        return at != -1 ? at : throw new IOException($"mmap of a ring: errno {Marshal.GetLastPInvokeError()}");
    }
}
