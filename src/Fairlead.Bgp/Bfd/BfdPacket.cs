using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Bfd;

/// <summary>RFC 5880 §4.1, Sta.</summary>
public enum BfdState : byte
{
    AdminDown,
    Down,
    Init,
    Up,
}

/// <summary>RFC 5880 §4.1, Diag: why the session was last left, or is refused.</summary>
public enum BfdDiagnostic : byte
{
    None,
    DetectionTimeExpired,
    EchoFailed,
    NeighborSignaledDown,
    ForwardingReset,
    PathDown,
    ConcatenatedPathDown,
    AdministrativelyDown,
    ReverseConcatenatedPathDown,
}

/// <summary>Why a datagram was thrown away, in the order of RFC 5880 §6.8.6, and RFC 5881 §5 (TTL).</summary>
public enum BfdReject
{
    None,
    Short,
    Version,
    Length,
    Multiplier,
    Multipoint,
    Discriminator,
    Auth,
    Hops,
    NoSession,
}

/// <summary>
/// A BFD control packet without authentication (RFC 5880 §4.1); intervals have microseconds.
/// <code>
/// version:3 diag:5 | state:2 P F C A D M | detect multiplier u8 | length u8
/// my discriminator u32 | your discriminator u32
/// desired min tx u32 | required min rx u32 | required min echo rx u32
/// </code>
/// </summary>
public readonly record struct BfdPacket(
    BfdState State, BfdDiagnostic Diagnostic, byte Multiplier, uint MyDiscriminator, uint YourDiscriminator,
    TimeSpan DesiredMinTx, TimeSpan RequiredMinRx)
{
    public const int Size = 24;
    private const byte PollFlag = 0x20;
    private const byte FinalFlag = 0x10;
    private const byte IndependentFlag = 0x08;
    private const byte AuthFlag = 0x04;
    private const byte DemandFlag = 0x02;
    private const byte MultipointFlag = 0x01;

    public bool Poll { get; init; }

    public bool Final { get; init; }

    /// <summary>The peer is in demand mode: it wants no periodic packets while both sides are Up.</summary>
    public bool Demand { get; init; }

    /// <summary>The peer's BFD lives on when its routing does not (RFC 5880 §4.1, C). Ours never does.</summary>
    public bool Independent { get; init; }

    public static BfdReject TryParse(ReadOnlySpan<byte> datagram, out BfdPacket packet)
    {
        var reader = new WireReader(datagram);
        byte version = reader.U8(), flags = reader.U8(), multiplier = reader.U8(), length = reader.U8();
        uint mine = reader.U32(), yours = reader.U32(), minTx = reader.U32(), minRx = reader.U32();
        _ = reader.U32(); // The echo interval: we never offer echo, so it binds nobody.
        packet = new BfdPacket(
            (BfdState)(flags >> 6), (BfdDiagnostic)(version & 0x1f), multiplier, mine, yours,
            TimeSpan.FromMicroseconds(minTx), TimeSpan.FromMicroseconds(minRx))
        {
            Poll = (flags & PollFlag) != 0,
            Final = (flags & FinalFlag) != 0,
            Demand = (flags & DemandFlag) != 0,
            Independent = (flags & IndependentFlag) != 0,
        };

        // RFC 5880 §6.8.6: the discard rules, in the RFC's order.
        if (reader.Failed) return BfdReject.Short;
        if (version >> 5 != 1) return BfdReject.Version;
        if (length < Size || length > datagram.Length) return BfdReject.Length;
        if (multiplier == 0) return BfdReject.Multiplier;
        if ((flags & MultipointFlag) != 0) return BfdReject.Multipoint;
        if (mine == 0 || (yours == 0 && packet.State > BfdState.Down)) return BfdReject.Discriminator;
        return (flags & AuthFlag) != 0 ? BfdReject.Auth : BfdReject.None;
    }

    /// <summary>Writes Size octets.</summary>
    public void Write(Span<byte> into)
    {
        var writer = new WireWriter(into);
        int flags = ((int)State << 6) | (Poll ? PollFlag : 0) | (Final ? FinalFlag : 0) | (Demand ? DemandFlag : 0)
            | (Independent ? IndependentFlag : 0);
        writer.U8((byte)((1 << 5) | (int)Diagnostic));
        writer.U8((byte)flags);
        writer.U8(Multiplier);
        writer.U8(Size);
        writer.U32(MyDiscriminator);
        writer.U32(YourDiscriminator);
        writer.U32(Microseconds(DesiredMinTx));
        writer.U32(Microseconds(RequiredMinRx));
        writer.U32(0); // Required Min Echo RX: we take no echo packets.
    }

    private static uint Microseconds(TimeSpan time) =>
        (uint)Math.Min(uint.MaxValue, time.Ticks / TimeSpan.TicksPerMicrosecond);
}
