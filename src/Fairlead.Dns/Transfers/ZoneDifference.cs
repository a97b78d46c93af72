using System.Collections.Immutable;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>What IXFR says of one step from a version to the next (RFC 1995 §4); the SOAs stand apart.</summary>
internal sealed record ZoneDifference(RRset OldSoa, RRset NewSoa, byte[] Removed, byte[] Added)
{
    public uint From => Zone.SerialOf(OldSoa);

    public long Bytes => Removed.Length + Added.Length + 256;

    public static ZoneDifference Between(TransferredZone old, TransferredZone next)
    {
        var made = new DifferenceBuilder();
        if (old.Zone != next.Zone) made.AddZones(old.Zone.Data, next.Zone.Data);
        made.AddSets(old.Steered, next.Steered);
        return new ZoneDifference(old.Soa, next.Soa, [.. made.Removed], [.. made.Added]);
    }
}

/// <summary>Both zones stand in canonical order, so one walk along both finds what differs.</summary>
internal sealed class DifferenceBuilder
{
    public List<byte> Removed { get; } = [];

    public List<byte> Added { get; } = [];

    public void AddZones(ZoneData old, ZoneData next)
    {
        (int i, int j) = (0, 0);
        while (i < old.NodeCount || j < next.NodeCount)
        {
            int order = i == old.NodeCount ? 1
                : j == next.NodeCount ? -1 : CanonicalOrder.Compare(old.NameOf(i), next.NameOf(j));
            AddNode(old, order <= 0 ? i++ : -1, next, order >= 0 ? j++ : -1);
        }
    }

    public void AddSets(ImmutableArray<RRset> old, ImmutableArray<RRset> next)
    {
        Dictionary<(DnsName, RecordType), RRset> before = old.ToDictionary(set => (set.Owner, set.Type));
        foreach (RRset set in next)
        {
            if (before.Remove((set.Owner, set.Type), out RRset? was)) Add(set.Owner.Wire, was.View, set.View);
            else Add(set.Owner.Wire, default, set.View);
        }

        foreach (RRset set in before.Values) Add(set.Owner.Wire, set.View, default);
    }

    private void AddNode(ZoneData old, int oldNode, ZoneData next, int nextNode)
    {
        (int i, int oldEnd) = oldNode < 0 ? (0, 0) : (old.SetsFrom(oldNode), old.SetsTo(oldNode));
        (int j, int nextEnd) = nextNode < 0 ? (0, 0) : (next.SetsFrom(nextNode), next.SetsTo(nextNode));
        ReadOnlySpan<byte> owner = nextNode < 0 ? old.NameOf(oldNode) : next.NameOf(nextNode);
        bool isApex = oldNode <= 0 && nextNode <= 0;
        while (i < oldEnd || j < nextEnd)
        {
            int order = i == oldEnd ? 1 : j == nextEnd ? -1 : old.TypeOf(i).CompareTo(next.TypeOf(j));
            SetView was = order <= 0 ? old.View(i++) : default;
            SetView now = order >= 0 ? next.View(j++) : default;
            if (!isApex || (order <= 0 ? was : now).Type != RecordType.Soa) Add(owner, was, now);
        }
    }

    private void Add(ReadOnlySpan<byte> owner, SetView old, SetView next)
    {
        List<Range> before = Bodies(old), after = Bodies(next);
        foreach (Range body in before) Keep(Removed, owner, old.AllBodies[body], next, after);
        foreach (Range body in after) Keep(Added, owner, next.AllBodies[body], old, before);
    }

    private static void Keep(
        List<byte> to, ReadOnlySpan<byte> owner, ReadOnlySpan<byte> body, SetView other, List<Range> others)
    {
        foreach (Range there in others)
        {
            if (other.AllBodies[there].SequenceEqual(body)) return;
        }

        to.AddRange(owner);
        to.AddRange(body);
    }

    private static List<Range> Bodies(SetView set)
    {
        var bodies = new List<Range>(set.Count + set.SignatureCount);
        int at = 0;
        for (int i = set.Count + set.SignatureCount; i > 0; i--)
        {
            int length = BodyOf.Length(set.AllBodies[at..]);
            bodies.Add(at..(at + length));
            at += length;
        }

        return bodies;
    }
}

/// <summary>
/// The newest version of a zone and how it came from those before. Immutable. The oldest steps go when all of them are
/// over the limit.
/// </summary>
internal sealed record ZoneJournal(TransferredZone Current, ImmutableArray<ZoneDifference> Steps)
{
    public static ZoneJournal Start(TransferredZone zone) => new(zone, []);

    public ZoneJournal Then(TransferredZone next, long bytesMax)
    {
        if (next.Serial == Current.Serial)
        {
            if (next.Soa == Current.Soa && next.Zone == Current.Zone && next.Steered.SequenceEqual(Current.Steered))
                return this;
            // Other content under the old serial: nobody can tell which of the two a secondary has.
            bool same = next.Fingerprint().AsSpan().SequenceEqual(Current.Fingerprint());
            return same ? this with { Current = next } : Start(next);
        }

        if (!SerialOrder.IsNewer(next.Serial, Current.Serial)) return Start(next);
        ImmutableArray<ZoneDifference> steps = Steps.Add(ZoneDifference.Between(Current, next));
        long bytes = steps.Sum(step => step.Bytes);
        while (steps.Length > 0 && bytes > bytesMax)
        {
            bytes -= steps[0].Bytes;
            steps = steps.RemoveAt(0);
        }

        return new ZoneJournal(next, steps);
    }

    /// <summary>The steps from this serial to now; null: it is not known any more.</summary>
    public ImmutableArray<ZoneDifference>? Since(uint serial)
    {
        for (int i = 0; i < Steps.Length; i++)
        {
            if (Steps[i].From == serial) return Steps[i..];
        }

        return null;
    }
}
