using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;

namespace Fairlead.Fleet.Spec;

/// <summary>What must hold where services are given to the balancer.</summary>
internal static class BalanceRules
{
    public static IEnumerable<(string Path, string Message)> Broken(FleetSpec fleet)
    {
        List<ServiceSpec> balanced = [.. fleet.Services.Where(service => service.Balance is not null)];
        if (fleet.Balancer is { } balancer)
        {
            foreach (PopSpec pop in fleet.Pops.Where(_ => balancer.Devices.IsEmpty && balanced.Count > 0))
            {
                foreach (NodeSpec node in pop.Nodes.Where(node => node.Devices.IsEmpty))
                    yield return ($"pops.{pop.Name}.nodes.{node.Name}",
                        "the balancer has no device here: give \"devices\", or \"balancer.devices\" for all nodes");
            }
        }

        foreach (ServiceSpec service in balanced)
        {
            string at = $"services.{service.Name}.balance";
            if (fleet.Balancer is null)
                yield return (at, "needs the fleet's \"balancer\", with its key and devices");
            if (service.OnNodes)
                yield return (at, "the nodes themselves serve it (\"onNodes\"): there is nobody to balance between");
            if (!service.HasVips)
                yield return (at, "only a service with a \"host\" or \"vips\" has VIPs to balance");
            if (service.Balance!.Spills && service.Backends.Count < 2)
                yield return ($"{at}.spill", "no other pop has backends of it: there is nowhere to send packets on to");
            int nodes = fleet.Pops.SelectMany(pop => pop.Nodes).Sum(node => node.Addresses.Length);
            if (service.Balance.Spills && nodes > VipTable.SpillersMax)
                yield return ($"{at}.spill", $"the fleet's nodes have {nodes} addresses: at most "
                    + $"{VipTable.SpillersMax} may send packets on to each other");
            if (service.Balance.SynCookies is not null && service.Ports.All(port => port.Protocol != PortProtocol.Tcp))
                yield return ($"{at}.synCookies", "the service has no TCP port: nothing else is opened by a SYN");
            foreach ((string path, string message) in
                Over(service, $"{at}.over").Concat(Slots(service, at)).Concat(Quic(service, $"{at}.quic")))
                yield return (path, message);
        }
    }

    private static IEnumerable<(string Path, string Message)> Over(ServiceSpec service, string at)
    {
        if (service.Balance!.Over is not { } over) yield break;
        if (service.Balance.Mode == DeliveryMode.L2)
            yield return (at, "mode l2 does not wrap packets: it takes ip or gue");
        foreach (IPAddress other in service.Backends.Values.SelectMany(pool => pool))
            if (other.AddressFamily != over)
                yield return (at, $"VIPs of both families go to one, and {other} is of the other");
    }

    private static IEnumerable<(string Path, string Message)> Quic(ServiceSpec service, string at)
    {
        ImmutableArray<QuicConfig> configs = service.Balance!.Quic;
        if (configs.IsEmpty) yield break;
        if (service.Ports.All(port => port.Protocol != PortProtocol.Udp))
            yield return (at, "QUIC goes over UDP, and the service has no udp port");
        foreach ((string path, string message) in QuicConfig.Problems(configs)) yield return (at + path, message);
        HashSet<IPAddress> backends = [.. service.Backends.Values.SelectMany(pool => pool)];
        foreach ((int i, QuicConfig config) in configs.Index())
        {
            foreach (QuicServerId id in config.Ids.Where(id => !backends.Contains(id.Backend)))
                yield return ($"{at}[{i}].ids.{id.Backend}", $"{id.Backend} is none of the backends");
        }
    }

    private static IEnumerable<(string Path, string Message)> Slots(ServiceSpec service, string at)
    {
        int slots = service.Balance!.Slots;
        if (!Maglev.IsPrime(slots))
        {
            int next = slots;
            while (!Maglev.IsPrime(next)) next++;
            yield return ($"{at}.slots", $"{slots} is not prime: the next one is {next}");
        }

        int most = service.Backends.Values.SelectMany(pool => new[]
        {
            pool.Count(address => address.AddressFamily == AddressFamily.InterNetwork),
            pool.Count(address => address.AddressFamily == AddressFamily.InterNetworkV6),
        }).DefaultIfEmpty().Max();
        if (slots < most)
            yield return ($"{at}.slots", $"{slots} slots cannot hold {most} backends: a hundred a backend spread well");
    }
}
