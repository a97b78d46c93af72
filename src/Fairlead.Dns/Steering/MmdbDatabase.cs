using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>
/// A geo database in MaxMind DB format 2.0: a binary tree over address bits, then 16 zero bytes, then data records,
/// then a marker and the metadata. Everything is checked when it is opened, so that what is in use cannot fail. It
/// understands City and Country databases (country.iso_code) and flat ones (country_code).
/// </summary>
public sealed class MmdbDatabase
{
    private const int SeparatorBytes = 16;
    private const int IPv4Depth = 96;
    private static readonly byte[] MetadataMarker = [0xab, 0xcd, 0xef, .. "MaxMind.com"u8];

    private readonly ReadOnlyMemory<byte> file;
    private readonly Dictionary<uint, Place?> places = [];
    private uint nodeCount;
    private int recordBits;
    private int addressBits;
    private int treeBytes;
    private int dataEnd;
    private uint rootOfIPv4;
    private int depthOfIPv4;

    private MmdbDatabase(ReadOnlyMemory<byte> file) => this.file = file;

    /// <summary>When the database was made; zero when it does not say.</summary>
    public DateTimeOffset BuiltAt { get; private set; }

    public string DatabaseType { get; private set; } = "";

    /// <summary>Checks the whole file. Null, and what is wrong with it, when it cannot be used.</summary>
    public static MmdbDatabase? Open(ReadOnlyMemory<byte> file, out string? problem)
    {
        var database = new MmdbDatabase(file);
        problem = database.ReadMetadata() ?? database.CheckTree();
        return problem is null ? database : null;
    }

    /// <summary>The place of the address, if the database knows one.</summary>
    public Place? Find(IPAddress address)
    {
        Prefix host = Prefix.Host(address);
        if (!host.IsIPv4 && addressBits == 32) return null;
        // IPv4 addresses stand in an IPv6 tree as ::a.b.c.d.
        UInt128 bits = host.IsIPv4 ? host.Bits << 96 : host.Bits;
        uint value = host.IsIPv4 ? rootOfIPv4 : 0;
        for (int depth = 0; value < nodeCount; depth++) value = Child(value, (int)((bits >> (127 - depth)) & 1));
        return value == nodeCount ? null : places[value];
    }

    /// <summary>
    /// All prefixes with a place, in the order of the tree. The aliases of the IPv4 tree (6to4, Teredo, mapped) are
    /// left out: their owners are not where the embedded address is.
    /// </summary>
    public IEnumerable<(Prefix Prefix, Place Place)> Places()
    {
        var open = new Stack<(uint Value, UInt128 Bits, int Depth)>();
        open.Push((0, UInt128.Zero, 0));
        while (open.Count > 0)
        {
            (uint value, UInt128 bits, int depth) = open.Pop();
            // IPv4 is looked up in ::/96 alone: what a file has of its own among the mapped addresses nobody finds.
            if (addressBits == 128 && depth >= IPv4Depth && bits >> 32 == 0xffff) continue;
            if (value < nodeCount)
            {
                if (IsAlias(value, bits, depth)) continue;
                open.Push((Child(value, 1), bits | (UInt128.One << (127 - depth)), depth + 1));
                open.Push((Child(value, 0), bits, depth + 1));
            }
            else if (value > nodeCount && places[value] is { } place)
            {
                yield return (PrefixOf(bits, depth), place);
            }
        }
    }

    private Prefix PrefixOf(UInt128 bits, int depth)
    {
        if (addressBits == 32) return Prefix.OfMapped(((UInt128)0xffffUL << 32) | (bits >> 96), IPv4Depth + depth);
        bool v4 = depth >= IPv4Depth && bits >> 32 == UInt128.Zero;
        return Prefix.OfMapped(v4 ? ((UInt128)0xffffUL << 32) | bits : bits, depth);
    }

    // The root of the IPv4 tree, reached by another way than ::/96.
    private bool IsAlias(uint node, UInt128 bits, int depth) =>
        addressBits == 128 && node == rootOfIPv4 && depthOfIPv4 == IPv4Depth && node != 0
        && (bits != UInt128.Zero || depth != IPv4Depth);

