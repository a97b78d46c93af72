using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Steering;

/// <summary>
/// All steered names with their answers ready in wire form. Immutable; made anew when any answer changes.
/// </summary>
public sealed class SteeringTable
{
    /// <summary>
    /// 40 AAAA records of 28 bytes are what fits into a datagram of 1232 bytes beside question and OPT.
    /// </summary>
    public const int AddressesMax = 32;

    private readonly ImmutableArray<SteeredEntry> entries;

    /// <summary>ArgumentException, with all faults, when Problems has any.</summary>
    public SteeringTable(IEnumerable<SteeredName> names)
    {
        Names = [.. names.OrderBy(name => name.Owner)];
        List<string> problems = [.. Problems(Names)];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        entries = [.. Names.Select(name => new SteeredEntry(name))];
    }

    public static SteeringTable Empty { get; } = new([]);

    /// <summary>In canonical order.</summary>
    public ImmutableArray<SteeredName> Names { get; }

    /// <summary>
    /// What is wrong with the names themselves; DnsTable.Problems says what is wrong with them in their zones.
    /// </summary>
    public static IEnumerable<string> Problems(IEnumerable<SteeredName> names)
    {
        var seen = new HashSet<DnsName>();
        foreach (SteeredName name in names)
        {
            if (!seen.Add(name.Owner)) yield return $"{name.Owner} is steered twice";
            if (name.ByRegion.IsDefaultOrEmpty) yield return $"{name.Owner} has no default answer";
            if (name.TtlSeconds > int.MaxValue) yield return $"{name.Owner}: TTL {name.TtlSeconds} is over 2147483647";
            foreach (SteeredAnswer answer in name.ByRegion.IsDefault ? [] : name.ByRegion)
            {
                if (answer.Cname is not null && answer.A.Length + answer.Aaaa.Length > 0)
                    yield return $"{name.Owner}: a CNAME and addresses in one answer";
                if (answer.A.Any(address => address.AddressFamily != AddressFamily.InterNetwork))
                    yield return $"{name.Owner}: an address among A that is not IPv4";
                if (answer.Aaaa.Any(address => address.AddressFamily != AddressFamily.InterNetworkV6))
                    yield return $"{name.Owner}: an address among AAAA that is not IPv6";
                if (Math.Max(answer.A.Length, answer.Aaaa.Length) > AddressesMax)
                    yield return $"{name.Owner}: over {AddressesMax} addresses in one answer";
            }
        }
    }

    internal SteeredEntry this[int index] => entries[index];
}

/// <summary>A steered name ready to send.</summary>
internal sealed class SteeredEntry
{
    private readonly ImmutableArray<SteeredWire> variants;
    private readonly ImmutableArray<int> variantOfRegion;
    private readonly bool oneForA;
    private readonly bool oneForAaaa;
    private readonly bool oneForOthers;

    public SteeredEntry(SteeredName name)
    {
        TtlSeconds = name.TtlSeconds;
        var distinct = new List<SteeredWire>();
        var indexes = ImmutableArray.CreateBuilder<int>(name.ByRegion.Length);
        foreach (SteeredAnswer answer in name.ByRegion)
        {
            var wire = new SteeredWire(answer, name.TtlSeconds);
            int known = distinct.FindIndex(other => other.SameAs(wire));
            if (known < 0) distinct.Add(wire);
            indexes.Add(known < 0 ? distinct.Count - 1 : known);
        }

        variants = [.. distinct];
        variantOfRegion = indexes.ToImmutable();
        oneForOthers = distinct.TrueForAll(wire => wire.Cname == distinct[0].Cname);
        oneForA = oneForOthers && distinct.TrueForAll(wire => wire.A.AsSpan().SequenceEqual(distinct[0].A));
        oneForAaaa = oneForOthers && distinct.TrueForAll(wire => wire.Aaaa.AsSpan().SequenceEqual(distinct[0].Aaaa));
    }

    public uint TtlSeconds { get; }

    public SteeredWire For(int region) =>
        variants[variantOfRegion[(uint)region < (uint)variantOfRegion.Length ? region : 0]];

    /// <summary>Whether every region has the same answer to this type: then the scope is 0 (RFC 7871 §7.2.1).</summary>
    public bool IsOneForAll(RecordType type) => type switch
    {
        RecordType.A => oneForA,
        RecordType.Aaaa => oneForAaaa,
        RecordType.Any => oneForA && oneForAaaa,
        _ => oneForOthers,
    };
}

/// <summary>Whole records of one answer, their owner a pointer to the question's name.</summary>
internal sealed class SteeredWire(SteeredAnswer answer, uint ttlSeconds)
{
    private const ushort QuestionPointer = 0xc000 | QueryMessage.HeaderBytes;
    private const int BeforeRdata = 12;

    public byte[] A { get; } = Records(answer.A, RecordType.A, 4, ttlSeconds);

    public byte[] Aaaa { get; } = Records(answer.Aaaa, RecordType.Aaaa, 16, ttlSeconds);

    public DnsName? Cname { get; } = answer.Cname;

    public static int RecordBytes(RecordType type) => BeforeRdata + (type == RecordType.A ? 4 : 16);

    public bool SameAs(SteeredWire other) =>
        Cname == other.Cname && A.AsSpan().SequenceEqual(other.A) && Aaaa.AsSpan().SequenceEqual(other.Aaaa);

    private static byte[] Records(ImmutableArray<IPAddress> addresses, RecordType type, int rdataBytes, uint ttlSeconds)
    {
        var wire = new byte[addresses.Length * (BeforeRdata + rdataBytes)];
        for (int i = 0; i < addresses.Length; i++)
        {
            Span<byte> record = wire.AsSpan(i * (BeforeRdata + rdataBytes), BeforeRdata + rdataBytes);
            BinaryPrimitives.WriteUInt16BigEndian(record, QuestionPointer);
            BinaryPrimitives.WriteUInt16BigEndian(record[2..], (ushort)type);
            BinaryPrimitives.WriteUInt16BigEndian(record[4..], (ushort)RecordClass.Internet);
            BinaryPrimitives.WriteUInt32BigEndian(record[6..], ttlSeconds);
            BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)rdataBytes);
            addresses[i].TryWriteBytes(record[BeforeRdata..], out _);
        }

        return wire;
    }
}
