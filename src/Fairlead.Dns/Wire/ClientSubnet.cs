using System.Buffers.Binary;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Wire;

/// <summary>
/// The Client Subnet option (RFC 7871 §6).
/// <code>
/// +--------+--------+--------+--------+-- ... --+
/// |     FAMILY      | SOURCE | SCOPE  | ADDRESS |   as many bytes as SOURCE bits need, the rest of the last zero
/// +--------+--------+--------+--------+-- ... --+
/// </code>
/// </summary>
public readonly record struct ClientSubnet
{
    public const ushort OptionCode = 8;

    /// <summary>1 IPv4, 2 IPv6; 0 with no address at all, as some tools ask for "no subnet".</summary>
    public byte Family { get; private init; }

    /// <summary>SOURCE PREFIX-LENGTH as it was sent: 0 to 32 or 0 to 128.</summary>
    public byte SourceLength { get; private init; }

    /// <summary>
    /// The address in the 128-bit space, IPv4 in mapped form; the bits beyond the source length are zero.
    /// </summary>
    public UInt128 BitsMapped { get; private init; }

    public int SourceLengthMapped => Family == 1 ? SourceLength + 96 : SourceLength;

    /// <summary>How many bytes the option takes in a message, with its code and length.</summary>
    internal int OptionBytes => 8 + AddressBytes;

    private int AddressBytes => (SourceLength + 7) / 8;

    /// <summary>
    /// Whether the option's data is well formed. What is not makes the query a FORMERR (RFC 7871 §7.1.2).
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> data, out ClientSubnet subnet)
    {
        var reader = new WireReader(data);
        ushort family = reader.U16();
        byte source = reader.U8(), scope = reader.U8();
        ReadOnlySpan<byte> address = reader.Rest;
        subnet = default;
        // RFC 7871 §6: the scope is for answers, in a query it must be 0.
        if (reader.Failed || scope != 0 || family > 2) return false;
        int lengthMax = family switch { 1 => 32, 2 => 128, _ => 0 };
        if (source > lengthMax || address.Length != (source + 7) / 8) return false;

        UInt128 bits;
        bool isClean;
        if (family == 1)
        {
            uint number = 0;
            for (int i = 0; i < 4; i++) number = (number << 8) | (i < address.Length ? address[i] : 0u);
            isClean = source == 32 || number << source == 0;
            bits = ((UInt128)0xffff << 32) | number;
        }
        else
        {
            Span<byte> bytes = stackalloc byte[16];
            bytes.Clear();
            address.CopyTo(bytes);
            bits = BinaryPrimitives.ReadUInt128BigEndian(bytes);
            isClean = source == 128 || bits << source == 0;
        }

        // RFC 7871 §6: bits beyond the source length must be zero.
        if (!isClean) return false;
        subnet = new ClientSubnet { Family = (byte)family, SourceLength = source, BitsMapped = bits };
        return true;
    }

    /// <summary>Writes the option of an answer: what was asked, with our scope (0 to 32 or 0 to 128).</summary>
    internal void Write(ref WireWriter writer, byte scopeLength)
    {
        writer.U16(OptionCode);
        writer.U16((ushort)(4 + AddressBytes));
        writer.U16(Family);
        writer.U8(SourceLength);
        writer.U8(scopeLength);
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, BitsMapped);
        writer.Bytes((Family == 1 ? bytes[12..] : bytes)[..AddressBytes]);
    }
}
