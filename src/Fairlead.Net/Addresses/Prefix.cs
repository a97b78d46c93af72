using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Fairlead.Net.Addresses;

/// <summary>
/// An IPv4 or IPv6 prefix; a host prefix (/32, /128) is also how an address is carried. IPv4 is held in its mapped
/// form (::ffff:0:0/96, RFC 4291 §2.5.5.2), so both families share one 128-bit space and one trie.
/// </summary>
public readonly record struct Prefix : IComparable<Prefix>
{
    private const int MappedLength = 96;
    private static readonly UInt128 MappedBits = (UInt128)0xffffUL << 32;

    private Prefix(UInt128 bits, int mappedLength)
    {
        Bits = bits & Mask(mappedLength);
        LengthMapped = mappedLength;
    }

    /// <summary>The 128-bit network address; for IPv4 in mapped form. Host bits are zero.</summary>
    public UInt128 Bits { get; }

    /// <summary>The prefix length in the 128-bit space: for IPv4 it is Length + 96.</summary>
    public int LengthMapped { get; }

    public bool IsIPv4 => LengthMapped >= MappedLength && Bits >> 32 == MappedBits >> 32;

    /// <summary>The length as people write it: 0 to 32 for IPv4, 0 to 128 for IPv6.</summary>
    public int Length => IsIPv4 ? LengthMapped - MappedLength : LengthMapped;

    /// <summary>32 or 128.</summary>
    public int LengthMax => IsIPv4 ? 32 : 128;

    public bool IsHost => LengthMapped == 128;

    public AddressFamily Family => IsIPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;

    /// <summary>The network address.</summary>
    public IPAddress Address
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            BinaryPrimitives.WriteUInt128BigEndian(bytes, Bits);
            return new IPAddress(IsIPv4 ? bytes[12..] : bytes);
        }
    }

    /// <summary>The prefix of this length that holds the address; host bits are cut off.</summary>
    public static Prefix Of(IPAddress address, int length)
    {
        bool v4 = address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6;
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, v4 ? 32u : 128u, nameof(length));
        return new Prefix(BitsOf(address), v4 ? length + MappedLength : length);
    }

    /// <summary>From the 128-bit space, IPv4 in mapped form.</summary>
    public static Prefix OfMapped(UInt128 bits, int mappedLength)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)mappedLength, 128u, nameof(mappedLength));
        return new Prefix(bits, mappedLength);
    }

    public static Prefix Host(IPAddress address) => new(BitsOf(address), 128);

    /// <summary>The address in the 128-bit space, IPv4 in mapped form.</summary>
    public static UInt128 BitsOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            address.TryWriteBytes(bytes, out _);
            return MappedBits | BinaryPrimitives.ReadUInt32BigEndian(bytes);
        }

        address.TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    /// <summary>
    /// Reads "192.0.2.0/24", "2001:db8::/32" or an address (its host prefix). Host bits that are set are refused:
    /// an operator who writes 192.0.2.1/24 meant one of two things, and we do not guess which.
    /// </summary>
    public static bool TryParse(string? text, out Prefix prefix)
    {
        prefix = default;
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        int slash = rest.IndexOf('/');
        ReadOnlySpan<char> addressText = slash < 0 ? rest : rest[..slash];
        // IPAddress also reads "1" and "0x7f.1", and zone indexes; an operator's file may hold none of these.
        bool v4 = !addressText.Contains(':');
        if (addressText.Contains('%') || (v4 && addressText.Count('.') != 3)) return false;
        if (!IPAddress.TryParse(addressText, out IPAddress? address)) return false;
        if (v4 && address.ToString() != addressText.ToString()) return false;

        int length = v4 ? 32 : 128;
        if (slash >= 0)
        {
            if (!int.TryParse(rest[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int given)
                || given > length)
                return false;
            length = given;
        }

        prefix = new Prefix(BitsOf(address), v4 ? length + MappedLength : length);
        return prefix.Bits == BitsOf(address);
    }

    /// <summary>TryParse for constants in code and tests. FormatException when it is not a prefix.</summary>
    public static Prefix Parse(string text) =>
        TryParse(text, out Prefix prefix) ? prefix : throw new FormatException($"'{text}' is not a prefix");

    /// <summary>
    /// Whether the other prefix lies wholly inside this one (or is this one). Families never contain each other.
    /// </summary>
    public bool Contains(Prefix other) =>
        LengthMapped <= other.LengthMapped && IsIPv4 == other.IsIPv4 && (other.Bits & Mask(LengthMapped)) == Bits;

    public bool Contains(IPAddress address) => Contains(Host(address));

    public bool Overlaps(Prefix other) => Contains(other) || other.Contains(this);

    public int CompareTo(Prefix other)
    {
        int family = other.IsIPv4.CompareTo(IsIPv4);
        if (family != 0) return family;
        int bits = Bits.CompareTo(other.Bits);
        return bits != 0 ? bits : LengthMapped.CompareTo(other.LengthMapped);
    }

    public static bool operator <(Prefix left, Prefix right) => left.CompareTo(right) < 0;

    public static bool operator >(Prefix left, Prefix right) => left.CompareTo(right) > 0;

    public static bool operator <=(Prefix left, Prefix right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Prefix left, Prefix right) => left.CompareTo(right) >= 0;

    public override string ToString() => $"{Address}/{Length.ToString(CultureInfo.InvariantCulture)}";

    private static UInt128 Mask(int length) => length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);
}
