using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

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
        Capabilities.Write(ref inner);
        WriteParameter(ref writer, inner.Written);
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

    private static void WriteParameter(ref WireWriter writer, scoped ReadOnlySpan<byte> capabilities)
    {
        if (capabilities.IsEmpty)
        {
            writer.U8(0);
            return;
        }

        bool extended = capabilities.Length + 2 > byte.MaxValue;
        if (extended)
        {
            // RFC 9072 §2.
            writer.U8(ExtendedLength);
            writer.U8(ExtendedLength);
            writer.U16((ushort)(capabilities.Length + 3));
        }
        else
        {
            writer.U8((byte)(capabilities.Length + 2));
        }

        writer.U8(CapabilitiesParameter);
        if (extended) writer.U16((ushort)capabilities.Length);
        else writer.U8((byte)capabilities.Length);
        writer.Bytes(capabilities);
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
            if (capabilities.Read(value) is not { } more)
                return new Notification(NotificationCode.Open, OpenSubcode.Unspecific);
            capabilities = more;
        }

        return null;
    }
}
