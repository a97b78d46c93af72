using System.Buffers.Binary;
using Fairlead.Dns.Answering;

namespace Fairlead.Dns.Server;

/// <summary>
/// One answered query as dnstap has it (dnstap.proto: Dnstap 14 message, 15 type; Message 1 type AUTH_RESPONSE, 2
/// family, 3 protocol, 4 and 6 the asker's address and port, 8 and 9 query time, 10 query, 12 and 13 response time, 14
/// response). Written by hand: protobuf is a list of (field number and kind, value), and this is on the hot path.
/// </summary>
internal static class TapMessage
{
    private const int Varint = 0, Bytes = 2, Fixed32 = 5;
    private const int LengthBytes = 3; // Two messages of 65535 bytes need 18 bits.

    /// <summary>The span has room for both messages and 124 bytes. Gives the length.</summary>
    public static int Write(
        Span<byte> frame, in Asker asker, ReadOnlySpan<byte> query, ReadOnlySpan<byte> response, DateTimeOffset asked,
        DateTimeOffset answered)
    {
        int at = 0;
        Number(frame, ref at, 15, 1);
        frame[at++] = (14 << 3) | Bytes;
        int length = at;
        at += LengthBytes;
        int start = at;
        bool v4 = asker.ClientMapped >> 32 == 0xffff;
        Span<byte> address = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(address, asker.ClientMapped);
        Number(frame, ref at, 1, 2);
        Number(frame, ref at, 2, v4 ? 1u : 2u);
        Number(frame, ref at, 3, (uint)asker.Transport + 1);
        Data(frame, ref at, 4, v4 ? address[12..] : address);
        Number(frame, ref at, 6, asker.Port);
        Time(frame, ref at, 8, asked);
        Data(frame, ref at, 10, query);
        Time(frame, ref at, 12, answered);
        Data(frame, ref at, 14, response);
        Padded(frame[length..], at - start);
        return at;
    }

    private static void Time(Span<byte> frame, ref int at, int field, DateTimeOffset time)
    {
        Number(frame, ref at, field, (ulong)time.ToUnixTimeSeconds());
        frame[at++] = (byte)(((field + 1) << 3) | Fixed32);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[at..], (uint)(time.Ticks % TimeSpan.TicksPerSecond * 100));
        at += 4;
    }

    private static void Data(Span<byte> frame, ref int at, int field, ReadOnlySpan<byte> data)
    {
        frame[at++] = (byte)((field << 3) | Bytes);
        Padded(frame[at..], data.Length);
        at += LengthBytes;
        data.CopyTo(frame[at..]);
        at += data.Length;
    }

    private static void Number(Span<byte> frame, ref int at, int field, ulong value)
    {
        frame[at++] = (byte)((field << 3) | Varint);
        for (; value > 0x7f; value >>= 7) frame[at++] = (byte)(value | 0x80);
        frame[at++] = (byte)value;
    }

    // A varint of three bytes whatever the number, so that it can be written after what it measures.
    private static void Padded(Span<byte> at, int value) =>
        (at[0], at[1], at[2]) = ((byte)(value | 0x80), (byte)((value >> 7) | 0x80), (byte)((value >> 14) & 0x7f));
}
