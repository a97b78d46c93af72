using System.Net;
using Fairlead.Lab.Topologies;

namespace Fairlead.Lab.Running;

/// <summary>
/// A topology as lines for `ip -batch`. One batch makes all namespaces and cables (one process for the whole lab);
/// then each host has a batch of its own, which may be run again to mend what a cut has taken away.
/// </summary>
public sealed class NetworkPlan(Topology topology, string prefix)
{
    public const string Bridge = "lan";
    public const string MemberDevice = "eth0";

    /// <summary>Written in every host before its devices exist, so that they inherit it.</summary>
    private static readonly (string Path, string Value)[] Settings =
    [
        // Anycast and direct server return are asymmetric by design.
        ("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0"),
        // VIPs live on lo of several machines of one network; nobody may answer ARP for them.
        ("ipv4/conf/all/arp_ignore", "1"), ("ipv4/conf/default/arp_ignore", "1"),
        ("ipv4/conf/all/arp_announce", "2"), ("ipv4/conf/default/arp_announce", "2"),
        ("ipv4/conf/all/send_redirects", "0"), ("ipv4/conf/default/send_redirects", "0"),
        ("ipv6/conf/all/accept_ra", "0"), ("ipv6/conf/default/accept_ra", "0"),
        // Waiting for duplicates would cost each start a second; the addresses are ours alone.
        ("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/all/keep_addr_on_down", "1"), ("ipv6/conf/default/keep_addr_on_down", "1"),
        // ECMP by ports, as routers do: a flow stays on its node, clients behind one address spread.
        ("ipv4/fib_multipath_hash_policy", "1"), ("ipv6/fib_multipath_hash_policy", "1"),
    ];

    public string NamespaceOf(string host) => $"{prefix}-{host}";

    public IEnumerable<string> NamespaceLines() => topology.Hosts.Select(host => $"netns add {NamespaceOf(host.Name)}");

    /// <summary>The bridges and the cables between hosts.</summary>
    public IEnumerable<string> CableLines()
    {
        foreach (NetworkSpec network in topology.Networks)
        {
            string router = NamespaceOf(network.Router);
            // Without snooping nothing holds back neighbour discovery; without STP a port forwards at once.
            yield return $"link add name {Bridge} netns {router} type bridge stp_state 0 mcast_snooping 0";
            foreach (HostSpec member in Members(network))
            {
                yield return $"link add name {member.Name} netns {router} type veth "
                    + $"peer name {MemberDevice} netns {NamespaceOf(member.Name)}";
            }
        }

        foreach (LinkSpec link in topology.Links)
        {
            yield return $"link add name {link.Other} netns {NamespaceOf(link.One)} type veth "
                + $"peer name {link.One} netns {NamespaceOf(link.Other)}";
        }
    }

    public IEnumerable<(string Path, string Value)> SettingsOf(HostSpec host)
    {
        string forwards = topology.Forwards(host) ? "1" : "0";
        return Settings.Concat([("ipv4/ip_forward", forwards), ("ipv6/conf/all/forwarding", forwards)]);
    }

    /// <summary>Devices up, addresses, default routes. Safe to repeat.</summary>
    public IEnumerable<string> HostLines(HostSpec host)
    {
        yield return "link set dev lo up";
        NetworkSpec? network = topology.Network(host.Network);
        bool owns = network?.Router == host.Name;
        if (owns)
        {
            foreach (HostSpec member in Members(network!))
                yield return $"link set dev {member.Name} master {Bridge} up";
        }

        if (network is not null)
        {
            string device = owns ? Bridge : MemberDevice;
            yield return $"link set dev {device} up";
            foreach (IPAddress address in host.Addresses)
            {
                int length = network.Prefixes.First(p => p.Contains(address)).Length;
                yield return $"address replace {address}/{length} dev {device}";
            }
        }

        foreach (LinkSpec link in topology.LinksOf(host.Name))
        {
            string device = link.FarEnd(host.Name);
            yield return $"link set dev {device} up";
            foreach ((IPAddress address, int length) in link.AddressesOf(host.Name))
                yield return $"address replace {address}/{length} dev {device}";
        }

        if (owns || network is null) yield break;
        foreach (IPAddress gateway in topology.Host(network.Router)!.Addresses)
            yield return $"route replace default via {gateway} dev {MemberDevice}";
    }

    /// <summary>Every cable of the host pulled: the far ends see it at once.</summary>
    public IEnumerable<string> CutLines(HostSpec host) => Devices(host).Select(device => $"link set dev {device} down");

    private IEnumerable<string> Devices(HostSpec host)
    {
        NetworkSpec? network = topology.Network(host.Network);
        IEnumerable<string> onNetwork = network is null ? []
            : network.Router == host.Name ? Members(network).Select(member => member.Name)
            : [MemberDevice];
        return onNetwork.Concat(topology.LinksOf(host.Name).Select(link => link.FarEnd(host.Name)));
    }

    private IEnumerable<HostSpec> Members(NetworkSpec network) =>
        topology.Hosts.Where(host => host.Network == network.Name && host.Name != network.Router);
}
