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

        // Of the lab's own: what hosts pin there goes with it, whatever became of them.
        Directory.CreateDirectory(PinFolder(RunFolder));
        BpfFs.Mount(PinFolder(RunFolder));
        using BpfObject pass = XdpPass.Load();
        foreach (HostSpec host in hosts)
        {
            using BpfObject link = NetworkNamespace.Run(
                plan.NamespaceOf(Topology.Network(host.Network)!.Router), () => XdpPass.Attach(pass, host.Name));
            link.Pin(Path.Combine(PinFolder(RunFolder), $"wire-{host.Name}"));
        }
    }

    /// <summary>A machine that is switched off keeps nothing in its kernel.</summary>
    private void ForgetPins(string host)
    {
        string pins = Path.Combine(PinFolder(RunFolder), host);
        if (Directory.Exists(pins)) Directory.Delete(pins, recursive: true);
    }

    private static string PinFolder(string runFolder) => Path.Combine(runFolder, "bpf");
}
