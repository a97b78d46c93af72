using System.Buffers.Binary;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>
/// The records of one owner and type, all with one TTL (RFC 2181 §5.2), and the signatures over them. The RDATA stands
/// in wire form, its names not compressed. Duplicates are dropped (RFC 2181 §5). One that a Zone gives is a view into
/// the zone's memory, made when asked for.
/// </summary>
public sealed class RRset
{
    private readonly byte[] bodies;
    private readonly SetPlace place;

    /// <summary>
    /// The signatures are RDATA of RRSIG records. ArgumentException when a record is not what its type asks for (see
    /// RdataText.IsValid), or when there are more than 65535.
    /// </summary>
    public RRset(
        DnsName owner, RecordType type, uint ttlSeconds, IEnumerable<byte[]> rdata,
        IEnumerable<byte[]>? signatures = null)
    {
        Owner = owner;
        var distinct = new List<byte[]>();
        foreach (byte[] one in rdata)
        {
            if (!RdataText.IsValid(type, one))
                throw new ArgumentException($"{owner} {RecordTypes.NameOf(type)}: not this type's data");
            if (!distinct.Exists(other => other.AsSpan().SequenceEqual(one))) distinct.Add(one);
        }

        List<byte[]> signed = [.. signatures ?? []];
        if (signed.Exists(one => !RdataText.IsValid(RecordType.Rrsig, one)))
            throw new ArgumentException($"{owner} {RecordTypes.NameOf(type)}: a signature is not RRSIG data");
        if (Math.Max(distinct.Count, signed.Count) > ushort.MaxValue)
            throw new ArgumentException($"{owner} {RecordTypes.NameOf(type)}: over {ushort.MaxValue} records");
        int recordBytes = distinct.Sum(one => SetView.HeadBytes + one.Length);
        bodies = new byte[recordBytes + signed.Sum(one => SetView.HeadBytes + one.Length)];
        int at = 0;
        foreach (byte[] one in distinct) at += SetView.WriteBody(bodies.AsSpan(at), type, ttlSeconds, one);
        foreach (byte[] one in signed) at += SetView.WriteBody(bodies.AsSpan(at), RecordType.Rrsig, ttlSeconds, one);
        place = new SetPlace(0, recordBytes, type, (ushort)distinct.Count, (ushort)signed.Count);
        TtlSeconds = ttlSeconds;
    }

    internal RRset(DnsName owner, byte[] bodies, SetPlace place)
    {
        Owner = owner;
        this.bodies = bodies;
        this.place = place;
        TtlSeconds = View.TtlSeconds;
    }

    public DnsName Owner { get; }

    /// <summary>The same records at another name; their signatures are over the name and stay behind.</summary>
    internal RRset At(DnsName owner) => new(owner, bodies, place with { Signatures = 0 });

    public RecordType Type => place.Type;

    public uint TtlSeconds { get; }

    public int Count => place.Count;

    /// <summary>How many RRSIG records cover this set; 0 when it is not signed.</summary>
    public int SignatureCount => place.Signatures;

    /// <summary>The RDATA. Records of one length are found at once, others by a walk from the first.</summary>
    public ReadOnlySpan<byte> this[int index] => index < place.Count ? View.Rdata(index) : throw OutOfRange(index);

    /// <summary>The RDATA of an RRSIG record over this set.</summary>
    public ReadOnlySpan<byte> Signature(int index) =>
        index < place.Signatures ? View.Signature(index) : throw OutOfRange(index);

    /// <summary>The same records with these signatures, RDATA of RRSIG, in place of those that are there.</summary>
    public RRset WithSignatures(IEnumerable<byte[]> signatures)
    {
        var rdata = new List<byte[]>();
        for (int i = 0; i < Count; i++) rdata.Add(this[i].ToArray());
        return new RRset(Owner, Type, TtlSeconds, rdata, signatures);
    }

    /// <summary>
    /// The name in the RDATA (target of NS, CNAME, PTR, MX, SRV, DNAME; SOA: the primary). InvalidOperationException
    /// otherwise.
    /// </summary>
    public DnsName TargetOf(int index)
    {
        (int before, int names, _) = RecordTypes.NamesIn(Type);
        if (names == 0) throw new InvalidOperationException($"{RecordTypes.NameOf(Type)} has no target");
        ReadOnlySpan<byte> rest = this[index][before..];
        return DnsName.TryFromWire(rest[..NameHash.LengthOf(rest, out _)], out DnsName name) ? name : DnsName.Root;
    }

    /// <summary>How answers read the set: no object is made.</summary>
    internal SetView View => new(bodies, place);

    /// <summary>Writes all records; false, and nothing written, when they do not fit.</summary>
    internal bool TryWrite(
        scoped ref MessageWriter writer, Section section, int ownerOffset, scoped ReadOnlySpan<byte> ownerName,
            uint ttlSeconds) =>
        View.TryWrite(ref writer, section, ownerOffset, ownerName, ttlSeconds);

    private ArgumentOutOfRangeException OutOfRange(int index) =>
        new(nameof(index), index, $"{Owner} {RecordTypes.NameOf(Type)} has {Count} records");
}

