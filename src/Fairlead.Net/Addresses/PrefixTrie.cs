namespace Fairlead.Net.Addresses;

/// <summary>
/// A binary trie for the control side: longest match and containment over some thousand prefixes. The hot paths
/// compile their own flat tables.
/// </summary>
public sealed class PrefixTrie<T>
{
    private readonly Node root = new();

    public int Count { get; private set; }

    /// <summary>Sets the value of exactly this prefix; an earlier value is replaced.</summary>
    public void Set(Prefix prefix, T value)
    {
        Node node = root;
        for (int depth = 0; depth < prefix.LengthMapped; depth++)
            node = node.Children[Bit(prefix.Bits, depth)] ??= new Node();
        if (!node.HasValue) Count++;
        (node.HasValue, node.Value) = (true, value);
    }

    /// <summary>The value of the longest prefix that contains the given one, and that prefix.</summary>
    public bool TryLongest(Prefix prefix, out Prefix match, out T? value)
    {
        (match, value, bool found) = (default, default, false);
        Node? node = root;
        for (int depth = 0; node is not null; depth++)
        {
            if (node.HasValue) (match, value, found) = (Prefix.OfMapped(prefix.Bits, depth), node.Value, true);
            node = depth < prefix.LengthMapped ? node.Children[Bit(prefix.Bits, depth)] : null;
        }

        return found;
    }

    private static int Bit(UInt128 bits, int depth) => (int)((bits >> (127 - depth)) & 1);

    private sealed class Node
    {
        public Node?[] Children { get; } = new Node?[2];

        public bool HasValue { get; set; }

        public T? Value { get; set; }
    }
}
