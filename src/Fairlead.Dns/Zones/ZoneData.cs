using System.Buffers.Binary;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>What stands at a node, for the walk through the zone.</summary>
[Flags]
internal enum NodeFlags : byte
{
    None = 0,

    /// <summary>NS below the apex: what lies here and below is another zone's (RFC 1034 §4.2).</summary>
    Cut = 1,

    /// <summary>What lies below is redirected (RFC 6672).</summary>
    Dname = 2,

    Cname = 4,

    /// <summary>The node `*` lies right below it.</summary>
    HasWildcard = 8,

    /// <summary>Nothing but NSEC3: asked for by its name, it is not there (RFC 5155 §7.2.8).</summary>
    Hash = 16,
}

/// <summary>
/// One name of a zone. NameAt: where its wire form begins; SetsAt: its first set, and the next node's is the end;
/// Cover: the topmost cut at or above it, or DNAME above it; -1 when it is the zone's own.
/// </summary>
internal readonly record struct NodePlace(
    uint Hash, int NameAt, int SetsAt, int Cover, byte NameBytes, byte Labels, NodeFlags Flags);

/// <summary>
/// The memory of a zone: five arrays without a single object inside, so that a collection passes over a zone of a
/// million records in no time. Nodes stand in canonical order (RFC 4034 §6.1), the empty non-terminals among them, so
/// node 0 is the apex, whatever lies below a node follows it, and the place of a name that is not there is found by
/// bisection. A record costs about 75 bytes: 24 a node with its slot, the name, 16 a set, 10 and the RDATA.
/// </summary>
internal sealed class ZoneData
{
    private readonly NodePlace[] nodes;
    private readonly SetPlace[] sets;
    private readonly byte[] names;
    private readonly byte[] bodies;
    private readonly int[] slots;
    private readonly int slotShift;

    /// <summary>
    /// The nodes with one more at the end, which marks where names and sets end. Before each set whose type has
    /// targets stand their nodes, 32 bits each, filled in by SetTarget.
    /// </summary>
    public ZoneData(NodePlace[] nodes, SetPlace[] sets, byte[] names, byte[] bodies)
    {
        this.nodes = nodes;
        this.sets = sets;
        this.names = names;
        this.bodies = bodies;
        int bits = 1;
        while (1 << bits < NodeCount + (NodeCount / 2)) bits++;
        slots = new int[1 << bits];
        slotShift = 32 - bits;
        for (int node = 0; node < NodeCount; node++)
        {
            uint slot = SlotOf(nodes[node].Hash);
            while (slots[slot] != 0) slot = (slot + 1) & (uint)(slots.Length - 1);
            slots[slot] = node + 1;
        }
    }

    public int NodeCount => nodes.Length - 1;

    public int SetCount => sets.Length;

    /// <summary>The bytes that the zone holds in memory, all told.</summary>
    public long Bytes =>
        (nodes.Length * 20L) + (sets.Length * 16L) + names.Length + bodies.Length + (slots.Length * 4L);

    public ref readonly NodePlace this[int node] => ref nodes[node];

    public ReadOnlySpan<byte> NameOf(int node) => names.AsSpan(nodes[node].NameAt, nodes[node].NameBytes);

    public DnsName OwnerOf(int node) =>
        DnsName.TryFromWire(NameOf(node), out DnsName name) ? name : throw new InvalidOperationException("no name");

    public int SetsFrom(int node) => nodes[node].SetsAt;

    public int SetsTo(int node) => nodes[node + 1].SetsAt;

    public RecordType TypeOf(int set) => sets[set].Type;

    public SetView View(int set) => new(bodies, sets[set]);

    public RRset Materialise(DnsName owner, int set) => new(owner, bodies, sets[set]);

    /// <summary>The number of the set of this type at the node; -1 when there is none. Sets stand by type.</summary>
    public int SetOf(int node, RecordType type)
    {
        int to = SetsTo(node);
        for (int set = SetsFrom(node); set < to; set++)
        {
            if (sets[set].Type == type) return set;
        }

        return -1;
    }

    /// <summary>The node of exactly this name; -1 when there is none.</summary>
    public int Find(NameKey name)
    {
        for (uint slot = SlotOf(name.Hash); ; slot = (slot + 1) & (uint)(slots.Length - 1))
        {
            int node = slots[slot] - 1;
            if (node < 0) return -1;
            if (nodes[node].Hash == name.Hash && FoldsTo(NameOf(node), name.Folded)) return node;
        }
    }

    /// <summary>The node `*` right below this one; the node has the flag HasWildcard.</summary>
    public int WildcardOf(int node)
    {
        uint hash = NameHash.Extend(nodes[node].Hash, "\u0001*"u8);
        ReadOnlySpan<byte> above = NameOf(node);
        for (uint slot = SlotOf(hash); ; slot = (slot + 1) & (uint)(slots.Length - 1))
        {
            int found = slots[slot] - 1;
            if (found < 0) return -1;
            ReadOnlySpan<byte> name = NameOf(found);
            if (nodes[found].Hash == hash && name is [1, (byte)'*', ..] && SameName(name[2..], above)) return found;
        }
    }

    /// <summary>
    /// The last node, empty non-terminals counted, that does not come after the name in canonical order; -1 when the
    /// name comes before the apex. O(log n).
    /// </summary>
    public int LastUpTo(ReadOnlySpan<byte> name)
    {
        (int low, int high) = (0, NodeCount - 1);
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (CanonicalOrder.Compare(NameOf(middle), name) <= 0) low = middle + 1;
            else high = middle - 1;
        }

        return high;
    }

    /// <summary>Whether the node lies below a cut or below a DNAME: what stands there is no answer of ours.</summary>
    public bool IsOccluded(int node) => nodes[node].Cover >= 0 && nodes[node].Cover != node;

    /// <summary>Whether the node has data that is this zone's to sign, a cut's NSEC among it (RFC 4035 §2.3).</summary>
    public bool IsSigned(int node) => SetsFrom(node) < SetsTo(node) && !IsOccluded(node);

    /// <summary>The node whose addresses go along with a record of the set; -1 when the zone has none.</summary>
    public int TargetOf(int set, int record) =>
        BinaryPrimitives.ReadInt32LittleEndian(bodies.AsSpan(sets[set].At - (4 * (sets[set].Count - record))));

    public void SetTarget(int set, int record, int node) =>
        BinaryPrimitives.WriteInt32LittleEndian(bodies.AsSpan(sets[set].At - (4 * (sets[set].Count - record))), node);

    // The hash's low bits are its worst: the multiplication brings all of them to the top.
    private uint SlotOf(uint hash) => (hash * 2654435769) >> slotShift;

    /// <summary>Whether the name, in lower case, is these bytes.</summary>
    public static bool FoldsTo(ReadOnlySpan<byte> name, ReadOnlySpan<byte> folded)
    {
        if (name.SequenceEqual(folded)) return true;
        if (name.Length != folded.Length) return false;
        for (int i = 0; i < name.Length; i++)
        {
            if (NameHash.Fold(name[i]) != folded[i]) return false;
        }

        return true;
    }

    private static bool SameName(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.Length != other.Length) return false;
        for (int i = 0; i < one.Length; i++)
        {
            if (NameHash.Fold(one[i]) != NameHash.Fold(other[i])) return false;
        }

        return true;
    }
}
