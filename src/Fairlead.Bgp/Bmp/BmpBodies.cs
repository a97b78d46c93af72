using System.Diagnostics.CodeAnalysis;
using System.Text;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Bmp;

/// <summary>Why a peer of the router went down (RFC 7854 §4.9).</summary>
public enum BmpDownReason : byte
{
    LocalNotification = 1,
    LocalEvent = 2,
    RemoteNotification = 3,
    RemoteSilent = 4,
    NotMonitored = 5,
}

/// <summary>What a Peer Up says of the session: how its UPDATEs read.</summary>
/// <param name="Asn">The peer's.</param>
/// <param name="External">Its AS is another than the router's.</param>
/// <param name="AddPath">Paths have numbers (RFC 7911), which UpdateReader does not read: they are not kept.</param>
internal readonly record struct BmpSession(Asn Asn, bool External, bool AddPath)
{
    /// <summary>
    /// Both have agreed that the router keeps the peer's routes when the peer dies (RFC 4724 §4.2).
    /// </summary>
    public bool KeepsDeadRoutes { get; init; }

    private const byte CapabilitiesParameter = 2;
    private const byte AddPathCapability = 69;

    /// <summary>
    /// RFC 7854 §4.10: local address 16 octets | local port u16 | remote port u16 | our OPEN | the peer's OPEN | TLVs.
    /// False: it cannot be read.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> body, out BmpSession session)
    {
        session = default;
        var reader = new WireReader(body);
        _ = reader.Take(20);
        if (reader.Failed || !TryTakeOpen(ref reader, out OpenMessage? ours, out bool oursAddPath)
            || !TryTakeOpen(ref reader, out OpenMessage? theirs, out bool theirsAddPath))
            return false;
        session = new BmpSession(theirs.As, ours.As != theirs.As, oursAddPath && theirsAddPath)
        {
            KeepsDeadRoutes = ours.Capabilities.Restart is not null
                && theirs.Capabilities.Restart is { Kept.Length: > 0 },
        };
        return true;
    }

    private static bool TryTakeOpen(ref WireReader reader, [NotNullWhen(true)] out OpenMessage? open, out bool addPath)
    {
        (open, addPath) = (null, false);
        if (!Message.TryFrame(reader.Rest, out MessageType type, out int length, out _) || type != MessageType.Open)
            return false;
        ReadOnlySpan<byte> body = reader.Take(length)[Message.HeaderSize..];
        // The session is up: whether we would take this OPEN ourselves does not matter, but its AS must be read.
        open = OpenMessage.TryRead(body, out _);
        addPath = OffersAddPath(body);
        return open is not null;
    }

    /// <summary>Walks the parameters of an OPEN that has been read already.</summary>
    private static bool OffersAddPath(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        _ = reader.Take(9);
        bool isExtended = reader.U8() != 0 && reader.Rest is [255, ..];
        if (isExtended) _ = reader.Take(3);
        while (reader.Remaining > 0 && !reader.Failed)
        {
            bool isCapabilities = reader.U8() == CapabilitiesParameter;
            var inner = new WireReader(reader.Take(isExtended ? reader.U16() : reader.U8()));
            while (isCapabilities && inner.Remaining > 0 && !inner.Failed)
            {
                bool found = inner.U8() == AddPathCapability;
                _ = inner.Take(inner.U8());
                if (found) return true;
            }
        }

        return false;
    }
}

/// <summary>The small bodies: texts, reasons, figures.</summary>
internal static class BmpBodies
{
    private const int TextBytesMax = 1024;
    private const ushort SystemDescription = 1;
    private const ushort SystemName = 2;

    /// <summary>RFC 7854 §4.3: type u16 | length u16 | text, again and again. False: broken off.</summary>
    public static bool TryReadInitiation(ReadOnlySpan<byte> body, out string? name, out string? description)
    {
        (name, description) = (null, null);
        var reader = new WireReader(body);
        while (reader.Remaining > 0)
        {
            ushort type = reader.U16();
            ReadOnlySpan<byte> value = reader.Take(reader.U16());
            if (reader.Failed) return false;
            if (type == SystemName) name = Text(value);
            else if (type == SystemDescription) description = Text(value);
        }

        return true;
    }

    /// <summary>RFC 7854 §4.5: why the router ends; the numbers have words there.</summary>
    public static string TerminationReason(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        string text = "", reason = "";
        while (reader.Remaining > 0)
        {
            ushort type = reader.U16();
            ReadOnlySpan<byte> value = reader.Take(reader.U16());
            if (reader.Failed) break;
            if (type == 0) text = Text(value);
            else if (type == 1 && value.Length == 2) reason = ReasonOf((value[0] << 8) | value[1]);
        }

        return string.Join(": ", new[] { reason, text }.Where(part => part.Length > 0));
    }

    public static string DownReason(ReadOnlySpan<byte> body)
    {
        if (body.Length == 0) return "no reason given";
        var reason = (BmpDownReason)body[0];
        bool hasNotification = reason is BmpDownReason.LocalNotification or BmpDownReason.RemoteNotification;
        return hasNotification && body.Length >= 1 + Message.HeaderSize + 2
            ? $"{reason}, code {body[1 + Message.HeaderSize]} subcode {body[2 + Message.HeaderSize]}"
            : Enum.IsDefined(reason) ? reason.ToString() : $"reason {body[0]}";
    }

    /// <summary>
    /// RFC 7854 §4.8: count u32, then type u16 | length u16 | value. Only counters and gauges are numbers.
    /// </summary>
    public static bool TryReadStatistics(ReadOnlySpan<byte> body, Dictionary<ushort, ulong> into)
    {
        var reader = new WireReader(body);
        for (uint left = reader.U32(); left > 0 && !reader.Failed; left--)
        {
            ushort type = reader.U16();
            ReadOnlySpan<byte> value = reader.Take(reader.U16());
            var number = new WireReader(value);
            if (reader.Failed) break;
            if (value.Length is 4 or 8) into[type] = value.Length == 4 ? number.U32() : number.U64();
        }

        return !reader.Failed;
    }

    private static string ReasonOf(int reason) => reason switch
    {
        0 => "closed by its operator",
        1 => "unspecified",
        2 => "out of resources",
        3 => "redundant connection",
        4 => "closed by its operator for good",
        _ => $"reason {reason}",
    };

    private static string Text(ReadOnlySpan<byte> value) =>
        Encoding.UTF8.GetString(value[..Math.Min(value.Length, TextBytesMax)]);
}
