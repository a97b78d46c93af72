using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Steer;

/// <summary>The way to an answer, for people.</summary>
/// <param name="Name">The steered name that answered; a wildcard or an alias's target may stand for what was
/// asked.</param>
/// <param name="Client">What was known of the client: an address, or the subnet that ECS told.</param>
/// <param name="Place">What the databases say, and of which addresses.</param>
/// <param name="Region">The order that the client's region prefers, and the map's entry.</param>
/// <param name="Steps">The policy, step by step.</param>
/// <param name="Answers">The possible answers and their share of the draws; one for most policies.</param>
public sealed record DnsWhy(
    string Name, string Client, string Place, string Region, ImmutableArray<PolicyTrace> Steps,
    ImmutableArray<DnsWhyAnswer> Answers, uint TtlSeconds, string TtlWhy, int ScopeLength);

public sealed record DnsWhyAnswer(string Answer, string Label, double Share);

/// <summary>Explains an answer by the same code that makes it.</summary>
public static class Why
{
    /// <summary>Null, and the reason, when there is nothing to explain.</summary>
    public static DnsWhy? Explain(
        FleetSpec fleet, Plan plan, ClientViews views, SteeringTable table, DnsName name, RecordType type,
        Prefix client, out string? fault)
    {
        fault = null;
        SteeredName? steered = Find(table, name);
        (ZoneSpec Zone, SteerSpec Steer)? found = steered is null ? null : SpecOf(fleet, steered.Owner);
        if (found is not { } pair)
        {
            fault = $"{name} is not steered: it is answered from its zone's master file, or not at all";
            return null;
        }

        (DnsName owner, SteerSpec steer) = (steered!.Owner, pair.Steer);
        if (steer.Alias is { } alias && Steering.TryOwner(pair.Zone, alias, out DnsName? target)
            && SpecOf(fleet, target!) is { } of) (owner, steer) = (target!, of.Steer);
        SteeredLook look = table.Look(steered.Owner, type, client)!;
        ClientView view = views.Of(steer);
        ClientRegion region = view.Regions[look.Region < view.Regions.Count ? look.Region : 0] with
        {
            MapEntry = view.EntryOf(views.Geography, client.Bits),
        };
        var steps = new List<PolicyTrace>();
        var answers = ImmutableArray<DnsWhyAnswer>.Empty;
        string ttlWhy = $"between {steer.Ttl.Min.TotalSeconds} and {steer.Ttl.Max.TotalSeconds} s";
        if (steer.Service.Length > 0)
        {
            SteeredRegion given = steered.ByRegion[look.Region < steered.ByRegion.Length ? look.Region : 0];
            SteeredSplit split = given.Cname ?? (type == RecordType.Aaaa ? given.Aaaa : given.A);
            answers = Answers(split, look.Slot, type);
            if (steer.Answer != SteerAnswer.Anycast) Trace(new NameAnswers(fleet, plan, steer, $"{owner}"), region);
        }

        string order = region.MapEntry.Length > 0 ? $"{region} ({region.MapEntry})" : region.ToString();
        return new DnsWhy(
            owner.ToString(), client.ToString(), PlaceOf(views.Geography, client), $"{look.Region}: {order}",
            [.. steps], answers, look.TtlSeconds, ttlWhy, look.ScopeLength);

        void Trace(NameAnswers names, ClientRegion seen)
        {
            AddressFamily? family = steer.Answer == SteerAnswer.Cname ? null
                : type == RecordType.Aaaa ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
            PolicyResult result = names.Run(family).Of(seen, steps);
            Choices choices = family switch
            {
                null => names.Cname,
                AddressFamily.InterNetworkV6 => names.IPv6,
                _ => names.IPv4,
            };
            (ImmutableArray<string> last, string reason) = choices.OrderOf(result.Pops, look.Slot, result.Reason);
            foreach (PolicyStep choice in steer.Policy.Where(step => step.IsChoice))
            {
                string slot = $"slot {look.Slot} of {SteeredSplit.SlotCount}: {reason}";
                steps.Add(new PolicyTrace(choice.Text, last, [slot]));
            }

            ttlWhy += $"; took part: {string.Join(' ', result.TookPart)}";
        }
    }

    private static ImmutableArray<DnsWhyAnswer> Answers(SteeredSplit split, int slot, RecordType type)
    {
        ImmutableArray<SteeredShare> lot = split.Lots[split.LotOfSlot.IsEmpty ? 0 : split.LotOfSlot[slot]];
        double total = lot.Sum(share => (double)share.Weight);
        return
        [
            .. lot.Select(share => new DnsWhyAnswer(
                share.Answer.Cname is { } cname ? $"CNAME {cname}"
                    : string.Join(' ', type == RecordType.Aaaa ? share.Answer.Aaaa : share.Answer.A),
                share.Answer.Label, share.Weight / total)),
        ];
    }

    private static SteeredName? Find(SteeringTable table, DnsName name)
    {
        SteeredName? exact = table.Names.FirstOrDefault(one => one.Owner == name);
        for (DnsName above = name; exact is null && above.LabelCount > 1; above = above.Parent)
            exact = table.Names.FirstOrDefault(one => one.Owner.IsWildcard && one.Owner.Parent == above.Parent);
        return exact;
    }

    private static (ZoneSpec Zone, SteerSpec Steer)? SpecOf(FleetSpec fleet, DnsName owner)
    {
        foreach (ZoneSpec zone in fleet.Zones)
        {
            foreach (SteerSpec steer in zone.Steer)
            {
                if (Steering.TryOwner(zone, steer.Name, out DnsName? named) && named == owner) return (zone, steer);
            }
        }

        return null;
    }

    private static string PlaceOf(Geography geography, Prefix client)
    {
        (Place? place, UInt128 first, UInt128 last) = geography.Places.Find(client.Bits);
        string run = $"{Prefix.OfMapped(first, 128).Address} to {Prefix.OfMapped(last, 128).Address}";
        if (place is null) return $"not known ({run})";
        string[] parts =
        [
            place.Continent ?? "", place.Country ?? "", place.Subdivision ?? "",
            place.Latitude is null ? "" : $"{place.Latitude:0.##},{place.Longitude:0.##}",
            geography.Asns.Find(client.Bits).Value is { } asn ? $"AS{asn}" : "",
        ];
        return $"{string.Join(' ', parts.Where(part => part.Length > 0))} ({run})";
    }
}
