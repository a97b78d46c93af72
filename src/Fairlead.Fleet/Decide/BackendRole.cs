using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Decide;

/// <summary>
/// What a machine with backends' addresses has to be: which VIPs it holds, whose tunnels it opens, and to whom it may
/// pass on packets of flows that it does not know.
/// </summary>
public sealed record BackendRole
{
    /// <summary>The services that it serves, sorted by the fleet file.</summary>
    public ImmutableArray<string> Services { get; init; } = [];

    /// <summary>For its loopback.</summary>
    public ImmutableArray<IPAddress> Vips { get; init; } = [];

    /// <summary>Empty: everything comes to it on its own link, unwrapped.</summary>
    public ImmutableArray<IPAddress> Balancers { get; init; } = [];

    public ImmutableArray<IPAddress> Peers { get; init; } = [];

    /// <summary>Its services whose new connections are answered with SYN cookies above a rate.</summary>
    public ImmutableArray<SynCookies> Cookies { get; init; } = [];

    /// <summary>Null: none of the addresses is a balanced service's backend.</summary>
    public static BackendRole? Of(FleetSpec fleet, IReadOnlyCollection<IPAddress> own)
    {
        var services = new List<string>();
        var vips = new SortedSet<Prefix>();
        var balancers = new SortedSet<Prefix>();
        var peers = new SortedSet<Prefix>();
        var cookies = new List<SynCookies>();
        foreach (ServiceSpec service in fleet.Services.Where(service => service.Balance is not null))
        {
            var held = new SortedSet<Prefix>();
            foreach ((string at, ImmutableArray<IPAddress> pool) in service.Backends)
            {
                HashSet<AddressFamily> families = [.. pool.Where(own.Contains).Select(mine => mine.AddressFamily)];
                if (families.Count == 0) continue;
                if (!services.Contains(service.Name)) services.Add(service.Name);
                held.UnionWith(fleet.AllVips(service).Where(vip => families.Contains(service.Behind(vip.Family))));
                if (service.Balance!.Mode == DeliveryMode.L2) continue;
                balancers.UnionWith(fleet.Pop(at)!.Nodes.SelectMany(node => node.Addresses)
                    .Where(address => families.Contains(address.AddressFamily)).Select(Prefix.Host));
                if (service.Balance.Mode != DeliveryMode.Gue) continue;
                peers.UnionWith(pool.Where(other => !own.Contains(other) && families.Contains(other.AddressFamily))
                    .Select(Prefix.Host));
            }

            vips.UnionWith(held);
            if (service.Balance!.SynCookies is { } rate && held.Count > 0)
                cookies.Add(CookiesOf(service, rate, held));
        }

        return services.Count == 0 ? null : new BackendRole
        {
            Services = [.. services],
            Vips = [.. vips.Select(vip => vip.Address)],
            Balancers = [.. balancers.Select(balancer => balancer.Address)],
            Peers = [.. peers.Select(peer => peer.Address)],
            Cookies = [.. cookies],
        };
    }

    private static SynCookies CookiesOf(ServiceSpec service, int rate, IEnumerable<Prefix> vips) => new()
    {
        Rate = rate,
        IsUnwrapped = service.Balance!.Mode == DeliveryMode.L2,
        Vips =
        [
            .. from vip in vips
               from port in service.Ports
               where port.Protocol == PortProtocol.Tcp
               select new VipPort(vip.Address, (byte)ProtocolType.Tcp, (ushort)port.Port),
        ],
    };

    public bool Equals(BackendRole? other) => other is not null && Services.SequenceEqual(other.Services)
        && Vips.SequenceEqual(other.Vips) && Balancers.SequenceEqual(other.Balancers)
        && Peers.SequenceEqual(other.Peers) && Cookies.SequenceEqual(other.Cookies);

    public override int GetHashCode() => HashCode.Combine(Services.Length, Vips.Length);
}
