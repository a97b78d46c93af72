using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>RFC 4271 §4.5, RFC 7313 §5 (RouteRefresh), RFC 9687 §4.3 (SendHoldTimer).</summary>
public enum NotificationCode : byte
{
    Header = 1,
    Open = 2,
    Update = 3,
    HoldTimer = 4,
    StateMachine = 5,
    Cease = 6,
    RouteRefresh = 7,
    SendHoldTimer = 8,
}

/// <summary>RFC 4271 §6.1.</summary>
public static class HeaderSubcode
{
    public const byte NotSynchronized = 1;
    public const byte BadLength = 2;
    public const byte BadType = 3;
}

/// <summary>RFC 4271 §6.2, RFC 5492 §5.</summary>
public static class OpenSubcode
{
    public const byte Unspecific = 0;
    public const byte Version = 1;
    public const byte BadPeerAs = 2;
    public const byte BadIdentifier = 3;
    public const byte UnsupportedParameter = 4;
    public const byte HoldTime = 6;
    public const byte UnsupportedCapability = 7;

    /// <summary>RFC 9234 §4.2.</summary>
    public const byte RoleMismatch = 11;
}

/// <summary>RFC 7313 §5.</summary>
public static class RouteRefreshSubcode
{
    public const byte BadLength = 1;
}

/// <summary>RFC 4271 §6.3; the others of that list became treat-as-withdraw or attribute discard (RFC 7606).</summary>
public static class UpdateSubcode
{
    public const byte MalformedAttributes = 1;
    public const byte UnknownWellKnown = 2;
    public const byte OptionalAttribute = 9;
    public const byte InvalidNetwork = 10;
}

/// <summary>RFC 6608 §3: which message came in the wrong state.</summary>
public static class StateMachineSubcode
{
    public const byte InOpenSent = 1;
    public const byte InOpenConfirm = 2;
    public const byte InEstablished = 3;
}

/// <summary>RFC 4486 §3; HardReset is RFC 8538 §3.1, BfdDown RFC 9384 §3.</summary>
public static class CeaseSubcode
{
    public const byte MaxPrefixes = 1;
    public const byte AdministrativeShutdown = 2;
    public const byte PeerRemoved = 3;
    public const byte AdministrativeReset = 4;
    public const byte ConnectionRejected = 5;
    public const byte ConfigurationChange = 6;
    public const byte Collision = 7;
    public const byte OutOfResources = 8;
    public const byte HardReset = 9;
    public const byte BfdDown = 10;
}

