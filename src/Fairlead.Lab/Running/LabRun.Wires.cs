using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Lab.Running;

/// <summary>
/// Cables that behave as those of the world to hosts with `xdp`. The kernel's own pairs have no checksums between
/// them, and drop what XDP sends unless a program stands at the other end.
/// </summary>
public sealed partial class LabRun
{
    private void MakeWires(CancellationToken cancellation)
    {
        List<HostSpec> hosts = [.. Topology.Hosts.Where(host => host.Xdp)];
        if (hosts.Count == 0) return;
        foreach (HostSpec host in Topology.Hosts.Where(host => Topology.Network(host.Network)?.Router != host.Name
            && host.Network is not null))
        {
            cancellation.ThrowIfCancellationRequested();
            Command.Run("ip", "netns", "exec", plan.NamespaceOf(host.Name), "ethtool", "-K", NetworkPlan.MemberDevice,
                "tx", "off");
        }

        BpfFs.Mount();
        using BpfObject pass = XdpPass.Load();
        foreach (HostSpec host in hosts)
        {
            using BpfObject link = NetworkNamespace.Run(
                plan.NamespaceOf(Topology.Network(host.Network)!.Router), () => XdpPass.Attach(pass, host.Name));
            link.Pin(PinOf(plan.NamespaceOf(host.Name)));
        }
    }

    private static string PinOf(string name) => Path.Combine(BpfFs.Root, name);
}
