using System.Collections.Immutable;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>
/// The records of one owner and type, all with one TTL (RFC 2181 §5.2). The RDATA stands in wire form, its names not
/// compressed. Duplicates are dropped (RFC 2181 §5).
/// </summary>
public sealed class RRset
{
    private readonly ImmutableArray<byte[]> records;
    private readonly (int Before, int Names, bool Compressible) names;

    /// <summary>ArgumentException when a record is not what its type asks for; see RdataText.IsValid.</summary>
    public RRset(DnsName owner, RecordType type, uint ttlSeconds, IEnumerable<byte[]> rdata)
    {
        Owner = owner;
        Type = type;
        TtlSeconds = ttlSeconds;
        names = RecordTypes.NamesIn(type);
        var distinct = new List<byte[]>();
        foreach (byte[] one in rdata)
        {
            if (!RdataText.IsValid(type, one))
                throw new ArgumentException($"{owner} {RecordTypes.NameOf(type)}: not this type's data");
            if (!distinct.Exists(other => other.AsSpan().SequenceEqual(one))) distinct.Add(one);
        }

        records = [.. distinct];
        if (type == RecordType.Cname) TargetName = TargetOf(0);
    }

    public DnsName Owner { get; }

    public RecordType Type { get; }

    public uint TtlSeconds { get; }

    /// <summary>Where a CNAME points to, made once; null for other types.</summary>
    internal DnsName? TargetName { get; }

    public int Count => records.Length;

    public ReadOnlySpan<byte> this[int index] => records[index];

    /// <summary>
    /// The name in the RDATA (target of NS, CNAME, PTR, MX, SRV; SOA: the primary). InvalidOperationException
    /// otherwise.
    /// </summary>
    public DnsName TargetOf(int index)
    {
        if (names.Names == 0) throw new InvalidOperationException($"{RecordTypes.NameOf(Type)} has no target");
        ReadOnlySpan<byte> rest = records[index].AsSpan(names.Before);
        return DnsName.TryFromWire(rest[..NameHash.LengthOf(rest, out _)], out DnsName name) ? name : DnsName.Root;
    }

    /// <summary>Writes all records; false, and nothing written, when they do not fit.</summary>
    internal bool TryWrite(
        scoped ref MessageWriter writer, Section section, int ownerOffset, scoped ReadOnlySpan<byte> ownerName,
            uint ttlSeconds)
    {
        (int Position, int Known) mark = writer.Mark();
        foreach (byte[] record in records)
        {
            int start = writer.BeginRecord(ownerOffset, ownerName, Type, ttlSeconds);
            WriteRdata(ref writer, record);
            if (writer.Failed)
            {
                writer.RewindTo(mark);
                return false;
            }

            writer.EndRecord(start);
        }

        writer.Count(section, records.Length);
        return true;
    }

    private void WriteRdata(scoped ref MessageWriter writer, ReadOnlySpan<byte> rdata)
    {
        if (!names.Compressible)
        {
            writer.Bytes(rdata);
            return;
        }

        writer.Bytes(rdata[..names.Before]);
        rdata = rdata[names.Before..];
        for (int i = 0; i < names.Names; i++)
        {
            int length = NameHash.LengthOf(rdata, out _);
            writer.Name(rdata[..length]);
            rdata = rdata[length..];
        }

        writer.Bytes(rdata);
    }
}
