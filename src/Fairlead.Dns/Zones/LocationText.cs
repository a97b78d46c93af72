using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Fairlead.Dns.Zones;

/// <summary>
/// LOC records (RFC 1876). In the wire:
/// <code>
/// | VERSION 8 | SIZE 8 | HORIZ PRE 8 | VERT PRE 8 | LATITUDE 32 | LONGITUDE 32 | ALTITUDE 32 |
/// </code>
/// </summary>
internal static class LocationText
{
    private const uint Equator = 1u << 31;
    private const long AltitudeBaseCentimetres = 100_000_00;

    /// <summary>d1 [m1 [s1]] N|S d2 [m2 [s2]] E|W alt[m] [siz[m] [hp[m] [vp[m]]]].</summary>
    public static byte[]? Read(List<string> words, out (int Word, string Message) problem)
    {
        int at = 0;
        byte[] wire = new byte[16];
        if (!TryAngle(words, ref at, "NS", 90, out uint latitude, out problem)) return null;
        if (!TryAngle(words, ref at, "EW", 180, out uint longitude, out problem)) return null;
        if (at == words.Count)
        {
            problem = (at, "the altitude is missing");
            return null;
        }

        if (!TryCentimetres(words[at], out long altitude)
            || altitude + AltitudeBaseCentimetres is < 0 or > uint.MaxValue)
        {
            problem = (at, $"'{words[at]}' is not an altitude from -100000m to 42849672.95m");
            return null;
        }

        at++;
        // RFC 1876 §3: what is left out is 1 m, 10 km and 10 m.
        long[] sizes = [100, 1_000_000, 1000];
        for (int i = 0; i < 3 && at < words.Count; i++, at++)
        {
            if (TryCentimetres(words[at], out sizes[i]) && sizes[i] is >= 0 and <= 9_000_000_000) continue;
            problem = (at, $"'{words[at]}' is not a size from 0m to 90000000m");
            return null;
        }

        if (at < words.Count)
        {
            problem = (at, $"'{words[at]}' is one word too many");
            return null;
        }

        for (int i = 0; i < 3; i++) wire[i + 1] = Power(sizes[i]);
        BinaryPrimitives.WriteUInt32BigEndian(wire.AsSpan(4), latitude);
        BinaryPrimitives.WriteUInt32BigEndian(wire.AsSpan(8), longitude);
        BinaryPrimitives.WriteUInt32BigEndian(wire.AsSpan(12), (uint)(altitude + AltitudeBaseCentimetres));
        return wire;
    }

    /// <summary>Null when a size is not a digit and a power of ten, which has no text.</summary>
    public static string? Print(ReadOnlySpan<byte> wire)
    {
        for (int i = 1; i < 4; i++)
        {
            if (wire[i] >> 4 > 9 || (wire[i] & 0xf) > 9 || wire[i] is > 0 and < 10) return null;
        }

        uint latitude = BinaryPrimitives.ReadUInt32BigEndian(wire[4..]);
        uint longitude = BinaryPrimitives.ReadUInt32BigEndian(wire[8..]);
        if (Math.Abs((long)latitude - Equator) > 90 * 3_600_000L) return null;
        if (Math.Abs((long)longitude - Equator) > 180 * 3_600_000L) return null;
        long altitude = BinaryPrimitives.ReadUInt32BigEndian(wire[12..]) - AltitudeBaseCentimetres;
        var text = new StringBuilder();
        text.Append($"{Angle(latitude, "NS")} {Angle(longitude, "EW")} {Metres(altitude)}");
        for (int i = 1; i < 4; i++)
            text.Append(' ').Append(Metres((wire[i] >> 4) * (long)Math.Pow(10, wire[i] & 0xf)));
        return text.ToString();
    }

    private static bool TryAngle(
        List<string> words, ref int at, string sides, int degreesMax, out uint angle, out (int, string) problem)
    {
        long[] parts = new long[3]; // Degrees, minutes, thousandths of a second.
        (int count, angle, problem) = (0, 0, default);
        while (at < words.Count && count < 3 && char.IsAsciiDigit(words[at].FirstOrDefault()))
        {
            if (!TryDecimal(words[at], 3, out long value)
                || (count < 2 && words[at].Contains('.'))
                || value > (count == 0 ? degreesMax : 59.999m) * 1000)
            {
                string wanted = count == 0 ? $"degrees up to {degreesMax}" : "a number below 60";
                problem = (at, $"'{words[at]}' is not {wanted}");
                return false;
            }

            parts[count] = count < 2 ? value / 1000 : value;
            count++;
            at++;
        }

        int side = at < words.Count && words[at].Length == 1
            ? sides.IndexOf(char.ToUpperInvariant(words[at][0]))
            : -1;
        long total = (((parts[0] * 60) + parts[1]) * 60_000) + parts[2];
        if (count == 0 || side < 0 || total > degreesMax * 3_600_000L)
        {
            problem = (at, $"degrees up to {degreesMax} and one of {sides[0]} {sides[1]} belong here");
            return false;
        }

        at++;
        angle = (uint)(Equator + (side == 0 ? total : -total));
        return true;
    }

    private static bool TryCentimetres(string word, out long centimetres)
    {
        string number = word.EndsWith('m') ? word[..^1] : word;
        bool negative = number.StartsWith('-');
        bool read = TryDecimal(negative ? number[1..] : number, 2, out centimetres);
        if (negative) centimetres = -centimetres;
        return read;
    }

    // Digits with up to so many behind the point, as a whole number of the last place.
    private static bool TryDecimal(string text, int places, out long value)
    {
        int point = text.IndexOf('.');
        string behind = point < 0 ? "" : text[(point + 1)..];
        string digits = (point < 0 ? text : text[..point]) + behind.PadRight(places, '0');
        value = 0;
        return behind.Length <= places && point != 0 && digits.Length < 16
            && long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    // RFC 1876 §2: a digit in the high half, a power of ten in the low one.
    private static byte Power(long centimetres)
    {
        int exponent = 0;
        for (; centimetres > 9; centimetres /= 10) exponent++;
        return (byte)((centimetres << 4) | (uint)exponent);
    }

    private static string Angle(uint angle, string sides)
    {
        long total = Math.Abs((long)angle - Equator);
        char side = sides[angle >= Equator ? 0 : 1];
        return $"{total / 3_600_000} {total / 60_000 % 60} {total / 1000 % 60}.{total % 1000:D3} {side}";
    }

    private static string Metres(long centimetres) =>
        $"{(centimetres < 0 ? "-" : "")}{Math.Abs(centimetres) / 100}.{Math.Abs(centimetres) % 100:D2}m";
}
