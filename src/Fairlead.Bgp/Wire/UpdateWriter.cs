using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// Writes UPDATEs (RFC 4271 §4.3). An announcement can only be written of Guarded routes, which nothing but the guard
/// can make: that is how no prefix outside the anycast subnets can reach the wire.
/// <code>
/// withdrawn length u16 | withdrawn | attributes length u16 | attributes | NLRI (IPv4)
/// attribute: flags u8 | type u8 | length u8, or u16 with the extended flag | value
/// </code>
/// </summary>
public static class UpdateWriter
{
    private const byte Transitive = 0x40;
    private const byte Optional = 0x80;
    private const byte Extended = 0x10;
    private const byte AsSequence = 2;
    private const int SegmentAsMax = 255;

    /// <summary>
    /// One message that announces as many of the routes, from the first, as fit; the rest is for the next call. All
    /// routes are of the family and share the attributes. Gives how many it took: 0 when there is no room for one.
    /// </summary>
    public static int Announce(
        ref WireWriter writer, BgpFamily family, bool fourOctetAs, PathAttributes attributes,
        ReadOnlySpan<Guarded> routes, int sizeMax = Message.SizeMax)
    {
        int start = Message.Begin(ref writer, MessageType.Update);
        writer.U16(0);
        int attributesLengthAt = writer.Position;
        writer.U16(0);

        // RFC 7606 §5.1: MP_REACH_NLRI stands first, so that a damaged attribute after it leaves the routes readable.
        // Its length is known last, so it is written to its own room and copied.
        Span<byte> rest = stackalloc byte[Message.SizeMax];
        var common = new WireWriter(rest);
        // RFC 8950 §3: an IPv6 next hop has room in MP_REACH_NLRI alone, for IPv4 routes too.
        bool field = family == BgpFamily.IPv4Unicast && attributes.NextHop.AddressFamily == AddressFamily.InterNetwork;
        WriteCommon(ref common, field, fourOctetAs, attributes);
        int room = Math.Min(sizeMax, writer.Capacity - start) - (writer.Position - start) - common.Position;
        int taken = field
            ? FinishField(ref writer, common.Written, routes, room, attributesLengthAt)
            : FinishReach(ref writer, common.Written, family, attributes, routes, room, attributesLengthAt);
        if (taken == 0 || common.Failed || writer.Failed)
        {
            writer.RewindTo(start);
            return 0;
        }

        Message.End(ref writer, start);
        return taken;
    }

    /// <summary>One message that withdraws as many of the prefixes, from the first, as fit. Gives how many.</summary>
    public static int Withdraw(
        ref WireWriter writer, BgpFamily family, ReadOnlySpan<Prefix> prefixes, int sizeMax = Message.SizeMax)
    {
        int start = Message.Begin(ref writer, MessageType.Update);
        int room = Math.Min(sizeMax, writer.Capacity - start);
        int taken = 0;
        if (family == BgpFamily.IPv4Unicast)
        {
            int lengthAt = writer.Position;
            writer.U16(0);
            while (taken < prefixes.Length && writer.Position - start + Nlri.SizeMax + 2 <= room)
                Nlri.Write(ref writer, prefixes[taken++]);
            writer.PatchU16(lengthAt, (ushort)(writer.Position - lengthAt - 2));
            writer.U16(0);
        }
        else
        {
            writer.U16(0);
            int attributesAt = writer.Position;
            writer.U16(0);
            int lengthAt = BeginUnreach(ref writer, family);
            while (taken < prefixes.Length && writer.Position - start + Nlri.SizeMax <= room)
                Nlri.Write(ref writer, prefixes[taken++]);
            writer.PatchU16(lengthAt, (ushort)(writer.Position - lengthAt - 2));
            writer.PatchU16(attributesAt, (ushort)(writer.Position - attributesAt - 2));
        }

        if (taken == 0 || writer.Failed)
        {
            writer.RewindTo(start);
            return 0;
        }

        Message.End(ref writer, start);
        return taken;
    }

    /// <summary>RFC 4724 §2: End-of-RIB, the first table is complete. Useful without graceful restart too.</summary>
    public static void EndOfRib(ref WireWriter writer, BgpFamily family)
    {
        int start = Message.Begin(ref writer, MessageType.Update);
        writer.U16(0);
        int attributesAt = writer.Position;
        writer.U16(0);
        if (family != BgpFamily.IPv4Unicast)
        {
            int lengthAt = BeginUnreach(ref writer, family);
            writer.PatchU16(lengthAt, (ushort)(writer.Position - lengthAt - 2));
            writer.PatchU16(attributesAt, (ushort)(writer.Position - attributesAt - 2));
        }

        Message.End(ref writer, start);
    }

    private static int BeginUnreach(ref WireWriter writer, BgpFamily family)
    {
        writer.U8(Optional | Extended);
        writer.U8((byte)AttributeType.MpUnreach);
        int lengthAt = writer.Position;
        writer.U16(0);
        writer.U16(family.Afi);
        writer.U8(family.Safi);
        return lengthAt;
    }

    private static int FinishField(
        ref WireWriter writer, scoped ReadOnlySpan<byte> common, ReadOnlySpan<Guarded> routes, int room,
        int attributesAt)
    {
        writer.Bytes(common);
        writer.PatchU16(attributesAt, (ushort)common.Length);
        return WriteRoutes(ref writer, routes, room);
    }