    private uint Child(uint node, int bit)
    {
        ReadOnlySpan<byte> s = file.Span.Slice((int)node * (recordBits / 4), recordBits / 4);
        return (recordBits, bit) switch
        {
            (24, 0) => ((uint)s[0] << 16) | ((uint)s[1] << 8) | s[2],
            (24, _) => ((uint)s[3] << 16) | ((uint)s[4] << 8) | s[5],
            // The middle byte holds the top four bits of both: the left one's first.
            (28, 0) => ((uint)(s[3] >> 4) << 24) | ((uint)s[0] << 16) | ((uint)s[1] << 8) | s[2],
            (28, _) => ((uint)(s[3] & 0xf) << 24) | ((uint)s[4] << 16) | ((uint)s[5] << 8) | s[6],
            (_, 0) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(s),
            _ => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(s[4..]),
        };
    }

    private string? ReadMetadata()
    {
        int marker = file.Span.LastIndexOf(MetadataMarker);
        if (marker < 0) return "this is no MaxMind DB file: its metadata is missing";
        var reader = new MmdbReader(file.Span[(marker + MetadataMarker.Length)..]);
        MmdbFields fields = default;
        if (!reader.TryReadFields(0, ref fields)) return "the metadata is damaged";
        if (fields.FormatMajor != 2) return $"format version {fields.FormatMajor} is not known (2 is)";
        if (fields.RecordSize is not (24 or 28 or 32)) return $"a record size of {fields.RecordSize} bits is not known";
        if (fields.IpVersion is not (4 or 6)) return $"ip_version is {fields.IpVersion}";
        ulong bytes = fields.NodeCount * (ulong)fields.RecordSize / 4;
        if (fields.NodeCount == 0 || bytes + SeparatorBytes > (ulong)marker) return "the tree goes beyond the file";

        (nodeCount, recordBits) = ((uint)fields.NodeCount, (int)fields.RecordSize);
        (addressBits, treeBytes, dataEnd) = (fields.IpVersion == 4 ? 32 : 128, (int)bytes, marker);
        ReadOnlySpan<byte> separator = file.Span.Slice(treeBytes, SeparatorBytes);
        if (separator.ContainsAnyExcept((byte)0)) return "no separator follows the tree";
        BuiltAt = DateTimeOffset.FromUnixTimeSeconds((long)Math.Min(fields.BuildEpoch, 253402300799UL));
        DatabaseType = fields.DatabaseType ?? "";
        return null;
    }

    // Every node is reached, and by one way; only the IPv4 tree may have aliases, and none of them lies deeper than its
    // own place. So a walk can neither go round in circles, nor be longer than an address, nor grow beyond the file.
    private string? CheckTree()
    {
        for (; addressBits == 128 && depthOfIPv4 < IPv4Depth && rootOfIPv4 < nodeCount; depthOfIPv4++)
            rootOfIPv4 = Child(rootOfIPv4, 0);

        var seen = new bool[nodeCount];
        var open = new Stack<(uint Node, int Depth)>();
        open.Push((0, 0));
        seen[0] = true;
        while (open.Count > 0)
        {
            (uint node, int depth) = open.Pop();
            if (depth == addressBits) return $"node {node} lies deeper than an address is long";
            for (int bit = 0; bit < 2; bit++)
            {
                uint value = Child(node, bit);
                if (value >= nodeCount)
                {
                    if (CheckData(value) is { } problem) return problem;
                }
                else if (value == rootOfIPv4 && value != 0)
                {
                    if (depth + 1 > IPv4Depth) return $"the IPv4 tree is reached at depth {depth + 1}";
                    if (!seen[value]) open.Push((value, IPv4Depth));
                    seen[value] = true;
                }
                else if (!seen[value])
                {
                    seen[value] = true;
                    open.Push((value, depth + 1));
                }
                else
                {
                    return $"node {value} is reached by two ways";
                }
            }
        }

        return null;
    }

    private string? CheckData(uint value)
    {
        if (value == nodeCount || places.ContainsKey(value)) return null;
        ulong offset = value - nodeCount;
        if (offset < SeparatorBytes) return $"record {value} points into the separator";
        // The separator is counted in the pointers, but the data section begins behind it.
        var reader = new MmdbReader(file.Span[(treeBytes + SeparatorBytes)..dataEnd]);
        MmdbFields fields = default;
        offset -= SeparatorBytes;
        if (!reader.TryReadFields(offset, ref fields)) return $"the data record at {offset} is damaged";
        places[value] = fields.ToPlace();
        return null;
    }
}
