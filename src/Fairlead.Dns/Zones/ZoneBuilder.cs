using System.Numerics;
using System.Runtime.InteropServices;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>Where a record was read: the file by its number; line and column from 1. All 0: nowhere.</summary>
internal readonly record struct RecordPlace(ushort File, ushort Column, int Line);

/// <summary>
/// A record as the builder keeps it. Owner is the builder's number until Sort and the node's number after it. A faulty
/// record has no RDATA, but still counts as being there.
/// </summary>
internal readonly record struct RecordEntry(
    int Owner, RecordType Type, bool Faulty, uint TtlSeconds, int RdataAt, ushort RdataBytes, RecordPlace Place);

/// <summary>
/// Collects the records of a zone in any order and lays them out as ZoneData. It holds records in flat lists too, so
/// that a large zone is loaded without a large heap of objects to collect afterwards. Used once.
/// </summary>
internal sealed class ZoneBuilder
{
    /// <summary>An RRset beyond this cannot be sent in one message, its names and the question beside it.</summary>
    public const int SetBytesMax = 60_000;

    private readonly List<(uint Hash, int NameAt, byte NameBytes, byte Labels)> owners = [];
    private readonly List<byte> names = [];
    private readonly List<RecordEntry> records = [];
    private readonly List<byte> rdata = [];
    private int[] slots = new int[16];
    private RecordEntry[] sorted = [];

    public ZoneBuilder(DnsName origin)
    {
        Origin = origin;
        Intern(origin.Wire);
    }

    public DnsName Origin { get; }

    /// <summary>After Build: the records inside the zone, by node and type (RRSIG after what it covers).</summary>
    public ReadOnlySpan<RecordEntry> Sorted => sorted;

    /// <summary>Before Build: all records as they came.</summary>
    public ReadOnlySpan<RecordEntry> Unsorted => CollectionsMarshal.AsSpan(records);

    public ReadOnlySpan<byte> RdataOf(in RecordEntry record) =>
        CollectionsMarshal.AsSpan(rdata).Slice(record.RdataAt, record.RdataBytes);

    /// <summary>Before Build: the owner as it was written.</summary>
    public DnsName OwnerOf(in RecordEntry record) =>
        DnsName.TryFromWire(NameOf(record.Owner), out DnsName name) ? name : DnsName.Root;

    /// <summary>Before Build: whether the owner lies in the zone.</summary>
    public bool IsInside(in RecordEntry record) => IsWithin(NameOf(record.Owner));

    /// <summary>
    /// Takes a record; the owner is a valid uncompressed name. False, and nothing taken, when the zone has more than
    /// 2 GiB of names or of data.
    /// </summary>
    public bool Add(
        ReadOnlySpan<byte> owner, RecordType type, uint ttlSeconds, ReadOnlySpan<byte> data, bool faulty,
        RecordPlace place)
    {
        const int BytesMax = 1_900_000_000;
        if (names.Count > BytesMax || rdata.Count + (16L * records.Count) + data.Length > BytesMax) return false;
        int number = records.Count > 0 && NameOf(records[^1].Owner).SequenceEqual(owner)
            ? records[^1].Owner
            : Intern(owner);
        records.Add(new RecordEntry(number, type, faulty, ttlSeconds, rdata.Count, (ushort)data.Length, place));
        rdata.AddRange(data);
        return true;
    }

