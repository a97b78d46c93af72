using System.Collections.Immutable;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// What an OPEN offers (RFC 5492). Families is empty when the peer sent no multiprotocol capability, which means IPv4
/// unicast alone (RFC 4760 §8). Graceful restart is never offered: after the death of an announcer of anycast routes
/// the peer must forget them at once, and the capability would make it keep them (RFC 4724 §4.2).
/// </summary>
public sealed record Capabilities
{
    public ImmutableArray<BgpFamily> Families { get; init; } = [];

    public Asn? FourOctetAs { get; init; }

    public bool RouteRefresh { get; init; }
}

/// <summary>
/// OPEN (RFC 4271 §4.2):
/// <code>
/// version u8 | my AS u16 | hold time u16 (seconds) | BGP identifier u32 | parameters length u8 | parameters
/// </code>
/// </summary>
public sealed record OpenMessage
{
    private const byte CapabilitiesParameter = 2;
    private const byte ExtendedLength = 255;
    private const byte MultiprotocolCapability = 1;
    private const byte RouteRefreshCapability = 2;
    private const byte FourOctetAsCapability = 65;

    /// <summary>The AS number: from the four-octet capability when there is one, else the two-octet field.</summary>
    public required Asn As { get; init; }

    /// <summary>In seconds: 0 (no keepalives) or at least 3.</summary>
    public required ushort HoldSeconds { get; init; }

    public required uint RouterId { get; init; }

    public Capabilities Capabilities { get; init; } = new();

    public void Write(ref WireWriter writer)
    {
        int start = Message.Begin(ref writer, MessageType.Open);
        writer.U8(4);
        // RFC 6793 §4.1: a number that does not fit stands as AS_TRANS here and whole in the capability.
        writer.U16((ushort)(As.FitsTwoOctets ? As.Value : Asn.Trans.Value));
        writer.U16(HoldSeconds);
        writer.U32(RouterId);

        Span<byte> capabilities = stackalloc byte[Message.SizeMax];
        var inner = new WireWriter(capabilities);
        WriteCapabilities(ref inner, Capabilities);
        if (inner.Position == 0)
        {
            writer.U8(0);
        }
        else
        {
            writer.U8((byte)(inner.Position + 2));
            writer.U8(CapabilitiesParameter);
            writer.U8((byte)inner.Position);
            writer.Bytes(inner.Written);
        }

        Message.End(ref writer, start);
    }

    /// <summary>Reads the body of an OPEN. Null and the NOTIFICATION to send when it is not acceptable.</summary>
    public static OpenMessage? TryRead(ReadOnlySpan<byte> body, out Notification? fault)
    {
        var reader = new WireReader(body);
        byte version = reader.U8();
        ushort shortAs = reader.U16(), hold = reader.U16();
        uint id = reader.U32();
        var capabilities = new Capabilities();
        fault = ReadParameters(ref reader, ref capabilities);
        Asn asn = capabilities.FourOctetAs ?? new Asn(shortAs);

        // RFC 4271 §6.2: the checks, in the RFC's order; the parameters, which we had to read first, come last.
        fault = version != 4 ? new Notification(NotificationCode.Open, OpenSubcode.Version, [0, 4])
            : shortAs == 0 || asn.Value == 0 ? new Notification(NotificationCode.Open, OpenSubcode.BadPeerAs)
            : hold is 1 or 2 ? new Notification(NotificationCode.Open, OpenSubcode.HoldTime)
            : id == 0 ? new Notification(NotificationCode.Open, OpenSubcode.BadIdentifier)
            : fault;
        return fault is null
            ? new OpenMessage { As = asn, HoldSeconds = hold, RouterId = id, Capabilities = capabilities }
            : null;
    }

    private static void WriteCapabilities(ref WireWriter writer, Capabilities capabilities)
    {
        foreach (BgpFamily family in capabilities.Families) WriteMultiprotocol(ref writer, family);
        if (capabilities.RouteRefresh)
        {
            writer.U8(RouteRefreshCapability);
            writer.U8(0);
        }

        if (capabilities.FourOctetAs is not { } asn) return;
        writer.U8(FourOctetAsCapability);
        writer.U8(4);
        writer.U32(asn.Value);
    }

    /// <summary>The capability by which a family is offered; also the data of "unsupported capability".</summary>
    public static void WriteMultiprotocol(ref WireWriter writer, BgpFamily family)
    {
        writer.U8(MultiprotocolCapability);
        writer.U8(4);
        writer.U16(family.Afi);
        writer.U8(0);
        writer.U8(family.Safi);
    }

    private static Notification? ReadParameters(ref WireReader reader, ref Capabilities capabilities)
    {
        int length = reader.U8();
        // RFC 9072 §2: a non-zero length and then the type 255 mean that the real length follows in two octets, and
        // that each parameter's length has two octets too.
        bool extended = length != 0 && reader.Rest is [ExtendedLength, ..];
        if (extended)
        {
            _ = reader.U8();
            length = reader.U16();
        }

        if (reader.Failed || reader.Remaining != length)
            return new Notification(NotificationCode.Open, OpenSubcode.Unspecific);
        while (reader.Remaining > 0)
        {
            byte type = reader.U8();
            ReadOnlySpan<byte> value = reader.Take(extended ? reader.U16() : reader.U8());
            if (reader.Failed) return new Notification(NotificationCode.Open, OpenSubcode.Unspecific);
            if (type != CapabilitiesParameter)
                return new Notification(NotificationCode.Open, OpenSubcode.UnsupportedParameter);
            if (!ReadCapabilities(value, ref capabilities))
                return new Notification(NotificationCode.Open, OpenSubcode.Unspecific);
        }

        return null;
    }

    // RFC 5492 §4: an unknown capability is ignored. A known one of a wrong length is too: the peer means something
    // that we do not know by it, and the capability is simply not agreed on.
    private static bool ReadCapabilities(ReadOnlySpan<byte> data, ref Capabilities capabilities)
    {
        var reader = new WireReader(data);
        while (reader.Remaining > 0)
        {
            byte code = reader.U8();
            ReadOnlySpan<byte> value = reader.Take(reader.U8());
            if (reader.Failed) return false;
            var inner = new WireReader(value);
            switch (code)
            {
                case MultiprotocolCapability when value.Length == 4:
                    var family = new BgpFamily(inner.U16(), value[3]);
                    if (!capabilities.Families.Contains(family))
                        capabilities = capabilities with { Families = capabilities.Families.Add(family) };
                    break;
                case RouteRefreshCapability when value.Length == 0:
                    capabilities = capabilities with { RouteRefresh = true };
                    break;
                case FourOctetAsCapability when value.Length == 4:
                    capabilities = capabilities with { FourOctetAs = new Asn(inner.U32()) };
                    break;
            }
        }

        return true;
    }
}
