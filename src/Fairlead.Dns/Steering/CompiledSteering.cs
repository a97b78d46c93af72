using System.Collections.Immutable;
using System.Net;
using System.Text;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Steering;

/// <summary>
/// The answers of all names that share one ByRegion, as sets to write: a query indexes, and interprets nothing.
/// </summary>
internal sealed class CompiledSteering
{
    private readonly CompiledRegion[] regions;
    private readonly ushort[] classesOfA;
    private readonly ushort[] classesOfAaaa;
    private readonly ushort[] classesOfOthers;

    public CompiledSteering(SteeredName name)
    {
        var sets = new SetList();
        var splits = new Dictionary<(SteeredSplit, RecordType), CompiledSplit>();
        CompiledSplit Compile(SteeredSplit split, RecordType type)
        {
            if (!splits.TryGetValue((split, type), out CompiledSplit? known))
            {
                known = new CompiledSplit(split, type, name, sets);
                splits.Add((split, type), known);
            }

            return known;
        }

        ImmutableArray<SteeredRegion> all = name.ByRegion.IsDefault ? [] : name.ByRegion;
        regions = new CompiledRegion[all.Length];
        for (int i = 0; i < all.Length; i++)
        {
            SteeredRegion region = all[i];
            uint ttl = Math.Min(region.TtlSeconds ?? name.TtlSeconds, name.TtlSeconds);
            regions[i] = region.Cname is { } cname
                ? new CompiledRegion(ttl, null, null, Compile(cname, RecordType.Cname))
                : new CompiledRegion(
                    ttl, Compile(region.A, RecordType.A), Compile(region.Aaaa, RecordType.Aaaa), null);
        }

        Sets = sets.All;
        classesOfA = Classes(region => region.Cname ?? region.A);
        classesOfAaaa = Classes(region => region.Cname ?? region.Aaaa);
        classesOfOthers = Classes(region => region.Cname);
    }

    /// <summary>Every set that any client may be answered with.</summary>
    public ImmutableArray<RRset> Sets { get; }

    /// <summary>For each of our sets its number among those of another steering; -1: it is not there.</summary>
    public int[] PlacesIn(CompiledSteering other)
    {
        var places = new Dictionary<RRset, int>(other.Sets.Length, BodiesComparer.Instance);
        for (int i = 0; i < other.Sets.Length; i++) places[other.Sets[i]] = i;
        return [.. Sets.Select(set => places.GetValueOrDefault(set, -1))];
    }

    public CompiledRegion this[int region] => regions[(uint)region < (uint)regions.Length ? region : 0];

    /// <summary>
    /// For each region a number; regions of one number have the same answer to this type, so a scope may span them.
    /// </summary>
    public ReadOnlySpan<ushort> ClassesOf(RecordType type) => type switch
    {
        RecordType.A or RecordType.Any => classesOfA,
        RecordType.Aaaa => classesOfAaaa,
        _ => classesOfOthers,
    };

    /// <summary>Whether every client has the same answer to this type: then the scope is 0 (RFC 7871 §7.2.1).</summary>
    public bool IsOneForAll(RecordType type) => type == RecordType.Any
        ? IsOne(classesOfA, RecordType.A) && IsOne(classesOfAaaa, RecordType.Aaaa)
        : IsOne(ClassesOf(type), type);

    private bool IsOne(ReadOnlySpan<ushort> classes, RecordType type) =>
        !classes.ContainsAnyExcept((ushort)0)
        && (regions.Length == 0 || regions[0].For(type) is not { LotOfSlot.Length: > 0 });

    private ushort[] Classes(Func<CompiledRegion, CompiledSplit?> part)
    {
        var known = new Dictionary<string, ushort>(StringComparer.Ordinal);
        var classes = new ushort[regions.Length];
        for (int i = 0; i < classes.Length; i++)
        {
            string key = part(regions[i])?.Key ?? "";
            if (!known.TryGetValue(key, out ushort one)) known[key] = one = (ushort)known.Count;
            classes[i] = one;
        }

        return classes;
    }
}

/// <summary>A region's part. With a Cname there is nothing else.</summary>
internal readonly record struct CompiledRegion(
    uint TtlSeconds, CompiledSplit? A, CompiledSplit? Aaaa, CompiledSplit? Cname)
{
    public CompiledSplit? For(RecordType type) => Cname ?? type switch
    {
        RecordType.A => A,
        RecordType.Aaaa => Aaaa,
        RecordType.Any => A is { HasData: true } ? A : Aaaa,
        _ => null,
    };
}

internal sealed class CompiledSplit
{
    private readonly CompiledShare[][] lots;

