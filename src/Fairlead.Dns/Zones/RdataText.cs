using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>RDATA from the words of a master file, type by type; every type also in the form of RFC 3597 §5.</summary>
internal static class RdataText
{
    /// <summary>
    /// Makes the RDATA. A problem names the word it is about: an index into the words, or their count.
    /// </summary>
    public static byte[]? Read(
        RecordType type, IReadOnlyList<MasterToken> words, DnsName origin, out (int Word, string Message) problem)
    {
        var reader = new WordReader(words, origin);
        if (words.Count > 0 && words[0] is { Text: "\\#", Quoted: false })
        {
            reader.Generic(type);
        }
        else
        {
            switch (type)
            {
                case RecordType.A: reader.Address(AddressFamily.InterNetwork); break;
                case RecordType.Aaaa: reader.Address(AddressFamily.InterNetworkV6); break;
                case RecordType.Ns or RecordType.Cname or RecordType.Ptr or RecordType.Dname:
                    reader.Name("the target");
                    break;
                case RecordType.Mx: reader.Mx(); break;
                case RecordType.Txt: reader.Strings(); break;
                case RecordType.Srv: reader.Srv(); break;
                case RecordType.Soa: reader.Soa(); break;
                case RecordType.Caa: reader.Caa(); break;
                default: reader.Fail($"write {RecordTypes.NameOf(type)} data as \\# LENGTH HEX (RFC 3597)"); break;
            }
        }

        return reader.Finish(out problem);
    }

    /// <summary>Whether the bytes are data of this type, as far as the server relies on it.</summary>
    public static bool IsValid(RecordType type, ReadOnlySpan<byte> rdata)
    {
        if (type == RecordType.A) return rdata.Length == 4;
        if (type == RecordType.Aaaa) return rdata.Length == 16;
        if (rdata.Length > ushort.MaxValue) return false;
        (int before, int names, _) = RecordTypes.NamesIn(type);
        if (names == 0) return true;
        if (rdata.Length < before) return false;
        rdata = rdata[before..];
        for (int i = 0; i < names; i++)
        {
            int length = NameHash.LengthOf(rdata, out _);
            if (length == 0) return false;
            rdata = rdata[length..];
        }

        return rdata.Length == (type == RecordType.Soa ? 20 : 0);
    }

    /// <summary>Seconds, or units as BIND writes them: 1h30m, 2w, 1d. Up to 2^31-1 (RFC 2181 §8).</summary>
    public static bool TryTtl(string text, out uint seconds)
    {
        (ulong total, ulong number, bool digits) = (0, 0, false);
        seconds = 0;
        foreach (char c in text)
        {
            if (char.IsAsciiDigit(c))
            {
                number = (number * 10) + (ulong)(c - '0');
                digits = true;
                if (number > int.MaxValue) return false;
                continue;
            }

            ulong unit = UnitSeconds(c);
            if (unit == 0 || !digits) return false;
            total += number * unit;
            (number, digits) = (0, false);
        }

        if (!digits && total == 0 && !text.Any(char.IsAsciiDigit)) return false;
        total += number;
        seconds = (uint)Math.Min(total, uint.MaxValue);
        return total <= int.MaxValue;
    }

    private static ulong UnitSeconds(char unit) => char.ToLowerInvariant(unit) switch
    {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        'w' => 604800,
        _ => 0,
    };

    private sealed class WordReader(IReadOnlyList<MasterToken> words, DnsName origin)
    {
        private readonly List<byte> rdata = [];
        private int next;
        private (int Word, string Message)? failed;

        public void Fail(string message) => failed ??= (Math.Max(0, next - 1), message);

        public byte[]? Finish(out (int Word, string Message) problem)
        {
            if (failed is null && next < words.Count) failed = (next, $"'{words[next].Text}' is one word too many");
            problem = failed ?? default;
            return failed is null ? [.. rdata] : null;
        }

        public void Address(AddressFamily family)
        {
            if (Word("an address") is not { } text) return;
            bool v4 = family == AddressFamily.InterNetwork;
            // IPAddress also reads "1", "010.1" and zone indexes: an address must print as it was written, or hold a
            // colon.
            bool read = IPAddress.TryParse(text, out IPAddress? address) && address.AddressFamily == family
                && !text.Contains('%') && (!v4 || address.ToString() == text);
            if (read) rdata.AddRange(address!.GetAddressBytes());
            else Fail($"'{text}' is not an IPv{(v4 ? 4 : 6)} address");
        }

