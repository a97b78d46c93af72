using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Steering;

/// <summary>
/// One possible answer: addresses, or one CNAME and no addresses. All empty: the name has no data there.
/// </summary>
public sealed record SteeredAnswer
{
    public ImmutableArray<IPAddress> A { get; init; } = [];

    public ImmutableArray<IPAddress> Aaaa { get; init; } = [];

    public DnsName? Cname { get; init; }

    /// <summary>What it is counted as: where it sends the client, and why ("nyc preferred").</summary>
    public string Label { get; init; } = "";

    /// <summary>Whether both say the same, whoever made them.</summary>
    internal bool SaysAs(SteeredAnswer other) => ReferenceEquals(this, other)
        || (Label == other.Label && Cname == other.Cname
            && A.AsSpan().SequenceEqual(other.A.AsSpan()) && Aaaa.AsSpan().SequenceEqual(other.Aaaa.AsSpan()));
}

/// <summary>An answer and how often it is given: Weight times in the sum of its neighbours' weights.</summary>
public readonly record struct SteeredShare(SteeredAnswer Answer, uint Weight);

/// <summary>
/// How the clients of one region are shared out. Without LotOfSlot every client draws from Lots[0]; else the client's
/// subnet (/24 or /48, or what ECS told of it) falls into one of SlotCount slots, always the same one, and LotOfSlot
/// says from which lot it draws. A lot's shares are given in proportion to their weights, exactly over the long run.
/// </summary>
public sealed class SteeredSplit
{
    /// <summary>A slot is a tenth of a per cent of the subnets.</summary>
    public const int SlotCount = 1000;

    /// <summary>ArgumentException when a lot is empty or has no weight, or a slot names none.</summary>
    public SteeredSplit(ImmutableArray<ImmutableArray<SteeredShare>> lots, ImmutableArray<byte> lotOfSlot = default)
    {
        Lots = lots;
        LotOfSlot = lotOfSlot.IsDefault ? [] : lotOfSlot;
        if (lots.IsDefaultOrEmpty || lots.Length > 256)
            throw new ArgumentException("from 1 to 256 lots", nameof(lots));
        if (lots.Any(lot => lot.IsDefaultOrEmpty || lot.Sum(share => (long)share.Weight) is < 1 or > uint.MaxValue))
            throw new ArgumentException("a lot's weights must have a sum from 1 to 2^32 - 1", nameof(lots));
        if (LotOfSlot.Length is not (0 or SlotCount) || LotOfSlot.Any(lot => lot >= lots.Length))
            throw new ArgumentException($"{SlotCount} slots, each with one of the lots", nameof(lotOfSlot));
    }

    public static SteeredSplit Empty { get; } = One(new SteeredAnswer());

    public ImmutableArray<ImmutableArray<SteeredShare>> Lots { get; }

    public ImmutableArray<byte> LotOfSlot { get; }

    public IEnumerable<SteeredAnswer> Answers => Lots.SelectMany(lot => lot).Select(share => share.Answer);

    /// <summary>As SteeredAnswer.SaysAs.</summary>
    internal bool SaysAs(SteeredSplit other)
    {
        if (ReferenceEquals(this, other)) return true;
        if (Lots.Length != other.Lots.Length || !LotOfSlot.AsSpan().SequenceEqual(other.LotOfSlot.AsSpan()))
            return false;
        for (int i = 0; i < Lots.Length; i++)
        {
            ImmutableArray<SteeredShare> mine = Lots[i], theirs = other.Lots[i];
            if (mine.Length != theirs.Length) return false;
            for (int j = 0; j < mine.Length; j++)
            {
                if (mine[j].Weight != theirs[j].Weight || !mine[j].Answer.SaysAs(theirs[j].Answer)) return false;
            }
        }

        return true;
    }

    public static SteeredSplit One(SteeredAnswer answer) => new([[new SteeredShare(answer, 1)]]);

    /// <summary>The slot of a client's subnet, the same on every node; bits in the 128-bit space.</summary>
    public static int SlotOf(UInt128 subnetBitsMapped)
    {
        ulong mixed = ((ulong)(subnetBitsMapped >> 64) * 0x9e3779b97f4a7c15) ^ (ulong)subnetBitsMapped;
        mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93;
        mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93;
        return (int)(((mixed >> 32) * SlotCount) >> 32);
    }
}

/// <summary>
/// What the clients of one region are answered, a family each: one may be up where the other is not. With a Cname only
/// that counts.
/// </summary>
public sealed record SteeredRegion
{
    /// <summary>At most the name's; null: that one.</summary>
    public uint? TtlSeconds { get; init; }

    public SteeredSplit A { get; init; } = SteeredSplit.Empty;

    public SteeredSplit Aaaa { get; init; } = SteeredSplit.Empty;

    public SteeredSplit? Cname { get; init; }

    public IEnumerable<SteeredAnswer> Answers => Cname?.Answers ?? A.Answers.Concat(Aaaa.Answers);

    /// <summary>
    /// Whether two lists of regions answer the same: then the older one may stand, and with it all that was made of it.
    /// </summary>
    public static bool SayTheSame(ImmutableArray<SteeredRegion> one, ImmutableArray<SteeredRegion> other)
    {
        if (one == other) return true;
        if (one.IsDefault || other.IsDefault || one.Length != other.Length) return false;
        for (int i = 0; i < one.Length; i++)
        {
            (SteeredRegion mine, SteeredRegion theirs) = (one[i], other[i]);
            bool sameCname = mine.Cname is null || theirs.Cname is null
                ? mine.Cname is null && theirs.Cname is null
                : mine.Cname.SaysAs(theirs.Cname);
            if (!sameCname || mine.TtlSeconds != theirs.TtlSeconds || !mine.A.SaysAs(theirs.A)
                || !mine.Aaaa.SaysAs(theirs.Aaaa)) return false;
        }

        return true;
    }

    /// <summary>The same for every client of the region.</summary>
    public static implicit operator SteeredRegion(SteeredAnswer answer) => Of(answer);

    public static SteeredRegion Of(SteeredAnswer answer)
    {
        SteeredSplit split = SteeredSplit.One(answer);
        return new SteeredRegion { A = split, Aaaa = split, Cname = answer.Cname is null ? null : split };
    }
}

/// <summary>
/// A name whose answer depends on where the asker is. The owner may be a wildcard. ByRegion is indexed by the region
/// ids of the RegionMap; index 0 is the default, and answers for regions beyond the end. Names that share one ByRegion
/// are compiled once.
/// </summary>
public sealed record SteeredName
{
    public required DnsName Owner { get; init; }

    /// <summary>The longest TTL that any answer has: signatures are made for it (RFC 4034 §3.1.4).</summary>
    public required uint TtlSeconds { get; init; }

    public required ImmutableArray<SteeredRegion> ByRegion { get; init; }

    /// <summary>From address to region; null: the table's own.</summary>
    public RegionMap? Regions { get; init; }

    /// <summary>
    /// Not null: the name answers TXT with what the server sees of the asker, and of his region this word.
    /// </summary>
    public ImmutableArray<string>? ReflectsRegions { get; init; }
}
