using System.Buffers.Binary;

namespace Fairlead.Net.Wire;

/// <summary>
/// Bounds-checked big-endian writer. The first write that does not fit sets Failed; later ones do nothing.
/// </summary>
public ref struct WireWriter(Span<byte> buffer)
{
    private readonly Span<byte> buffer = buffer;

    public bool Failed { get; private set; }

    /// <summary>How many bytes are written; also where the next one goes.</summary>
    public int Position { get; private set; }

    public readonly int Capacity => buffer.Length;

    public readonly Span<byte> Written => buffer[..Position];

    public void U8(byte value)
    {
        if (Reserve(1) is { Length: 1 } s) s[0] = value;
    }

    public void U16(ushort value)
    {
        if (Reserve(2) is { Length: 2 } s) BinaryPrimitives.WriteUInt16BigEndian(s, value);
    }

    public void U32(uint value)
    {
        if (Reserve(4) is { Length: 4 } s) BinaryPrimitives.WriteUInt32BigEndian(s, value);
    }

    public void U64(ulong value)
    {
        if (Reserve(8) is { Length: 8 } s) BinaryPrimitives.WriteUInt64BigEndian(s, value);
    }

    public void Bytes(scoped ReadOnlySpan<byte> value)
    {
        Span<byte> space = Reserve(value.Length);
        if (space.Length == value.Length) value.CopyTo(space);
    }

    /// <summary>
    /// Space for count bytes, to be filled later (a length, a count); empty, and Failed, when it does not fit.
    /// </summary>
    public Span<byte> Reserve(int count)
    {
        if (Failed || (uint)count > (uint)(buffer.Length - Position))
        {
            Failed = true;
            return default;
        }

        Span<byte> space = buffer.Slice(Position, count);
        Position += count;
        return space;
    }

    /// <summary>Overwrites two bytes already written, usually a length now known.</summary>
    public readonly void PatchU16(int position, ushort value)
    {
        if (position + 2 <= Position) BinaryPrimitives.WriteUInt16BigEndian(buffer[position..], value);
    }

    /// <summary>Back to an earlier position: what came after it is forgotten, a failure too.</summary>
    public void RewindTo(int position)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)position, (uint)Position, nameof(position));
        Position = position;
        Failed = false;
    }
}