    /// <summary>
    /// Lays the records out. Those outside the origin are left out; of records that differ in TTL inside a set the
    /// first one's counts; ZoneChecks reports both. Called once.
    /// </summary>
    public ZoneData Build()
    {
        for (int owner = 0, count = owners.Count; owner < count; owner++) AddNamesAbove(owner);
        int[] order = [.. Enumerable.Range(0, owners.Count).Where(owner => IsWithin(NameOf(owner)))];
        CanonicalOrder.Sort(order, NameOf);
        SortRecords(order);

        var nodes = new NodePlace[order.Length + 1];
        byte[] nodeNames = new byte[order.Sum(owner => owners[owner].NameBytes)];
        var sets = new List<SetPlace>(sorted.Length);
        byte[] bodies = new byte[sorted.Sum(record => SetView.HeadBytes + 4 + record.RdataBytes)];
        (int nameAt, int bodyAt, int next) = (0, 0, 0);
        for (int node = 0; node < order.Length; node++)
        {
            (uint hash, _, byte bytes, byte labels) = owners[order[node]];
            NameOf(order[node]).CopyTo(nodeNames.AsSpan(nameAt));
            nodes[node] = new NodePlace(hash, nameAt, sets.Count, -1, bytes, labels, NodeFlags.None);
            nameAt += bytes;
            int first = next;
            while (next < sorted.Length && sorted[next].Owner == node) next++;
            for (int at = first; at < next;) at = LayOutSet(at, next, bodies, ref bodyAt, sets);
        }

        nodes[^1] = new NodePlace(0, nameAt, sets.Count, -1, 0, 0, NodeFlags.None);
        if (bodyAt < bodies.Length) Array.Resize(ref bodies, bodyAt);
        SetPlace[] places = [.. sets];
        SetFlags(nodes, places, nodeNames);
        var data = new ZoneData(nodes, places, nodeNames, bodies);
        for (int node = 0; node < data.NodeCount; node++)
        {
            for (int set = data.SetsFrom(node); set < data.SetsTo(node); set++) FindTargets(data, node, set);
        }

        return data;
    }

    private ReadOnlySpan<byte> NameOf(int owner) => CollectionsMarshal.AsSpan(names)
        .Slice(owners[owner].NameAt, owners[owner].NameBytes);

    private bool IsWithin(ReadOnlySpan<byte> name)
    {
        while (name.Length > Origin.Folded.Length) name = name[(name[0] + 1)..];
        if (name.Length != Origin.Folded.Length) return false;
        Span<byte> folded = stackalloc byte[DnsName.WireBytesMax + 1];
        NameHash.Fold(name, folded);
        return folded[..name.Length].SequenceEqual(Origin.Folded);
    }

    // The empty non-terminals between a name and the origin (RFC 4592 §2.2.2); those above a known name are known.
    private void AddNamesAbove(int owner)
    {
        if (!IsWithin(NameOf(owner))) return;
        // A copy: the list may move when a name is added.
        Span<byte> name = stackalloc byte[DnsName.WireBytesMax];
        name = name[..owners[owner].NameBytes];
        NameOf(owner).CopyTo(name);
        for (int at = name[0] + 1; name.Length - at > Origin.Wire.Length; at += name[at] + 1)
        {
            int before = owners.Count;
            if (Intern(name[at..]) < before) return;
        }
    }

    private int Intern(ReadOnlySpan<byte> name)
    {
        Span<byte> folded = stackalloc byte[DnsName.WireBytesMax + 1];
        var view = new NameView(folded, stackalloc byte[NameView.LabelsMax], stackalloc uint[NameView.LabelsMax]);
        view.Set(name);
        NameKey key = view.Suffix(0);
        if (owners.Count * 2 >= slots.Length) GrowSlots();
        uint slot = SlotOf(key.Hash);
        for (; slots[slot] != 0; slot = (slot + 1) & (uint)(slots.Length - 1))
        {
            int known = slots[slot] - 1;
            if (owners[known].Hash == key.Hash && ZoneData.FoldsTo(NameOf(known), key.Folded)) return known;
        }

        slots[slot] = owners.Count + 1;
        owners.Add((key.Hash, names.Count, (byte)name.Length, (byte)view.LabelCount));
        names.AddRange(name);
        return owners.Count - 1;
    }

    private void GrowSlots()
    {
        slots = new int[slots.Length * 2];
        for (int owner = 0; owner < owners.Count; owner++)
        {
            uint slot = SlotOf(owners[owner].Hash);
            while (slots[slot] != 0) slot = (slot + 1) & (uint)(slots.Length - 1);
            slots[slot] = owner + 1;
        }
    }

