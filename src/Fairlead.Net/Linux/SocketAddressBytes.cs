using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Fairlead.Net.Linux;

/// <summary>
/// struct sockaddr_in (16 bytes) and sockaddr_in6 (28 bytes) as the kernel wants them. The family is in host order,
/// port and address in network order (ip(7), ipv6(7)).
/// </summary>
public static class SocketAddressBytes
{
    public const int SizeMax = 28;

    /// <summary>Writes the address and gives its length. The span must hold SizeMax bytes.</summary>
    public static int Write(Span<byte> into, IPAddress address, int port)
    {
        into[..SizeMax].Clear();
        bool v4 = address.AddressFamily == AddressFamily.InterNetwork;
        BitConverter.TryWriteBytes(into, (ushort)(v4 ? Libc.AF_INET : Libc.AF_INET6));
        BinaryPrimitives.WriteUInt16BigEndian(into[2..], (ushort)port);
        if (v4)
        {
            address.TryWriteBytes(into[4..], out _);
            return 16;
        }

        address.TryWriteBytes(into[8..], out _);
        BitConverter.TryWriteBytes(into[24..], (uint)address.ScopeId);
        return SizeMax;
    }

    /// <summary>
    /// The address in it; an IPv4 address in mapped form comes back as IPv4. Null when it is neither.
    /// </summary>
    public static IPAddress? Read(ReadOnlySpan<byte> from, out int port)
    {
        port = 0;
        if (from.Length < 16) return null;
        int family = BitConverter.ToUInt16(from);
        port = BinaryPrimitives.ReadUInt16BigEndian(from[2..]);
        if (family == Libc.AF_INET) return new IPAddress(from.Slice(4, 4));
        if (family != Libc.AF_INET6 || from.Length < SizeMax) return null;
        var address = new IPAddress(from.Slice(8, 16), BitConverter.ToUInt32(from[24..]));
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <summary>The 128-bit form (IPv4 mapped), without allocation: the key of a lookup for each datagram.</summary>
    public static UInt128 Bits(ReadOnlySpan<byte> from) =>
        BitConverter.ToUInt16(from) == Libc.AF_INET
            ? ((UInt128)0xffffUL << 32) | BinaryPrimitives.ReadUInt32BigEndian(from[4..])
            : BinaryPrimitives.ReadUInt128BigEndian(from[8..]);
}
