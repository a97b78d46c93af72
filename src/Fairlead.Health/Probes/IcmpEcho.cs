using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Fairlead.Health.Probes;

/// <summary>
/// An echo request and what may come back. The kernel's own ICMP sockets give each its identifier and hear only what is
/// theirs; a raw one hears every ICMP packet of its peer, so what tells an answer is the random text in it.
/// <code>
///  0               1               2               3
/// |     type      |   code (0)    |           checksum            |   RFC 792, RFC 4443 §4.1
/// |          identifier           |        sequence number        |
/// |                       16 random octets                        |
/// </code>
/// </summary>
internal static class IcmpEcho
{
    private const int HeaderBytes = 8;
    private const int TextBytes = 16;
    private const byte Request4 = 8;
    private const byte Reply4 = 0;
    private const byte Request6 = 128;
    private const byte Reply6 = 129;

    public static byte[] Request(AddressFamily family)
    {
        byte[] packet = new byte[HeaderBytes + TextBytes];
        RandomNumberGenerator.Fill(packet.AsSpan(4));
        packet[0] = family == AddressFamily.InterNetwork ? Request4 : Request6;
        // For IPv6 the kernel writes it, since the addresses are part of it (RFC 4443 §2.3, RFC 3542 §3.1).
        if (family == AddressFamily.InterNetwork) BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), Sum(packet));
        return packet;
    }

    /// <summary>Whether this answers the request; a raw IPv4 socket gives the IP header too.</summary>
    public static bool IsReplyTo(
        ReadOnlySpan<byte> request, ReadOnlySpan<byte> heard, AddressFamily family, bool isRaw)
    {
        bool isIPv4 = family == AddressFamily.InterNetwork;
        if (isRaw && isIPv4)
        {
            int header = heard.Length > 0 ? (heard[0] & 0xf) * 4 : 0;
            if (header < 20 || header > heard.Length) return false;
            heard = heard[header..];
        }

        return heard.Length == request.Length && heard[0] == (isIPv4 ? Reply4 : Reply6) && heard[1] == 0
            && heard[HeaderBytes..].SequenceEqual(request[HeaderBytes..]);
    }

    /// <summary>RFC 1071 §1: the complement of the ones' complement sum.</summary>
    private static ushort Sum(ReadOnlySpan<byte> packet)
    {
        uint sum = 0;
        for (int i = 0; i < packet.Length; i += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(packet[i..]);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }
}
