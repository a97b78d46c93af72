using System.Collections.Immutable;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
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
    /// signerOf gives, for the owners of a zone that is signed here, who signs; null: nobody. Of the table before it,
    /// what answers the same is taken over, so that a change costs what has changed. ArgumentException, with all
    /// faults, when Problems has any.
    /// </summary>
    public SteeringTable(
        IEnumerable<SteeredName> names, Func<DnsName, SetSigner?>? signerOf = null, SteeringTable? previous = null)
    {
        ImmutableArray<SteeredName> given = [.. names];
        bool sameOwners = previous is not null && SameOwners(given, previous.Names);
        Names = sameOwners ? given : InOrder(given);
        List<string> problems = [.. Problems(Names, sameOwners ? previous : null)];
        if (problems.Count > 0) throw new ArgumentException(string.Join("; ", problems));
        var compiler = new EntryCompiler(sameOwners ? previous : null, signerOf);
        var made = new SteeredEntry[Names.Length];
        for (int i = 0; i < made.Length; i++) made[i] = compiler.Make(i, Names[i]);
        compiler.Sign();
        entries = ImmutableCollectionsMarshal.AsImmutableArray(made);
    }

    public static SteeringTable Empty { get; } = new([]);

    /// <summary>In canonical order.</summary>
    public ImmutableArray<SteeredName> Names { get; }

    /// <summary>
    /// What is wrong with the names themselves; DnsTable.Problems says what is wrong with them in their zones.
    /// </summary>
    public static IEnumerable<string> Problems(IEnumerable<SteeredName> names) => Problems(names, null);

    // What stood in a table of the same owners has been looked at before.
    private static IEnumerable<string> Problems(IEnumerable<SteeredName> names, SteeringTable? previous)
    {
        HashSet<DnsName>? seen = previous is null ? [] : null;
        var checkedBefore = new HashSet<ImmutableArray<SteeredRegion>>();
        foreach (SteeredName old in previous?.Names ?? []) checkedBefore.Add(old.ByRegion);
        foreach (SteeredName name in names)
        {
            if (seen?.Add(name.Owner) == false) yield return $"{name.Owner} is steered twice";
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

    /// <summary>Whether both have the same owners, so that an index means the same name in both.</summary>
    internal bool HasOwnersOf(SteeringTable other) => SameOwners(Names, other.Names);

    private static bool SameOwners(ImmutableArray<SteeredName> one, ImmutableArray<SteeredName> other)
    {
        if (one.Length != other.Length) return false;
        for (int i = 0; i < one.Length; i++)
        {
            if (!ReferenceEquals(one[i].Owner, other[i].Owner) && one[i].Owner != other[i].Owner) return false;
        }

        return true;
    }

    // Who makes names over and over gives them in order already.
    private static ImmutableArray<SteeredName> InOrder(ImmutableArray<SteeredName> names)
    {
        for (int i = 1; i < names.Length; i++)
        {
            if (names[i - 1].Owner > names[i].Owner) return [.. names.OrderBy(name => name.Owner)];
        }

        return names;
    }

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
