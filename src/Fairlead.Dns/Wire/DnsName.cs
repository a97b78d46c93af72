using System.Text;

namespace Fairlead.Dns.Wire;

/// <summary>
/// A domain name, absolute and in wire form (RFC 1035 §3.1). Names are equal whatever the case of their ASCII letters
/// (RFC 4343); the case they were written in is kept. A label has 1 to 63 bytes, the name up to 255 with its root.
/// </summary>
public sealed class DnsName : IEquatable<DnsName>, IComparable<DnsName>
{
    public const int WireBytesMax = 255;
    public const int LabelBytesMax = 63;

    private readonly byte[] wire;
    private readonly byte[] folded;
    private readonly uint hash;

    private DnsName(byte[] wire, int labelCount)
    {
        this.wire = wire;
        LabelCount = labelCount;
        folded = new byte[wire.Length];
        NameHash.Fold(wire, folded);
        hash = NameHash.Of(folded);
    }

    public static DnsName Root { get; } = new([0], 0);

    /// <summary>
    /// The labels with their length bytes, ending in the root's zero; in the case they were written in.
    /// </summary>
    public ReadOnlySpan<byte> Wire => wire;

    /// <summary>The root has none.</summary>
    public int LabelCount { get; }

    public bool IsRoot => wire.Length == 1;

    /// <summary>RFC 4592 §2.1.1: the first label is a lone asterisk.</summary>
    public bool IsWildcard => wire.Length > 2 && wire[0] == 1 && wire[1] == (byte)'*';

    /// <summary>The labels, leftmost first, without their length bytes.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Labels
    {
        get
        {
            for (int at = 0; wire[at] != 0; at += wire[at] + 1) yield return wire.AsMemory(at + 1, wire[at]);
        }
    }

    /// <summary>The name without its first label; the root is its own parent.</summary>
    public DnsName Parent => IsRoot ? this : new DnsName(wire[(wire[0] + 1)..], LabelCount - 1);

    /// <summary>The bytes in lower case, as names are hashed and compared.</summary>
    internal ReadOnlySpan<byte> Folded => folded;

    internal NameKey Key => new(folded, hash);

    /// <summary>
    /// Reads an absolute name; the dot at its end may be missing. Escapes: \. and \DDD (RFC 1035 §5.1).
    /// </summary>
    public static bool TryParse(string? text, out DnsName name) => TryParse(text, Root, out name);

    /// <summary>As in a master file: "@" is the origin, and a name without a dot at its end is put before it.</summary>
    public static bool TryParse(string? text, DnsName origin, out DnsName name)
    {
        name = Root;
        // A byte is at most four characters, \DDD.
        if (string.IsNullOrEmpty(text) || text.Length > 4 * WireBytesMax || !Ascii.IsValid(text)) return false;
        Span<byte> ascii = stackalloc byte[4 * WireBytesMax], bytes = stackalloc byte[WireBytesMax + 1];
        Encoding.ASCII.GetBytes(text, ascii);
        if (!NameText.TryRead(ascii[..text.Length], origin.wire, bytes, out int length)) return false;
        return TryFromWire(bytes[..length], out name);
    }

    /// <summary>TryParse for constants in code and tests. FormatException when it is not a name.</summary>
    public static DnsName Parse(string text) =>
        TryParse(text, out DnsName name) ? name : throw new FormatException($"'{text}' is not a domain name");

    /// <summary>From wire form without compression; bytes after the root's zero are refused.</summary>
    public static bool TryFromWire(ReadOnlySpan<byte> bytes, out DnsName name)
    {
        name = Root;
        int length = NameHash.LengthOf(bytes, out int labels);
        if (length != bytes.Length || length == 0) return false;
        name = new DnsName(bytes.ToArray(), labels);
        return true;
    }

    /// <summary>Whether this name is the other one or lies below it.</summary>
    public bool IsWithin(DnsName other)
    {
        if (LabelCount < other.LabelCount) return false;
        int at = 0;
        for (int i = LabelCount; i > other.LabelCount; i--) at += folded[at] + 1;
        return folded.AsSpan(at).SequenceEqual(other.folded);
    }

    /// <summary>The name with one label more at its front. ArgumentException when it grows past a limit.</summary>
    public DnsName Prepend(ReadOnlySpan<byte> label)
    {
        if (label.Length is 0 or > LabelBytesMax || label.Length + 1 + wire.Length > WireBytesMax)
            throw new ArgumentException($"a label of {label.Length} bytes does not fit before {this}");
        return new DnsName([(byte)label.Length, .. label, .. wire], LabelCount + 1);
    }

    public DnsName Prepend(string label) => Prepend(Encoding.ASCII.GetBytes(label));

    public bool Equals(DnsName? other) =>
        other is not null && hash == other.hash && folded.AsSpan().SequenceEqual(other.folded);

    public override bool Equals(object? obj) => Equals(obj as DnsName);

    public override int GetHashCode() => (int)hash;

    /// <summary>RFC 4034 §6.1: canonical order, by labels from the right.</summary>
    public int CompareTo(DnsName? other)
    {
        if (other is null) return 1;
        Span<byte> mine = stackalloc byte[NameView.LabelsMax], theirs = stackalloc byte[NameView.LabelsMax];
        LabelStarts(mine);
        other.LabelStarts(theirs);
        for (int i = 1; i <= Math.Min(LabelCount, other.LabelCount); i++)
        {
            int order = LabelAt(mine[LabelCount - i]).SequenceCompareTo(other.LabelAt(theirs[other.LabelCount - i]));
            if (order != 0) return order;
        }

        return LabelCount.CompareTo(other.LabelCount);
    }

    public static bool operator ==(DnsName? left, DnsName? right) => left is null ? right is null : left.Equals(right);

    public static bool operator !=(DnsName? left, DnsName? right) => !(left == right);

    public static bool operator <(DnsName left, DnsName right) => left.CompareTo(right) < 0;

    public static bool operator >(DnsName left, DnsName right) => left.CompareTo(right) > 0;

    public static bool operator <=(DnsName left, DnsName right) => left.CompareTo(right) <= 0;

    public static bool operator >=(DnsName left, DnsName right) => left.CompareTo(right) >= 0;

    /// <summary>With the dot at its end. What a master file would take for something else is escaped.</summary>
    public override string ToString()
    {
        if (IsRoot) return ".";
        var text = new StringBuilder(wire.Length + 8);
        foreach (ReadOnlyMemory<byte> label in Labels)
        {
            foreach (byte value in label.Span) Print(text, value);
            text.Append('.');
        }

        return text.ToString();
    }

    private void LabelStarts(Span<byte> starts)
    {
        for (int i = 0, at = 0; i < LabelCount; at += folded[at] + 1, i++) starts[i] = (byte)at;
    }

    private ReadOnlySpan<byte> LabelAt(int start) => folded.AsSpan(start + 1, folded[start]);

    private static void Print(StringBuilder text, byte value)
    {
        if (value is <= 0x20 or >= 0x7f) text.Append('\\').Append(value.ToString("D3"));
        else if (".\\\";()@$".Contains((char)value)) text.Append('\\').Append((char)value);
        else text.Append((char)value);
    }
}
