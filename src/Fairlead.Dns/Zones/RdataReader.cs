using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>Makes RDATA of the words of a master file, field by field. One instance serves a whole file.</summary>
internal sealed class RdataReader
{
    private static readonly Dictionary<string, ushort> Algorithms = new (string Name, ushort Value)[]
    {
        ("RSAMD5", 1), ("DH", 2), ("DSA", 3), ("RSASHA1", 5), ("DSA-NSEC3-SHA1", 6), ("RSASHA1-NSEC3-SHA1", 7),
        ("RSASHA256", 8), ("RSASHA512", 10), ("ECC-GOST", 12), ("ECDSAP256SHA256", 13), ("ECDSAP384SHA384", 14),
        ("ED25519", 15), ("ED448", 16), ("INDIRECT", 252), ("PRIVATEDNS", 253), ("PRIVATEOID", 254),
    }.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.OrdinalIgnoreCase);

    private static readonly Dictionary<string, ushort> CertificateTypes = new (string Name, ushort Value)[]
    {
        ("PKIX", 1), ("SPKI", 2), ("PGP", 3), ("IPKIX", 4), ("ISPKI", 5), ("IPGP", 6), ("ACPKIX", 7), ("IACPKIX", 8),
        ("URI", 253), ("OID", 254),
    }.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.OrdinalIgnoreCase);

    private readonly List<byte> rdata = [];
    private MasterLexer words = new(default, (_, _, _) => { });
    private DnsName origin = DnsName.Root;
    private int next;
    private (int Word, string Message)? failed;

    /// <summary>What the last Read made; good until the next one.</summary>
    public ReadOnlySpan<byte> Rdata => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(rdata);

    /// <summary>
    /// Reads the words of the entry from this one on. A problem names the word it is about: an index, or their count.
    /// </summary>
    public bool Read(
        RecordType type, MasterLexer entry, int firstWord, DnsName nameOrigin, out (int Word, string Message) problem)
    {
        (words, origin, next, failed) = (entry, nameOrigin, firstWord, null);
        rdata.Clear();
        ReadOnlySpan<RdataField> fields = RdataFormat.Of(type);
        if (next < words.Words.Count && words.Words[next] is { Quoted: false } word
            && words.TextOf(word).SequenceEqual("\\#"u8))
        {
            Generic(type);
        }
        else
        {
            if (fields.IsEmpty) Fail($"write {RecordTypes.NameOf(type)} data as \\# LENGTH HEX (RFC 3597)");
            foreach (RdataField field in fields)
            {
                if (failed is null) Field(type, field);
            }
        }

        if (failed is null && next < words.Words.Count)
            failed = (next, $"'{words.StringOf(words.Words[next])}' is one word too many");
        if (failed is null && rdata.Count > ushort.MaxValue)
            Fail($"{rdata.Count} bytes; {ushort.MaxValue} is the limit");
        problem = failed ?? default;
        return failed is null;
    }

    private void Fail(string message) => failed ??= (Math.Max(0, next - 1), message);

    private void Field(RecordType type, RdataField field)
    {
        switch (field)
        {
            case RdataField.U8: Number(8); break;
            case RdataField.U16: Number(16); break;
            case RdataField.U32: Number(32); break;
            case RdataField.Time: Time(); break;
            case RdataField.Date: Date(); break;
            case RdataField.Name: Name(); break;
            case RdataField.Address4: Address(AddressFamily.InterNetwork); break;
            case RdataField.Address6: Address(AddressFamily.InterNetworkV6); break;
            case RdataField.Text: Text(lengthByte: true); break;
            case RdataField.Texts: Texts(type); break;
            case RdataField.RestText: Text(lengthByte: false); break;
            case RdataField.Tag: Tag(); break;
            case RdataField.RestHex: Hex(RestWords()); break;
            case RdataField.RestBase64: Base64(RestWords()); break;
            case RdataField.Salt: Salt(); break;
            case RdataField.Hash: Hash(); break;
            case RdataField.Type: TypeName(); break;
            case RdataField.Types: Types(); break;
            case RdataField.Algorithm: Named(Algorithms, 8, "algorithm"); break;
            case RdataField.CertificateType: Named(CertificateTypes, 16, "certificate type"); break;
            case RdataField.Eui48: Eui(6); break;
            case RdataField.Eui64: Eui(8); break;
            case RdataField.Location: Location(); break;
            case RdataField.ServiceParameters: Parameters(); break;
            default: throw new ArgumentOutOfRangeException(nameof(field));
        }
    }

    /// <summary>RFC 3597 §5: \# LENGTH HEX, the hex in as many words as one likes.</summary>
    private void Generic(RecordType type)
    {
        next++;
        if (!Word("the length", out string text)) return;
        if (!ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort length))
        {
            Fail($"'{text}' is not a length from 0 to 65535");
            return;
        }

        string hex = RestWords(), name = RecordTypes.NameOf(type);
        if (hex.Length % 2 != 0 || !hex.All(char.IsAsciiHexDigit)) Fail("the data is not pairs of hex digits");
        else if (hex.Length / 2 != length) Fail($"the data has {hex.Length / 2} bytes, its length says {length}");
        else if (!RdataFormat.IsValid(type, Convert.FromHexString(hex))) Fail($"this is not {name} data");
        else rdata.AddRange(Convert.FromHexString(hex));
    }

    private bool Token(string what, out MasterToken token)
    {
        token = default;
        if (failed is not null) return false;
        if (next < words.Words.Count)
        {
            token = words.Words[next++];
            return true;
        }

        failed = (words.Words.Count, $"{what} is missing");
        return false;
    }

    private bool Word(string what, out string text)
    {
        text = "";
        if (!Token(what, out MasterToken token)) return false;
        text = words.StringOf(token);
        return true;
    }

    /// <summary>The words up to the end as one; hex and base64 may be cut anywhere (RFC 4034 §2.2).</summary>
    private string RestWords()
    {
        var all = new StringBuilder();
        while (next < words.Words.Count) all.Append(words.StringOf(words.Words[next++]));
        return all.ToString();
    }

    private void Number(int bits)
    {
        uint max = (uint)((1UL << bits) - 1);
        if (!Word("a number", out string text)) return;
        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint value) && value <= max)
            Write(value, bits);
        else
            Fail($"'{text}' is not a number from 0 to {max}");
    }

    private void Write(uint value, int bits)
    {
        for (bits -= 8; bits >= 0; bits -= 8) rdata.Add((byte)(value >> bits));
    }

    private void Time()
    {
        if (!Word("a time", out string text)) return;
        if (RdataText.TryTtl(text, out uint seconds)) Write(seconds, 32);
        else Fail($"'{text}' is not a time");
    }

    // RFC 4034 §3.2: fourteen digits are a date, fewer a count of seconds.
    private void Date()
    {
        if (!Word("a date", out string text)) return;
        if (text.Length == 14 && DateTimeOffset.TryParseExact(text, "yyyyMMddHHmmss", CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal, out DateTimeOffset date))
            Write((uint)date.ToUnixTimeSeconds(), 32);
        else if (text.Length <= 10 && uint.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out uint seconds))
            Write(seconds, 32);
        else
            Fail($"'{text}' is not a date: YYYYMMDDHHmmSS, or seconds since 1970");
    }

    private void Name()
    {
        if (!Token("a domain name", out MasterToken token)) return;
        Span<byte> wire = stackalloc byte[DnsName.WireBytesMax + 1];
        if (NameText.TryRead(words.TextOf(token), origin.Wire, wire, out int length)) rdata.AddRange(wire[..length]);
        else Fail($"'{words.StringOf(token)}' is not a domain name");
    }

    private void Address(AddressFamily family)
    {
        if (!Token("an address", out MasterToken token)) return;
        ReadOnlySpan<byte> text = words.TextOf(token);
        bool v4 = family == AddressFamily.InterNetwork;
        Span<byte> bytes = stackalloc byte[16];
        bool read = v4 ? AddressText.TryRead4(text, bytes) : AddressText.TryRead6(text, bytes);
        if (read) rdata.AddRange(bytes[..(v4 ? 4 : 16)]);
        else Fail($"'{words.StringOf(token)}' is not an IPv{(v4 ? 4 : 6)} address");
    }

    private void Texts(RecordType type)
    {
        if (next == words.Words.Count) Fail($"{RecordTypes.NameOf(type)} needs at least one string");
        while (next < words.Words.Count && failed is null) Text(lengthByte: true);
    }

    private void Text(bool lengthByte)
    {
        if (!Token("a string", out MasterToken token)) return;
        int start = rdata.Count;
        if (lengthByte) rdata.Add(0);
        if (!CharacterString.TryDecode(words.TextOf(token), rdata))
        {
            Fail("a backslash is followed by three digits up to 255, or by one character");
            return;
        }

        if (!lengthByte) return;
        int bytes = rdata.Count - start - 1;
        if (bytes > 255) Fail($"a string has {bytes} bytes; 255 is the limit");
        else rdata[start] = (byte)bytes;
    }

    private void Tag()
    {
        if (!Word("the tag", out string text)) return;
        if (text.Length is 0 or > 255 || !text.All(char.IsAsciiLetterOrDigit)) Fail("a CAA tag is letters and digits");
        else rdata.AddRange([(byte)text.Length, .. Encoding.ASCII.GetBytes(text)]);
    }

    private void Hex(string text)
    {
        if (text.Length == 0) failed = (words.Words.Count, "the data is missing");
        else if (text.Length % 2 != 0 || !text.All(char.IsAsciiHexDigit)) Fail("the data is not pairs of hex digits");
        else rdata.AddRange(Convert.FromHexString(text));
    }

    private void Base64(string text)
    {
        byte[] bytes = new byte[text.Length];
        if (text.Length == 0) failed = (words.Words.Count, "the data is missing");
        else if (text.Any(char.IsWhiteSpace) || !Convert.TryFromBase64String(text, bytes, out int length))
            Fail("the data is not base64");
        else rdata.AddRange(bytes.AsSpan(0, length));
    }

    private void Salt()
    {
        if (!Word("the salt", out string text)) return;
        if (text == "-") text = "";
        if (text.Length % 2 != 0 || text.Length > 510 || !text.All(char.IsAsciiHexDigit))
            Fail("the salt is up to 255 bytes as pairs of hex digits, or -");
        else
            rdata.AddRange([(byte)(text.Length / 2), .. Convert.FromHexString(text)]);
    }

    private void Hash()
    {
        if (!Word("the next hash", out string text)) return;
        if (Base32Hex.TryRead(text, out byte[] bytes) && bytes.Length is > 0 and < 256)
            rdata.AddRange([(byte)bytes.Length, .. bytes]);
        else
            Fail($"'{text}' is not a hash in base32hex");
    }

    private void TypeName()
    {
        if (!Word("a record type", out string text)) return;
        if (RecordTypes.TryParse(text, out RecordType type)) Write((ushort)type, 16);
        else Fail($"'{text}' is not a record type");
    }

    private void Types()
    {
        var types = new List<RecordType>();
        while (next < words.Words.Count)
        {
            if (!Word("a record type", out string text)) return;
            if (!RecordTypes.TryParse(text, out RecordType type)) Fail($"'{text}' is not a record type");
            types.Add(type);
        }

        rdata.AddRange(TypeBitmap.Of(types));
    }

    private void Named(Dictionary<string, ushort> names, int bits, string what)
    {
        if (!Word($"the {what}", out string text)) return;
        if (names.TryGetValue(text, out ushort value)
            || (ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value < 1 << bits))
            Write(value, bits);
        else
            Fail($"'{text}' is not the name or number of a{(what[0] == 'a' ? "n" : "")} {what}");
    }

    // RFC 7043 §3.2 and §4.2: pairs of hex digits with hyphens between them.
    private void Eui(int bytes)
    {
        if (!Word("the address", out string text)) return;
        string[] pairs = text.Split('-');
        if (pairs.Length == bytes && Array.TrueForAll(pairs, p => p.Length == 2 && p.All(char.IsAsciiHexDigit)))
            rdata.AddRange(Convert.FromHexString(string.Concat(pairs)));
        else
            Fail($"'{text}' is not {bytes} pairs of hex digits with hyphens between them");
    }

    private void Location()
    {
        List<string> all = [];
        int first = next;
        while (next < words.Words.Count) all.Add(words.StringOf(words.Words[next++]));
        byte[]? wire = LocationText.Read(all, out (int Word, string Message) problem);
        if (wire is null) failed ??= (first + problem.Word, problem.Message);
        else rdata.AddRange(wire);
    }

    private void Parameters()
    {
        var read = new ServiceParameters();
        while (next < words.Words.Count && failed is null)
        {
            MasterToken token = words.Words[next++];
            ReadOnlySpan<byte> text = words.TextOf(token);
            int equals = text.IndexOf((byte)'=');
            ReadOnlySpan<byte> value = equals < 0 ? default : text[(equals + 1)..];
            // alpn="h2,h3": the lexer gives the quoted part as a word of its own.
            bool quoted = equals == text.Length - 1 && next < words.Words.Count
                && words.Words[next] is { Quoted: true, Joined: true };
            if (quoted) value = words.TextOf(words.Words[next++]);
            string? problem = read.Add(text[..(equals < 0 ? text.Length : equals)], value, equals >= 0);
            if (problem is not null) Fail(problem);
        }

        if (failed is null && read.Problem() is { } whole) Fail(whole);
        if (failed is null) read.Write(rdata);
    }
}
