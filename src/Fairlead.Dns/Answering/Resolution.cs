using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Answering;

/// <summary>One walk from a question to its records, CNAME by CNAME, and what the header must say about it.</summary>
internal ref struct Resolution(DnsTable table, QueryMessage asked, UInt128 clientMapped, Span<int> proofs)
{
    /// <summary>Chains longer than this end where they are; the resolver goes on by itself.</summary>
    private const int ChainMax = 12;

    private readonly DnsTable table = table;
    private readonly QueryMessage asked = asked;
    private readonly UInt128 clientMapped = clientMapped;
    private Denial denial = new(proofs);
    private (ZoneTree Tree, int Set)? targets;
    private bool scoped;
    private int scopeLengthMapped;

    public Rcode Rcode { get; set; }

    public bool Authoritative { get; set; }

    public bool Truncated { get; set; }

    /// <summary>The number of the steered answer's label; 0: nothing steered was answered.</summary>
    public int SteeredLabel { get; private set; }

    /// <summary>
    /// Every asker gets these very records: no steered name was met on the way, and nothing was made of the name that
    /// he asked for. Only such an answer may be kept.
    /// </summary>
    public bool IsForEveryone { get; private set; } = true;

    /// <summary>
    /// The steered name whose set is the whole answer: another client gets another set, and all else as here. -1: it is
    /// not so simple.
    /// </summary>
    public int ReadySteered { get; private set; } = -1;

    /// <summary>
    /// The ECS scope, 0 to 32 or 0 to 128. Nothing of the answer depended on the asker's place, or it went by the
    /// address of the resolver: 0.
    /// </summary>
    public readonly byte ScopeLength
    {
        get
        {
            if (!scoped || !asked.HasSubnet || asked.Subnet.SourceLength == 0) return 0;
            int length = Math.Min(scopeLengthMapped, asked.Subnet.SourceLengthMapped);
            return (byte)(length - (asked.Subnet.Family == 1 ? 96 : 0));
        }
    }

    public void Run(scoped ref NameView name, scoped ref MessageWriter writer)
    {
        Walk(ref name, ref writer);
        // The sections stand in this order; what proves and what is only useful waits until the answer is whole.
        if (!Truncated) Truncated = !denial.TryWrite(ref writer);
        if (!Truncated && targets is { } named) WriteTargets(ref writer, named.Tree, named.Set);
    }

    private void Walk(scoped ref NameView name, scoped ref MessageWriter writer)
    {
        // RFC 4035 §3.1.4.1: DS lives in the parent, so at a zone's own apex it is looked for one zone higher.
        int above = asked.Type == RecordType.Ds && name.LabelCount > 0 ? 1 : 0;
        bool isOurs = table.TryFindZone(name, above, out ZoneTree tree, out int apexLabel)
            || table.TryFindZone(name, 0, out tree, out apexLabel);
        // RFC 1034 §4.3.5: what a secondary no longer knows it does not answer.
        Rcode = !isOurs ? Rcode.Refused : tree.Zone.IsExpired ? Rcode.ServFail : Rcode.NoError;
        if (Rcode != Rcode.NoError) return;
        Authoritative = true;
        Span<(uint Name, int Node)> visited = stackalloc (uint, int)[ChainMax];
        scoped ReadOnlySpan<byte> owner = asked.Name, next;
        Span<byte> made = stackalloc byte[2 * DnsName.WireBytesMax]; // Two, as a new name is made of the one before it.
        int ownerOffset = QueryMessage.HeaderBytes;
        for (int step = 0; step < ChainMax; step++)
        {
            ZoneMatch match = tree.Find(name, apexLabel, out ZoneNode node);
            if (match == ZoneMatch.Delegation
                && !(node.LabelCount == name.LabelCount && asked.Type == RecordType.Ds))
            {
                WriteReferral(ref writer, tree, node, isFirst: step == 0);
                return;
            }

            // RFC 6604 §3: in a chain the code is the last name's.
            if (match == ZoneMatch.None)
            {
                Rcode = Rcode.NxDomain;
                WriteSoa(ref writer, tree, uint.MaxValue);
                if (asked.DnssecOk) denial.NoName(tree, name, name.LabelCount - node.LabelCount);
                return;
            }

            if (match == ZoneMatch.Dname)
            {
                IsForEveryone = false; // The name that it makes has the case of the asker's.
                Span<byte> target = made.Slice(step % 2 * DnsName.WireBytesMax, DnsName.WireBytesMax);
                // A DNAME that is met again is not sent again. No name hashes to 0 by itself with that node.
                bool isNew = !visited[..step].Contains((0u, node.Number));
                visited[step] = (0, node.Number);
                int length = Redirect(ref writer, node, isNew, owner, ownerOffset, target);
                // RFC 6672 §3.2: the made CNAME is the answer to who asks for one.
                if (length == 0 || asked.Type == RecordType.Cname) return;
                if (!TryFollow(target[..length], false, ref name, ref tree, ref apexLabel)) return;
                owner = target[..length];
                ownerOffset = 0;
                continue;
            }

            if (match == ZoneMatch.Wildcard && asked.DnssecOk)
                denial.NoCloser(tree, name, name.LabelCount - node.LabelCount + 1);

            // A wildcard may be met again under another name; only the same name again is a loop.
            (uint, int) place = (name.Suffix(0).Hash, node.Number);
            if (visited[..step].Contains(place)) return;
            visited[step] = place;
            IsForEveryone &= node.Steered < 0;
            next = node.Steered >= 0
                ? WireOf(AnswerSteered(ref writer, tree, node, step, owner, ownerOffset))
                : AnswerStatic(ref writer, tree, node, owner, ownerOffset);
            if (next.IsEmpty || !TryFollow(next, node.Steered >= 0, ref name, ref tree, ref apexLabel)) return;
            owner = next;
            ownerOffset = 0;
        }
    }

    private static ReadOnlySpan<byte> WireOf(DnsName? name) => name is null ? default : name.Wire;

    // A static chain is followed inside its zone, a steered one into any zone of ours.
    private readonly bool TryFollow(
        scoped ReadOnlySpan<byte> next, bool steered, scoped ref NameView name, ref ZoneTree tree, ref int apexLabel)
    {
        name.Set(next);
        if (!table.TryFindZone(name, 0, out ZoneTree nextTree, out int nextLabel) || nextTree.Zone.IsExpired)
            return false;
        // Proofs are collected of one zone; a resolver asks for the rest by itself.
        if (nextTree != tree && (!steered || !denial.IsEmpty)) return false;
        (tree, apexLabel) = (nextTree, nextLabel);
        return true;
    }

    // RFC 6672 §3.1: the DNAME, and a CNAME made of it with its TTL. Gives the length of the target, or 0 at the end.
    private int Redirect(
        scoped ref MessageWriter writer, scoped in ZoneNode node, bool isNew, scoped ReadOnlySpan<byte> owner,
        int ownerOffset, scoped Span<byte> target)
    {
        SetView dname = node.View(node.SetOf(RecordType.Dname));
        if (isNew && !WriteSet(ref writer, dname, node.Owner, 0)) return 0;
        ReadOnlySpan<byte> to = dname.Rdata(0), kept = owner[..^node.Owner.Length];
        int length = kept.Length + to.Length;
        if (length > DnsName.WireBytesMax)
        {
            Rcode = Rcode.YxDomain; // RFC 6672 §2.2: the name that it makes is too long.
            return 0;
        }

        kept.CopyTo(target);
        to.CopyTo(target[kept.Length..]);
        int start = writer.BeginRecord(ownerOffset, owner, RecordType.Cname, dname.TtlSeconds);
        writer.Name(target[..length]);
        Truncated = writer.Failed;
        if (Truncated) return 0;
        writer.EndRecord(start);
        writer.Count(Section.Answer, 1);
        return length;
    }

    /// <summary>Gives the target when the name is an alias that must be followed, else nothing.</summary>
    private ReadOnlySpan<byte> AnswerStatic(
        scoped ref MessageWriter writer, ZoneTree tree, scoped in ZoneNode node, scoped ReadOnlySpan<byte> owner,
        int ownerOffset)
    {
        if ((node.Flags & NodeFlags.Cname) != 0 && !IsAnsweredAtAlias(asked.Type))
        {
            int cname = node.SetOf(RecordType.Cname);
            return WriteSet(ref writer, node.View(cname), owner, ownerOffset) ? node.View(cname).Rdata(0) : default;
        }

        if (asked.Type == RecordType.Rrsig && TryWriteSignatures(ref writer, node, owner, ownerOffset)) return default;
        // RFC 8482 §4.1: ANY gets one set, whichever.
        int set = asked.Type == RecordType.Any && !node.IsEmpty ? node.SetsFrom : node.SetOf(asked.Type);
        if (set < 0) WriteNoData(ref writer, tree, node, uint.MaxValue);
        else if (WriteSet(ref writer, ViewOf(tree, node, set), owner, ownerOffset)) targets = (tree, set);
        return default;
    }

    private readonly SetView ViewOf(ZoneTree tree, scoped in ZoneNode node, int set) =>
        node.TypeOf(set) == RecordType.Soa ? table.SoaOf(tree.Zone).View : node.View(set);

    // RFC 4035 §2.5: beside a CNAME stand its signature and its NSEC, and both can be asked for.
    private static bool IsAnsweredAtAlias(RecordType type) =>
        type is RecordType.Cname or RecordType.Any or RecordType.Rrsig or RecordType.Nsec;

    // As with ANY, the signatures of one set are an answer: nobody needs them apart from what they sign.
    private bool TryWriteSignatures(
        scoped ref MessageWriter writer, scoped in ZoneNode node, scoped ReadOnlySpan<byte> owner, int ownerOffset)
    {
        for (int i = node.SetsFrom; i < node.SetsTo; i++)
        {
            SetView set = node.View(i);
            if (set.SignatureCount == 0) continue;
            Truncated = !set.TryWriteSignatures(ref writer, Section.Answer, ownerOffset, owner, set.TtlSeconds);
            return true;
        }

        return false;
    }

    private void WriteNoData(
        scoped ref MessageWriter writer, ZoneTree tree, scoped in ZoneNode node, uint ttlSecondsMax)
    {
        WriteSoa(ref writer, tree, ttlSecondsMax);
        if (asked.DnssecOk) denial.NoData(tree, node, asked.Type, ttlSecondsMax);
    }

    private DnsName? AnswerSteered(
        scoped ref MessageWriter writer, ZoneTree tree, scoped in ZoneNode node, int step,
        scoped ReadOnlySpan<byte> owner, int ownerOffset)
    {
        SteeredEntry entry = table.Steering[node.Steered];
        CompiledSteering steering = entry.Steering;
        // RFC 7871 §7.2.1 gives one scope for the whole answer, and cannot say which record it belongs to. So a chain
        // that began with data for all stops before a name that is for some: the resolver asks for that one by itself.
        bool forAll = entry.ReflectsRegions is null && steering.IsOneForAll(asked.Type);
        if (step > 0 && !forAll && !scoped && IsBySubnet) return null;

        (UInt128 bits, int length) = IsBySubnet
            ? (asked.Subnet.BitsMapped, asked.Subnet.SourceLengthMapped)
            : (clientMapped, 128);
        SteeredChoice choice = entry.Choose(table.Regions, asked.Type, bits, length);
        if (entry.ReflectsRegions is { } regions)
        {
            scoped = true;
            scopeLengthMapped = 128;
            string word = regions[choice.Region < regions.Length ? choice.Region : 0];
            Reflect(ref writer, tree, node, word, owner, ownerOffset);
            return null;
        }

        if (!forAll)
        {
            scoped = true;
            scopeLengthMapped = Math.Max(scopeLengthMapped, choice.ScopeLengthMapped);
        }

        CompiledShare share = choice.Split?.Choose(choice.Slot, entry) ?? default;
        SteeredLabel = share.Label;
        if (entry.SetOf(share) is { } set)
        {
            Truncated = !TryWrite(ref writer, set.View, Section.Answer, ownerOffset, owner, choice.TtlSeconds);
            if (step == 0 && !Truncated && denial.IsEmpty && choice.Split!.IsPlain && asked.Type == set.Type)
                ReadySteered = node.Steered;
            return Truncated || asked.Type is RecordType.Cname or RecordType.Any ? null : share.Target;
        }

        int standing = asked.Type == RecordType.Any && !node.IsEmpty ? node.SetsFrom : node.SetOf(asked.Type);
        // An empty family may get addresses with the next plan, so its denial lives no longer than its answer.
        if (standing < 0) WriteNoData(ref writer, tree, node, choice.TtlSeconds);
        else if (WriteSet(ref writer, node.View(standing), owner, ownerOffset)) targets = (tree, standing);
        return null;
    }

    // RFC 7871 §7.1.2: a source length of 0 asks not to be told apart, so the resolver's address decides.
    private readonly bool IsBySubnet => asked.HasSubnet && asked.Subnet.SourceLength > 0;

    // What the server sees of the asker, for him: a name for people with questions, not for users.
    private void Reflect(
        scoped ref MessageWriter writer, ZoneTree tree, scoped in ZoneNode node, string region,
        scoped ReadOnlySpan<byte> owner, int ownerOffset)
    {
        if (asked.Type is not (RecordType.Txt or RecordType.Any))
        {
            WriteNoData(ref writer, tree, node, 0);
            return;
        }

        string subnet = asked.HasSubnet
            ? Prefix.OfMapped(asked.Subnet.BitsMapped, asked.Subnet.SourceLengthMapped).ToString()
            : "none";
        string[] lines =
            [$"resolver={Prefix.OfMapped(clientMapped, 128).Address}", $"subnet={subnet}", $"region={region}"];
        int start = writer.BeginRecord(ownerOffset, owner, RecordType.Txt, 0);
        foreach (string line in lines)
        {
            byte[] text = Encoding.ASCII.GetBytes(line.Length > 255 ? line[..255] : line);
            writer.Bytes([(byte)text.Length, .. text]);
        }

        Truncated = writer.Failed;
        if (Truncated) return;
        writer.EndRecord(start);
        writer.Count(Section.Answer, 1);
    }

    private bool WriteSet(
        scoped ref MessageWriter writer, SetView set, scoped ReadOnlySpan<byte> owner, int ownerOffset)
    {
        Truncated = !TryWrite(ref writer, set, Section.Answer, ownerOffset, owner, set.TtlSeconds);
        return !Truncated;
    }

    // RFC 4035 §3.1.1: with DO the signatures go along, with the TTL of the set (RFC 4034 §3).
    private readonly bool TryWrite(
        scoped ref MessageWriter writer, SetView set, Section section, int ownerOffset,
        scoped ReadOnlySpan<byte> owner, uint ttlSeconds) =>
        set.TryWrite(ref writer, section, ownerOffset, owner, ttlSeconds)
        && (!asked.DnssecOk || set.TryWriteSignatures(ref writer, section, ownerOffset, owner, ttlSeconds));

    // RFC 2308 §3 and §5: the SOA goes along, with the time that the denial may live.
    private void WriteSoa(scoped ref MessageWriter writer, ZoneTree tree, uint ttlSecondsMax)
    {
        Zone zone = tree.Zone;
        uint ttl = Math.Min(zone.NegativeTtlSeconds, ttlSecondsMax);
        Truncated = !TryWrite(ref writer, table.SoaOf(zone).View, Section.Authority, 0, zone.Origin.Wire, ttl);
    }

    // RFC 1034 §4.2.1: NS of the child and the addresses of those that lie below the cut. AA is off: not our data.
    private void WriteReferral(scoped ref MessageWriter writer, ZoneTree tree, scoped in ZoneNode cut, bool isFirst)
    {
        if (isFirst) Authoritative = false;
        int set = cut.SetOf(RecordType.Ns);
        SetView servers = cut.View(set);
        if (!servers.TryWrite(ref writer, Section.Authority, 0, cut.Owner, servers.TtlSeconds))
        {
            Truncated = true;
            return;
        }

        if (asked.DnssecOk && !TryWriteDs(ref writer, tree, cut))
        {
            Truncated = true;
            return;
        }

        // RFC 9471 §2.1: all glue of servers below the cut, or TC; that of others only when there is room.
        for (int i = 0; i < servers.Count; i++)
        {
            if (!tree.TryTarget(set, i, out ZoneNode target, out ReadOnlySpan<byte> name)) continue;
            if (!WriteTarget(ref writer, target, name) && tree.IsCoveredBy(target, cut))
            {
                Truncated = true;
                return;
            }
        }
    }

    // RFC 4035 §3.1.4: the DS, or the proof that there is none, so that the child is known to be signed or not.
    private bool TryWriteDs(scoped ref MessageWriter writer, ZoneTree tree, scoped in ZoneNode cut)
    {
        int set = cut.SetOf(RecordType.Ds);
        if (set < 0) denial.NoData(tree, cut, RecordType.Ds, uint.MaxValue);
        else if (!TryWrite(ref writer, cut.View(set), Section.Authority, 0, cut.Owner, cut.View(set).TtlSeconds))
            return false;
        bool fits = denial.TryWrite(ref writer);
        denial.Clear();
        return fits;
    }

    private readonly void WriteTargets(scoped ref MessageWriter writer, ZoneTree tree, int set)
    {
        if (!RecordTypes.HasTargets(tree.Zone.Data.TypeOf(set))) return;
        int count = tree.Zone.Data.View(set).Count;
        for (int i = 0; i < count; i++)
        {
            if (tree.TryTarget(set, i, out ZoneNode target, out ReadOnlySpan<byte> name))
                WriteTarget(ref writer, target, name);
        }
    }

    private readonly bool WriteTarget(
        scoped ref MessageWriter writer, scoped in ZoneNode target, scoped ReadOnlySpan<byte> name) =>
        WriteAddresses(ref writer, target, name, RecordType.A)
        & WriteAddresses(ref writer, target, name, RecordType.Aaaa);

    private readonly bool WriteAddresses(
        scoped ref MessageWriter writer, scoped in ZoneNode target, scoped ReadOnlySpan<byte> name, RecordType type)
    {
        int set = target.SetOf(type);
        if (set < 0) return true;
        SetView addresses = target.View(set);
        uint ttl = addresses.TtlSeconds;
        if (!addresses.TryWrite(ref writer, Section.Additional, 0, name, ttl)) return false;
        // RFC 4035 §3.1.1: here the signatures may be missing when there is no room.
        if (asked.DnssecOk) addresses.TryWriteSignatures(ref writer, Section.Additional, 0, name, ttl);
        return true;
    }
}
