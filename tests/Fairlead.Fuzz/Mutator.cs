using System.Buffers.Binary;

namespace Fairlead.Fuzz;

/// <summary>
/// Changes inputs: blindly, with pieces that mean something, and with an eye on length fields. Not thread-safe.
/// </summary>
public sealed class Mutator(Random random, IReadOnlyList<byte[]> tokens, int bytesMax)
{
    private static readonly byte[] Interesting8 = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff];
    private static readonly ushort[] Interesting16 = [0, 1, 0xff, 0x100, 0x3fff, 0x7fff, 0x8000, 0xc000, 0xffff];
    private static readonly uint[] Interesting32 = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff0000];

    private byte[] bytes = new byte[bytesMax];
    private byte[] other = new byte[bytesMax];
    private int length;

    public ReadOnlySpan<byte> Current => bytes.AsSpan(0, length);

    /// <summary>Takes an input and changes it some times; partner lends pieces to it.</summary>
    public void Mutate(ReadOnlySpan<byte> input, ReadOnlySpan<byte> partner)
    {
        length = Math.Min(input.Length, bytesMax);
        input[..length].CopyTo(bytes);
        for (int changes = 1 << random.Next(4); changes > 0; changes--) Change(partner);
    }

    private void Change(ReadOnlySpan<byte> partner)
    {
        int at = random.Next(length + 1);
        switch (random.Next(14))
        {
            case 0 when length > 0:
                bytes[random.Next(length)] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when length > 0:
                bytes[random.Next(length)] = (byte)random.Next(256);
                break;
            case 2 when length > 0:
                bytes[random.Next(length)] += (byte)random.Next(-8, 9);
                break;
            case 3:
                Overwrite(at);
                break;
            case 4:
            case 5:
                Insert(at, Token());
                break;
            case 6:
                Remove(at, random.Next(1, 1 + Math.Max(1, (length - at) / 2)));
                break;
            case 7 when length > 0 && random.Next(4) == 0:
                length = random.Next(length);
                break;
            case 8:
                Insert(at, Piece(bytes.AsSpan(0, length)).ToArray()); // Something twice.
                break;
            case 9:
                Insert(at, Piece(partner));
                break;
            case 10 when random.Next(2) == 0:
                Cross(at, partner);
                break;
            case 11:
                Replace(at, Token());
                break;
            default:
                StretchField(at);
                break;
        }
    }

    private void Overwrite(int at)
    {
        Span<byte> value = stackalloc byte[4];
        int size = 1 << random.Next(3);
        if (size == 1) value[0] = One(Interesting8);
        else if (size == 2) BinaryPrimitives.WriteUInt16BigEndian(value, One(Interesting16));
        else BinaryPrimitives.WriteUInt32BigEndian(value, One(Interesting32));
        for (int i = 0; i < size && at + i < length; i++) bytes[at + i] = value[i];
    }

    private T One<T>(T[] values) => values[random.Next(values.Length)];

    private ReadOnlySpan<byte> Token() => tokens.Count == 0 ? [] : tokens[random.Next(tokens.Count)];

    private ReadOnlySpan<byte> Piece(ReadOnlySpan<byte> from)
    {
        if (from.IsEmpty) return from;
        int start = random.Next(from.Length);
        int size = random.Next(1, 1 + Math.Min(from.Length - start, random.Next(8) == 0 ? 256 : 24));
        return from.Slice(start, size);
    }

    // The beginning of this one, the end of the other one.
    private void Cross(int at, ReadOnlySpan<byte> partner)
    {
        if (partner.IsEmpty) return;
        length = at;
        ReadOnlySpan<byte> tail = partner[random.Next(partner.Length)..];
        Insert(at, tail[..Math.Min(tail.Length, bytesMax - length)]);
    }

    private void Replace(int at, ReadOnlySpan<byte> token)
    {
        Remove(at, token.Length);
        Insert(at, token);
    }

    /// <summary>
    /// If two bytes, or one, read like the length of what follows, what follows grows or shrinks and the length with
    /// it: so the parts behind it keep their meaning. Or the length alone changes a little.
    /// </summary>
    private void StretchField(int at)
    {
        for (int tries = 0; tries < 16 && at + 2 < length; tries++, at++)
        {
            int width = random.Next(2) + 1;
            int size = width == 1 ? bytes[at] : BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(at));
            if (size == 0 || at + width + size > length || (width == 2 && size > 512)) continue;
            int grown = size + random.Next(-4, 9);
            if (grown < 0 || (width == 1 && grown > 255)) continue;
            if (width == 1) bytes[at] = (byte)grown;
            else BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(at), (ushort)grown);
            if (random.Next(4) == 0) return;
            int end = at + width + Math.Min(size, grown);
            if (grown < size) Remove(end, size - grown);
            else if (grown > size) Insert(end, Filling(grown - size));
            return;
        }
    }

    private byte[] Filling(int count)
    {
        byte[] filling = new byte[count];
        random.NextBytes(filling);
        return filling;
    }

    private void Insert(int at, ReadOnlySpan<byte> piece)
    {
        if (piece.IsEmpty || length + piece.Length > bytesMax) return;
        bytes.AsSpan(0, at).CopyTo(other);
        piece.CopyTo(other.AsSpan(at));
        bytes.AsSpan(at, length - at).CopyTo(other.AsSpan(at + piece.Length));
        length += piece.Length;
        (bytes, other) = (other, bytes);
    }

    private void Remove(int at, int count)
    {
        count = Math.Min(count, length - at);
        if (count <= 0) return;
        bytes.AsSpan(at + count, length - at - count).CopyTo(bytes.AsSpan(at));
        length -= count;
    }
}
