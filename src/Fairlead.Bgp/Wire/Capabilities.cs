using System.Collections.Immutable;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>RFC 7911 §4: what a speaker can do with several paths to one prefix.</summary>
[Flags]
public enum AddPathMode : byte
{
    None = 0,
    Receive = 1,
    Send = 2,
}

/// <summary>RFC 9234 §4.1: what the sender is to the other side.</summary>
public enum SessionRole : byte
{
    Provider = 0,
    RouteServer = 1,
    RouteServerClient = 2,
    Customer = 3,
    Peer = 4,
}

/// <summary>
/// RFC 4724 §3: the sender has restarted, or its routes may be kept for so long while it does. Kept are the families
/// that it can restart at all; Forwards those of them whose packets it still forwards as before.
/// </summary>
public sealed record RestartCapability
{
    /// <summary>Twelve bits of seconds.</summary>
    public const int SecondsMax = 4095;

    public bool Restarted { get; init; }

    /// <summary>RFC 8538 §2: a NOTIFICATION is a restart too, except a hard reset.</summary>
    public bool OverNotification { get; init; }

    public int Seconds { get; init; }

    public ImmutableArray<BgpFamily> Kept { get; init; } = [];

    public ImmutableArray<BgpFamily> Forwards { get; init; } = [];
}

/// <summary>
/// What an OPEN offers (RFC 5492): a code u8, a length u8 and a value each. Families is empty when the peer sent no
/// multiprotocol capability, which means IPv4 unicast alone (RFC 4760 §8).
/// </summary>
public sealed record Capabilities
{
    private const byte Multiprotocol = 1;
    private const byte Refresh = 2;
    private const byte NextHop = 5;
    private const byte LongMessages = 6;
    private const byte RoleCode = 9;
    private const byte GracefulRestart = 64;
    private const byte FourOctets = 65;
    private const byte Paths = 69;
    private const byte BetterRefresh = 70;
    private const byte LongLivedRestart = 71;
    private const byte RestartedBit = 0x80;
    private const byte NotificationBit = 0x40;
    private const byte ForwardsBit = 0x80;
    private const ushort IPv6Afi = 2;

    public ImmutableArray<BgpFamily> Families { get; init; } = [];

    public Asn? FourOctetAs { get; init; }

    public bool RouteRefresh { get; init; }

    /// <summary>RFC 7313.</summary>
    public bool EnhancedRefresh { get; init; }

    /// <summary>RFC 8654.</summary>
    public bool ExtendedMessage { get; init; }

    /// <summary>RFC 8950: the families whose routes may have an IPv6 next hop.</summary>
    public ImmutableArray<BgpFamily> IPv6NextHop { get; init; } = [];

    public ImmutableDictionary<BgpFamily, AddPathMode> AddPath { get; init; } =
        ImmutableDictionary<BgpFamily, AddPathMode>.Empty;

    public SessionRole? Role { get; init; }

    /// <summary>RFC 9234 §4.2: the peer has named two roles; no session may come of it.</summary>
    public bool RoleConflict { get; init; }

    public RestartCapability? Restart { get; init; }

    /// <summary>RFC 9494 §3: the families that the peer would keep for long. Understood, and never offered.</summary>
    public ImmutableArray<BgpFamily> LongLived { get; init; } = [];

    public void Write(ref WireWriter writer)
    {
        foreach (BgpFamily family in Families) WriteFamily(ref writer, family);
        if (RouteRefresh) WriteEmpty(ref writer, Refresh);
        if (IPv6NextHop.Length > 0)
        {
            WriteHeader(ref writer, NextHop, IPv6NextHop.Length * 6);
            foreach (BgpFamily family in IPv6NextHop)
            {
                writer.U16(family.Afi);
                writer.U16(family.Safi);
                writer.U16(IPv6Afi);
            }
        }

        if (ExtendedMessage) WriteEmpty(ref writer, LongMessages);
        if (Role is { } role)
        {
            WriteHeader(ref writer, RoleCode, 1);
            writer.U8((byte)role);
        }

        if (Restart is { } restart) WriteRestart(ref writer, restart);
        if (FourOctetAs is { } asn)
        {
            WriteHeader(ref writer, FourOctets, 4);
            writer.U32(asn.Value);
        }

        if (!AddPath.IsEmpty)
        {
            WriteHeader(ref writer, Paths, AddPath.Count * 4);
            foreach ((BgpFamily family, AddPathMode mode) in AddPath.OrderBy(entry => entry.Key.Afi))
            {
                writer.U16(family.Afi);
                writer.U8(family.Safi);
                writer.U8((byte)mode);
            }
        }

        if (EnhancedRefresh) WriteEmpty(ref writer, BetterRefresh);
    }

    /// <summary>The capability by which a family is offered; also the data of "unsupported capability".</summary>
    public static void WriteFamily(ref WireWriter writer, BgpFamily family)
    {
        WriteHeader(ref writer, Multiprotocol, 4);
        writer.U16(family.Afi);
        writer.U8(0);
        writer.U8(family.Safi);
    }

