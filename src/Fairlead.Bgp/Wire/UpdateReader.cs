using System.Buffers.Binary;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// Reads UPDATEs with the error handling of RFC 7606: a damaged attribute costs the attribute or the routes of its
/// message, and the session only where the routes themselves cannot be read. Layouts as in UpdateWriter.
/// </summary>
public static class UpdateReader
{
    internal const byte OptionalFlag = 0x80;
    internal const byte TransitiveFlag = 0x40;
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
        content.FieldCount = content.Announced.Count;
        Span<bool> seen = stackalloc bool[256];
        seen.Clear();
        bool reaches = ReadAttributes(attributes, context, content, seen) || routes.Length > 0;
        AttributeReader.JoinFourOctets(content);
        if (reaches) CheckMandatory(context, content, seen, routes.Length > 0);
        Conclude(content, attributes.Length > 0, reaches);
        if (body.Length == 4) content.EndOfRib = BgpFamily.IPv4Unicast;
        return content.Action;
    }

    private static bool ReadRoutes(ReadOnlySpan<byte> data, UpdateContext context, List<PathPrefix> into)
    {
        bool read = Nlri.TryReadAll(data, BgpFamily.IPv4Unicast, context.AddPathIPv4, into);
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
            else AttributeReader.Read(flags, type, value, context, content);
        }

        bool alone = seen[(byte)AttributeType.MpUnreach] && seen.Count(true) == 1;
        if (!alone) content.EndOfRib = null;
        return reaches;
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
        if (reach && !TryReadNextHop(nextHop, family, context, content))
        {
            // RFC 7606 §7.11: what comes after a next hop of a wrong length cannot be trusted to be routes.
            content.Reset(UpdateSubcode.OptionalAttribute, type, AttributeProblem.Length);
            return false;
        }

        if (!reach && reader.Remaining == 0) content.EndOfRib = family;
        List<PathPrefix> into = reach ? content.Announced : content.Withdrawn;
        if (!Nlri.TryReadAll(reader.Rest, family, context.HasPaths(family), into))
            content.Reset(UpdateSubcode.OptionalAttribute, type, AttributeProblem.Routes);
        return reach && reader.Remaining > 0;
    }

    private static bool TryReadNextHop(
        ReadOnlySpan<byte> value, BgpFamily family, UpdateContext context, UpdateContent content)
    {
        bool v4 = family == BgpFamily.IPv4Unicast;
        if (v4 && value.Length == 4)
        {
            uint address = BinaryPrimitives.ReadUInt32BigEndian(value);
            content.MultiprotocolNextHop = ((UInt128)0xffffUL << 32) | address;
            return true;
        }

        // RFC 8950 §3: for IPv4 routes too, when it was agreed on. RFC 2545 §3: one address or two.
        if (value.Length is not (16 or 32) || (v4 && !context.IPv6NextHop)) return false;
        content.MultiprotocolNextHop = BinaryPrimitives.ReadUInt128BigEndian(value);
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
        content.FieldCount = 0;
    }
}
