using System.Diagnostics.CodeAnalysis;

namespace Fairlead.Dns.Wire;

/// <summary>
/// The hash of a name is built from the root leftwards, label by label, so that one pass over a name gives the hash of
/// each of its suffixes, and a walk through a zone costs no more than the name is long.
/// </summary>
internal static class NameHash
{
    public const uint Root = 2166136261;

    /// <summary>Length bytes are below 64, so folding a whole name at once leaves them alone.</summary>
    public static byte Fold(byte value) => value is >= (byte)'A' and <= (byte)'Z' ? (byte)(value | 0x20) : value;

    public static void Fold(ReadOnlySpan<byte> wire, Span<byte> folded)
    {
        for (int i = 0; i < wire.Length; i++) folded[i] = Fold(wire[i]);
    }

    /// <summary>
    /// FNV-1a over the label with its length byte. Only our own names are stored: nobody can fill a bucket.
    /// </summary>
    public static uint Extend(uint parent, ReadOnlySpan<byte> foldedLabel)
    {
        foreach (byte value in foldedLabel) parent = (parent ^ value) * 16777619;
        return parent;
    }

    public static uint Of(ReadOnlySpan<byte> folded)
    {
        Span<byte> starts = stackalloc byte[128];
        int labels = 0;
        for (int at = 0; folded[at] != 0; at += folded[at] + 1) starts[labels++] = (byte)at;
        uint hash = Root;
        for (int i = labels - 1; i >= 0; i--) hash = Extend(hash, folded.Slice(starts[i], folded[starts[i]] + 1));
        return hash;
    }

    /// <summary>The bytes that an uncompressed name takes at the front of the span; 0 when there is none.</summary>
    public static int LengthOf(ReadOnlySpan<byte> bytes, out int labels)
    {
        labels = 0;
        int at = 0;
        while (at < bytes.Length && at < DnsName.WireBytesMax)
        {
            int length = bytes[at];
            if (length == 0) return at + 1;
            if (length > DnsName.LabelBytesMax) return 0;
            at += length + 1;
            labels++;
        }

        return 0;
    }
}

/// <summary>A name to look up, in lower case and already hashed; it points into memory of the asker.</summary>
internal readonly ref struct NameKey(ReadOnlySpan<byte> folded, uint hash)
{
    public readonly ReadOnlySpan<byte> Folded = folded;
    public readonly uint Hash = hash;
}

/// <summary>
/// A name taken apart on the stack: lower case, where each label starts, and the hash of each suffix.
/// </summary>
internal ref struct NameView(Span<byte> folded, Span<byte> starts, Span<uint> hashes)
{
    public const int LabelsMax = 128;

    private readonly Span<byte> folded = folded;
    private readonly Span<byte> starts = starts;
    private readonly Span<uint> hashes = hashes;

    public int LabelCount { get; private set; }

    public int Length { get; private set; }

    /// <summary>Takes a valid uncompressed name.</summary>
    public void Set(scoped ReadOnlySpan<byte> wire)
    {
        Length = wire.Length;
        NameHash.Fold(wire, folded);
        int labels = 0;
        for (int at = 0; folded[at] != 0; at += folded[at] + 1) starts[labels++] = (byte)at;
        starts[labels] = (byte)(Length - 1);
        hashes[labels] = NameHash.Root;
        for (int i = labels - 1; i >= 0; i--)
            hashes[i] = NameHash.Extend(hashes[i + 1], folded.Slice(starts[i], folded[starts[i]] + 1));
        LabelCount = labels;
    }

    /// <summary>The name without its first so many labels.</summary>
    public readonly NameKey Suffix(int labels) => new(folded[starts[labels]..Length], hashes[labels]);

    public readonly int StartOf(int label) => starts[label];
}

/// <summary>Lets a dictionary of names be asked with a NameKey, so that a look-up makes no object.</summary>
internal sealed class NameComparer : IEqualityComparer<DnsName>, IAlternateEqualityComparer<NameKey, DnsName>
{
    public static NameComparer Instance { get; } = new();

    public bool Equals(DnsName? x, DnsName? y) => x is null ? y is null : x.Equals(y);

    public int GetHashCode([DisallowNull] DnsName obj) => obj.GetHashCode();

    public bool Equals(NameKey alternate, DnsName other) =>
        alternate.Hash == (uint)other.GetHashCode() && alternate.Folded.SequenceEqual(other.Folded);

    public int GetHashCode(NameKey alternate) => (int)alternate.Hash;

    public DnsName Create(NameKey alternate) =>
        DnsName.TryFromWire(alternate.Folded, out DnsName name) ? name : throw new ArgumentException("not a name");
}
