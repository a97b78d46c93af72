using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>
/// The NSEC3 records of a zone that came signed. Their owners are the zone's nodes like others, and base32hex keeps the
/// order of what it encodes (RFC 4648 §7), so in canonical order the hashes are sorted already.
/// </summary>
internal sealed class Nsec3Chain
{
    private readonly ZoneData data;
    private readonly int[] nodes;

    private Nsec3Chain(Nsec3Parameters parameters, ZoneData data, int[] nodes)
    {
        Parameters = parameters;
        this.data = data;
        this.nodes = nodes;
    }

    public Nsec3Parameters Parameters { get; }

    /// <summary>Null when no NSEC3PARAM at the apex names a chain that is there and that we can use.</summary>
    public static Nsec3Chain? Create(ZoneData data)
    {
        int set = data.SetOf(0, RecordType.Nsec3Param);
        for (int i = 0; set >= 0 && i < data.View(set).Count; i++)
        {
            if (Nsec3Parameters.Read(data.View(set).Rdata(i)) is not { } parameters) continue;
            int[] nodes = [.. Enumerable.Range(1, data.NodeCount - 1).Where(node => IsOf(parameters, data, node))];
            if (nodes.Length > 0) return new Nsec3Chain(parameters, data, nodes);
        }

        return null;
    }

    /// <summary>
    /// The node of the record whose hash this name has, or, with isMatch false, of the one that covers it: the last
    /// before it, and before the first the last of all.
    /// </summary>
    public int Find(ReadOnlySpan<byte> folded, out bool isMatch)
    {
        Span<byte> hash = stackalloc byte[Nsec3Parameters.HashBytes];
        Span<byte> label = stackalloc byte[Nsec3Parameters.LabelBytes];
        Parameters.Hash(folded, hash);
        Nsec3Parameters.ToLabel(hash, label);
        (int low, int high) = (0, nodes.Length - 1);
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            int order = Compare(data.NameOf(nodes[middle]).Slice(1, Nsec3Parameters.LabelBytes), label);
            isMatch = order == 0;
            if (isMatch) return nodes[middle];
            if (order < 0) low = middle + 1;
            else high = middle - 1;
        }

        isMatch = false;
        return nodes[high < 0 ? nodes.Length - 1 : high];
    }

    private static bool IsOf(Nsec3Parameters parameters, ZoneData data, int node)
    {
        int set = data.SetOf(node, RecordType.Nsec3);
        return set >= 0 && data[node].Labels == data[0].Labels + 1
            && data.NameOf(node)[0] == Nsec3Parameters.LabelBytes && parameters.Made(data.View(set).Rdata(0));
    }

    private static int Compare(ReadOnlySpan<byte> written, ReadOnlySpan<byte> lower)
    {
        for (int i = 0; i < lower.Length; i++)
        {
            int order = NameHash.Fold(written[i]) - lower[i];
            if (order != 0) return order;
        }

        return 0;
    }
}
