using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>
/// The types that stand at a name, as NSEC and NSEC3 list them (RFC 4034 §4.1.2): for each block of 256 types that has
/// any, its number, the bytes that follow, and a bit for each type, the first bit being the highest.
/// </summary>
internal static class TypeBitmap
{
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