    private uint SlotOf(uint hash) => (hash * 2654435769) >> (32 - BitOperations.Log2((uint)slots.Length));

    // By node, and inside a node by type: first by counting, then each node's few by insertion.
    private void SortRecords(int[] order)
    {
        int[] nodeOf = new int[owners.Count];
        Array.Fill(nodeOf, -1);
        for (int node = 0; node < order.Length; node++) nodeOf[order[node]] = node;
        int[] starts = new int[order.Length + 1];
        foreach (RecordEntry record in records)
        {
            if (nodeOf[record.Owner] >= 0) starts[nodeOf[record.Owner] + 1]++;
        }

        for (int node = 0; node < order.Length; node++) starts[node + 1] += starts[node];
        sorted = new RecordEntry[starts[^1]];
        int[] next = [.. starts];
        foreach (RecordEntry record in records)
        {
            int node = nodeOf[record.Owner];
            if (node >= 0) sorted[next[node]++] = record with { Owner = node };
        }

        for (int node = 0; node < order.Length; node++)
        {
            int count = starts[node + 1] - starts[node];
            if (count < 2) continue;
            long[] keys = new long[count];
            for (int i = 0; i < count; i++) keys[i] = ((long)SortKeyOf(sorted[starts[node] + i]) << 32) | (uint)i;
            keys.AsSpan().Sort(sorted.AsSpan(starts[node], count));
        }
    }

    /// <summary>The type that an RRSIG record covers (RFC 4034 §3.1.1); 0 when it is faulty.</summary>
    public RecordType CoveredBy(in RecordEntry record) =>
        RdataOf(record) is [var high, var low, ..] ? (RecordType)((high << 8) | low) : 0;

    /// <summary>The type, and for an RRSIG the type that it covers, a little higher.</summary>
    private int SortKeyOf(in RecordEntry record) => record.Type == RecordType.Rrsig
        ? ((ushort)CoveredBy(record) * 2) + 1
        : (ushort)record.Type * 2;

    private int LayOutSet(int at, int end, byte[] bodies, ref int bodyAt, List<SetPlace> sets)
    {
        RecordEntry first = sorted[at];
        int key = SortKeyOf(first), last = at;
        while (last < end && SortKeyOf(sorted[last]) == key) last++;
        int signedTo = last;
        while (signedTo < end && SortKeyOf(sorted[signedTo]) == key + 1) signedTo++;
        // A signature whose set is not there (ZoneChecks reports it).
        if ((key & 1) != 0) return last;

        int room = RecordTypes.HasTargets(first.Type) ? 4 * (last - at) : 0;
        int start = bodyAt + room;
        int count = LayOutRecords(at, last, bodies, start, first.TtlSeconds, out int bytes);
        if (room > 4 * count)
        {
            // Fewer records than were counted on: the room before them must end where they begin.
            bodies.AsSpan(start, bytes).CopyTo(bodies.AsSpan(start -= room - (4 * count)));
        }

        int signatures = LayOutRecords(last, signedTo, bodies, start + bytes, first.TtlSeconds, out int signatureBytes);
        bodyAt = start + bytes + signatureBytes;
        sets.Add(new SetPlace(start, bytes, first.Type, (ushort)count, (ushort)signatures));
        return signedTo;
    }

    private int LayOutRecords(int from, int to, byte[] bodies, int bodyAt, uint ttlSeconds, out int bytes)
    {
        (int count, int at) = (0, bodyAt);
        for (int i = from; i < to && at - bodyAt < SetBytesMax; i++)
        {
            ReadOnlySpan<byte> data = RdataOf(sorted[i]);
            if (Contains(bodies.AsSpan(bodyAt, at - bodyAt), data)) continue;
            at += SetView.WriteBody(bodies.AsSpan(at), sorted[i].Type, ttlSeconds, data);
            count++;
        }

        bytes = at - bodyAt;
        return count;
    }

    private static bool Contains(ReadOnlySpan<byte> bodies, ReadOnlySpan<byte> data)
    {
        while (!bodies.IsEmpty)
        {
            if (SetView.Next(ref bodies).SequenceEqual(data)) return true;
        }

        return false;
    }

