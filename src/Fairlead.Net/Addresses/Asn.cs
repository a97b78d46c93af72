using System.Globalization;

namespace Fairlead.Net.Addresses;

/// <summary>An autonomous system number, 32 bits (RFC 6793), written as asplain (RFC 5396).</summary>
public readonly record struct Asn(uint Value)
{
    /// <summary>AS_TRANS stands for a number that does not fit two octets (RFC 6793 §9).</summary>
    public static readonly Asn Trans = new(23456);

    public bool FitsTwoOctets => Value <= ushort.MaxValue;

    /// <summary>Reads "64500" or "AS64500". Zero is refused (RFC 7607).</summary>
    public static bool TryParse(string? text, out Asn asn)
    {
        ReadOnlySpan<char> digits = text.AsSpan().Trim();
        if (digits.StartsWith("AS", StringComparison.OrdinalIgnoreCase)) digits = digits[2..];
        bool read = uint.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out uint value)
            && value != 0;
        asn = new Asn(read ? value : 0);
        return read;
    }

    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}
