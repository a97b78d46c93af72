using System.Collections.Immutable;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>
/// All steered names with their answers ready to be written. Immutable; made anew when any answer changes.
/// </summary>
public sealed class SteeringTable
{
    /// <summary>
    /// 40 AAAA records of 28 bytes are what fits into a datagram of 1232 bytes beside question and OPT.
    /// </summary>
    public const int AddressesMax = 32;

    private readonly ImmutableArray<SteeredEntry> entries;

    /// <summary>
    /// signerOf gives, for the owners of a zone that is signed here, who signs; null: nobody. ArgumentException, with
    /// all faults, when Problems has any.
    /// </summary>
    public SteeringTable(IEnumerable<SteeredName> names, Func<DnsName, SetSigner?>? signerOf = null)
    {
        Names = [.. names.OrderBy(name => name.Owner)];
        List<string> problems = [.. Problems(Names)];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        var compiled = new Dictionary<(ImmutableArray<SteeredRegion>, uint), CompiledSteering>();
        var made = new SteeredEntry[Names.Length];
        var steerings = new CompiledSteering[Names.Length];
        for (int i = 0; i < made.Length; i++)
        {
            SteeredName name = Names[i];
            if (!compiled.TryGetValue((name.ByRegion, name.TtlSeconds), out CompiledSteering? steering))
            {
                steering = new CompiledSteering(name);
                compiled.Add((name.ByRegion, name.TtlSeconds), steering);
            }

            steerings[i] = steering;
        }

        // What is signed anew takes its time, so all cores share it.
        void Make(int i) => made[i] = new SteeredEntry(Names[i], steerings[i], signerOf?.Invoke(Names[i].Owner));
        if (signerOf is not null) Parallel.For(0, made.Length, Make);
        else for (int i = 0; i < made.Length; i++) Make(i);
        entries = ImmutableCollectionsMarshal.AsImmutableArray(made);
    }

    public static SteeringTable Empty { get; } = new([]);

    /// <summary>In canonical order.</summary>
    public ImmutableArray<SteeredName> Names { get; }

    /// <summary>
    /// What is wrong with the names themselves; DnsTable.Problems says what is wrong with them in their zones.
    /// </summary>
    public static IEnumerable<string> Problems(IEnumerable<SteeredName> names)
    {
        var seen = new HashSet<DnsName>();
        var checkedBefore = new HashSet<ImmutableArray<SteeredRegion>>();
        foreach (SteeredName name in names)
        {
            if (!seen.Add(name.Owner)) yield return $"{name.Owner} is steered twice";
            if (name.ByRegion.IsDefaultOrEmpty && name.ReflectsRegions is null)
                yield return $"{name.Owner} has no default answer";
            if (name.TtlSeconds > int.MaxValue) yield return $"{name.Owner}: TTL {name.TtlSeconds} is over 2147483647";
            if (name.ByRegion.IsDefaultOrEmpty || !checkedBefore.Add(name.ByRegion)) continue;
            foreach (string problem in name.ByRegion.SelectMany(r => r.Answers).Distinct().SelectMany(Problems))
                yield return $"{name.Owner}: {problem}";
        }
    }

    /// <summary>
    /// How a query for this type of a steered name is decided; null when the name is not steered. The client's address
    /// or subnet is in the 128-bit space, with the length that is known of it.
    /// </summary>
    public SteeredLook? Look(DnsName owner, RecordType type, Prefix client)
    {
        int index = Names.IndexOf(Names.FirstOrDefault(name => name.Owner == owner)!);
        if (index < 0) return null;
        SteeredName name = Names[index];
        CompiledSteering steering = entries[index].Steering;
        RegionMatch match = (name.Regions ?? RegionMap.Empty).Find(
            client.Bits, client.LengthMapped, steering.ClassesOf(type));
        int slot = SteeredSplit.SlotOf(SteeredEntry.SlotPrefix(client.Bits, client.LengthMapped).Bits);
        bool one = name.ReflectsRegions is null && steering.IsOneForAll(type);
        CompiledSplit? split = name.ByRegion.IsDefaultOrEmpty ? null : steering[match.Region].For(type);
        int scope = one ? 0 : match.ScopeLengthMapped;
        if (split is { LotOfSlot.Length: > 0 })
            scope = Math.Max(scope, SteeredEntry.SlotPrefix(client.Bits, client.LengthMapped).LengthMapped);
        uint ttl = name.ByRegion.IsDefaultOrEmpty ? 0 : steering[match.Region].TtlSeconds;
        return new SteeredLook(match.Region, slot, ttl, one ? 0 : scope - (client.IsIPv4 ? 96 : 0));
    }

    internal SteeredEntry this[int index] => entries[index];

    private static IEnumerable<string> Problems(SteeredAnswer answer)
    {
        if (answer.Cname is not null && answer.A.Length + answer.Aaaa.Length > 0)
            yield return "a CNAME and addresses in one answer";
        if (answer.A.Any(address => address.AddressFamily != AddressFamily.InterNetwork))
            yield return "an address among A that is not IPv4";
        if (answer.Aaaa.Any(address => address.AddressFamily != AddressFamily.InterNetworkV6))
            yield return "an address among AAAA that is not IPv6";
        if (Math.Max(answer.A.Length, answer.Aaaa.Length) > AddressesMax)
            yield return $"over {AddressesMax} addresses in one answer";
    }
}

/// <summary>How a client is seen by a steered name.</summary>
/// <param name="Region">His region in the name's own map.</param>
/// <param name="Slot">Where his subnet falls, of SteeredSplit.SlotCount.</param>
/// <param name="TtlSeconds">The TTL of his answer.</param>
/// <param name="ScopeLength">The ECS scope of it, 0 to 32 or 0 to 128.</param>
public sealed record SteeredLook(int Region, int Slot, uint TtlSeconds, int ScopeLength);

/// <summary>A steered name ready to send.</summary>
internal sealed class SteeredEntry(SteeredName name, CompiledSteering steering, SetSigner? signer)
{
    // A signature is over the owner too: names that share their sets have each their own signed ones.
    private readonly RRset[]? signed =
        signer is null ? null : [.. steering.Sets.Select(set => signer.Sign(set.At(name.Owner)))];

    private uint drawn;

    public DnsName Owner => name.Owner;

    public RegionMap? Regions => name.Regions;

    public ImmutableArray<string>? ReflectsRegions => name.ReflectsRegions;

    public CompiledSteering Steering => steering;

    /// <summary>
    /// Subnets are told apart down to /24 and /48: nobody tells more of a client, and neighbours stay together.
    /// </summary>
    public static Prefix SlotPrefix(UInt128 clientMapped, int knownLengthMapped) =>
        Prefix.OfMapped(clientMapped, Math.Min(clientMapped >> 32 == 0xffff ? 120 : 48, knownLengthMapped));

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
