using System.Buffers.Binary;
using System.Net;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Bmp;

/// <summary>RFC 7854 §4.1.</summary>
public enum BmpType : byte
{
    RouteMonitoring = 0,
    Statistics = 1,
    PeerDown = 2,
    PeerUp = 3,
    Initiation = 4,
    Termination = 5,
    RouteMirroring = 6,
}

/// <summary>How reading a message ended.</summary>
public enum BmpReject
{
    None,

    /// <summary>Not all of it has come yet.</summary>
    Incomplete,
    Version,
    Length,
    Type,
}

/// <summary>
/// Which of a router's tables a message tells of (RFC 7854 §4.2; out: RFC 8671 §4; local: RFC 9069 §4.2).
/// </summary>
public enum BmpView
{
    /// <summary>What the peer sent, before the router's import policy.</summary>
    InPrePolicy,

    /// <summary>What the router took of it.</summary>
    InPostPolicy,
    OutPrePolicy,

    /// <summary>What the router sends the peer.</summary>
    OutPostPolicy,

    /// <summary>What the router has chosen.</summary>
    Local,
}

/// <summary>
/// A peer of the router, as messages tell peers apart (RFC 7854 §4.2). Its AS and BGP identifier stand in each of them
/// too, but not always: FRR's Peer Down has an identifier of 0.
/// </summary>
public readonly record struct BmpPeer(byte Kind, ulong Distinguisher, UInt128 AddressBits)
{
    public IPAddress Address => Prefix.OfMapped(AddressBits, 128).Address;

    public override string ToString() => Kind == BmpMessage.LocalRibKind ? "local RIB" : Address.ToString();
}

/// <summary>
/// A message of the BGP Monitoring Protocol, as far as all have it in common (RFC 7854 §4):
/// <code>
/// version u8 (3) | length u32 (all of it) | type u8 | peer, not in Initiation and Termination | body
/// peer: kind u8 | flags u8 | distinguisher u64 | address 16 octets | AS u32 | BGP id u32 | seconds and microseconds
/// </code>
/// </summary>
public readonly ref struct BmpMessage
{
    public const int HeaderBytes = 6;
    public const byte LocalRibKind = 3;

    // Two OPENs of the greatest length, and some text, are the most that a message is made of.
    public const int BytesMax = 256 * 1024;

    private const byte Version3 = 3;
    private const byte IPv6Flag = 0x80;
    private const byte PostPolicyFlag = 0x40;
    private const byte TwoOctetFlag = 0x20;
    private const byte OutFlag = 0x10;

    private BmpMessage(BmpType type, BmpPeer peer, Asn asn, byte flags, ReadOnlySpan<byte> body)
    {
        (Type, Peer, Asn) = (type, peer, asn);
        View = ViewOf(peer.Kind, flags);
        TwoOctetPaths = peer.Kind != LocalRibKind && (flags & TwoOctetFlag) != 0;
        Body = body;
    }

    public BmpType Type { get; }

    public BmpPeer Peer { get; }

    /// <summary>The peer's.</summary>
    public Asn Asn { get; }

    public BmpView View { get; }

    /// <summary>AS_PATH has two octets a number, as an old peer sends it.</summary>
    public bool TwoOctetPaths { get; }

    public ReadOnlySpan<byte> Body { get; }

    private static bool HasPeer(BmpType type) => type is not (BmpType.Initiation or BmpType.Termination);

    /// <summary>Reads the first message; length says how many octets it takes.</summary>
    public static BmpReject TryRead(ReadOnlySpan<byte> data, out BmpMessage message, out int length)
    {
        message = default;
        length = 0;
        var reader = new WireReader(data);
        (byte version, uint size, byte type) = (reader.U8(), reader.U32(), reader.U8());
        if (data.Length > 0 && version != Version3) return BmpReject.Version;
        if (reader.Failed) return BmpReject.Incomplete;
        if (size is < HeaderBytes or > BytesMax) return BmpReject.Length;
        if (data.Length < size) return BmpReject.Incomplete;
        length = (int)size;
        // RFC 7854 §4.1 lets others be added: what is not known is passed over by its length.
        if (!Enum.IsDefined((BmpType)type)) return BmpReject.Type;
        return ReadPeer((BmpType)type, data[HeaderBytes..length], out message);
    }

    private static BmpReject ReadPeer(BmpType type, ReadOnlySpan<byte> rest, out BmpMessage message)
    {
        message = new BmpMessage(type, default, default, 0, rest);
        if (!HasPeer(type)) return BmpReject.None;
        var reader = new WireReader(rest);
        (byte kind, byte flags, ulong distinguisher) = (reader.U8(), reader.U8(), reader.U64());
        ReadOnlySpan<byte> address = reader.Take(16);
        var asn = new Asn(reader.U32());
        _ = reader.Take(12); // Its identifier, and when the router saw it: our own clock tells when we did.
        if (reader.Failed) return BmpReject.Length;
        // An IPv4 address stands in the last four octets, and the rest is zero (RFC 7854 §4.2).
        UInt128 bits = BinaryPrimitives.ReadUInt128BigEndian(address);
        if ((flags & IPv6Flag) == 0 && kind != LocalRibKind) bits = ((UInt128)0xffff << 32) | (uint)bits;
        message = new BmpMessage(type, new BmpPeer(kind, distinguisher, bits), asn, flags, reader.Rest);
        return BmpReject.None;
    }

    private static BmpView ViewOf(byte kind, byte flags) => (kind, flags & OutFlag, flags & PostPolicyFlag) switch
    {
        (LocalRibKind, _, _) => BmpView.Local,
        (_, 0, 0) => BmpView.InPrePolicy,
        (_, 0, _) => BmpView.InPostPolicy,
        (_, _, 0) => BmpView.OutPrePolicy,
        _ => BmpView.OutPostPolicy,
    };
}
