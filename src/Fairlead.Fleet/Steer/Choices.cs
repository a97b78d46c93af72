using System.Collections.Immutable;
using System.Net;
using System.Text;
using Fairlead.Dns.Steering;
using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Steer;

/// <summary>
/// The part of a policy that shares out the clients of a region: shed, spread, weighted, multi. It depends on the list
/// of pops alone, so regions that are left with the same list share the result.
/// </summary>
internal sealed class Choices(
    SteerSpec steer, Func<string, SteeredAnswer> answerOf, Func<IPAddress, int>? weightOf = null)
{
    private readonly Dictionary<string, SteeredSplit> splits = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SteeredAnswer> answers = new(StringComparer.Ordinal);

    public SteeredSplit Of(ImmutableArray<string> pops, string reason)
    {
        string key = $"{reason} {string.Join(' ', pops)}";
        if (!splits.TryGetValue(key, out SteeredSplit? split)) splits[key] = split = Make(pops, reason);
        return split;
    }

    /// <summary>The order in which clients of this slot see the pops.</summary>
    public (ImmutableArray<string> Order, string Reason) OrderOf(ImmutableArray<string> pops, int slot, string reason)
    {
        foreach (PolicyStep step in steer.Policy)
        {
            if (step is PolicyStep.Spread && pops.Length > 1)
            {
                pops = [.. pops.OrderByDescending(pop => Score(pop, slot))];
                if (reason == "preferred") reason = "spread";
            }
            else if (step is PolicyStep.Shed shed && pops.Length > 1 && slot < shed.Permille.GetValueOrDefault(pops[0]))
            {
                pops = [.. pops.Skip(1), pops[0]];
                reason = "shed";
            }
        }

        return (pops, reason);
    }

    /// <summary>The pops that a client with this order may be sent to, each with its weight.</summary>
    public ImmutableArray<(string Pop, uint Weight)> Weights(ImmutableArray<string> order)
    {
        if (order.IsEmpty) return [];
        PolicyStep.Weighted? weighted = steer.Policy.OfType<PolicyStep.Weighted>().FirstOrDefault();
        if (weighted is null) return [(order[0], 1)];
        ImmutableArray<(string Pop, uint Weight)> shares =
        [
            .. order.Select(pop => (Pop: pop, Weight: (uint)weighted.Weights.GetValueOrDefault(pop)))
                .Where(share => share.Weight > 0),
        ];
        // Only pops without weight are left: better one of them than nobody.
        return shares.IsEmpty ? [(order[0], 1)] : shares;
    }

    private SteeredSplit Make(ImmutableArray<string> pops, string reason)
    {
        if (!steer.Policy.Any(step => step is PolicyStep.Spread or PolicyStep.Shed) || pops.Length < 2)
            return new SteeredSplit([Lot(pops, reason)]);

        var known = new Dictionary<string, byte>(StringComparer.Ordinal);
        var lots = ImmutableArray.CreateBuilder<ImmutableArray<SteeredShare>>();
        var slots = ImmutableArray.CreateBuilder<byte>(SteeredSplit.SlotCount);
        for (int slot = 0; slot < SteeredSplit.SlotCount; slot++)
        {
            (ImmutableArray<string> order, string why) = OrderOf(pops, slot, reason);
            // Without "multi" only the first counts, or all with their weights, whatever their order.
            ImmutableArray<string> counts = Count > 1 ? order : [.. Weights(order).Select(share => share.Pop)];
            string key = $"{why} {string.Join(' ', counts)}";
            if (!known.TryGetValue(key, out byte lot))
            {
                // An answer names at most 256 orders; further ones share the last: no client is left without.
                lot = (byte)Math.Min(lots.Count, 255);
                if (lots.Count < 256) lots.Add(Lot(order, why));
                known[key] = lot;
            }

            slots.Add(lot);
        }

        return lots.Count == 1 ? new SteeredSplit(lots.ToImmutable())
            : new SteeredSplit(lots.ToImmutable(), slots.MoveToImmutable());
    }

    private int Count => steer.Policy.OfType<PolicyStep.Multi>().FirstOrDefault()?.Count ?? 0;

    private ImmutableArray<SteeredShare> Lot(ImmutableArray<string> order, string reason)
    {
        if (order.IsEmpty) return [new SteeredShare(new SteeredAnswer(), 1)];
        ImmutableArray<(string Pop, uint Weight)> shares = Weights(order);
        string why = shares.Length > 1 && reason == "preferred" ? "weighted" : reason;
        ImmutableArray<SteeredShare> lot =
            [.. shares.Select(share => new SteeredShare(Answer(share.Pop, order, why), share.Weight))];
        return weightOf is null || Count > 0 ? lot : OneByOne(lot);
    }

    // Each pop's share is divided among its addresses by their weights. Sums differ from pop to pop, so all are brought
    // to one denominator; where that grows too large, a millionth is as exact as it gets.
    private ImmutableArray<SteeredShare> OneByOne(ImmutableArray<SteeredShare> lot)
    {
        const double Parts = 1_000_000;
        var parts = new List<(SteeredAnswer Answer, double Part)>();
        long whole = lot.Aggregate(1L, (product, share) => Math.Min(product * Math.Max(1, Sum(share.Answer)),
            1L << 32));
        long total = lot.Sum(share => (long)share.Weight);
        foreach (SteeredShare share in lot)
        {
            long sum = Sum(share.Answer);
            if (sum == 0) parts.Add((share.Answer, (double)share.Weight * whole));
            foreach (IPAddress a in share.Answer.A.Where(_ => sum > 0))
                parts.Add((share.Answer with { A = [a] }, (double)share.Weight * whole / sum * weightOf!(a)));
            foreach (IPAddress a in share.Answer.Aaaa.Where(_ => sum > 0))
                parts.Add((share.Answer with { Aaaa = [a] }, (double)share.Weight * whole / sum * weightOf!(a)));
        }

        double scale = total * whole <= uint.MaxValue ? 1 : Parts / ((double)total * whole);
        return [.. parts.Where(part => part.Part > 0)
            .Select(part => new SteeredShare(part.Answer, Math.Max(1, (uint)Math.Round(part.Part * scale))))];
    }

    // 0: there is nothing to weigh, or nothing weighs anything; then the answer stays whole.
    private long Sum(SteeredAnswer answer) => answer.A.Concat(answer.Aaaa).Sum(address => (long)weightOf!(address));

    // Whole pops in order until there are enough addresses, the chosen pop's first.
    private SteeredAnswer Answer(string first, ImmutableArray<string> order, string reason)
    {
        string key = $"{reason} {first} {(Count > 0 ? string.Join(' ', order) : "")}";
        if (answers.TryGetValue(key, out SteeredAnswer? known)) return known;
        SteeredAnswer answer = answerOf(first);
        if (Count > 0)
        {
            SteeredAnswer[] all = [answer, .. order.Where(pop => pop != first).Select(answerOf)];
            answer = answer with
            {
                A = [.. all.SelectMany(one => one.A).Distinct().Take(Count)],
                Aaaa = [.. all.SelectMany(one => one.Aaaa).Distinct().Take(Count)],
            };
        }

        return answers[key] = answer with { Label = $"{steer.Service}/{first} {reason}" };
    }

    // Highest random weight: a pop that goes or comes moves only its own share of the slots.
    private static ulong Score(string pop, int slot)
    {
        ulong hash = 0xcbf29ce484222325;
        foreach (byte one in Encoding.UTF8.GetBytes(pop)) hash = (hash ^ one) * 0x100000001b3;
        hash = (hash ^ (ulong)slot) * 0x9e3779b97f4a7c15;
        hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;
        return hash ^ (hash >> 32);
    }
}
