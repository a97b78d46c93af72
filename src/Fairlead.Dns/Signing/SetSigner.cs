using System.Collections.Immutable;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>
/// Signs the sets of one zone at one moment, with the keys that are active in it. What was signed before and still
/// holds comes out of the cache, so that an answer that comes back costs nothing. Any number of threads.
/// </summary>
public sealed class SetSigner
{
    private long nextRenewal = DateTimeOffset.MaxValue.UtcTicks;
    private int made;

    /// <summary>ArgumentException when the keys cannot sign a zone.</summary>
    public SetSigner(KeySet keys, SigningOptions options, SignatureCache cache, DateTimeOffset now)
    {
        List<string> problems = [.. keys.Problems(), .. options.Problems()];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        Keys = keys;
        Options = options;
        Now = now;
        Cache = cache;
    }

    public KeySet Keys { get; }

    public SigningOptions Options { get; }

    public DateTimeOffset Now { get; }

    internal SignatureCache Cache { get; }

    /// <summary>How many signatures were made here; the others were at hand.</summary>
    public int SignaturesMade => Volatile.Read(ref made);

    /// <summary>When the first of the signatures given so far must be renewed.</summary>
    public DateTimeOffset NextRenewal => new(Interlocked.Read(ref nextRenewal), TimeSpan.Zero);

    /// <summary>
    /// The set with its signatures: one, or two while a CSK or KSK is replaced. Its TTL becomes the original TTL, the
    /// largest that the set may be served with (RFC 4035 §5.3.3 allows a smaller one). A wildcard's set is signed as
    /// the wildcard's.
    /// </summary>
    public RRset Sign(RRset set)
    {
        RRset? known = Cache.Find(set);
        if (known is not null && IsFresh(known)) return known;
        RRset signed = Sign(set, known);
        Cache.Add(signed);
        return signed;
    }

    /// <summary>The set with signatures that were made before and are fresh; null: there are none.</summary>
    internal RRset? Find(RRset set) => Cache.Find(set) is { } known && IsFresh(known) ? known : null;

    /// <summary>As Sign, with the set of an earlier version in place of the cache.</summary>
    internal RRset Sign(RRset set, RRset? previous)
    {
        RRset? same = previous is not null && SameData(previous, set) ? previous : null;
        return set.WithSignatures(Signers(set).Select(key => Fresh(same, key) is { } known
            ? Noted(set, known)
            : Make(set, key)));
    }

    /// <summary>Takes over what another signer of the same zone has done.</summary>
    internal void Note(SetSigner other)
    {
        Interlocked.Add(ref made, other.SignaturesMade);
        Lower(other.NextRenewal);
    }

    private DateTimeOffset Due => Now + Options.RenewTogether;

    private ImmutableArray<DnssecKey> Signers(RRset set) =>
        set.Type is RecordType.Dnskey or RecordType.Cds or RecordType.Cdnskey ? Keys.KeySigners : Keys.ZoneSigners;

    private byte[] Make(RRset set, DnssecKey key)
    {
        Interlocked.Increment(ref made);
        return Noted(set, Signature.Make(set, key, Now - Options.InceptionBefore, Now + Options.Validity));
    }

    // Whether it has the signatures of our keys, in their order, and none is due.
    private bool IsFresh(RRset signed)
    {
        ImmutableArray<DnssecKey> signers = Signers(signed);
        if (signed.SignatureCount != signers.Length) return false;
        for (int i = 0; i < signers.Length; i++)
        {
            ReadOnlySpan<byte> signature = signed.Signature(i);
            if (Signature.KeyTag(signature) != signers[i].Tag || RenewalOf(signed, signature) <= Due) return false;
        }

        for (int i = 0; i < signers.Length; i++) Lower(RenewalOf(signed, signed.Signature(i)));
        return true;
    }

    private byte[]? Fresh(RRset? set, DnssecKey key)
    {
        for (int i = 0; i < set?.SignatureCount; i++)
        {
            byte[] signature = set.Signature(i).ToArray();
            if (Signature.KeyTag(signature) == key.Tag && RenewalOf(set, signature) > Due) return signature;
        }

        return null;
    }

    private static bool SameData(RRset one, RRset other)
    {
        if (one.Count != other.Count || one.TtlSeconds != other.TtlSeconds) return false;
        for (int i = 0; i < one.Count; i++)
        {
            if (!one[i].SequenceEqual(other[i])) return false;
        }

        return true;
    }

    private byte[] Noted(RRset set, byte[] signature)
    {
        Lower(RenewalOf(set, signature));
        return signature;
    }

    // Sets that were signed in one moment are renewed at different ones, which spreads the work.
    private DateTimeOffset RenewalOf(RRset set, ReadOnlySpan<byte> signature)
    {
        double spread = (uint)(set.Owner.GetHashCode() ^ ((int)set.Type << 16)) / (double)uint.MaxValue;
        return Signature.Expiration(signature, Now) - Options.RenewBefore - (Options.RenewJitter * spread);
    }

    private void Lower(DateTimeOffset renewal)
    {
        long ticks = renewal.UtcTicks, seen = Interlocked.Read(ref nextRenewal);
        while (ticks < seen)
        {
            long before = Interlocked.CompareExchange(ref nextRenewal, ticks, seen);
            if (before == seen) return;
            seen = before;
        }
    }
}
