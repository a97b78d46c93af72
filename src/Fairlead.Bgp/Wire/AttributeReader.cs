using System.Buffers.Binary;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Wire;

/// <summary>
/// Path attributes other than the multiprotocol ones: what flags and length each must have, what a fault in it costs,
/// and its value (RFC 7606 §7 and the attributes' own RFCs).
/// </summary>
internal static class AttributeReader
{
    private const byte OptionalFlag = UpdateReader.OptionalFlag;
    private const byte TransitiveFlag = UpdateReader.TransitiveFlag;

    public static void Read(
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

    /// <summary>
    /// RFC 6793 §4.2.3: a two-octet speaker has put AS_TRANS where a number did not fit; the whole path came along.
    /// </summary>
    public static void JoinFourOctets(UpdateContent content)
    {
        // Somebody on the way who knows four octets has aggregated anew: what came along is older.
        bool renewed = content is { Aggregator: { } aggregator, As4Aggregator: not null }
            && aggregator.As != Asn.Trans;
        if (renewed) return;
        if (content.Aggregator is not null) content.Aggregator = content.As4Aggregator ?? content.Aggregator;
        int ahead = content.AsPath.Count - content.As4Path.Count;
        if (content.As4Path.Count == 0 || ahead < 0) return;
        content.AsPath.RemoveRange(ahead, content.As4Path.Count);
        content.AsPath.AddRange(content.As4Path);
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
        AttributeType.LargeCommunities => length > 0 && length % LargeCommunity.Size == 0,
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
            case AttributeType.As4Path:
                return TryReadAs4Path(value, content);
            case AttributeType.NextHop:
                uint address = BinaryPrimitives.ReadUInt32BigEndian(value);
                content.NextHop = ((UInt128)0xffffUL << 32) | address;
                return address != 0 && address < 0xe0000000; // RFC 4271 §6.3: it must be a host's address.
            case AttributeType.Med:
                content.Med = BinaryPrimitives.ReadUInt32BigEndian(value);
                return true;
            case AttributeType.LocalPref:
                content.LocalPref = BinaryPrimitives.ReadUInt32BigEndian(value);
                return true;
            case AttributeType.AtomicAggregate:
                return content.AtomicAggregate = true;
            case AttributeType.Aggregator:
                content.Aggregator = ReadAggregator(value);
                return content.Aggregator is not null;
            case AttributeType.As4Aggregator:
                content.As4Aggregator = ReadAggregator(value);
                return content.As4Aggregator is not null;
            case AttributeType.OriginatorId:
                content.OriginatorId = BinaryPrimitives.ReadUInt32BigEndian(value);
                return true;
            case AttributeType.OnlyToCustomer:
                content.OnlyToCustomer = new Asn(BinaryPrimitives.ReadUInt32BigEndian(value));
                return true;
            case AttributeType.Aigp:
                return IsTlvs(value);
            default:
                ReadList(type, value, content);
                return true;
        }
    }

    // The lengths are right: IsLength has looked.
    private static void ReadList(AttributeType type, ReadOnlySpan<byte> value, UpdateContent content)
    {
        var reader = new WireReader(value);
        while (reader.Remaining > 0)
        {
            if (type == AttributeType.Communities) content.Communities.Add(reader.U32());
            else if (type == AttributeType.ClusterList) content.ClusterList.Add(reader.U32());
            else if (type == AttributeType.ExtendedCommunities) content.ExtendedCommunities.Add(reader.U64());
            else if (type == AttributeType.LargeCommunities)
                content.LargeCommunities.Add(LargeCommunity.Read(reader.Take(LargeCommunity.Size)));
            else break;
        }
    }

    // RFC 7607 §2: AS 0 is nobody's.
    private static (Asn As, uint RouterId)? ReadAggregator(ReadOnlySpan<byte> value)
    {
        var reader = new WireReader(value);
        uint asn = value.Length == 8 ? reader.U32() : reader.U16();
        return asn == 0 ? null : (new Asn(asn), reader.U32());
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

    // RFC 6793 §6: a damaged one is as if it had not come. RFC 9774 §3: a set in it costs the routes.
    private static bool TryReadAs4Path(ReadOnlySpan<byte> value, UpdateContent content)
    {
        const byte Set = 1;
        if (TryReadPath(value, 4, content.As4Path) && content.As4Path.Count > 0) return true;
        content.As4Path.Clear();
        if (value is [Set, > 0, ..] && value.Length >= 2 + (value[1] * 4))
            content.Note(UpdateAction.TreatAsWithdraw, AttributeType.As4Path, AttributeProblem.Value);
        return false;
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
}
