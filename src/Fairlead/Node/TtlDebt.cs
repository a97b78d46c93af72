using System.Collections.Immutable;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;

namespace Fairlead.Node;

/// <summary>Until when resolvers may still hand out what a name does not answer any more.</summary>
public sealed record OldAnswer(string Name, string Answer, DateTimeOffset Until);

/// <summary>
/// Remembers what steered names stopped answering, for as long as its TTL runs. Resolvers that keep answers for longer
/// are not counted: nobody can.
/// </summary>
public sealed class TtlDebt
{
    private readonly Dictionary<(DnsName Name, string Answer), DateTimeOffset> debts = [];
    private readonly Lock gate = new();
    private SteeringTable before = SteeringTable.Empty;

    /// <summary>Takes in that from now on this table answers.</summary>
    public void Follow(SteeringTable table, DateTimeOffset at)
    {
        lock (gate)
        {
            foreach ((DnsName, string) paid in debts.Where(debt => debt.Value <= at).Select(debt => debt.Key).ToList())
                debts.Remove(paid);
            Dictionary<DnsName, SteeredName> names = table.Names.ToDictionary(name => name.Owner);
            // Names that say the same stop saying the same.
            var gone = new Dictionary<(ImmutableArray<SteeredRegion>, ImmutableArray<SteeredRegion>, uint),
                Dictionary<string, uint>>();
            foreach (SteeredName old in before.Names.Where(name => !name.ByRegion.IsDefault))
            {
                SteeredName? next = names.GetValueOrDefault(old.Owner);
                if (next?.ByRegion == old.ByRegion) continue;
                ImmutableArray<SteeredRegion> now = next is null || next.ByRegion.IsDefault ? [] : next.ByRegion;
                if (!gone.TryGetValue((old.ByRegion, now, old.TtlSeconds), out Dictionary<string, uint>? values))
                    gone[(old.ByRegion, now, old.TtlSeconds)] = values = Gone(old, now);
                foreach ((string value, uint ttl) in values) Add(old.Owner, value, at + TimeSpan.FromSeconds(ttl));
            }

            before = table;
        }
    }

    public ImmutableArray<OldAnswer> At(DateTimeOffset now)
    {
        lock (gate)
        {
            return
            [
                .. debts.Where(debt => debt.Value > now).OrderByDescending(debt => debt.Value)
                    .Select(debt => new OldAnswer(debt.Key.Name.ToString(), debt.Key.Answer, debt.Value)),
            ];
        }
    }

    private void Add(DnsName owner, string value, DateTimeOffset until)
    {
        if (debts.GetValueOrDefault((owner, value)) < until) debts[(owner, value)] = until;
    }

    // What some region does not answer any more, with the longest TTL that it had.
    private static Dictionary<string, uint> Gone(SteeredName old, ImmutableArray<SteeredRegion> next)
    {
        var gone = new Dictionary<string, uint>(StringComparer.Ordinal);
        for (int region = 0; region < old.ByRegion.Length; region++)
        {
            uint ttl = Math.Min(old.ByRegion[region].TtlSeconds ?? old.TtlSeconds, old.TtlSeconds);
            HashSet<string> still = region < next.Length ? [.. Values(next[region])] : [];
            foreach (string value in Values(old.ByRegion[region]).Where(value => !still.Contains(value)))
                gone[value] = Math.Max(ttl, gone.GetValueOrDefault(value));
        }

        return gone;
    }

    private static IEnumerable<string> Values(SteeredRegion region) => region.Cname is { } cname
        ? cname.Answers.Where(answer => answer.Cname is not null).Select(answer => answer.Cname!.ToString())
        : region.A.Answers.SelectMany(answer => answer.A).Concat(region.Aaaa.Answers.SelectMany(answer => answer.Aaaa))
            .Select(address => address.ToString());
}
