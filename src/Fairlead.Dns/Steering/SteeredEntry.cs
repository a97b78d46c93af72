using System.Collections.Immutable;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>A steered name ready to send.</summary>
internal sealed class SteeredEntry(SteeredName name, CompiledSteering steering, SetSigner? signer, RRset[]? signed)
{
    private uint drawn;

    public DnsName Owner => name.Owner;

    public RegionMap? Regions => name.Regions;

    public ImmutableArray<string>? ReflectsRegions => name.ReflectsRegions;

    public CompiledSteering Steering => steering;

    public SetSigner? Signer => signer;

    // A signature is over the owner too: names that share their sets have each their own signed ones.
    public RRset[]? Signed => signed;

    /// <summary>
    /// Subnets are told apart down to /24 and /48: nobody tells more of a client, and neighbours stay together.
    /// </summary>
    public static Prefix SlotPrefix(UInt128 clientMapped, int knownLengthMapped) =>
        Prefix.OfMapped(clientMapped, Math.Min(clientMapped >> 32 == 0xffff ? 120 : 48, knownLengthMapped));

    /// <summary>Whether it was made from all this, so that it can stand for another such one.</summary>
    public bool IsOf(SteeredName other, CompiledSteering itsSteering, SetSigner? itsSigner) =>
        steering == itsSteering && signer == itsSigner && ReferenceEquals(name.Regions, other.Regions)
        && name.ReflectsRegions is null && other.ReflectsRegions is null && ReferenceEquals(name.Owner, other.Owner);

    /// <summary>
    /// What a client of this place is answered; the bits are in the 128-bit space, with the length that is known.
    /// </summary>
    public SteeredChoice Choose(RegionMap common, RecordType type, UInt128 bitsMapped, int lengthMapped)
    {
        RegionMatch region = (name.Regions ?? common).Find(bitsMapped, lengthMapped, steering.ClassesOf(type));
        if (ReflectsRegions is not null) return new SteeredChoice(region.Region, null, 0, 0, region.ScopeLengthMapped);
        CompiledRegion answers = steering[region.Region];
        CompiledSplit? split = answers.For(type);
        if (split is not { LotOfSlot.Length: > 0 })
            return new SteeredChoice(region.Region, split, 0, answers.TtlSeconds, region.ScopeLengthMapped);
        Prefix client = SlotPrefix(bitsMapped, lengthMapped);
        return new SteeredChoice(region.Region, split, SteeredSplit.SlotOf(client.Bits), answers.TtlSeconds,
            Math.Max(region.ScopeLengthMapped, client.LengthMapped));
    }

    /// <summary>The set of a share, signed when the name's zone is; null: no data.</summary>
    public RRset? SetOf(in CompiledShare share) =>
        signed is null || share.Set is null ? share.Set : signed[share.SetNumber];

    /// <summary>The next number of an even sequence over all 32-bit numbers: shares come out exact over time.</summary>
    public uint Draw() => Interlocked.Increment(ref drawn) * 0x9e3779b9u;
}

/// <summary>What the clients of one place are answered by a steered name, before a share is drawn.</summary>
/// <param name="Region">Their region.</param>
/// <param name="Split">Null: nothing of this type.</param>
/// <param name="Slot">Where they fall among the split's lots.</param>
/// <param name="TtlSeconds">Of the answer.</param>
/// <param name="ScopeLengthMapped">How far the answer holds, where it is not the same for all.</param>
internal readonly record struct SteeredChoice(
    int Region, CompiledSplit? Split, int Slot, uint TtlSeconds, int ScopeLengthMapped);

/// <summary>
/// Makes the entries of a table. From the table before it, when that has the same owners, comes everything that is the
/// same: an entry, the sets of names that share a ByRegion, and a signature that the same signer has given.
/// </summary>
internal sealed class EntryCompiler(SteeringTable? previous, Func<DnsName, SetSigner?>? signerOf)
{
    private readonly Dictionary<(ImmutableArray<SteeredRegion>, uint), CompiledSteering> steerings = [];
    private readonly Dictionary<(CompiledSteering, CompiledSteering), int[]> places = [];
    private readonly List<(RRset[] Signed, int Index, RRset Set, SetSigner Signer)> unsigned = [];

    public SteeredEntry Make(int index, SteeredName name)
    {
        SteeredEntry? old = previous?[index];
        CompiledSteering steering = SteeringOf(name, previous?.Names[index], old);
        SetSigner? signer = signerOf?.Invoke(name.Owner);
        return old?.IsOf(name, steering, signer) == true
            ? old
            : new SteeredEntry(name, steering, signer, SignedOf(name, steering, signer, old));
    }

    /// <summary>Makes the signatures that were not at hand: that takes its time, so all cores share it.</summary>
    public void Sign()
    {
        void One(int i) => unsigned[i].Signed[unsigned[i].Index] = unsigned[i].Signer.Sign(unsigned[i].Set);
        if (unsigned.Count > 0) Parallel.For(0, unsigned.Count, One);
    }

    private CompiledSteering SteeringOf(SteeredName name, SteeredName? oldName, SteeredEntry? old)
    {
        if (old is not null && oldName!.ByRegion == name.ByRegion && oldName.TtlSeconds == name.TtlSeconds)
            return old.Steering;
        if (!steerings.TryGetValue((name.ByRegion, name.TtlSeconds), out CompiledSteering? steering))
            steerings.Add((name.ByRegion, name.TtlSeconds), steering = new CompiledSteering(name));
        return steering;
    }

    private RRset[]? SignedOf(SteeredName name, CompiledSteering steering, SetSigner? signer, SteeredEntry? old)
    {
        if (signer is null) return null;
        var signed = new RRset[steering.Sets.Length];
        int[]? before = old?.Signer == signer ? PlacesIn(old.Steering, steering) : null;
        for (int i = 0; i < signed.Length; i++)
        {
            if (before?[i] >= 0)
            {
                signed[i] = old!.Signed![before[i]];
                continue;
            }

            RRset set = steering.Sets[i].At(name.Owner);
            if (signer.Find(set) is { } atHand) signed[i] = atHand;
            else unsigned.Add((signed, i, set, signer));
        }

        return signed;
    }

    private int[] PlacesIn(CompiledSteering old, CompiledSteering steering)
    {
        if (!places.TryGetValue((old, steering), out int[]? known))
            places[(old, steering)] = known = steering.PlacesIn(old);
        return known;
    }
}
