using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer.Maps;

/// <summary>
/// Makes a service's slots from its sets of backends, and keeps those that it had. Services are turned beside each
/// other: this touches nothing but the one.
/// </summary>
internal static class SlotTurn
{
    private const int PastMax = 4;

    public static void Turn(ServiceState state, ServiceEntry entry, uint now)
    {
        bool sameSet = state.Entry is not null && state.Entry.Backends.SequenceEqual(entry.Backends);
        if (sameSet && state.Entry!.Others.SequenceEqual(entry.Others) && state.Entry.Down.SequenceEqual(entry.Down))
            return;
        // Names are of use where a backend passes on what it does not know.
        IEnumerable<OtherBalancer> others = entry.Mode == DeliveryMode.Gue ? entry.Others
            : state.HasCarried ? [] : entry.Others.Take(1);
        if (!state.HasCarried && !entry.Down.IsEmpty && entry.Others.IsEmpty)
            others = [new OtherBalancer([[.. entry.Backends, .. entry.Down]])];
        Dictionary<Prefix, uint> numbers = others.Any() ? WithStrangers(state, others) : state.Numbers;
        PastOwners[][] before =
            [.. others.Select(other => other.Sets.Select(set => Past(numbers, entry, set)).ToArray())];
        if (sameSet && before.Length == 0 && state.HasCarried) return;
        KeepPast(state, entry, others.FirstOrDefault(), now, sameSet);
        uint[] scratch = ArrayPool<uint>.Shared.Rent(entry.Slots);
        ReadOnlySpan<uint> owners = Numbered(state.Numbers, entry.Backends, scratch.AsSpan(0, entry.Slots));
        if (state.Turn(owners, before, [.. state.AllNumbers]))
            state.ChangingUntil = Math.Max(1, now + (uint)entry.Transition.TotalSeconds);
        ArrayPool<uint>.Shared.Return(scratch);
    }

    /// <summary>
    /// The numbers of those who live or may come back, and others for those who do not, to follow what became of their
    /// slots.
    /// </summary>
    private static Dictionary<Prefix, uint> WithStrangers(ServiceState state, IEnumerable<OtherBalancer> others)
    {
        var numbers = new Dictionary<Prefix, uint>(state.Numbers);
        foreach ((Prefix address, (uint number, _)) in state.Fallen) numbers[address] = number;
        uint stranger = Layout.BackendMask;
        foreach (BackendEntry backend in others.SelectMany(other => other.Sets).SelectMany(set => set))
            if (numbers.TryAdd(Prefix.Host(backend.Address), stranger)) stranger--;
        return numbers;
    }

    private static PastOwners Past(
        Dictionary<Prefix, uint> numbers, ServiceEntry entry, ImmutableArray<BackendEntry> set)
    {
        uint[] owners = new uint[entry.Slots];
        _ = Numbered(numbers, set, owners);
        HashSet<uint> living = [.. set.Select(backend => numbers[Prefix.Host(backend.Address)])];
        return new PastOwners(owners, living.Contains);
    }

    /// <summary>
    /// What others must know to take over flows of this balancer. Of more than a few sets the oldest are forgotten, as
    /// a slot forgets its owners.
    /// </summary>
    private static void KeepPast(
        ServiceState state, ServiceEntry entry, OtherBalancer? first, uint now, bool sameSet)
    {
        if (!state.HasCarried)
        {
            // Its table is as the first of the others has it, and so is its past; the time counts anew.
            state.Past.Clear();
            if (first is not null)
                state.Past.AddRange(first.Sets.Reverse().SkipWhile(set => set.SequenceEqual(entry.Backends))
                    .Select(set => (set, now)));
        }
        else if (!sameSet && state.Entry is not null)
        {
            state.Past.Insert(0, (state.Set, now));
        }

        state.Set =
        [
            .. entry.Backends, .. state.Fallen.Keys.Order().Select(fallen => new BackendEntry(fallen.Address, 0)),
        ];

        if (state.Past.Count > PastMax) state.Past.RemoveRange(PastMax, state.Past.Count - PastMax);
    }

    /// <summary>Who owns each slot, by number; into this span.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ReadOnlySpan<uint> Numbered(
        Dictionary<Prefix, uint> numberOf, ImmutableArray<BackendEntry> set, Span<uint> numbered)
    {
        uint[] numbers = [.. set.Select(backend => numberOf[Prefix.Host(backend.Address)])];
        Span<int> owners = MemoryMarshal.Cast<uint, int>(numbered);
        Maglev.Owners(set, owners);
        for (int i = 0; i < owners.Length; i++) numbered[i] = owners[i] < 0 ? 0 : numbers[owners[i]];
        return numbered;
    }
}