    /// <summary>
    /// Adds the capabilities in the data; null when their lengths do not fit. RFC 5492 §4: an unknown capability is
    /// ignored. A known one of a wrong length is too: the peer means something that we do not know by it.
    /// </summary>
    public Capabilities? Read(ReadOnlySpan<byte> data)
    {
        Capabilities read = this;
        var reader = new WireReader(data);
        while (reader.Remaining > 0)
        {
            byte code = reader.U8();
            ReadOnlySpan<byte> value = reader.Take(reader.U8());
            if (reader.Failed) return null;
            read = read.With(code, value);
        }

        return read;
    }

    private Capabilities With(byte code, ReadOnlySpan<byte> value)
    {
        var reader = new WireReader(value);
        switch (code)
        {
            case Multiprotocol when value.Length == 4:
                var family = new BgpFamily(reader.U16(), value[3]);
                return Families.Contains(family) ? this : this with { Families = Families.Add(family) };
            case Refresh when value.Length == 0:
                return this with { RouteRefresh = true };
            case NextHop when value.Length % 6 == 0:
                return this with { IPv6NextHop = ReadNextHops(value) };
            case LongMessages when value.Length == 0:
                return this with { ExtendedMessage = true };
            case RoleCode when value.Length == 1:
                return this with
                {
                    Role = (SessionRole)value[0],
                    RoleConflict = RoleConflict || (Role is { } before && (byte)before != value[0]),
                };
            case GracefulRestart when value.Length >= 2 && (value.Length - 2) % 4 == 0:
                return this with { Restart = ReadRestart(value) }; // RFC 4724 §3: of several the last counts.
            case FourOctets when value.Length == 4:
                return this with { FourOctetAs = new Asn(reader.U32()) };
            case Paths when value.Length % 4 == 0:
                return this with { AddPath = ReadPaths(value) };
            case BetterRefresh when value.Length == 0:
                return this with { EnhancedRefresh = true };
            case LongLivedRestart when value.Length % 7 == 0:
                return this with { LongLived = ReadLongLived(value) };
            default:
                return this;
        }
    }

    private static ImmutableArray<BgpFamily> ReadNextHops(ReadOnlySpan<byte> value)
    {
        var families = ImmutableArray.CreateBuilder<BgpFamily>();
        for (var reader = new WireReader(value); reader.Remaining > 0;)
        {
            ushort afi = reader.U16(), safi = reader.U16(), nextHopAfi = reader.U16();
            if (nextHopAfi == IPv6Afi && safi <= byte.MaxValue) families.Add(new BgpFamily(afi, (byte)safi));
        }

        return families.ToImmutable();
    }

    private static ImmutableDictionary<BgpFamily, AddPathMode> ReadPaths(ReadOnlySpan<byte> value)
    {
        ImmutableDictionary<BgpFamily, AddPathMode> paths = ImmutableDictionary<BgpFamily, AddPathMode>.Empty;
        for (var reader = new WireReader(value); reader.Remaining > 0;)
        {
            var family = new BgpFamily(reader.U16(), reader.U8());
            byte mode = reader.U8();
            // RFC 7911 §4: another value makes the entry void; of several for a family the last counts.
            if (mode is >= 1 and <= 3) paths = paths.SetItem(family, (AddPathMode)mode);
        }

        return paths;
    }

    private static ImmutableArray<BgpFamily> ReadLongLived(ReadOnlySpan<byte> value)
    {
        var families = ImmutableArray.CreateBuilder<BgpFamily>();
        for (var reader = new WireReader(value); reader.Remaining > 0; _ = reader.Take(4)) // Flags and a time.
            families.Add(new BgpFamily(reader.U16(), reader.U8()));
        return families.ToImmutable();
    }

    private static RestartCapability ReadRestart(ReadOnlySpan<byte> value)
    {
        var reader = new WireReader(value);
        int head = reader.U16();
        var kept = ImmutableArray.CreateBuilder<BgpFamily>();
        var forwards = ImmutableArray.CreateBuilder<BgpFamily>();
        while (reader.Remaining > 0)
        {
            var family = new BgpFamily(reader.U16(), reader.U8());
            kept.Add(family);
            if ((reader.U8() & ForwardsBit) != 0) forwards.Add(family);
        }

        return new RestartCapability
        {
            Restarted = (head >> 8 & RestartedBit) != 0,
            OverNotification = (head >> 8 & NotificationBit) != 0,
            Seconds = head & RestartCapability.SecondsMax,
            Kept = kept.ToImmutable(),
            Forwards = forwards.ToImmutable(),
        };
    }

    private static void WriteRestart(ref WireWriter writer, RestartCapability restart)
    {
        WriteHeader(ref writer, GracefulRestart, 2 + (restart.Kept.Length * 4));
        int flags = (restart.Restarted ? RestartedBit : 0) | (restart.OverNotification ? NotificationBit : 0);
        writer.U16((ushort)((flags << 8) | (restart.Seconds & RestartCapability.SecondsMax)));
        foreach (BgpFamily family in restart.Kept)
        {
            writer.U16(family.Afi);
            writer.U8(family.Safi);
            writer.U8(restart.Forwards.Contains(family) ? ForwardsBit : (byte)0);
        }
    }

    private static void WriteEmpty(ref WireWriter writer, byte code) => WriteHeader(ref writer, code, 0);

    private static void WriteHeader(ref WireWriter writer, byte code, int length)
    {
        writer.U8(code);
        writer.U8((byte)length);
    }
}
