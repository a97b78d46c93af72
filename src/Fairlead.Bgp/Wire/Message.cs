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

/// <summary>RFC 7313 §3.2: what a ROUTE-REFRESH says; RFC 2918 knew the request alone.</summary>
public enum RefreshKind : byte
{
    Request = 0,
    Begin = 1,
    End = 2,
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

    /// <summary>RFC 8654 §4: once both sides have said that they take them.</summary>
    public const int ExtendedSizeMax = 65535;
    private const int MarkerSize = 16;
    private const int RouteRefreshSize = 4;

    /// <summary>
    /// Looks at the first message in the buffer. False with a fault: the stream is lost and the fault is to be sent.
    /// False without one: not enough has come yet. True: the message fills the first length octets.
    /// </summary>
    public static bool TryFrame(
        ReadOnlySpan<byte> buffer, out MessageType type, out int length, out Notification? fault) =>
        TryFrame(buffer, SizeMax, out type, out length, out fault);

    /// <summary>With the largest size that was agreed on.</summary>
    public static bool TryFrame(
        ReadOnlySpan<byte> buffer, int sizeMax, out MessageType type, out int length, out Notification? fault)
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
        else if (length < HeaderSize || length > sizeMax || (IsKnown(type) && !IsLengthOf(type, length)))
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

    /// <summary>
    /// RFC 2918 §3: asks the peer to send a family's routes again; or says that ours begin or end (RFC 7313 §4).
    /// </summary>
    public static void WriteRouteRefresh(
        ref WireWriter writer, BgpFamily family, RefreshKind kind = RefreshKind.Request)
    {
        int start = Begin(ref writer, MessageType.RouteRefresh);
        writer.U16(family.Afi);
        writer.U8((byte)kind);
        writer.U8(family.Safi);
        End(ref writer, start);
    }

    /// <summary>
    /// Which family a ROUTE-REFRESH is about, and what it says of it. Null and the NOTIFICATION to send when its
    /// length is wrong. Without RFC 7313 the octet between is reserved and says nothing (RFC 2918 §3).
    /// </summary>
    public static (BgpFamily Family, RefreshKind Kind)? ReadRouteRefresh(
        ReadOnlySpan<byte> body, bool enhanced, out Notification? fault)
    {
        var reader = new WireReader(body);
        ushort afi = reader.U16();
        var kind = (RefreshKind)reader.U8();
        var family = new BgpFamily(afi, reader.U8());
        fault = null;
        if (body.Length == RouteRefreshSize) return (family, enhanced ? kind : RefreshKind.Request);
        fault = enhanced && kind is RefreshKind.Begin or RefreshKind.End
            ? new Notification(NotificationCode.RouteRefresh, RouteRefreshSubcode.BadLength, Whole(body))
            : new Notification(NotificationCode.Header, HeaderSubcode.BadLength, LengthField(body));
        return null;
    }

    // RFC 7313 §5: the data is the complete message.
    private static byte[] Whole(ReadOnlySpan<byte> body)
    {
        byte[] whole = new byte[HeaderSize + body.Length];
        var writer = new WireWriter(whole);
        int start = Begin(ref writer, MessageType.RouteRefresh);
        writer.Bytes(body);
        End(ref writer, start);
        return whole;
    }

    private static byte[] LengthField(ReadOnlySpan<byte> body) =>
        [(byte)((HeaderSize + body.Length) >> 8), (byte)(HeaderSize + body.Length)];

    private static bool IsKnown(MessageType type) => type is >= MessageType.Open and <= MessageType.RouteRefresh;

    private static bool IsLengthOf(MessageType type, int length) => type switch
    {
        // RFC 8654 §4: these two stay as small as they were.
        MessageType.Open => length is >= 29 and <= SizeMax,
        MessageType.Update => length >= 23,
        MessageType.Notification => length >= 21,
        MessageType.Keepalive => length == HeaderSize,
        // Which NOTIFICATION a wrong length asks for hangs on its contents: ReadRouteRefresh looks.
        _ => length > HeaderSize + 2,
    };
}
