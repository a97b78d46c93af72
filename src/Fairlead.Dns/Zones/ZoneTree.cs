using System.Collections.Immutable;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Zones;

/// <summary>How a name stands to a zone (RFC 1034 §4.3.2 step 3).</summary>
internal enum ZoneMatch
{
    /// <summary>The node is the name's own, perhaps without data (an empty non-terminal, RFC 8020).</summary>
    Exact,

    /// <summary>The node is the wildcard that stands for the name (RFC 4592 §3.3).</summary>
    Wildcard,

    /// <summary>The node is the zone cut at or above the name.</summary>
    Delegation,

    None,
}

/// <summary>A name of a zone with all that answering needs, found by one look-up.</summary>
internal sealed class ZoneNode(DnsName owner, int index)
{
    public DnsName Owner { get; } = owner;

    /// <summary>Its number in the tree: a chain of CNAMEs remembers by it where it has been.</summary>
    public int Index { get; } = index;

    public ImmutableArray<RRset> Sets { get; set; } = [];

    /// <summary>
    /// For each set the nodes of this zone that its records point to: their addresses are sent along.
    /// </summary>
    public ImmutableArray<ImmutableArray<ZoneNode>> Targets { get; set; } = [];

    public RRset? Cname { get; set; }

    public ZoneNode? Wildcard { get; set; }

    /// <summary>The node of the delegation at or above this name, if there is one.</summary>
    public ZoneNode? Cut { get; set; }

    /// <summary>The number of the steered name at this node; -1 when there is none.</summary>
    public int Steered { get; set; } = -1;

    public int IndexOf(RecordType type)
    {
        for (int i = 0; i < Sets.Length; i++)
        {
            if (Sets[i].Type == type) return i;
        }

        return -1;
    }
}

/// <summary>A zone and the steered names in it as one table of nodes, made when either changes.</summary>
internal sealed class ZoneTree
{
    private readonly Dictionary<DnsName, ZoneNode> nodes = new(NameComparer.Instance);

    public ZoneTree(Zone zone, IEnumerable<(DnsName Owner, int Index)> steered)
    {
        Zone = zone;
        Apex = NodeAt(zone.Origin);
        foreach (DnsName owner in zone.Owners)
        {
            ZoneNode node = NodeAt(owner);
            node.Sets = zone.SetsAt(owner);
            node.Cname = node.Sets.FirstOrDefault(set => set.Type == RecordType.Cname);
        }

        foreach ((DnsName owner, int index) in steered) NodeAt(owner).Steered = index;
        foreach (ZoneNode node in nodes.Values)
        {
            node.Cut = CutOf(node.Owner);
            if (node.Owner.IsWildcard && nodes.TryGetValue(node.Owner.Parent, out ZoneNode? parent)) parent.Wildcard =
                node;
            node.Targets = [.. node.Sets.Select(TargetsOf)];
        }
    }

    public Zone Zone { get; }

    public ZoneNode Apex { get; }

    public bool TryGet(DnsName owner, out ZoneNode? node) => nodes.TryGetValue(owner, out node);

    /// <summary>
    /// Looks for a name that lies in the zone; apexLabel is how many of its labels stand before the origin.
    /// </summary>
    public ZoneMatch Find(in NameView name, int apexLabel, out ZoneNode node)
    {
        Dictionary<DnsName, ZoneNode>.AlternateLookup<NameKey> byKey = nodes.GetAlternateLookup<NameKey>();
        if (byKey.TryGetValue(name.Suffix(0), out ZoneNode? found))
        {
            node = found.Cut ?? found;
            return found.Cut is null ? ZoneMatch.Exact : ZoneMatch.Delegation;
        }

        // RFC 4592 §3.3.1: down from the apex to the closest encloser; only its own wildcard can stand for the name.
        node = Apex;
        for (int label = apexLabel - 1; label > 0; label--)
        {
            if (!byKey.TryGetValue(name.Suffix(label), out found)) break;
            node = found;
        }

        if (node.Cut is not null)
        {
            node = node.Cut;
            return ZoneMatch.Delegation;
        }

        if (node.Wildcard is null) return ZoneMatch.None;
        node = node.Wildcard;
        return ZoneMatch.Wildcard;
    }

    // Makes the node and the empty non-terminals above it.
    private ZoneNode NodeAt(DnsName owner)
    {
        if (nodes.TryGetValue(owner, out ZoneNode? node)) return node;
        node = nodes[owner] = new ZoneNode(owner, nodes.Count);
        if (owner != Zone.Origin) NodeAt(owner.Parent);
        return node;
    }

    // The highest cut counts: what is delegated is not ours to cut again.
    private ZoneNode? CutOf(DnsName owner)
    {
        ZoneNode? cut = null;
        for (DnsName name = owner; name != Zone.Origin; name = name.Parent)
        {
            if (nodes[name].IndexOf(RecordType.Ns) >= 0) cut = nodes[name];
        }

        return cut;
    }

    private ImmutableArray<ZoneNode> TargetsOf(RRset set)
    {
        if (set.Type is not (RecordType.Ns or RecordType.Mx or RecordType.Srv)) return [];
        var targets = ImmutableArray.CreateBuilder<ZoneNode>();
        for (int i = 0; i < set.Count; i++)
        {
            if (nodes.TryGetValue(set.TargetOf(i), out ZoneNode? node) && !targets.Contains(node)) targets.Add(node);
        }

        return targets.ToImmutable();
    }
}
