using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Fairlead.Dns.Zones;

/// <summary>Addresses as zone files write them, strictly: what other programs read in two ways is refused.</summary>
internal static class AddressText
{
    /// <summary>Four decimal numbers without leading zeros ("010" is octal to some).</summary>
    public static bool TryRead4(ReadOnlySpan<byte> text, Span<byte> address)
    {
        (int part, int value, int digits) = (0, 0, 0);
        for (int i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9')
            {
                if (digits > 0 && value == 0) return false;
                value = (value * 10) + text[i] - '0';
                if (++digits > 3 || value > 255) return false;
                continue;
            }

            if (digits == 0 || part == 4 || (i < text.Length && text[i] != '.')) return false;
            address[part++] = (byte)value;
            (value, digits) = (0, 0);
        }

        return part == 4;
    }

    /// <summary>RFC 4291 §2.2, without a zone index, brackets or a prefix length.</summary>
    public static bool TryRead6(ReadOnlySpan<byte> text, Span<byte> address)
    {
        if (text.Length > 45 || text.ContainsAny("%[]/"u8) || !Ascii.IsValid(text)) return false;
        Span<char> chars = stackalloc char[45];
        Encoding.ASCII.GetChars(text, chars);
        return IPAddress.TryParse(chars[..text.Length], out IPAddress? read)
            && read.AddressFamily == AddressFamily.InterNetworkV6 && read.TryWriteBytes(address, out _);
    }
}

/// <summary>RFC 4648 §7 without padding, as NSEC3 has it (RFC 5155 §3.3).</summary>
internal static class Base32Hex
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

    public static bool TryRead(string text, out byte[] bytes)
    {
        bytes = new byte[text.Length * 5 / 8];
        (int bits, int held, int at) = (0, 0, 0);
        foreach (char c in text)
        {
            int digit = Digits.IndexOf(char.ToUpperInvariant(c));
            if (digit < 0) return false;
            held = ((held << 5) | digit) & 0xfff;
            bits += 5;
            if (bits < 8) continue;
            bits -= 8;
            bytes[at++] = (byte)(held >> bits);
        }

        // What is left over is padding: fewer bits than a digit, all zero.
        return bits < 5 && (held & ((1 << bits) - 1)) == 0;
    }

    public static string Print(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        (int bits, int held) = (0, 0);
        foreach (byte value in bytes)
        {
            held = ((held << 8) | value) & 0xfff;
            for (bits += 8; bits >= 5; bits -= 5) text.Append(Digits[(held >> (bits - 5)) & 31]);
        }

        if (bits > 0) text.Append(Digits[(held << (5 - bits)) & 31]);
        return text.ToString();
    }
}
