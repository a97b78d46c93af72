using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Signing;

/// <summary>
/// The signatures of steered answers across tables, found by what they sign: key, owner, type, original TTL, records.
/// It holds up to `entriesMax`; when it is full, the half that was asked for longest ago goes.
/// </summary>
public sealed class SignatureCache(int entriesMax)
{
    private readonly ConcurrentDictionary<UInt128, Entry> entries = new();
    private long asked;
    private int trimming;

    public int Count => entries.Count;

    internal byte[]? Find(RRset set, DnssecKey key, DateTimeOffset due)
    {
        if (!entries.TryGetValue(KeyOf(set, key), out Entry? entry) || entry.RenewAt <= due) return null;
        entry.LastAsked = Interlocked.Increment(ref asked);
        return entry.Signature;
    }

    internal void Add(RRset set, DnssecKey key, byte[] signature, DateTimeOffset renewAt)
    {
        entries[KeyOf(set, key)] = new Entry(signature, renewAt) { LastAsked = Interlocked.Increment(ref asked) };
        if (entries.Count > entriesMax && Interlocked.Exchange(ref trimming, 1) == 0)
        {
            Trim();
            Volatile.Write(ref trimming, 0);
        }
    }

    private void Trim()
    {
        long[] ages = [.. entries.Values.Select(entry => entry.LastAsked)];
        Array.Sort(ages);
        long middle = ages[ages.Length / 2];
        foreach ((UInt128 key, Entry entry) in entries)
        {
            if (entry.LastAsked < middle) entries.TryRemove(key, out _);
        }
    }

    // 128 bits of SHA-256: nobody who can write a record can make another set with the same key.
    private static UInt128 KeyOf(RRset set, DnssecKey key)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> head = stackalloc byte[6];
        BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)set.Type);
        BinaryPrimitives.WriteUInt32BigEndian(head[2..], set.TtlSeconds);
        hash.AppendData(key.PublicKey);
        hash.AppendData(set.Owner.Folded);
        hash.AppendData(head);
        foreach (byte[] rdata in CanonicalForm.SortedRdata(set))
        {
            BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)rdata.Length);
            hash.AppendData(head[..2]);
            hash.AppendData(rdata);
        }

        Span<byte> result = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(result);
        return BinaryPrimitives.ReadUInt128BigEndian(result);
    }

    private sealed class Entry(byte[] signature, DateTimeOffset renewAt)
    {
        public byte[] Signature { get; } = signature;

        public DateTimeOffset RenewAt { get; } = renewAt;

        public long LastAsked { get; set; }
    }
}
