using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Answering;

/// <summary>One walk from a question to its records, CNAME by CNAME, and what the header must say about it.</summary>
internal ref struct Resolution(DnsTable table, QueryMessage asked, UInt128 clientMapped)
{
    /// <summary>Chains longer than this end where they are; the resolver goes on by itself.</summary>
    private const int ChainMax = 12;

    private readonly DnsTable table = table;
    private readonly QueryMessage asked = asked;
    private readonly UInt128 clientMapped = clientMapped;
    private RegionMatch region;
    private bool regionKnown;
    private bool scoped;

    public Rcode Rcode { get; set; }

    public bool Authoritative { get; set; }

    public bool Truncated { get; set; }

    /// <summary>
    /// Every asker gets these very records: no steered name was met on the way. Only such an answer may be kept.
    /// </summary>
    public bool IsForEveryone { get; private set; } = true;

    /// <summary>
    /// The ECS scope, 0 to 32 or 0 to 128. Nothing of the answer depended on the asker's place, or it went by the
    /// address of the resolver: 0.
    /// </summary>
    public readonly byte ScopeLength
    {
        get
        {
            if (!scoped || !asked.HasSubnet || asked.Subnet.SourceLength == 0) return 0;
            return (byte)(region.ScopeLengthMapped - (asked.Subnet.Family == 1 ? 96 : 0));
        }
    }

    public void Run(scoped ref NameView name, scoped ref MessageWriter writer)
    {
        // RFC 4035 §3.1.4.1: DS lives in the parent, so at a zone's own apex it is looked for one zone higher.
        int above = asked.Type == RecordType.Ds && name.LabelCount > 0 ? 1 : 0;
        if (!table.TryFindZone(name, above, out ZoneTree tree, out int apexLabel)
            && !table.TryFindZone(name, 0, out tree, out apexLabel))
        {
            Rcode = Rcode.Refused;
            return;
        }

        Authoritative = true;
        Span<(uint Name, int Node)> visited = stackalloc (uint, int)[ChainMax];
        ReadOnlySpan<byte> owner = asked.Name;
        int ownerOffset = QueryMessage.HeaderBytes;
        for (int step = 0; step < ChainMax; step++)
        {
            ZoneMatch match = tree.Find(name, apexLabel, out ZoneNode node);
            if (match == ZoneMatch.Delegation
                && !(node.Owner.LabelCount == name.LabelCount && asked.Type == RecordType.Ds))
            {
                WriteReferral(ref writer, node, isFirst: step == 0);
                return;
            }

            // RFC 6604 §3: in a chain the code is the last name's.
            if (match == ZoneMatch.None)
            {
                Rcode = Rcode.NxDomain;
                WriteSoa(ref writer, tree, uint.MaxValue);
                return;
            }

            // A wildcard may be met again under another name; only the same name again is a loop.
            (uint, int) place = (name.Suffix(0).Hash, node.Index);
            if (visited[..step].Contains(place)) return;
            visited[step] = place;
            IsForEveryone &= node.Steered < 0;
            DnsName? next = node.Steered >= 0
                ? AnswerSteered(ref writer, tree, node, step, owner, ownerOffset)
                : AnswerStatic(ref writer, tree, node, owner, ownerOffset);
            if (next is null || !TryFollow(next, node.Steered >= 0, ref name, ref tree, ref apexLabel)) return;
            owner = next.Wire;
            ownerOffset = 0;
        }
    }

    // A static chain is followed inside its zone, a steered one into any zone of ours.
    private readonly bool TryFollow(
        DnsName next, bool steered, scoped ref NameView name, ref ZoneTree tree, ref int apexLabel)
    {
        name.Set(next.Wire);
        if (!table.TryFindZone(name, 0, out ZoneTree nextTree, out int nextLabel)) return false;
        if (!steered && nextTree != tree) return false;
        (tree, apexLabel) = (nextTree, nextLabel);
        return true;
    }

    /// <summary>Gives the target when the name is an alias that must be followed.</summary>
    private DnsName? AnswerStatic(
        scoped ref MessageWriter writer, ZoneTree tree, ZoneNode node, scoped ReadOnlySpan<byte> owner, int ownerOffset)
    {
        if (node.Cname is not null && asked.Type is not (RecordType.Cname or RecordType.Any))
            return WriteSet(ref writer, node.Cname, owner, ownerOffset) ? node.Cname.TargetName : null;

        // RFC 8482 §4.1: ANY gets one set, whichever.
        int index = asked.Type == RecordType.Any && !node.Sets.IsEmpty ? 0 : node.IndexOf(asked.Type);
        if (index < 0) WriteSoa(ref writer, tree, uint.MaxValue);
        else if (WriteSet(ref writer, node.Sets[index], owner, ownerOffset)) WriteTargets(ref writer, node, index);
        return null;
    }

    private DnsName? AnswerSteered(
        scoped ref MessageWriter writer, ZoneTree tree, ZoneNode node, int step, scoped ReadOnlySpan<byte> owner,
            int ownerOffset)
    {
        SteeredEntry entry = table.Steering[node.Steered];
        if (!regionKnown)
        {
            // RFC 7871 §7.1.2: a source length of 0 asks not to be told apart, so the resolver's address decides.
            bool bySubnet = asked.HasSubnet && asked.Subnet.SourceLength > 0;
            region = bySubnet
                ? table.Regions.Find(asked.Subnet.BitsMapped, asked.Subnet.SourceLengthMapped)
                : table.Regions.Find(clientMapped, 128);
            regionKnown = true;
        }

        // RFC 7871 §7.2.1 gives one scope for the whole answer, and cannot say which record it belongs to. So a chain
        // that began with data for all stops before a name that is for some: the resolver asks for that one by itself.
        bool forAll = entry.IsOneForAll(asked.Type);
        if (step > 0 && !forAll && !scoped && asked.HasSubnet && asked.Subnet.SourceLength > 0) return null;
        scoped |= !forAll;

        SteeredWire wire = entry.For(region.Region);
        if (wire.Cname is not null)
        {
            int start = writer.BeginRecord(ownerOffset, owner, RecordType.Cname, entry.TtlSeconds);
            writer.Name(wire.Cname.Wire);
            Truncated = writer.Failed;
            if (Truncated) return null;
            writer.EndRecord(start);
            writer.Count(Section.Answer, 1);
            return asked.Type is RecordType.Cname or RecordType.Any ? null : wire.Cname;
        }

        RecordType type = asked.Type;
        if (type == RecordType.Any) type = wire.A.Length > 0 ? RecordType.A : RecordType.Aaaa;
        byte[] records = type switch { RecordType.A => wire.A, RecordType.Aaaa => wire.Aaaa, _ => [] };
        if (records.Length == 0)
        {
            int index =
                node.IndexOf(asked.Type == RecordType.Any && !node.Sets.IsEmpty ? node.Sets[0].Type : asked.Type);
            // An empty family may get addresses with the next plan, so its denial lives no longer than its answer.
            if (index < 0) WriteSoa(ref writer, tree, entry.TtlSeconds);
            else if (WriteSet(ref writer, node.Sets[index], owner, ownerOffset)) WriteTargets(ref writer, node, index);
            return null;
        }

        WriteAddresses(ref writer, records, SteeredWire.RecordBytes(type), owner, ownerOffset);
        return null;
    }

    private void WriteAddresses(
        scoped ref MessageWriter writer, ReadOnlySpan<byte> records, int recordBytes, scoped ReadOnlySpan<byte> owner,
            int ownerOffset)
    {
        if (ownerOffset == QueryMessage.HeaderBytes)
        {
            writer.Bytes(records);
        }
        else
        {
            // Reached through a chain: the ready records point to the question, but their owner is the chain's end.
            for (int at = 0; at < records.Length; at += recordBytes)
            {
                writer.Name(owner);
                writer.Bytes(records.Slice(at + 2, recordBytes - 2));
            }
        }

        Truncated = writer.Failed;
        if (!Truncated) writer.Count(Section.Answer, records.Length / recordBytes);
    }

    private bool WriteSet(scoped ref MessageWriter writer, RRset set, scoped ReadOnlySpan<byte> owner, int ownerOffset)
    {
        Truncated = !set.TryWrite(ref writer, Section.Answer, ownerOffset, owner, set.TtlSeconds);
        return !Truncated;
    }

    // RFC 2308 §3 and §5: the SOA goes along, with the time that the denial may live.
    private void WriteSoa(scoped ref MessageWriter writer, ZoneTree tree, uint ttlSecondsMax)
    {
        Zone zone = tree.Zone;
        uint ttl = Math.Min(zone.NegativeTtlSeconds, ttlSecondsMax);
        Truncated = !zone.Soa.TryWrite(ref writer, Section.Authority, 0, zone.Origin.Wire, ttl);
    }

    // RFC 1034 §4.2.1: NS of the child and the addresses of those that lie below the cut. AA is off: not our data.
    private void WriteReferral(scoped ref MessageWriter writer, ZoneNode cut, bool isFirst)
    {
        if (isFirst) Authoritative = false;
        int index = cut.IndexOf(RecordType.Ns);
        RRset servers = cut.Sets[index];
        if (!servers.TryWrite(ref writer, Section.Authority, 0, cut.Owner.Wire, servers.TtlSeconds))
        {
            Truncated = true;
            return;
        }

        // RFC 9471 §2.1: all glue of servers below the cut, or TC; that of others only when there is room.
        foreach (ZoneNode target in cut.Targets[index])
        {
            if (!WriteTarget(ref writer, target) && target.Cut == cut)
            {
                Truncated = true;
                return;
            }
        }
    }

    private static void WriteTargets(scoped ref MessageWriter writer, ZoneNode node, int index)
    {
        foreach (ZoneNode target in node.Targets[index]) WriteTarget(ref writer, target);
    }

    private static bool WriteTarget(scoped ref MessageWriter writer, ZoneNode target)
    {
        bool all = true;
        foreach (RRset set in target.Sets)
        {
            if (set.Type is RecordType.A or RecordType.Aaaa)
                all &= set.TryWrite(ref writer, Section.Additional, 0, target.Owner.Wire, set.TtlSeconds);
        }

        return all;
    }
}