    private static int FinishReach(
        ref WireWriter writer, scoped ReadOnlySpan<byte> common, BgpFamily family, PathAttributes attributes,
        ReadOnlySpan<Guarded> routes, int room, int attributesAt)
    {
        // RFC 4760 §3: AFI, SAFI, next hop length, next hop(s), one reserved octet, NLRI.
        int start = writer.Position;
        writer.U8(Optional | Extended);
        writer.U8((byte)AttributeType.MpReach);
        int lengthAt = writer.Position;
        writer.U16(0);
        writer.U16(family.Afi);
        writer.U8(family.Safi);
        writer.U8((byte)(attributes.LinkLocalNextHop is null ? 16 : 32));
        WriteAddress(ref writer, attributes.NextHop);
        if (attributes.LinkLocalNextHop is { } linkLocal) WriteAddress(ref writer, linkLocal);
        writer.U8(0);
        int taken = WriteRoutes(ref writer, routes, room - (writer.Position - start));
        writer.PatchU16(lengthAt, (ushort)(writer.Position - lengthAt - 2));
        writer.Bytes(common);
        writer.PatchU16(attributesAt, (ushort)(writer.Position - attributesAt - 2));
        return taken;
    }

    private static int WriteRoutes(ref WireWriter writer, ReadOnlySpan<Guarded> routes, int room)
    {
        int end = writer.Position + room;
        int taken = 0;
        while (taken < routes.Length && writer.Position + Nlri.SizeMax <= end)
            Nlri.Write(ref writer, routes[taken++].Prefix);
        return taken;
    }

    // In the order of their types (RFC 4271 §5), MP_REACH_NLRI aside.
    private static void WriteCommon(
        ref WireWriter writer, bool withNextHop, bool fourOctetAs, PathAttributes attributes)
    {
        WriteHeader(ref writer, Transitive, AttributeType.Origin, 1);
        writer.U8(0); // IGP: it is ours from the start.

        bool fits = true;
        foreach (Asn asn in attributes.AsPath) fits &= asn.FitsTwoOctets;
        WriteAsPath(ref writer, Transitive, AttributeType.AsPath, attributes.AsPath.AsSpan(), fourOctetAs ? 4 : 2);
        if (withNextHop)
        {
            WriteHeader(ref writer, Transitive, AttributeType.NextHop, 4);
            WriteAddress(ref writer, attributes.NextHop);
        }

        WriteU32(ref writer, Optional, AttributeType.Med, attributes.Med);
        WriteU32(ref writer, Transitive, AttributeType.LocalPref, attributes.LocalPref);
        if (attributes.Communities.Length > 0)
        {
            int length = attributes.Communities.Length * 4;
            WriteHeader(ref writer, Optional | Transitive, AttributeType.Communities, length);
            foreach (uint community in attributes.Communities) writer.U32(community);
        }

        if (attributes.ExtendedCommunities.Length > 0)
        {
            int length = attributes.ExtendedCommunities.Length * 8;
            WriteHeader(ref writer, Optional | Transitive, AttributeType.ExtendedCommunities, length);
            foreach (ulong community in attributes.ExtendedCommunities) writer.U64(community);
        }

        // RFC 6793 §4.2.2: an old speaker carries the whole path along in AS4_PATH.
        if (!fourOctetAs && !fits)
            WriteAsPath(ref writer, Optional | Transitive, AttributeType.As4Path, attributes.AsPath.AsSpan(), 4);
        if (attributes.LargeCommunities.Length > 0)
        {
            int length = attributes.LargeCommunities.Length * LargeCommunity.Size;
            WriteHeader(ref writer, Optional | Transitive, AttributeType.LargeCommunities, length);
            foreach (LargeCommunity community in attributes.LargeCommunities) community.Write(ref writer);
        }

        WriteU32(ref writer, Optional | Transitive, AttributeType.OnlyToCustomer, attributes.OnlyToCustomer?.Value);
    }

    private static void WriteAsPath(
        ref WireWriter writer, byte flags, AttributeType type, ReadOnlySpan<Asn> path, int asSize)
    {
        int segments = (path.Length + SegmentAsMax - 1) / SegmentAsMax;
        WriteHeader(ref writer, flags, type, (segments * 2) + (path.Length * asSize));
        for (; path.Length > 0; path = path[Math.Min(path.Length, SegmentAsMax)..])
        {
            ReadOnlySpan<Asn> segment = path[..Math.Min(path.Length, SegmentAsMax)];
            writer.U8(AsSequence);
            writer.U8((byte)segment.Length);
            foreach (Asn asn in segment)
            {
                if (asSize == 4) writer.U32(asn.Value);
                else writer.U16((ushort)(asn.FitsTwoOctets ? asn.Value : Asn.Trans.Value));
            }
        }
    }

    private static void WriteU32(ref WireWriter writer, byte flags, AttributeType type, uint? value)
    {
        if (value is not { } given) return;
        WriteHeader(ref writer, flags, type, 4);
        writer.U32(given);
    }

    private static void WriteHeader(ref WireWriter writer, byte flags, AttributeType type, int length)
    {
        writer.U8((byte)(length > 255 ? flags | Extended : flags));
        writer.U8((byte)type);
        if (length > 255) writer.U16((ushort)length);
        else writer.U8((byte)length);
    }

    private static void WriteAddress(ref WireWriter writer, IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int length);
        writer.Bytes(bytes[..length]);
    }
}
