using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Answering;

/// <summary>
/// Collects, while an answer is made, which NSEC or NSEC3 records prove what it says is not there, each once, and
/// writes them after the answer's own records. All are of one zone. In a zone that is not signed it collects nothing.
/// </summary>
internal ref struct Denial(Span<int> places)
{
    /// <summary>A proof for each wildcard of a chain, and up to three for its end.</summary>
    public const int PlacesMax = 16;

    private readonly Span<int> places = places; // Nodes of the zone's data.
    private ZoneTree? tree;
    private RRset? steered;
    private int count;
    private uint ttlSecondsMax = uint.MaxValue;

    public readonly bool IsEmpty => count == 0 && steered is null;

    /// <summary>
    /// RFC 4035 §3.1.3.1, RFC 5155 §7.2.3 to §7.2.5: the name is there, perhaps as an empty non-terminal, and has no
    /// data of the type. Of a wildcard's node, after NoCloser, it says so of the wildcard.
    /// </summary>
    public void NoData(ZoneTree zone, scoped in ZoneNode node, RecordType type, uint ttlSeconds)
    {
        tree = zone;
        ttlSecondsMax = ttlSeconds;
        Span<byte> folded = stackalloc byte[DnsName.WireBytesMax];
        folded = folded[..node.Owner.Length];
        NameHash.Fold(node.Owner, folded);
        if (node.Steered >= 0 && zone.Zone.Denials is { } denials
            && denials.GetAlternateLookup<NameKey>().TryGetValue(new NameKey(folded, NameHash.Of(folded)), out var own))
        {
            steered = own.Denying(type);
        }
        else if (zone.Zone.Nsec3 is { } chain)
        {
            int found = chain.Find(folded, out bool isMatch);
            if (isMatch) Add(found);
            // RFC 5155 §7.2.5: of a wildcard the name above it is proven too.
            if (isMatch && folded is [1, (byte)'*', ..]) Add(chain.Find(folded[2..], out _));
            // RFC 5155 §7.2.4: an unsigned delegation that opt-out left out of the chain, or a name that only leads to
            // such.
            if (!isMatch) NoCloserProvable(chain, folded);
        }
        else if (zone.Zone.HasNsec)
        {
            AddBefore(node.Owner);
        }
    }

    /// <summary>
    /// RFC 4035 §3.1.3.2, RFC 5155 §7.2.2: neither the name is there nor a wildcard for it; the name's labels before
    /// the closest encloser are counted.
    /// </summary>
    public void NoName(ZoneTree zone, scoped in NameView name, int encloserLabel)
    {
        tree = zone;
        ReadOnlySpan<byte> encloser = name.Suffix(encloserLabel).Folded;
        Span<byte> wildcard = stackalloc byte[DnsName.WireBytesMax + 2];
        (wildcard[0], wildcard[1]) = (1, (byte)'*');
        encloser.CopyTo(wildcard[2..]);
        wildcard = wildcard[..(encloser.Length + 2)];
        if (zone.Zone.Nsec3 is { } chain)
        {
            NoCloserProvable(chain, name.Suffix(encloserLabel - 1).Folded);
            Add(chain.Find(wildcard, out _));
        }
        else if (zone.Zone.HasNsec)
        {
            AddBefore(name.Suffix(0).Folded);
            AddBefore(wildcard);
        }
    }

    /// <summary>
    /// RFC 4035 §3.1.3.3, RFC 5155 §7.2.6: a wildcard stands for the name because no closer name is there. A validator
    /// sees the closest encloser in the signature's labels.
    /// </summary>
    public void NoCloser(ZoneTree zone, scoped in NameView name, int encloserLabel)
    {
        tree = zone;
        if (zone.Zone.Nsec3 is { } chain) Add(chain.Find(name.Suffix(encloserLabel - 1).Folded, out _));
        else if (zone.Zone.HasNsec) AddBefore(name.Suffix(0).Folded);
    }

    public void Clear() => (count, steered) = (0, null);

    /// <summary>Writes the records and their signatures; false when they do not fit.</summary>
    public readonly bool TryWrite(scoped ref MessageWriter writer)
    {
        if (tree is null) return true;
        ZoneData data = tree.Zone.Data;
        bool fits = true;
        foreach (int place in places[..count])
        {
            int set = data.SetOf(place, tree.Zone.Nsec3 is null ? RecordType.Nsec : RecordType.Nsec3);
            if (set >= 0) fits &= TryWrite(ref writer, data.View(set), data.NameOf(place));
        }

        return fits && (steered is null || TryWrite(ref writer, steered.View, steered.Owner.Wire));
    }

    private readonly bool TryWrite(scoped ref MessageWriter writer, SetView set, ReadOnlySpan<byte> owner)
    {
        uint ttl = Math.Min(set.TtlSeconds, ttlSecondsMax);
        return set.TryWrite(ref writer, Section.Authority, 0, owner, ttl)
            && set.TryWriteSignatures(ref writer, Section.Authority, 0, owner, ttl);
    }

    // RFC 5155 §7.2.1: the closest encloser that has a record, and the record that covers the next closer name.
    private void NoCloserProvable(Nsec3Chain chain, scoped ReadOnlySpan<byte> nextCloser)
    {
        for (; ; )
        {
            ReadOnlySpan<byte> encloser = nextCloser[(nextCloser[0] + 1)..];
            int found = chain.Find(encloser, out bool isMatch);
            if (isMatch || encloser.Length <= tree!.Zone.Origin.Wire.Length)
            {
                Add(found);
                Add(chain.Find(nextCloser, out _));
                return;
            }

            nextCloser = encloser;
        }
    }

    private void AddBefore(scoped ReadOnlySpan<byte> name)
    {
        ZoneData data = tree!.Zone.Data;
        int place = data.LastUpTo(name);
        // Empty non-terminals have no NSEC, nor has what lies below a cut: the cut has.
        while (place > 0 && !data.IsSigned(place)) place = data.IsOccluded(place) ? data[place].Cover : place - 1;
        if (place >= 0) Add(place);
    }

    private void Add(int place)
    {
        if (count < places.Length && !places[..count].Contains(place)) places[count++] = place;
    }
}
