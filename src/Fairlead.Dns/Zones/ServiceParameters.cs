using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>
/// The parameters of SVCB and HTTPS records (RFC 9460 §2.1 in text, §2.2 in the wire, RFC 9461 §5 for dohpath).
/// </summary>
internal sealed class ServiceParameters
{
    private const ushort Mandatory = 0, Alpn = 1, NoDefaultAlpn = 2, Port = 3, Ipv4Hint = 4, Ech = 5, Ipv6Hint = 6,
        DohPath = 7, InvalidKey = 65535;

    private static readonly string[] Names =
        ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

    private readonly SortedDictionary<ushort, byte[]> values = [];

    /// <summary>Takes a parameter in text; what is wrong with it, or null.</summary>
    public string? Add(ReadOnlySpan<byte> keyText, ReadOnlySpan<byte> valueText, bool hasValue)
    {
        string name = Encoding.UTF8.GetString(keyText);
        if (!TryKey(name, out ushort key)) return $"'{name}' is not the name of a parameter";
        if (values.ContainsKey(key)) return $"{name} is there twice";
        var decoded = new List<byte>();
        if (!CharacterString.TryDecode(valueText, decoded))
            return "a backslash is followed by three digits up to 255, or by one character";
        byte[] bytes = [.. decoded];
        // RFC 9460 §2.1: key NNNNN has its value as it stands in the wire.
        bool generic = name.StartsWith("key", StringComparison.Ordinal);
        byte[]? value = generic ? bytes : ReadValue(key, bytes);
        if (value is null || !IsValid(key, value))
        {
            return hasValue
                ? $"'{Encoding.UTF8.GetString(valueText)}' is not a value for {name}"
                : $"{name} needs a value";
        }

        values[key] = value;
        return null;
    }

    /// <summary>What is wrong among the parameters taken, or null; the wire is not asked this.</summary>
    public string? Problem()
    {
        // RFC 9460 §7.1.1: without the default protocol there must be another.
        if (values.ContainsKey(NoDefaultAlpn) && !values.ContainsKey(Alpn)) return "no-default-alpn needs alpn";
        if (!values.TryGetValue(Mandatory, out byte[]? mandatory)) return null;
        // RFC 9460 §8: what is mandatory is there.
        for (int i = 0; i < mandatory.Length; i += 2)
        {
            ushort key = BinaryPrimitives.ReadUInt16BigEndian(mandatory.AsSpan(i));
            if (!values.ContainsKey(key)) return $"{NameOf(key)} is mandatory but is not there";
        }

        return null;
    }

    /// <summary>RFC 9460 §2.2: by rising key.</summary>
    public void Write(List<byte> to)
    {
        foreach ((ushort key, byte[] value) in values)
            to.AddRange([(byte)(key >> 8), (byte)key, (byte)(value.Length >> 8), (byte)value.Length, .. value]);
    }

    /// <summary>Whether the bytes are parameters: keys rise, and each known one has a value of its form.</summary>
    public static bool IsValid(ReadOnlySpan<byte> wire)
    {
        int last = -1;
        while (!wire.IsEmpty)
        {
            if (wire.Length < 4) return false;
            ushort key = BinaryPrimitives.ReadUInt16BigEndian(wire);
            int length = BinaryPrimitives.ReadUInt16BigEndian(wire[2..]);
            if (key <= last || wire.Length < 4 + length || !IsValid(key, wire.Slice(4, length))) return false;
            last = key;
            wire = wire[(4 + length)..];
        }

        return true;
    }

    /// <summary>
    /// Prints valid parameters, each after a space. False when they contradict each other: Add would not take them.
    /// </summary>
    public static bool TryPrint(StringBuilder to, ReadOnlySpan<byte> wire)
    {
        var read = new ServiceParameters();
        while (!wire.IsEmpty)
        {
            ushort key = BinaryPrimitives.ReadUInt16BigEndian(wire);
            int length = BinaryPrimitives.ReadUInt16BigEndian(wire[2..]);
            to.Append(' ').Append(NameOf(key));
            if (length > 0) PrintValue(to.Append('='), key, wire.Slice(4, length));
            read.values[key] = wire.Slice(4, length).ToArray();
            wire = wire[(4 + length)..];
        }

        return read.Problem() is null;
    }

    private static string NameOf(ushort key) => key < Names.Length ? Names[key] : $"key{key}";

    private static bool TryKey(string name, out ushort key)
    {
        int known = Array.IndexOf(Names, name);
        key = (ushort)Math.Max(0, known);
        if (known >= 0) return true;
        // RFC 9460 §14.3.1: no leading zeros, and 65535 is no key.
        return name.StartsWith("key", StringComparison.Ordinal)
            && (name.Length == 4 || (name.Length > 4 && name[3] != '0'))
            && ushort.TryParse(name.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out key)
            && key != InvalidKey;
    }

