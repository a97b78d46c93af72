using System.Buffers.Binary;
using System.Net;
using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>
/// RDATA as master files write it (RFC 1035 §5.1 and each type's own RFC), and for every type in the form of
/// RFC 3597 §5.
/// </summary>
public static class RdataText
{
    /// <summary>Reads one record's data, relative names before the origin. Problem: what is wrong.</summary>
    public static bool TryRead(
        RecordType type, string text, DnsName origin, out byte[] rdata, out string problem)
    {
        string? found = null;
        var lexer = new MasterLexer(Encoding.UTF8.GetBytes(text), (_, _, message) => found ??= message);
        var reader = new RdataReader();
        bool any = lexer.Next();
        bool read = reader.Read(type, lexer, 0, origin, out (int Word, string Message) fault);
        if (!read) found ??= fault.Message;
        rdata = [.. reader.Rdata];
        if (any && lexer.Next()) found ??= "the data goes on in a second line";
        problem = found ?? "";
        return found is null;
    }

    /// <summary>Whether the bytes are data of this type: lengths and structure.</summary>
    public static bool IsValid(RecordType type, ReadOnlySpan<byte> rdata) => RdataFormat.IsValid(type, rdata);

    /// <summary>
    /// Prints data in the form of its type, names absolute, so that TryRead gives the same bytes; in the form of
    /// RFC 3597 §5 when the type has none or the bytes do not fit it.
    /// </summary>
    public static string Print(RecordType type, ReadOnlySpan<byte> rdata)
    {
        ReadOnlySpan<RdataField> fields = RdataFormat.Of(type);
        if (fields.IsEmpty || !RdataFormat.IsValid(type, rdata)) return PrintGeneric(rdata);
        var text = new StringBuilder();
        ReadOnlySpan<byte> rest = rdata;
        foreach (RdataField field in fields)
        {
            int length = RdataFormat.LengthOf(field, rest);
            if (text.Length > 0 && field is not (RdataField.Types or RdataField.ServiceParameters)) text.Append(' ');
            if (!TryPrint(text, field, rest[..length])) return PrintGeneric(rdata);
            rest = rest[length..];
        }

        return text.ToString();
    }

    /// <summary>Seconds, or units as BIND writes them: 1h30m, 2w, 1d. Up to 2^31-1 (RFC 2181 §8).</summary>
    public static bool TryTtl(ReadOnlySpan<char> text, out uint seconds)
    {
        (ulong total, ulong number, bool digits, bool any) = (0, 0, false, false);
        seconds = 0;
        foreach (char c in text)
        {
            if (char.IsAsciiDigit(c))
            {
                number = (number * 10) + (ulong)(c - '0');
                digits = any = true;
                if (number > int.MaxValue) return false;
                continue;
            }

            ulong unit = UnitSeconds(c);
            if (unit == 0 || !digits) return false;
            total += number * unit;
            (number, digits) = (0, false);
            if (total > int.MaxValue) return false;
        }

        total += number;
        seconds = (uint)Math.Min(total, uint.MaxValue);
        return any && total <= int.MaxValue;
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

    private static string PrintGeneric(ReadOnlySpan<byte> rdata) =>
        rdata.IsEmpty ? "\\# 0" : $"\\# {rdata.Length} {Convert.ToHexStringLower(rdata)}";

    /// <summary>False when the field has no text that reads back: the record is then printed as RFC 3597.</summary>
    private static bool TryPrint(StringBuilder text, RdataField field, ReadOnlySpan<byte> bytes)
    {
        switch (field)
        {
            case RdataField.U8 or RdataField.Algorithm:
                text.Append(bytes[0]);
                break;
            case RdataField.U16 or RdataField.CertificateType:
                text.Append(BinaryPrimitives.ReadUInt16BigEndian(bytes));
                break;
            case RdataField.U32:
                text.Append(BinaryPrimitives.ReadUInt32BigEndian(bytes));
                break;
            case RdataField.Time:
                text.Append(BinaryPrimitives.ReadUInt32BigEndian(bytes));
                return BinaryPrimitives.ReadUInt32BigEndian(bytes) <= int.MaxValue;
            case RdataField.Date:
                text.Append(DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadUInt32BigEndian(bytes))
                    .ToString("yyyyMMddHHmmss"));
                break;
            case RdataField.Name:
                text.Append(DnsName.TryFromWire(bytes, out DnsName name) ? name : DnsName.Root);
                break;
            case RdataField.Address4 or RdataField.Address6:
                text.Append(new IPAddress(bytes));
                break;
            case RdataField.Type:
                var type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(bytes);
                text.Append(RecordTypes.NameOf(type));
                return RecordTypes.TryParse(RecordTypes.NameOf(type), out _);
            case RdataField.Text:
                CharacterString.Print(text, bytes[1..]);
                break;
            case RdataField.Texts:
                for (bool first = true; !bytes.IsEmpty; first = false)
                {
                    if (!first) text.Append(' ');
                    CharacterString.Print(text, bytes.Slice(1, bytes[0]));
                    bytes = bytes[(bytes[0] + 1)..];
                }

                break;
            case RdataField.RestText:
                CharacterString.Print(text, bytes);
                break;
            case RdataField.Tag:
                text.Append(Encoding.Latin1.GetString(bytes[1..]));
                return !bytes[1..].ContainsAnyExcept(LettersAndDigits);
            case RdataField.Types:
                return TryPrintTypes(text, bytes);
            case RdataField.ServiceParameters:
                return ServiceParameters.TryPrint(text, bytes);
            default:
                return TryPrintBytes(text, field, bytes);
        }

        return true;
    }

    private static readonly System.Buffers.SearchValues<byte> LettersAndDigits = System.Buffers.SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"u8);

    private static bool TryPrintTypes(StringBuilder text, ReadOnlySpan<byte> bitmap)
    {
        foreach (RecordType type in TypeBitmap.TypesIn(bitmap.ToArray()))
        {
            string name = RecordTypes.NameOf(type);
            if (!RecordTypes.TryParse(name, out _)) return false;
            text.Append(text.Length > 0 ? " " : "").Append(name);
        }

        return true;
    }

    private static bool TryPrintBytes(StringBuilder text, RdataField field, ReadOnlySpan<byte> bytes)
    {
        string? printed = field switch
        {
            RdataField.RestHex => Convert.ToHexString(bytes),
            RdataField.RestBase64 => Convert.ToBase64String(bytes),
            RdataField.Salt => bytes.Length == 1 ? "-" : Convert.ToHexString(bytes[1..]),
            RdataField.Hash => Base32Hex.Print(bytes[1..]),
            RdataField.Eui48 or RdataField.Eui64 => BitConverter.ToString(bytes.ToArray()),
            RdataField.Location => LocationText.Print(bytes),
            _ => null,
        };
        text.Append(printed);
        return printed is { Length: > 0 };
    }
}
