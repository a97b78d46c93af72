using System.Buffers.Binary;

namespace Fairlead.Net.Wire;

/// <summary>Bounds-checked big-endian reader. The first short read sets Failed; later reads give zero.</summary>
public ref struct WireReader(ReadOnlySpan<byte> data)
{
    private ReadOnlySpan<byte> rest = data;

    public bool Failed { get; private set; }

    public readonly int Remaining => rest.Length;

    public readonly ReadOnlySpan<byte> Rest => rest;

    public byte U8() => Take(1) is [var b] ? b : (byte)0;

    public ushort U16() => Take(2) is { Length: 2 } s ? BinaryPrimitives.ReadUInt16BigEndian(s) : (ushort)0;

    public uint U32() => Take(4) is { Length: 4 } s ? BinaryPrimitives.ReadUInt32BigEndian(s) : 0;

    public ulong U64() => Take(8) is { Length: 8 } s ? BinaryPrimitives.ReadUInt64BigEndian(s) : 0;

    /// <summary>The next count bytes; none, and Failed, when there are fewer.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        if ((uint)count > (uint)rest.Length)
        {
            Failed = true;
            return rest = default;
        }

        ReadOnlySpan<byte> taken = rest[..count];
        rest = rest[count..];
        return taken;
    }
}
