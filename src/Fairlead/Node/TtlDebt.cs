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
    public void Follow(SteeringTable table, DateTimeOffset now)
    {
        lock (gate)
        {
            foreach ((DnsName, string) paid in debts.Where(debt => debt.Value <= now).Select(debt => debt.Key).ToList())
                debts.Remove(paid);
            Dictionary<DnsName, SteeredName> names = table.Names.ToDictionary(name => name.Owner);
            foreach (SteeredName old in before.Names.Where(name => !name.ByRegion.IsDefault))
            {
                SteeredName? next = names.GetValueOrDefault(old.Owner);
                if (next?.ByRegion == old.ByRegion) continue;
                for (int region = 0; region < old.ByRegion.Length; region++)
                    Compare(old, region, next is null || next.ByRegion.IsDefault ? [] : next.ByRegion, now);
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

    private void Compare(SteeredName old, int region, ImmutableArray<SteeredRegion> next, DateTimeOffset now)
    {
        uint ttl = Math.Min(old.ByRegion[region].TtlSeconds ?? old.TtlSeconds, old.TtlSeconds);
        HashSet<string> still = region < next.Length ? [.. Values(next[region])] : [];
        foreach (string gone in Values(old.ByRegion[region]).Where(value => !still.Contains(value)))
        {
            DateTimeOffset until = now + TimeSpan.FromSeconds(ttl);
            if (debts.GetValueOrDefault((old.Owner, gone)) < until) debts[(old.Owner, gone)] = until;
        }
    }

    private static IEnumerable<string> Values(SteeredRegion region) => region.Cname is { } cname
        ? cname.Answers.Where(answer => answer.Cname is not null).Select(answer => answer.Cname!.ToString())
        : region.A.Answers.SelectMany(answer => answer.A).Concat(region.Aaaa.Answers.SelectMany(answer => answer.Aaaa))
            .Select(address => address.ToString());
}