        public void Name(string what)
        {
            if (Word(what) is not { } text) return;
            if (DnsName.TryParse(text, origin, out DnsName name)) rdata.AddRange(name.Wire);
            else Fail($"'{text}' is not a domain name");
        }

        public void Mx()
        {
            Number16("the preference");
            Name("the mail host");
        }

        public void Srv()
        {
            Number16("the priority");
            Number16("the weight");
            Number16("the port");
            Name("the target");
        }

        public void Soa()
        {
            Name("the primary server");
            Name("the mailbox");
            if (Word("the serial") is { } serial)
            {
                if (uint.TryParse(serial, NumberStyles.None, CultureInfo.InvariantCulture, out uint value)) Number32(
                    value);
                else Fail($"'{serial}' is not a serial number");
            }

            foreach (string what in (string[])["the refresh time", "the retry time", "the expire time", "the minimum"])
            {
                if (Word(what) is not { } text) continue;
                if (TryTtl(text, out uint seconds)) Number32(seconds);
                else Fail($"'{text}' is not a time");
            }
        }

        public void Strings()
        {
            if (words.Count == 0) Fail("TXT needs at least one string");
            while (next < words.Count && failed is null) CharacterStringOf(255, lengthByte: true, "a string");
        }

        /// <summary>RFC 8659 §4.1: flags, tag with a length byte, value up to the end.</summary>
        public void Caa()
        {
            if (Word("the flags") is { } flags)
            {
                if (byte.TryParse(flags, NumberStyles.None, CultureInfo.InvariantCulture, out byte value)) rdata.Add(
                    value);
                else Fail($"'{flags}' is not a number from 0 to 255");
            }

            if (next < words.Count
                && (words[next].Text.Length == 0 || !words[next].Text.All(char.IsAsciiLetterOrDigit)))
            {
                next++;
                Fail("a CAA tag is letters and digits");
            }

            CharacterStringOf(15, lengthByte: true, "the tag");
            CharacterStringOf(ushort.MaxValue - 32, lengthByte: false, "the value");
        }

        /// <summary>RFC 3597 §5: \# LENGTH HEX, the hex in as many words as one likes.</summary>
        public void Generic(RecordType type)
        {
            next++;
            if (Word("the length") is not { } lengthText) return;
            if (!ushort.TryParse(lengthText, NumberStyles.None, CultureInfo.InvariantCulture, out ushort length))
            {
                Fail($"'{lengthText}' is not a length from 0 to 65535");
                return;
            }

            string hex = string.Concat(words.Skip(next).Select(word => word.Text));
            next = words.Count;
            if (hex.Length % 2 != 0 || !hex.All(char.IsAsciiHexDigit)) Fail("the data is not pairs of hex digits");
            else if (hex.Length / 2 != length) Fail($"the data has {hex.Length / 2} bytes, its length says {length}");
            else if (!IsValid(type, Convert.FromHexString(hex))) Fail($"this is not {RecordTypes.NameOf(type)} data");
            else rdata.AddRange(Convert.FromHexString(hex));
        }

        private string? Word(string what)
        {
            if (failed is not null) return null;
            if (next < words.Count) return words[next++].Text;
            failed = (words.Count, $"{what} is missing");
            return null;
        }

        private void Number16(string what)
        {
            if (Word(what) is not { } text) return;
            if (ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort value))
                rdata.AddRange([(byte)(value >> 8), (byte)value]);
            else
                Fail($"'{text}' is not a number from 0 to 65535");
        }

        private void Number32(uint value)
        {
            Span<byte> bytes = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
            rdata.AddRange(bytes);
        }

        private void CharacterStringOf(int bytesMax, bool lengthByte, string what)
        {
            if (Word(what) is not { } text) return;
            if (!CharacterString.TryDecode(text, out byte[] bytes))
            {
                Fail("a backslash is followed by three digits up to 255, or by one character");
                return;
            }

            if (bytes.Length > bytesMax)
            {
                Fail($"{what} has {bytes.Length} bytes; {bytesMax} is the limit");
                return;
            }

            if (lengthByte) rdata.Add((byte)bytes.Length);
            rdata.AddRange(bytes);
        }
    }
}
