using System.Buffers.Binary;
using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Dns;

/// <summary>Writes small MaxMind DB files, with pointers, nested maps and arrays, for the reader's tests.</summary>
public static class MmdbWriter
{
    public static byte[] Write(
        IEnumerable<(string Prefix, Place Place)> places, int recordBits, int version, string? aliasAt = null,
            bool flat = false, string type = "Test")
    {
        var data = new List<byte>();
        AddText(data, "country_shared_key");
        var root = new Node();
        var countries = new Dictionary<string, int>(); // And whole maps are shared by pointers.
        var offsets = new Dictionary<Place, int>(); // Equal places share one record, as in real databases.
        foreach ((string text, Place place) in places.OrderBy(entry => Prefix.Parse(entry.Prefix).LengthMapped))
        {
            if (!offsets.TryGetValue(place, out int offset))
            {
                offset = offsets[place] = data.Count;
                AddRecord(data, place, flat, countries);
            }

            (UInt128 bits, int length) = TreeBits(Prefix.Parse(text), version);
            Set(root, bits, length, offset);
        }

        var nodes = new List<Node>();
        Number(root, nodes);
        if (aliasAt is not null)
        {
            Node v4 = root;
            for (int i = 0; i < 96; i++) v4 = v4.Children[0]!;
            Prefix alias = Prefix.Parse(aliasAt);
            Node at = root;
            int aliasLength = alias.IsIPv4 ? 96 : alias.Length;
            for (int i = 0; i < aliasLength - 1; i++) at = at.Children[Bit(alias.Bits, i)] ??= new Node();
            at.Children[Bit(alias.Bits, aliasLength - 1)] = v4;
            nodes.Clear();
            Number(root, nodes);
        }

        byte[] tree = new byte[nodes.Count * recordBits / 4];
        for (int i = 0; i < nodes.Count; i++)
            WriteNode(tree.AsSpan(i * recordBits / 4), recordBits, Value(nodes[i], 0, nodes.Count),
                Value(nodes[i], 1, nodes.Count));
        var file = new List<byte>();
        file.AddRange(tree);
        file.AddRange(new byte[16]);
        file.AddRange(data);
        file.AddRange([0xab, 0xcd, 0xef, .. "MaxMind.com"u8]);
        AddMetadata(file, nodes.Count, recordBits, version, type);
        return [.. file];
    }

    private static (UInt128 Bits, int Length) TreeBits(Prefix prefix, int version)
    {
        if (!prefix.IsIPv4) return (prefix.Bits, prefix.Length);
        return version == 4 ? (prefix.Bits << 96, prefix.Length) : ((uint)prefix.Bits, prefix.Length + 96);
    }

    private static int Bit(UInt128 bits, int depth) => (int)((bits >> (127 - depth)) & 1);

    // Longer prefixes come later; a leaf on the way down becomes a node with the leaf on both sides.
    private static void Set(Node root, UInt128 bits, int length, int data)
    {
        Node node = root;
        for (int depth = 0; depth < length - 1; depth++)
        {
            int bit = Bit(bits, depth);
            if (node.Children[bit] is null)
            {
                int above = node.Data[bit];
                node.Children[bit] = new Node { Data = [above, above] };
                node.Data[bit] = -1;
            }

            node = node.Children[bit]!;
        }

        node.Data[Bit(bits, length - 1)] = data;
    }

    private static void Number(Node node, List<Node> nodes)
    {
        if (node.Index < nodes.Count && nodes.Count > 0 && nodes[node.Index] == node) return;
        node.Index = nodes.Count;
        nodes.Add(node);
        foreach (Node? child in node.Children)
        {
            if (child is not null) Number(child, nodes);
        }
    }

    private static uint Value(Node node, int bit, int count) =>
        node.Children[bit] is { } child ? (uint)child.Index : node.Data[bit] < 0 ? (uint)count
            : (uint)(count + 16 + node.Data[bit]);

    private static void WriteNode(Span<byte> at, int recordBits, uint left, uint right)
    {
        Span<byte> l = stackalloc byte[4], r = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(l, left);
        BinaryPrimitives.WriteUInt32BigEndian(r, right);
        if (recordBits == 32)
        {
            l.CopyTo(at);
            r.CopyTo(at[4..]);
            return;
        }

        l[1..].CopyTo(at);
        r[1..].CopyTo(at[(recordBits == 28 ? 4 : 3)..]);
        if (recordBits == 28) at[3] = (byte)((l[0] << 4) | r[0]);
    }

