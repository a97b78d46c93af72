using System.Net.Sockets;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>RFC 4271 §4.1 and RFC 2918 §3.</summary>
public enum MessageType : byte
{
    Open = 1,
    Update = 2,
    Notification = 3,
    Keepalive = 4,
    RouteRefresh = 5,
}

/// <summary>
/// An address family as BGP numbers it (RFC 4760 §3). We speak unicast of both and parse nothing else.
/// </summary>
public readonly record struct BgpFamily(ushort Afi, byte Safi)
{
    public static readonly BgpFamily IPv4Unicast = new(1, 1);
    public static readonly BgpFamily IPv6Unicast = new(2, 1);

    public static BgpFamily Of(AddressFamily family) =>
        family == AddressFamily.InterNetwork ? IPv4Unicast : IPv6Unicast;

    public override string ToString() => this switch
    {
        (1, 1) => "IPv4 unicast",
        (2, 1) => "IPv6 unicast",
        _ => $"AFI {Afi} SAFI {Safi}",
    };
}

/// <summary>
/// The header of every message: a marker of sixteen 0xff, the whole length (two octets), the type (one).
/// RFC 4271 §4.1.
/// </summary>
public static class Message
{
    public const int HeaderSize = 19;
    public const int SizeMax = 4096;
    private const int MarkerSize = 16;
    private const int RouteRefreshSize = HeaderSize + 4;

    /// <summary>
    /// Looks at the first message in the buffer. False with a fault: the stream is lost and the fault is to be sent.
    /// False without one: not enough has come yet. True: the message fills the first length octets.
    /// </summary>
    public static bool TryFrame(
        ReadOnlySpan<byte> buffer, out MessageType type, out int length, out Notification? fault)
    {
        var reader = new WireReader(buffer);
        ReadOnlySpan<byte> marker = reader.Take(MarkerSize);
        length = reader.U16();
        type = (MessageType)reader.U8();
        fault = null;
        if (reader.Failed) return false;

        // RFC 4271 §6.1: the checks and their subcodes, in the RFC's order.
        if (marker.IndexOfAnyExcept((byte)0xff) >= 0)
            fault = new Notification(NotificationCode.Header, HeaderSubcode.NotSynchronized);
        else if (length is < HeaderSize or > SizeMax || (IsKnown(type) && !IsLengthOf(type, length)))
            fault = new Notification(NotificationCode.Header, HeaderSubcode.BadLength, buffer.Slice(MarkerSize, 2));
        else if (!IsKnown(type))
            fault = new Notification(NotificationCode.Header, HeaderSubcode.BadType, [(byte)type]);
        return fault is null && buffer.Length >= length;
    }

    /// <summary>Begins a message; End fills in its length. Gives where it starts.</summary>
    public static int Begin(ref WireWriter writer, MessageType type)
    {
        int start = writer.Position;
        writer.Reserve(MarkerSize).Fill(0xff);
        writer.U16(0);
        writer.U8((byte)type);
        return start;
    }

    public static void End(ref WireWriter writer, int start) =>
        writer.PatchU16(start + MarkerSize, (ushort)(writer.Position - start));

    public static void WriteKeepalive(ref WireWriter writer) =>
        End(ref writer, Begin(ref writer, MessageType.Keepalive));

    /// <summary>RFC 2918 §3: asks the peer to send a family's routes again.</summary>
    public static void WriteRouteRefresh(ref WireWriter writer, BgpFamily family)
    {
        int start = Begin(ref writer, MessageType.RouteRefresh);
        writer.U16(family.Afi);
        writer.U8(0);
        writer.U8(family.Safi);
        End(ref writer, start);
    }

    /// <summary>Which family a ROUTE-REFRESH asks for. The reserved octet is ignored (RFC 2918 §3).</summary>
    public static BgpFamily ReadRouteRefresh(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        ushort afi = reader.U16();
        _ = reader.U8();
        return new BgpFamily(afi, reader.U8());
    }

    private static bool IsKnown(MessageType type) => type is >= MessageType.Open and <= MessageType.RouteRefresh;

    private static bool IsLengthOf(MessageType type, int length) => type switch
    {
        MessageType.Open => length >= 29,
        MessageType.Update => length >= 23,
        MessageType.Notification => length >= 21,
        MessageType.Keepalive => length == HeaderSize,
        _ => length == RouteRefreshSize,
    };
}