    public CompiledSplit(SteeredSplit split, RecordType type, SteeredName name, SetList sets)
    {
        LotOfSlot = [.. split.LotOfSlot];
        var key = new StringBuilder();
        var made = new Dictionary<SteeredAnswer, (RRset? Set, int Number, int Label)>(
            ReferenceEqualityComparer.Instance);
        lots = new CompiledShare[split.Lots.Length][];
        for (int i = 0; i < lots.Length; i++)
        {
            ulong total = (ulong)split.Lots[i].Sum(share => share.Weight);
            ulong sum = 0;
            lots[i] = new CompiledShare[split.Lots[i].Length];
            for (int j = 0; j < lots[i].Length; j++)
            {
                SteeredShare share = split.Lots[i][j];
                sum += share.Weight;
                if (!made.TryGetValue(share.Answer, out (RRset? Set, int Number, int Label) one))
                {
                    int label = SteeredLabels.NumberOf(share.Answer.Label);
                    (RRset? set, int number) = SetOf(share.Answer, type, name, sets);
                    made[share.Answer] = one = (set, number, label);
                }

                lots[i][j] = new CompiledShare(
                    one.Set, one.Number, share.Answer.Cname, one.Label, (uint)(((sum << 32) / total) - 1));
                key.Append(one.Number).Append('*').Append(share.Weight).Append(' ');
                HasData |= one.Set is not null;
                IsPlain &= one.Set is not null && share.Answer.Cname is null;
            }

            key.Append(';');
        }

        Key = LotOfSlot.Length == 0 ? key.ToString() : $"{key}{Convert.ToBase64String(LotOfSlot)}";
    }

    /// <summary>Empty: all clients draw from the first lot.</summary>
    public byte[] LotOfSlot { get; }

    public bool HasData { get; }

    /// <summary>Whatever is drawn, it is a set and no alias.</summary>
    public bool IsPlain { get; } = true;

    /// <summary>Equal for equal answers.</summary>
    public string Key { get; }

    public IReadOnlyList<IReadOnlyList<CompiledShare>> Lots => lots;

    /// <summary>What a transfer shows of the name: the first share of the first lot.</summary>
    public CompiledShare First => lots[0][0];

    /// <summary>The share of a client in this slot; drawn is only asked for when there is a choice.</summary>
    public CompiledShare Choose(int slot, SteeredEntry entry)
    {
        CompiledShare[] lot = lots[LotOfSlot.Length == 0 ? 0 : LotOfSlot[slot]];
        if (lot.Length == 1) return lot[0];
        uint drawn = entry.Draw();
        int at = 0;
        while (at < lot.Length - 1 && drawn > lot[at].Limit) at++;
        return lot[at];
    }

    private static (RRset? Set, int Number) SetOf(
        SteeredAnswer answer, RecordType type, SteeredName name, SetList sets)
    {
        ImmutableArray<IPAddress> addresses = type == RecordType.A ? answer.A : answer.Aaaa;
        List<byte[]> rdata = type == RecordType.Cname
            ? answer.Cname is null ? [] : [answer.Cname.Wire.ToArray()]
            : [.. addresses.Select(address => address.GetAddressBytes())];
        return rdata.Count == 0 ? (null, 0) : sets.Add(new RRset(name.Owner, type, name.TtlSeconds, rdata));
    }
}

/// <summary>Sets, each content once: equal answers of different regions are one set.</summary>
internal sealed class SetList
{
    private readonly List<RRset> sets = [];
    private readonly Dictionary<RRset, int> numbers = new(BodiesComparer.Instance);

    public ImmutableArray<RRset> All => [.. sets];

    /// <summary>The set that stands for this one, and its number.</summary>
    public (RRset Set, int Number) Add(RRset set)
    {
        if (numbers.TryGetValue(set, out int number)) return (sets[number], number);
        numbers.Add(set, sets.Count);
        sets.Add(set);
        return (set, sets.Count - 1);
    }
}

/// <summary>Type, TTL and records, which the bodies hold; the owner is not looked at.</summary>
internal sealed class BodiesComparer : IEqualityComparer<RRset>
{
    public static BodiesComparer Instance { get; } = new();

    public bool Equals(RRset? x, RRset? y) =>
        x is not null && y is not null && x.View.Bodies.SequenceEqual(y.View.Bodies);

    public int GetHashCode(RRset obj)
    {
        HashCode hash = default;
        hash.AddBytes(obj.View.Bodies);
        return hash.ToHashCode();
    }
}

/// <summary>
/// A set (null: no data) and its number among all, a CNAME's target, the label's number, and the last drawn number that
/// means this share.
/// </summary>
internal readonly record struct CompiledShare(RRset? Set, int SetNumber, DnsName? Target, int Label, uint Limit);