/// <summary>
/// Where a set lies in an array of bodies: its records from At, Bytes of them, then the signatures over them.
/// </summary>
internal readonly record struct SetPlace(int At, int Bytes, RecordType Type, ushort Count, ushort Signatures);

/// <summary>
/// An RRset as answers read it. A body is a record without its owner, as it is sent when no name in it can be
/// compressed:
/// <code>
/// | TYPE 16 | CLASS 16 | TTL 32 | RDLENGTH 16 | RDATA |
/// </code>
/// </summary>
internal readonly ref struct SetView(ReadOnlySpan<byte> bodies, SetPlace place)
{
    public const int HeadBytes = 10;

    private readonly ReadOnlySpan<byte> bodies = bodies[place.At..];
    private readonly SetPlace place = place;

    public RecordType Type => place.Type;

    public int Count => place.Count;

    public int SignatureCount => place.Signatures;

    public uint TtlSeconds =>
        place.Count + place.Signatures == 0 ? 0 : BinaryPrimitives.ReadUInt32BigEndian(bodies[4..]);

    public static int WriteBody(Span<byte> to, RecordType type, uint ttlSeconds, ReadOnlySpan<byte> rdata)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(to[2..], (ushort)RecordClass.Internet);
        BinaryPrimitives.WriteUInt32BigEndian(to[4..], ttlSeconds);
        BinaryPrimitives.WriteUInt16BigEndian(to[8..], (ushort)rdata.Length);
        rdata.CopyTo(to[HeadBytes..]);
        return HeadBytes + rdata.Length;
    }

    public ReadOnlySpan<byte> Rdata(int index)
    {
        // Addresses have one length; of the others a walk finds the place.
        int bytes = RdataBytes(0);
        return place.Type is RecordType.A or RecordType.Aaaa
            ? bodies.Slice((index * (HeadBytes + bytes)) + HeadBytes, bytes)
            : RdataFrom(0, index);
    }

    public ReadOnlySpan<byte> Signature(int index) => RdataFrom(place.Bytes, index);

    /// <summary>The records' bodies, one after the other; Next takes one from their front.</summary>
    public ReadOnlySpan<byte> Bodies => bodies[..place.Bytes];

    /// <summary>The bodies of the records, then those of the signatures; what follows is not the set's.</summary>
    public ReadOnlySpan<byte> AllBodies => bodies;

    /// <summary>The length of records and signatures.</summary>
    public int AllBytes
    {
        get
        {
            int at = place.Bytes;
            for (int i = 0; i < place.Signatures; i++) at += HeadBytes + RdataBytes(at);
            return at;
        }
    }

    /// <summary>The RDATA of the first body, and the bodies after it.</summary>
    public static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> bodies)
    {
        int bytes = BinaryPrimitives.ReadUInt16BigEndian(bodies[8..]);
        ReadOnlySpan<byte> rdata = bodies.Slice(HeadBytes, bytes);
        bodies = bodies[(HeadBytes + bytes)..];
        return rdata;
    }

    /// <summary>
    /// Writes all records; false, and nothing written, when they do not fit. The owner is a pointer to where it stands
    /// in the message, or 0 and its name.
    /// </summary>
    public bool TryWrite(
        scoped ref MessageWriter writer, Section section, int ownerOffset, scoped ReadOnlySpan<byte> ownerName,
        uint ttlSeconds)
    {
        (int before, int names, bool compressible) = RecordTypes.NamesIn(place.Type);
        return TryWrite(ref writer, section, ownerOffset, ownerName, ttlSeconds, bodies, place.Count,
            compressible ? (before, names) : default);
    }

    /// <summary>Writes the signatures over the set, as TryWrite its records.</summary>
    public bool TryWriteSignatures(
        scoped ref MessageWriter writer, Section section, int ownerOffset, scoped ReadOnlySpan<byte> ownerName,
        uint ttlSeconds) =>
        TryWrite(ref writer, section, ownerOffset, ownerName, ttlSeconds, bodies[place.Bytes..], place.Signatures,
            default);

    private static bool TryWrite(
        scoped ref MessageWriter writer, Section section, int ownerOffset, scoped ReadOnlySpan<byte> ownerName,
        uint ttlSeconds, ReadOnlySpan<byte> bodies, int count, (int Before, int Names) compress)
    {
        (int Position, int Known) mark = writer.Mark();
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> body = bodies[..(HeadBytes + BinaryPrimitives.ReadUInt16BigEndian(bodies[8..]))];
            bodies = bodies[body.Length..];
            int ownerAt = writer.Record(ownerOffset, ownerName, body, ttlSeconds, compress.Before, compress.Names);
            if (writer.Failed)
            {
                writer.RewindTo(mark);
                return false;
            }

            if (ownerOffset == 0) ownerOffset = ownerAt;
        }

        writer.Count(section, count);
        return true;
    }

    private int RdataBytes(int at) => BinaryPrimitives.ReadUInt16BigEndian(bodies[(at + 8)..]);

    private ReadOnlySpan<byte> RdataFrom(int at, int index)
    {
        for (; index > 0; index--) at += HeadBytes + RdataBytes(at);
        return bodies.Slice(at + HeadBytes, RdataBytes(at));
    }
}
