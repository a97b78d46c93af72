using System.Buffers.Binary;
using Fairlead.Net.Linux;

namespace Fairlead.Tests.Net;

/// <summary>The kernel's ring, record by record; that it is mapped as we think, the interop tests show.</summary>
public class BpfRingTests
{
    private const int RingBytes = 64;
    private const uint Busy = 1u << 31;
    private const uint Discarded = 1u << 30;

    [Fact]
    public void Records_are_read_in_their_order_and_those_given_up_are_skipped()
    {
        byte[] ring = new byte[2 * RingBytes];
        Put(ring, 0, 3, [1, 2, 3]);
        Put(ring, 16, 8 | Discarded, new byte[8]);
        Put(ring, 32, 1, [9]);
        Assert.Equal(["010203", "", "09"], Read(ring, 0, 48));
    }

    [Fact]
    public void A_record_that_is_still_written_and_all_behind_it_wait()
    {
        byte[] ring = new byte[2 * RingBytes];
        Put(ring, 0, 1, [1]);
        Put(ring, 16, 1 | Busy, [2]);
        Put(ring, 32, 1, [3]);
        Assert.Equal(["01"], Read(ring, 0, 48));
    }

    [Fact]
    public void A_record_over_the_rings_end_is_whole()
    {
        // Positions only grow; the ring is there twice, so that the seam is none.
        byte[] ring = new byte[2 * RingBytes];
        Put(ring, 56, 4, [1, 2, 3, 4]);
        Assert.Equal(["01020304"], Read(ring, (7 * RingBytes) + 56, (7 * RingBytes) + 56 + 16));
    }

    private static void Put(byte[] ring, int at, uint head, byte[] bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(ring.AsSpan(at), head);
        bytes.CopyTo(ring, at + 8);
    }

    private static List<string> Read(byte[] ring, ulong from, ulong until)
    {
        var all = new List<string>();
        while (BpfRing.Next(ring, from, until, out ReadOnlySpan<byte> record, out from))
            all.Add(Convert.ToHexStringLower(record));
        return all;
    }
}
