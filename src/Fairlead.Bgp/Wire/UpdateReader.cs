using System.Buffers.Binary;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// Reads UPDATEs with the error handling of RFC 7606: a damaged attribute costs the attribute or the routes of its
/// message, and the session only where the routes themselves cannot be read. Layouts as in UpdateWriter.
/// </summary>
public static class UpdateReader
{
    private const byte OptionalFlag = 0x80;
    private const byte TransitiveFlag = 0x40;
    private const byte ExtendedFlag = 0x10;

    /// <summary>Reads the body of an UPDATE into the content and says what is to be done about it.</summary>
    public static UpdateAction Read(ReadOnlySpan<byte> body, UpdateContext context, UpdateContent content)
    {
        content.Clear();
        var reader = new WireReader(body);
        ReadOnlySpan<byte> withdrawn = reader.Take(reader.U16());
        ReadOnlySpan<byte> attributes = reader.Take(reader.U16());
        ReadOnlySpan<byte> routes = reader.Rest;
        if (reader.Failed)
        {
            // RFC 4271 §6.3: lengths that exceed the message. Nothing in it can be located.
            content.Reset(UpdateSubcode.MalformedAttributes, 0, AttributeProblem.Truncated);
            return content.Action;
        }

        // RFC 7606 §3 (i), §5.3: withdrawn routes are checked like announced ones.
        if (!ReadRoutes(withdrawn, context, content.Withdrawn) || !ReadRoutes(routes, context, content.Announced))
            content.Reset(UpdateSubcode.InvalidNetwork, 0, AttributeProblem.Routes);
        Span<bool> seen = stackalloc bool[256];
        seen.Clear();
        bool reaches = ReadAttributes(attributes, context, content, seen) || routes.Length > 0;
        if (reaches) CheckMandatory(context, content, seen, routes.Length > 0);
        Conclude(content, attributes.Length > 0, reaches);
        if (body.Length == 4) content.EndOfRib = BgpFamily.IPv4Unicast;
        return content.Action;
    }

    private static bool ReadRoutes(ReadOnlySpan<byte> data, UpdateContext context, List<Prefix> into)
    {
        bool read = Nlri.TryReadAll(data, BgpFamily.IPv4Unicast, into);
        if (!context.IPv4) into.Clear(); // The peer may not speak of a family that was not agreed on.
        return read;
    }

    /// <summary>Walks the attributes. True when MP_REACH_NLRI announces something.</summary>
    private static bool ReadAttributes(
        ReadOnlySpan<byte> data, UpdateContext context, UpdateContent content, Span<bool> seen)
    {
        var reader = new WireReader(data);
        bool reaches = false;
        while (reader.Remaining > 0)
        {
            byte flags = reader.U8();
            var type = (AttributeType)reader.U8();
            ReadOnlySpan<byte> value = reader.Take((flags & ExtendedFlag) != 0 ? reader.U16() : reader.U8());
            if (reader.Failed)
            {
                // RFC 7606 §4: an attribute that overruns the list. The list's own length still says where it ends.
                content.Note(UpdateAction.TreatAsWithdraw, 0, AttributeProblem.Truncated);
                break;
            }

            bool multiprotocol = type is AttributeType.MpReach or AttributeType.MpUnreach;
            if (seen[(byte)type])
            {
                // RFC 7606 §3 (g): a second MP attribute may hide routes; a second one of another type is dropped.
                if (multiprotocol) content.Reset(UpdateSubcode.MalformedAttributes, type, AttributeProblem.Duplicate);
                else content.Note(UpdateAction.AttributeDiscard, type, AttributeProblem.Duplicate);
                continue;
            }

            seen[(byte)type] = true;
            if (multiprotocol) reaches |= ReadMultiprotocol(flags, type, value, context, content);
            else ReadAttribute(flags, type, value, context, content);
        }

        bool alone = seen[(byte)AttributeType.MpUnreach] && seen.Count(true) == 1;
        if (!alone) content.EndOfRib = null;
        return reaches;
    }

    private static void ReadAttribute(
        byte flags, AttributeType type, ReadOnlySpan<byte> value, UpdateContext context, UpdateContent content)
    {
        if (KindOf(type) is not { } kind)
        {
            // RFC 4271 §6.3: RFC 7606 leaves this one a reset. An unknown optional attribute concerns us not.
            if ((flags & OptionalFlag) == 0)
                content.Reset(UpdateSubcode.UnknownWellKnown, type, AttributeProblem.UnknownWellKnown);
            return;
        }

        UpdateAction onFault = OnFault(type);
        if (((flags ^ kind) & (OptionalFlag | TransitiveFlag)) != 0)
        {
            // RFC 7606 §3 (c): conflicting flags. AIGP says otherwise of itself (RFC 7311 §3.2).
            UpdateAction action = type == AttributeType.Aigp
                ? UpdateAction.AttributeDiscard
                : UpdateAction.TreatAsWithdraw;
            content.Note(action, type, AttributeProblem.Flags);
        }
        else if (IsForeign(type, context))
        {
            // RFC 7606 §7.5, §7.9, §7.10 and RFC 6793 §4.1: not from this kind of peer.
            content.Note(UpdateAction.AttributeDiscard, type, AttributeProblem.NotForThisPeer);
        }
        else if (!IsLength(type, value.Length, context))
        {
            content.Note(onFault, type, AttributeProblem.Length);
        }
        else if (!TryReadValue(type, value, context, content))
        {
            content.Note(onFault, type, AttributeProblem.Value);
        }
    }