    private static void AddRecord(List<byte> data, Place place, bool flat, Dictionary<string, int> countries)
    {
        if (flat)
        {
            AddControl(data, 7, 1);
            AddText(data, "country_code");
            AddText(data, place.Country!);
            return;
        }

        AddControl(data, 7, 2 + (place.Continent is null ? 0 : 1) + (place.Latitude is null ? 0 : 1)
            + (place.Subdivision is null ? 0 : 1) + (place.City is null ? 0 : 1));
        if (place.Subdivision is not null)
        {
            AddText(data, "subdivisions");
            data.AddRange([0x01, 4]); // An array of one.
            AddControl(data, 7, 1);
            AddText(data, "iso_code");
            AddText(data, place.Subdivision);
        }

        if (place.City is not null)
        {
            AddText(data, "city");
            AddControl(data, 7, 1);
            AddText(data, "names");
            AddControl(data, 7, 1);
            AddText(data, "en");
            AddText(data, place.City);
        }

        if (place.Continent is not null)
        {
            AddText(data, "continent");
            AddControl(data, 7, 1);
            AddText(data, "code");
            AddText(data, place.Continent);
        }

        AddText(data, "country");
        if (!countries.TryAdd(place.Country!, data.Count)) AddPointer(data, countries[place.Country!]);
        else
        {
            AddControl(data, 7, 1);
            AddText(data, "iso_code");
            AddText(data, place.Country!);
        }

        // A pointer as key, an array and a long text as value: what databases hold beside what we look for.
        data.AddRange([0x20, 0]);
        data.AddRange([0x02, 4]);
        AddText(data, new string('x', 300));
        data.AddRange([0x20, 0]);
        if (place.Latitude is null) return;
        AddText(data, "location");
        AddControl(data, 7, 2);
        AddText(data, "latitude");
        AddDouble(data, place.Latitude.Value);
        AddText(data, "longitude");
        AddDouble(data, place.Longitude!.Value);
    }

    private static void AddMetadata(List<byte> file, int nodeCount, int recordBits, int version, string type)
    {
        AddControl(file, 7, 9);
        AddText(file, "node_count");
        file.AddRange(
            [0xc4, (byte)(nodeCount >> 24), (byte)(nodeCount >> 16), (byte)(nodeCount >> 8), (byte)nodeCount]);
        AddText(file, "record_size");
        file.AddRange([0xa1, (byte)recordBits]);
        AddText(file, "ip_version");
        file.AddRange([0xa1, (byte)version]);
        AddText(file, "database_type");
        AddText(file, type);
        AddText(file, "binary_format_major_version");
        file.AddRange([0xa1, 2]);
        AddText(file, "binary_format_minor_version");
        file.AddRange([0xa0]);
        AddText(file, "languages");
        file.AddRange([0x01, 4]);
        AddText(file, "en");
        AddText(file, "description");
        AddControl(file, 7, 1);
        AddText(file, "en");
        AddText(file, "made by a test");
        AddText(file, "build_epoch");
        file.AddRange([0x04, 2, 0x6a, 0, 0, 0]);
    }

    private static void AddPointer(List<byte> data, int to)
    {
        if (to < 2048) data.AddRange([(byte)(0x20 | (to >> 8)), (byte)to]);
        else data.AddRange([(byte)(0x28 | ((to - 2048) >> 16)), (byte)((to - 2048) >> 8), (byte)(to - 2048)]);
    }

    private static void AddText(List<byte> data, string text)
    {
        AddControl(data, 2, text.Length);
        data.AddRange(Encoding.UTF8.GetBytes(text));
    }

    private static void AddDouble(List<byte> data, double value)
    {
        AddControl(data, 3, 8);
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        data.AddRange(bytes);
    }

    private static void AddControl(List<byte> data, int kind, int size)
    {
        if (size < 29) data.Add((byte)((kind << 5) | size));
        else if (size < 285) data.AddRange([(byte)((kind << 5) | 29), (byte)(size - 29)]);
        else data.AddRange([(byte)((kind << 5) | 30), (byte)((size - 285) >> 8), (byte)(size - 285)]);
    }

    private sealed class Node
    {
        public Node?[] Children { get; } = new Node?[2];

        public int[] Data { get; init; } = [-1, -1];

        public int Index { get; set; }
    }
}