    // Nodes above come first, so one pass knows for each node what covers it.
    private static void SetFlags(NodePlace[] nodes, SetPlace[] sets, byte[] names)
    {
        Span<int> above = stackalloc int[NameView.LabelsMax]; // By label count: the node last seen with so many.
        for (int i = 0; i < nodes.Length - 1; i++)
        {
            NodePlace node = nodes[i];
            above[node.Labels] = i;
            int parent = i == 0 ? -1 : above[node.Labels - 1];
            NodeFlags flags = NodeFlags.None;
            for (int set = node.SetsAt; set < nodes[i + 1].SetsAt; set++)
            {
                flags |= sets[set].Type switch
                {
                    RecordType.Ns when i > 0 => NodeFlags.Cut,
                    RecordType.Dname => NodeFlags.Dname,
                    RecordType.Cname => NodeFlags.Cname,
                    RecordType.Nsec3 when nodes[i + 1].SetsAt == node.SetsAt + 1 => NodeFlags.Hash,
                    _ => NodeFlags.None,
                };
            }

            int cover = -1;
            if (parent >= 0)
            {
                NodePlace over = nodes[parent];
                cover = over.Cover >= 0 ? over.Cover : (over.Flags & NodeFlags.Dname) != 0 ? parent : -1;
                if (names.AsSpan(node.NameAt, 2) is [1, (byte)'*'])
                    nodes[parent] = over with { Flags = over.Flags | NodeFlags.HasWildcard };
            }

            if (cover < 0 && (flags & NodeFlags.Cut) != 0) cover = i;
            nodes[i] = node with { Cover = cover, Flags = flags };
        }
    }

    // RFC 1034 §4.3.2 step 6, RFC 2782, RFC 9460 §4.1: whose addresses are sent along. A server named twice is sent
    // once.
    private static void FindTargets(ZoneData data, int owner, int set)
    {
        SetView view = data.View(set);
        if (!RecordTypes.HasTargets(view.Type)) return;
        ReadOnlySpan<byte> bodies = view.Bodies;
        Span<byte> folded = stackalloc byte[DnsName.WireBytesMax + 1], starts = stackalloc byte[NameView.LabelsMax];
        var name = new NameView(folded, starts, stackalloc uint[NameView.LabelsMax]);
        for (int i = 0; i < view.Count; i++)
        {
            ReadOnlySpan<byte> target = RecordTypes.TargetIn(view.Type, SetView.Next(ref bodies));
            data.SetTarget(set, i, -1);
            if (target.IsEmpty) continue;
            name.Set(target);
            // RFC 9460 §2.5.2: "." is the owner itself.
            bool self = target.Length == 1 && view.Type is RecordType.Svcb or RecordType.Https;
            int node = self ? (data.NameOf(owner) is [1, (byte)'*', ..] ? -1 : owner) : FindOrWildcard(data, name);
            for (int before = 0; before < i && node >= 0; before++)
            {
                bool same = data.TargetOf(set, before) == node
                    && ZoneData.FoldsTo(RecordTypes.TargetIn(view.Type, view.Rdata(before)), name.Suffix(0).Folded);
                if (same) node = -1;
            }

            data.SetTarget(set, i, node);
        }
    }

    // RFC 4592 §3.3: a target that is not there may have a wildcard stand for it, as when it is asked for.
    private static int FindOrWildcard(ZoneData data, in NameView name)
    {
        int node = data.Find(name.Suffix(0));
        for (int label = 1; node < 0 && label <= name.LabelCount; label++)
        {
            int encloser = data.Find(name.Suffix(label));
            if (encloser < 0) continue;
            bool stands = (data[encloser].Flags & (NodeFlags.HasWildcard | NodeFlags.Dname)) == NodeFlags.HasWildcard;
            return stands && data[encloser].Cover < 0 ? data.WildcardOf(encloser) : -1;
        }

        return node;
    }
}
