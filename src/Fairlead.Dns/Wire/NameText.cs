namespace Fairlead.Dns.Wire;

/// <summary>
/// Names in the text of master files (RFC 1035 §5.1), read from ASCII bytes without making an object.
/// </summary>
internal static class NameText
{
    /// <summary>
    /// Writes the wire form into 256 bytes: "@" is the origin, and a name without a dot at its end is put before it.
    /// False when it is no name; `wire` is then spoiled.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> text, ReadOnlySpan<byte> origin, Span<byte> wire, out int length)
    {
        length = 0;
        if (text is [(byte)'@'])
        {
            origin.CopyTo(wire);
            length = origin.Length;
            return true;
        }

        if (text is [(byte)'.'])
        {
            wire[0] = 0;
            length = 1;
            return true;
        }

        if (text.IsEmpty || !TryLabels(text, wire, out int labelBytes, out bool absolute)) return false;
        ReadOnlySpan<byte> tail = absolute ? [0] : origin;
        if (labelBytes + tail.Length > DnsName.WireBytesMax) return false;
        tail.CopyTo(wire[labelBytes..]);
        length = labelBytes + tail.Length;
        return true;
    }

    private static bool TryLabels(ReadOnlySpan<byte> text, Span<byte> wire, out int length, out bool absolute)
    {
        (length, absolute) = (1, false);
        int start = 0; // Where the open label's length byte goes.
        for (int i = 0; i < text.Length; i++)
        {
            int value = text[i];
            if (value == '.')
            {
                if (length == start + 1) return false;
                wire[start] = (byte)(length - start - 1);
                start = length++;
                absolute = i == text.Length - 1;
                if (length > DnsName.WireBytesMax) return false;
                continue;
            }

            if (value == '\\')
            {
                if (!CharacterString.TryEscape(text, ref i, out value)) return false;
            }
            else if (value is <= 0x20 or > 0x7e)
            {
                return false;
            }

            if (length - start > DnsName.LabelBytesMax || length >= DnsName.WireBytesMax) return false;
            wire[length++] = (byte)value;
        }

        // The length byte that was opened after the last dot is the root's; the caller puts the root back itself.
        if (absolute) length--;
        else wire[start] = (byte)(length - start - 1);
        return true;
    }
}