    private static byte[]? ReadValue(ushort key, byte[] text)
    {
        var value = new List<byte>();
        switch (key)
        {
            case Alpn:
                // RFC 9460 Appendix A.1: commas part the identifiers; a backslash takes the next byte as it is.
                return TryReadAlpn(text, value) ? [.. value] : null;
            case Mandatory:
                var keys = new List<ushort>();
                foreach (string name in Encoding.Latin1.GetString(text).Split(','))
                {
                    if (!TryKey(name, out ushort one)) return null;
                    keys.Add(one);
                }

                keys.Sort();
                foreach (ushort one in keys) value.AddRange([(byte)(one >> 8), (byte)one]);
                return [.. value];
            case Port:
                return ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port)
                    ? [(byte)(port >> 8), (byte)port]
                    : null;
            case Ipv4Hint or Ipv6Hint:
                Span<byte> address = stackalloc byte[16];
                foreach (string one in Encoding.Latin1.GetString(text).Split(','))
                {
                    byte[] ascii = Encoding.UTF8.GetBytes(one);
                    if (key == Ipv4Hint ? !AddressText.TryRead4(ascii, address) : !AddressText.TryRead6(ascii, address))
                        return null;
                    value.AddRange(address[..(key == Ipv4Hint ? 4 : 16)]);
                }

                return [.. value];
            case Ech:
                byte[] ech = new byte[text.Length];
                return Convert.TryFromBase64String(Encoding.Latin1.GetString(text), ech, out int length)
                    ? ech[..length]
                    : null;
            default:
                return text;
        }
    }

    private static bool TryReadAlpn(byte[] text, List<byte> value)
    {
        int start = value.Count;
        value.Add(0);
        for (int i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && text[i] != ',')
            {
                if (text[i] == '\\' && ++i == text.Length) return false;
                value.Add(text[i]);
                continue;
            }

            int bytes = value.Count - start - 1;
            if (bytes is 0 or > 255) return false;
            value[start] = (byte)bytes;
            if (i == text.Length) break;
            start = value.Count;
            value.Add(0);
        }

        return true;
    }

    private static bool IsValid(ushort key, ReadOnlySpan<byte> value)
    {
        switch (key)
        {
            case Mandatory:
                int last = 0; // RFC 9460 §8: rising, and without itself.
                for (int i = 0; i + 1 < value.Length; i += 2)
                {
                    int one = BinaryPrimitives.ReadUInt16BigEndian(value[i..]);
                    if (one <= last) return false;
                    last = one;
                }

                return value.Length >= 2 && value.Length % 2 == 0;
            case Alpn:
                if (value.IsEmpty) return false;
                while (!value.IsEmpty)
                {
                    if (value[0] == 0 || value[0] >= value.Length) return false;
                    value = value[(value[0] + 1)..];
                }

                return true;
            case NoDefaultAlpn or 8: return value.IsEmpty;
            case Port: return value.Length == 2;
            case Ipv4Hint: return value.Length > 0 && value.Length % 4 == 0;
            case Ipv6Hint: return value.Length > 0 && value.Length % 16 == 0;
            case Ech: return value.Length > 0;
            // RFC 9461 §5: a path with the variable "dns" in it.
            case DohPath: return value is [(byte)'/', ..] && value.IndexOf("dns"u8) > 0;
            case InvalidKey: return false;
            default: return true;
        }
    }

    private static void PrintValue(StringBuilder to, ushort key, ReadOnlySpan<byte> value)
    {
        switch (key)
        {
            case Mandatory:
                for (int i = 0; i < value.Length; i += 2)
                    to.Append(i == 0 ? "" : ",").Append(NameOf(BinaryPrimitives.ReadUInt16BigEndian(value[i..])));
                break;
            case Alpn:
                var list = new List<byte>();
                for (; !value.IsEmpty; value = value[(value[0] + 1)..])
                {
                    if (list.Count > 0) list.Add((byte)',');
                    foreach (byte one in value.Slice(1, value[0]))
                    {
                        if (one is (byte)',' or (byte)'\\') list.Add((byte)'\\');
                        list.Add(one);
                    }
                }

                CharacterString.Print(to, [.. list]);
                break;
            case Port:
                to.Append(BinaryPrimitives.ReadUInt16BigEndian(value));
                break;
            case Ipv4Hint or Ipv6Hint:
                int size = key == Ipv4Hint ? 4 : 16;
                for (int i = 0; i < value.Length; i += size)
                    to.Append(i == 0 ? "" : ",").Append(new IPAddress(value.Slice(i, size)));
                break;
            case Ech:
                to.Append(Convert.ToBase64String(value));
                break;
            default:
                CharacterString.Print(to, value);
                break;
        }
    }
}