    // What flags the attribute's own RFC gives it; null: not known to us.
    private static byte? KindOf(AttributeType type) => type switch
    {
        AttributeType.Origin or AttributeType.AsPath or AttributeType.NextHop or AttributeType.LocalPref
            or AttributeType.AtomicAggregate => TransitiveFlag,
        AttributeType.Med or AttributeType.OriginatorId or AttributeType.ClusterList or AttributeType.Aigp
            => OptionalFlag,
        AttributeType.Aggregator or AttributeType.Communities or AttributeType.ExtendedCommunities
            or AttributeType.As4Path or AttributeType.As4Aggregator or AttributeType.IPv6ExtendedCommunities
            or AttributeType.LargeCommunities or AttributeType.OnlyToCustomer => OptionalFlag | TransitiveFlag,
        _ => null,
    };

    // RFC 7606 §7, RFC 6793 §6 (AS4_*), RFC 7311 §3.2 (AIGP), RFC 8092 §6 (large), RFC 9234 §5 (OTC).
    private static UpdateAction OnFault(AttributeType type) => type switch
    {
        AttributeType.AtomicAggregate or AttributeType.Aggregator or AttributeType.As4Path
            or AttributeType.As4Aggregator or AttributeType.Aigp => UpdateAction.AttributeDiscard,
        _ => UpdateAction.TreatAsWithdraw,
    };

    private static bool IsForeign(AttributeType type, UpdateContext context) => type switch
    {
        AttributeType.LocalPref or AttributeType.OriginatorId or AttributeType.ClusterList => context.External,
        AttributeType.As4Path or AttributeType.As4Aggregator => context.FourOctetAs,
        _ => false,
    };

    private static bool IsLength(AttributeType type, int length, UpdateContext context) => type switch
    {
        AttributeType.Origin => length == 1,
        AttributeType.NextHop or AttributeType.Med or AttributeType.LocalPref or AttributeType.OriginatorId
            or AttributeType.OnlyToCustomer => length == 4,
        AttributeType.AtomicAggregate => length == 0,
        AttributeType.Aggregator => length == (context.FourOctetAs ? 8 : 6),
        AttributeType.As4Aggregator => length == 8,
        AttributeType.Communities or AttributeType.ClusterList => length > 0 && length % 4 == 0,
        AttributeType.ExtendedCommunities => length > 0 && length % 8 == 0,
        AttributeType.IPv6ExtendedCommunities => length > 0 && length % 20 == 0,
        AttributeType.LargeCommunities => length > 0 && length % 12 == 0,
        _ => true,
    };

    private static bool TryReadValue(
        AttributeType type, ReadOnlySpan<byte> value, UpdateContext context, UpdateContent content)
    {
        switch (type)
        {
            case AttributeType.Origin:
                content.Origin = value[0];
                return value[0] <= 2;
            case AttributeType.AsPath:
                return TryReadPath(value, context.FourOctetAs ? 4 : 2, content.AsPath);
            case AttributeType.NextHop:
                uint address = BinaryPrimitives.ReadUInt32BigEndian(value);
                content.NextHop ??= ((UInt128)0xffffUL << 32) | address;
                return address != 0 && address < 0xe0000000; // RFC 4271 §6.3: it must be a host's address.
            case AttributeType.Med:
                content.Med = BinaryPrimitives.ReadUInt32BigEndian(value);
                return true;
            case AttributeType.LocalPref:
                content.LocalPref = BinaryPrimitives.ReadUInt32BigEndian(value);
                return true;
            case AttributeType.Communities:
                for (; value.Length > 0; value = value[4..])
                    content.Communities.Add(BinaryPrimitives.ReadUInt32BigEndian(value));
                return true;
            case AttributeType.Aigp:
                return IsTlvs(value);
            default:
                return true;
        }
    }

