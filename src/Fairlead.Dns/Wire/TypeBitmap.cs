namespace Fairlead.Dns.Wire;

/// <summary>
/// The types that stand at a name, as NSEC, NSEC3 and CSYNC list them (RFC 4034 §4.1.2): for each block of 256 types
/// that has any, its number, the bytes that follow, and a bit for each type, the first bit being the highest.
/// </summary>
internal static class TypeBitmap
{
    private const int WindowBytesMax = 32;

    /// <summary>Windows rise, and none has a zero byte at its end.</summary>
    public static bool IsValid(ReadOnlySpan<byte> bitmap)
    {
        int last = -1;
        while (!bitmap.IsEmpty)
        {
            if (bitmap.Length < 2 || bitmap[0] <= last || bitmap[1] is 0 or > WindowBytesMax) return false;
            int end = bitmap[1] + 2;
            if (end > bitmap.Length || bitmap[end - 1] == 0) return false;
            last = bitmap[0];
            bitmap = bitmap[end..];
        }

        return true;
    }

    public static byte[] Of(IEnumerable<RecordType> types)
    {
        var bitmap = new List<byte>();
        foreach (IGrouping<int, RecordType> window in types.Distinct().Order().GroupBy(type => (ushort)type >> 8))
        {
            var bits = new byte[((byte)window.Max() / 8) + 1];
            foreach (RecordType type in window) bits[(byte)type / 8] |= (byte)(0x80 >> ((byte)type % 8));
            bitmap.Add((byte)window.Key);
            bitmap.Add((byte)bits.Length);
            bitmap.AddRange(bits);
        }

        return [.. bitmap];
    }

    /// <summary>Whether the type is listed; a bitmap that is not well formed lists nothing beyond its fault.</summary>
    public static bool Has(ReadOnlySpan<byte> bitmap, RecordType type)
    {
        while (bitmap.Length >= 2 && bitmap.Length - 2 >= bitmap[1])
        {
            int length = bitmap[1];
            if (bitmap[0] == (ushort)type >> 8)
            {
                int index = (byte)type / 8;
                return index < length && (bitmap[2 + index] & (0x80 >> ((byte)type % 8))) != 0;
            }

            bitmap = bitmap[(2 + length)..];
        }

        return false;
    }

    public static IEnumerable<RecordType> TypesIn(byte[] bitmap)
    {
        for (int at = 0; at + 2 <= bitmap.Length && at + 2 + bitmap[at + 1] <= bitmap.Length; at += 2 + bitmap[at + 1])
        {
            for (int bit = 0; bit < bitmap[at + 1] * 8; bit++)
            {
                if ((bitmap[at + 2 + (bit / 8)] & (0x80 >> (bit % 8))) != 0)
                    yield return (RecordType)((bitmap[at] << 8) | bit);
            }
        }
    }
}
