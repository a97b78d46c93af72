using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// Records one after the other, read where they lie: a transfer of a large zone holds a place in it and nothing else.
/// </summary>
internal interface ITransferRecords
{
    /// <summary>To the next record, at first to the first; false: there are no more.</summary>
    bool MoveNext();

    /// <summary>Uncompressed.</summary>
    ReadOnlySpan<byte> Owner { get; }

    /// <summary>See SetView.</summary>
    ReadOnlySpan<byte> Body { get; }
}

/// <summary>The records of some sets, their signatures, or both.</summary>
internal sealed class SetRecords(ImmutableArray<RRset> sets, bool records = true, bool signatures = true)
    : ITransferRecords
{
    private int set = -1;
    private int left;
    private int at;
    private int length;

    public ReadOnlySpan<byte> Owner => sets[set].Owner.Wire;

    public ReadOnlySpan<byte> Body => sets[set].View.AllBodies.Slice(at, length);

    public bool MoveNext()
    {
        while (left == 0)
        {
            if (++set >= sets.Length) return false;
            (at, length) = (records ? 0 : sets[set].View.Bodies.Length, 0);
            left = (records ? sets[set].Count : 0) + (signatures ? sets[set].SignatureCount : 0);
        }

        left--;
        at += length;
        length = BodyOf.Length(sets[set].View.AllBodies[at..]);
        return true;
    }
}

/// <summary>All records of a zone in canonical order with their signatures, but for the SOA and its.</summary>
internal sealed class ZoneRecords(ZoneData data) : ITransferRecords
{
    private int node;
    private int set = -1;
    private int left;
    private int at;
    private int length;

    public ReadOnlySpan<byte> Owner => data.NameOf(node);

    public ReadOnlySpan<byte> Body => data.View(set).AllBodies.Slice(at, length);

    public bool MoveNext()
    {
        while (left == 0)
        {
            if (++set >= data.SetCount) return false;
            while (set >= data.SetsTo(node)) node++;
            if (node == 0 && data.TypeOf(set) == RecordType.Soa) continue;
            SetView view = data.View(set);
            (at, length, left) = (0, 0, view.Count + view.SignatureCount);
        }

        left--;
        at += length;
        length = BodyOf.Length(data.View(set).AllBodies[at..]);
        return true;
    }
}

/// <summary>Records as a difference keeps them: owner, body, owner, body.</summary>
internal sealed class KeptRecords(byte[] kept) : ITransferRecords
{
    private int owner;
    private int ownerBytes;
    private int bodyBytes;

    public ReadOnlySpan<byte> Owner => kept.AsSpan(owner, ownerBytes);

    public ReadOnlySpan<byte> Body => kept.AsSpan(owner + ownerBytes, bodyBytes);

    public bool MoveNext()
    {
        owner += ownerBytes + bodyBytes;
        if (owner >= kept.Length) return false;
        ownerBytes = NameHash.LengthOf(kept.AsSpan(owner), out _);
        bodyBytes = BodyOf.Length(kept.AsSpan(owner + ownerBytes));
        return true;
    }
}

internal static class BodyOf
{
    public static int Length(ReadOnlySpan<byte> body) =>
        SetView.HeadBytes + BinaryPrimitives.ReadUInt16BigEndian(body[8..]);
}
