using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Steer;

/// <summary>What steered names answer under a plan, a region each. Pure.</summary>
public static class Steering
{
    /// <summary>Aliases: the addresses of the static names that aliases point to.</summary>
    public static SteeringTable Of(
        FleetSpec fleet, Plan plan, ClientViews views, IReadOnlyDictionary<DnsName, SteeredAnswer>? aliases = null,
        Func<DnsName, SetSigner?>? signerOf = null) =>
        new SteeringCompiler(fleet, views, aliases).Of(plan, signerOf);

    /// <summary>
    /// A name as it stands in a zone's part of the fleet file: "@", relative, or absolute with its last dot. False when
    /// it is no name.
    /// </summary>
    public static bool TryOwner(ZoneSpec zone, string name, out DnsName? owner)
    {
        string origin = zone.Origin.TrimEnd('.') + ".";
        return DnsName.TryParse(
            name == "@" ? origin : name.EndsWith('.') ? name : $"{name}.{origin}", out owner);
    }
}

/// <summary>The answers of one steered name, or of several that say the same.</summary>
internal sealed class NameAnswers
{
    private readonly FleetSpec fleet;
    private readonly Plan plan;
    private readonly SteerSpec steer;
    private readonly string owner;
    private readonly ServiceSpec service;
    private PolicyRun? runOfIPv4, runOfIPv6, runOfEither;

    public NameAnswers(FleetSpec fleet, Plan plan, SteerSpec steer, string owner)
    {
        (this.fleet, this.plan, this.steer, this.owner) = (fleet, plan, steer, owner);
        service = fleet.Service(steer.Service)!;
        Cname = new Choices(steer, pop => new SteeredAnswer { Cname = Target(pop) });
        Func<IPAddress, int>? weightOf = steer.Answer == SteerAnswer.Backends && service.Pick == BackendPick.One
            ? address => service.Weights.GetValueOrDefault(address, 1)
            : null;
        IPv4 = new Choices(steer, pop => new SteeredAnswer { A = Addresses(pop, AddressFamily.InterNetwork) },
            weightOf);
        IPv6 = new Choices(steer, pop => new SteeredAnswer { Aaaa = Addresses(pop, AddressFamily.InterNetworkV6) },
            weightOf);
    }

    public Choices Cname { get; }

    public Choices IPv4 { get; }

    public Choices IPv6 { get; }

    public SteeredRegion Of(ClientRegion region)
    {
        if (steer.Answer == SteerAnswer.Anycast)
        {
            return SteeredRegion.Of(new SteeredAnswer
            {
                A = Of(fleet.AnycastVips(service), AddressFamily.InterNetwork),
                Aaaa = Of(fleet.AnycastVips(service), AddressFamily.InterNetworkV6),
                Label = $"{service.Name} anycast",
            });
        }

        if (steer.Answer == SteerAnswer.Cname)
        {
            PolicyResult either = Run(null).Of(region);
            return new SteeredRegion { TtlSeconds = Ttl(either), Cname = Cname.Of(either.Pops, either.Reason) };
        }

        (PolicyResult four, PolicyResult six) =
            (Run(AddressFamily.InterNetwork).Of(region), Run(AddressFamily.InterNetworkV6).Of(region));
        return new SteeredRegion
        {
            TtlSeconds = Math.Min(Ttl(four), Ttl(six)),
            A = IPv4.Of(four.Pops, four.Reason),
            Aaaa = IPv6.Of(six.Pops, six.Reason),
        };
    }

    public PolicyRun Run(AddressFamily? family) => family switch
    {
        AddressFamily.InterNetwork => runOfIPv4 ??= new PolicyRun(fleet, plan, steer, owner, family),
        AddressFamily.InterNetworkV6 => runOfIPv6 ??= new PolicyRun(fleet, plan, steer, owner, family),
        _ => runOfEither ??= new PolicyRun(fleet, plan, steer, owner, family),
    };

    /// <summary>
    /// The shortest time in which anything that took part can change, within the name's bounds. A pop that is about to
    /// be drained changes soon; one whose regional prefix others catch changes nothing that an answer must hurry for.
    /// </summary>
    public uint Ttl(PolicyResult result)
    {
        (double min, double max) = (steer.Ttl.Min.TotalSeconds, steer.Ttl.Max.TotalSeconds);
        double ttl = max;
        foreach (string pop in result.TookPart)
        {
            if (plan.Pop(pop) is { LeavesSoon: true }) ttl = min;
            bool caught = steer.Answer == SteerAnswer.Regional && fleet.Pop(pop) is { Routers.IsEmpty: false };
            if (caught || plan.Service(steer.Service)?.Turns.GetValueOrDefault(pop) is not { } turns) continue;
            ttl = Math.Min(ttl, steer.Answer == SteerAnswer.Backends ? turns.AnySeconds : turns.PoolSeconds);
        }

        return (uint)Math.Clamp(Math.Floor(ttl), min, max);
    }

    private DnsName? Target(string pop) =>
        DnsName.TryParse(steer.Cname.GetValueOrDefault(pop) ?? "", out DnsName? target) ? target : null;

    private ImmutableArray<IPAddress> Addresses(string pop, AddressFamily family)
    {
        if (steer.Answer == SteerAnswer.Backends)
        {
            ImmutableArray<IPAddress> healthy =
                plan.Service(service.Name)?.Backends.GetValueOrDefault(pop, []) ?? [];
            // Nothing is known to be healthy: all of the pool is better than an empty answer.
            ImmutableArray<IPAddress> pool = healthy.Any(a => a.AddressFamily == family)
                ? healthy
                : service.Backends.GetValueOrDefault(pop, []);
            int count = service.Pick == BackendPick.First ? 1 : SteeringTable.AddressesMax;
            IEnumerable<IPAddress> ofFamily = pool.Where(address => address.AddressFamily == family);
            if (service.Pick == BackendPick.First)
            {
                ImmutableArray<IPAddress> order = service.Backends.GetValueOrDefault(pop, []);
                ofFamily = ofFamily.OrderBy(address => order.IndexOf(address));
            }

            return [.. ofFamily.Take(count)];
        }

        // A family without regional prefixes is answered with its anycast VIP.
        ImmutableArray<IPAddress> regional = Of(FleetSpec.RegionalVips(service, fleet.Pop(pop)!), family);
        return regional.IsEmpty ? Of(fleet.AnycastVips(service), family) : regional;
    }

    private static ImmutableArray<IPAddress> Of(IEnumerable<Prefix> vips, AddressFamily family) =>
        [.. vips.Where(vip => vip.Family == family).Select(vip => vip.Address)];
}
