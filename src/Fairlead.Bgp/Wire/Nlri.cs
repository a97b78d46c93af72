using System.Buffers.Binary;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// A prefix and which of the peer's paths to it is meant (RFC 7911 §3); zero where one path is all there can be.
/// </summary>
public readonly record struct PathPrefix(Prefix Prefix, uint PathId = 0)
{
    public override string ToString() => PathId == 0 ? Prefix.ToString() : $"{Prefix} path {PathId}";
}

/// <summary>
/// Prefixes on the wire: a length in bits, then as many octets as hold them (RFC 4271 §4.3, RFC 4760 §5), behind four
/// octets of path identifier where ADD-PATH was agreed on (RFC 7911 §3).
/// </summary>
public static class Nlri
{
    /// <summary>The most that one prefix takes: the length and sixteen octets.</summary>
    public const int SizeMax = 17;

    public static void Write(ref WireWriter writer, Prefix prefix)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, prefix.Bits);
        writer.U8((byte)prefix.Length);
        writer.Bytes(bytes.Slice(prefix.IsIPv4 ? 12 : 0, (prefix.Length + 7) / 8));
    }

    /// <summary>
    /// Reads prefixes to the end of the data and adds them. False, with those before it added, at the first one that
    /// is too long for the family or for the data (RFC 7606 §5.3). Bits after the length are ignored (RFC 4271 §4.3).
    /// </summary>
    public static bool TryReadAll(ReadOnlySpan<byte> data, BgpFamily family, bool addPath, List<PathPrefix> into)
    {
        bool v4 = family == BgpFamily.IPv4Unicast;
        Span<byte> bytes = stackalloc byte[16];
        var reader = new WireReader(data);
        while (reader.Remaining > 0)
        {
            uint path = addPath ? reader.U32() : 0;
            int length = reader.U8();
            if (length > (v4 ? 32 : 128)) return false;
            ReadOnlySpan<byte> address = reader.Take((length + 7) / 8);
            if (reader.Failed) return false;
            bytes.Clear();
            if (v4) (bytes[10], bytes[11]) = (0xff, 0xff);
            address.CopyTo(bytes[(v4 ? 12 : 0)..]);
            var prefix = Prefix.OfMapped(BinaryPrimitives.ReadUInt128BigEndian(bytes), v4 ? length + 96 : length);
            into.Add(new PathPrefix(prefix, path));
        }

        return true;
    }
}