    // RFC 7606 §7.2: segment type unknown, of no length, or not ending with the attribute. Confederation segments do
    // not come from outside a confederation (RFC 5065 §5), sets no more at all (RFC 9774 §3), and AS 0 is nobody's
    // (RFC 7607 §2).
    private static bool TryReadPath(ReadOnlySpan<byte> value, int asSize, List<Asn> path)
    {
        const byte Sequence = 2;
        var reader = new WireReader(value);
        while (reader.Remaining > 0)
        {
            byte type = reader.U8();
            int count = reader.U8();
            if (type != Sequence || count == 0) return false;
            for (int i = 0; i < count; i++)
            {
                uint asn = asSize == 4 ? reader.U32() : reader.U16();
                if (asn == 0) return false; // A short read gives zero too.
                path.Add(new Asn(asn));
            }
        }

        return !reader.Failed;
    }

    // RFC 7311 §3: TLVs whose length, in two octets, counts their own three.
    private static bool IsTlvs(ReadOnlySpan<byte> value)
    {
        while (value.Length > 0)
        {
            if (value.Length < 3) return false;
            int length = BinaryPrimitives.ReadUInt16BigEndian(value[1..]);
            if (length < 3 || length > value.Length || (value[0] == 1 && length != 11)) return false;
            value = value[length..];
        }

        return true;
    }

    /// <summary>MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4). True when it announces something.</summary>
    private static bool ReadMultiprotocol(
        byte flags, AttributeType type, ReadOnlySpan<byte> value, UpdateContext context, UpdateContent content)
    {
        bool reach = type == AttributeType.MpReach;
        if ((flags & (OptionalFlag | TransitiveFlag)) != OptionalFlag)
            content.Note(UpdateAction.TreatAsWithdraw, type, AttributeProblem.Flags);
        var reader = new WireReader(value);
        var family = new BgpFamily(reader.U16(), reader.U8());
        ReadOnlySpan<byte> nextHop = reach ? reader.Take(reader.U8()) : default;
        if (reach) _ = reader.U8();
        if (reader.Failed)
        {
            content.Reset(UpdateSubcode.OptionalAttribute, type, AttributeProblem.Length);
            return false;
        }

        // RFC 4760 §7: routes of a family that was not agreed on are ignored. We do not even parse them.
        if (!context.Negotiated(family)) return reach && reader.Remaining > 0;
        if (reach && !TryReadNextHop(nextHop, family, content))
        {
            // RFC 7606 §7.11: what comes after a next hop of a wrong length cannot be trusted to be routes.
            content.Reset(UpdateSubcode.OptionalAttribute, type, AttributeProblem.Length);
            return false;
        }

        if (!reach && reader.Remaining == 0) content.EndOfRib = family;
        if (!Nlri.TryReadAll(reader.Rest, family, reach ? content.Announced : content.Withdrawn))
            content.Reset(UpdateSubcode.OptionalAttribute, type, AttributeProblem.Routes);
        return reach && reader.Remaining > 0;
    }

    private static bool TryReadNextHop(ReadOnlySpan<byte> value, BgpFamily family, UpdateContent content)
    {
        if (family == BgpFamily.IPv4Unicast)
        {
            if (value.Length != 4) return false;
            content.NextHop = ((UInt128)0xffffUL << 32) | BinaryPrimitives.ReadUInt32BigEndian(value);
            return true;
        }

        if (value.Length is not (16 or 32)) return false;
        content.NextHop = BinaryPrimitives.ReadUInt128BigEndian(value);
        if (value.Length == 32) content.LinkLocalNextHop = BinaryPrimitives.ReadUInt128BigEndian(value[16..]);
        return true;
    }

    // RFC 7606 §3 (d): a missing mandatory attribute. NEXT_HOP is one only beside routes in the NLRI field.
    private static void CheckMandatory(
        UpdateContext context, UpdateContent content, ReadOnlySpan<bool> seen, bool hasNlriField)
    {
        Check(content, seen, AttributeType.Origin, required: true);
        Check(content, seen, AttributeType.AsPath, required: true);
        Check(content, seen, AttributeType.NextHop, hasNlriField);
        Check(content, seen, AttributeType.LocalPref, !context.External);

        static void Check(UpdateContent content, ReadOnlySpan<bool> seen, AttributeType type, bool required)
        {
            if (required && !seen[(byte)type])
                content.Note(UpdateAction.TreatAsWithdraw, type, AttributeProblem.Missing);
        }
    }

    private static void Conclude(UpdateContent content, bool hasAttributes, bool reaches)
    {
        if (content.Action != UpdateAction.TreatAsWithdraw) return;
        // RFC 7606 §5.2: faulty attributes and no route beside them: the routes may be in what we could not read.
        if (hasAttributes && !reaches)
        {
            content.Reset(UpdateSubcode.MalformedAttributes, content.FaultIn, content.Problem);
            return;
        }

        content.Withdrawn.AddRange(content.Announced);
        content.Announced.Clear();
    }
}
