using System.Text;

namespace Fairlead.Dns.Wire;

/// <summary>
/// Text with the escapes of master files (RFC 1035 §5.1): \X is X itself, \DDD the byte of that number.
/// </summary>
internal static class CharacterString
{
    /// <summary>Reads the escape whose backslash stands at i, and moves i to its last character.</summary>
    public static bool TryEscape(ReadOnlySpan<byte> text, ref int i, out int value)
    {
        value = 0;
        if (i + 1 >= text.Length) return false;
        if (!char.IsAsciiDigit((char)text[i + 1]))
        {
            value = text[++i];
            return value <= 0x7e;
        }

        if (i + 3 >= text.Length || !char.IsAsciiDigit((char)text[i + 2]) || !char.IsAsciiDigit((char)text[i + 3]))
            return false;
        value = ((text[i + 1] - '0') * 100) + ((text[i + 2] - '0') * 10) + (text[i + 3] - '0');
        i += 3;
        return value <= 0xff;
    }

    /// <summary>Adds the bytes of the text; other bytes than escapes stand for themselves.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> text, List<byte> to)
    {
        if (!text.Contains((byte)'\\'))
        {
            to.AddRange(text);
            return true;
        }

        for (int i = 0; i < text.Length; i++)
        {
            int value = text[i];
            if (value == '\\' && !TryEscape(text, ref i, out value)) return false;
            to.Add((byte)value);
        }

        return true;
    }

    /// <summary>Prints in quotes what TryDecode reads back.</summary>
    public static void Print(StringBuilder to, ReadOnlySpan<byte> bytes)
    {
        to.Append('"');
        foreach (byte value in bytes)
        {
            if (value is < 0x20 or >= 0x7f) to.Append('\\').Append(value.ToString("D3"));
            else if (value is (byte)'"' or (byte)'\\') to.Append('\\').Append((char)value);
            else to.Append((char)value);
        }

        to.Append('"');
    }
}