/// <summary>Why a session ends: code, subcode and data (RFC 4271 §4.5).</summary>
public sealed class Notification(NotificationCode code, byte subcode, ReadOnlySpan<byte> data = default)
{
    /// <summary>RFC 9003 §2: the shutdown text is at most 255 octets of UTF-8.</summary>
    public const int TextBytesMax = 255;
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: false);

    public NotificationCode Code { get; } = code;

    public byte Subcode { get; } = subcode;

    public ImmutableArray<byte> Data { get; } = [.. data];

    /// <summary>RFC 9003 §2: Cease, Administrative Shutdown, with a text for the operator on the other side.</summary>
    public static Notification Shutdown(string text)
    {
        // Cut at a character, so that the other side never shows half of one.
        int length = text.Length;
        while (Encoding.UTF8.GetByteCount(text.AsSpan(0, length)) > TextBytesMax) length--;
        if (length > 0 && length < text.Length && char.IsHighSurrogate(text[length - 1])) length--;
        byte[] bytes = Encoding.UTF8.GetBytes(text[..length]);
        return new Notification(
            NotificationCode.Cease, CeaseSubcode.AdministrativeShutdown, [(byte)bytes.Length, .. bytes]);
    }

    /// <summary>
    /// RFC 8538 §3.1: the peer is to forget our routes at once, though it would keep them over another NOTIFICATION.
    /// </summary>
    public Notification AsHardReset() =>
        new(NotificationCode.Cease, CeaseSubcode.HardReset, [(byte)Code, Subcode, .. Data]);

    /// <summary>The session ends for good, whatever graceful restart was agreed on.</summary>
    public bool IsHardReset => Code == NotificationCode.Cease && Subcode == CeaseSubcode.HardReset;

    /// <summary>What a hard reset was sent for; itself when it is none, or when it says nothing.</summary>
    public Notification Reason =>
        IsHardReset && Data.Length >= 2
            ? new Notification((NotificationCode)Data[0], Data[1], Data.AsSpan()[2..])
            : this;

    /// <summary>Reads the body of a NOTIFICATION. The frame holds two octets at least (Message.TryFrame).</summary>
    public static Notification Read(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        return new Notification((NotificationCode)reader.U8(), reader.U8(), reader.Rest);
    }

    public void Write(ref WireWriter writer)
    {
        int start = Message.Begin(ref writer, MessageType.Notification);
        writer.U8((byte)Code);
        writer.U8(Subcode);
        int room = Message.SizeMax - Message.HeaderSize - 2;
        writer.Bytes(Data.AsSpan()[..Math.Min(Data.Length, room)]);
        Message.End(ref writer, start);
    }

    /// <summary>
    /// The peer's shutdown text (RFC 9003 §2), safe to print; empty when there is none or it is damaged.
    /// </summary>
    public string ShutdownText()
    {
        // One step: a reset that wraps another one names no reason that anybody should unwrap.
        if (IsHardReset && Reason is { IsHardReset: false } inner) return inner.ShutdownText();
        bool carries = Code == NotificationCode.Cease
            && Subcode is CeaseSubcode.AdministrativeShutdown or CeaseSubcode.AdministrativeReset;
        if (!carries || Data.Length == 0 || Data[0] > Data.Length - 1) return "";
        string text = StrictUtf8.GetString(Data.AsSpan().Slice(1, Data[0]));
        // RFC 9003 §6: what a peer says ends in our logs and terminals, so what controls those does not pass.
        return string.Create(text.Length, text, static (span, from) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = Controls(from[i]) ? ' ' : from[i];
        });
    }

    // Marks that turn the direction of a line (category Format) can make it say something else.
    private static bool Controls(char letter) => char.GetUnicodeCategory(letter) is UnicodeCategory.Control
        or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    /// <summary>Code and subcode in words, and the shutdown text.</summary>
    public override string ToString()
    {
        if (IsHardReset && Reason is { IsHardReset: false } inner) return $"hard reset (6/9), {inner}";
        string name = (Code, Subcode) switch
        {
            (NotificationCode.Header, HeaderSubcode.NotSynchronized) => "connection not synchronized",
            (NotificationCode.Header, HeaderSubcode.BadLength) => "bad message length",
            (NotificationCode.Header, HeaderSubcode.BadType) => "bad message type",
            (NotificationCode.Open, OpenSubcode.Version) => "unsupported version",
            (NotificationCode.Open, OpenSubcode.BadPeerAs) => "bad peer AS",
            (NotificationCode.Open, OpenSubcode.BadIdentifier) => "bad BGP identifier",
            (NotificationCode.Open, OpenSubcode.UnsupportedParameter) => "unsupported optional parameter",
            (NotificationCode.Open, OpenSubcode.HoldTime) => "unacceptable hold time",
            (NotificationCode.Open, OpenSubcode.UnsupportedCapability) => "unsupported capability",
            (NotificationCode.Open, OpenSubcode.RoleMismatch) => "role mismatch",
            (NotificationCode.Update, UpdateSubcode.MalformedAttributes) => "malformed attribute list",
            (NotificationCode.Update, UpdateSubcode.UnknownWellKnown) => "unrecognized well-known attribute",
            (NotificationCode.Update, UpdateSubcode.OptionalAttribute) => "optional attribute error",
            (NotificationCode.Update, UpdateSubcode.InvalidNetwork) => "invalid network field",
            (NotificationCode.HoldTimer, _) => "hold timer expired",
            (NotificationCode.StateMachine, _) => "unexpected message for the state",
            (NotificationCode.Cease, CeaseSubcode.MaxPrefixes) => "maximum number of prefixes reached",
            (NotificationCode.Cease, CeaseSubcode.AdministrativeShutdown) => "administrative shutdown",
            (NotificationCode.Cease, CeaseSubcode.PeerRemoved) => "peer de-configured",
            (NotificationCode.Cease, CeaseSubcode.AdministrativeReset) => "administrative reset",
            (NotificationCode.Cease, CeaseSubcode.ConnectionRejected) => "connection rejected",
            (NotificationCode.Cease, CeaseSubcode.ConfigurationChange) => "other configuration change",
            (NotificationCode.Cease, CeaseSubcode.Collision) => "connection collision resolution",
            (NotificationCode.Cease, CeaseSubcode.OutOfResources) => "out of resources",
            (NotificationCode.Cease, CeaseSubcode.HardReset) => "hard reset",
            (NotificationCode.Cease, CeaseSubcode.BfdDown) => "BFD down",
            (NotificationCode.RouteRefresh, _) => "route refresh message error",
            (NotificationCode.SendHoldTimer, _) => "send hold timer expired",
            _ => "error",
        };
        string text = ShutdownText();
        return text.Length == 0 ? $"{name} ({(byte)Code}/{Subcode})" : $"{name} ({(byte)Code}/{Subcode}): {text}";
    }
}
