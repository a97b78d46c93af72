namespace Fairlead.Dns.Wire;

/// <summary>
/// Text with the escapes of master files (RFC 1035 §5.1): \X is X itself, \DDD the byte of that number.
/// </summary>
internal static class CharacterString
{
    /// <summary>Reads the escape whose backslash stands at i, and moves i to its last character.</summary>
    public static bool TryEscape(string text, ref int i, out int value)
    {
        value = 0;
        if (i + 1 >= text.Length) return false;
        if (!char.IsAsciiDigit(text[i + 1]))
        {
            value = text[++i];
            return value <= 0x7e;
        }

        if (i + 3 >= text.Length || !char.IsAsciiDigit(text[i + 2]) || !char.IsAsciiDigit(text[i + 3])) return false;
        value = ((text[i + 1] - '0') * 100) + ((text[i + 2] - '0') * 10) + (text[i + 3] - '0');
        i += 3;
        return value <= 0xff;
    }

    /// <summary>The bytes of the text. Characters beyond ASCII stand for their UTF-8 bytes.</summary>
    public static bool TryDecode(string text, out byte[] bytes)
    {
        var decoded = new List<byte>(text.Length);
        bytes = [];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                if (!TryEscape(text, ref i, out int value)) return false;
                decoded.Add((byte)value);
                continue;
            }

            int length = char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1;
            decoded.AddRange(System.Text.Encoding.UTF8.GetBytes(text.Substring(i, length)));
            i += length - 1;
        }

        bytes = [.. decoded];
        return true;
    }
}
