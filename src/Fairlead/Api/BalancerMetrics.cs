using System.Text;
using static Fairlead.Api.Metrics;

namespace Fairlead.Api;

/// <summary>What the balancer in the kernel counts, in the Prometheus text format.</summary>
internal static class BalancerMetrics
{
    public static void Write(StringBuilder text, BalancerView balancer)
    {
        Family(text, "fairlead_balancer_fault", "gauge", "1 while the kernel does not take the balancer's table.");
        Sample(text, "fairlead_balancer_fault", balancer.Fault is null ? 0 : 1);
        Family(text, "fairlead_balancer_watched_total", "counter", "Packets that were shown to those who watch.");
        Sample(text, "fairlead_balancer_watched_total", balancer.Watched);
        Family(text, "fairlead_balancer_watched_lost_total", "counter", "Packets to be shown that found no room.");
        Sample(text, "fairlead_balancer_watched_lost_total", balancer.WatchedLost);
        Of(text, "fairlead_balancer_vip_packets_total", "Packets for a VIP.", balancer, vip => vip.Packets);
        Of(text, "fairlead_balancer_vip_bytes_total", "Bytes for a VIP, as they came in.", balancer, vip => vip.Bytes);
        Of(text, "fairlead_balancer_vip_flows_total", "Flows that began.", balancer, vip => vip.NewFlows);
        Family(text, "fairlead_balancer_vip_reason_total", "counter", "What became of a VIP's packets, in a word.");
        foreach (VipView vip in balancer.Vips)
        {
            foreach ((string reason, ulong count) in vip.Reasons)
                Sample(text, "fairlead_balancer_vip_reason_total", count, ("vip", vip.Vip), ("reason", reason));
        }

        To(text, "fairlead_balancer_backend_packets_total", "Packets given to a backend.", balancer, b => b.Packets);
        To(text, "fairlead_balancer_backend_bytes_total", "Bytes given to a backend.", balancer, b => b.Bytes);
        To(text, "fairlead_balancer_backend_flows_total", "Flows that began there.", balancer, b => b.NewFlows);
    }

    private static void Of(
        StringBuilder text, string name, string help, BalancerView balancer, Func<VipView, ulong> count)
    {
        Family(text, name, "counter", help);
        foreach (VipView vip in balancer.Vips) Sample(text, name, count(vip), ("vip", vip.Vip));
    }

    private static void To(
        StringBuilder text, string name, string help, BalancerView balancer, Func<BalancedView, ulong> count)
    {
        Family(text, name, "counter", help);
        foreach (BalancedView backend in balancer.Backends)
            Sample(text, name, count(backend), ("service", backend.Service), ("backend", backend.Backend));
    }
}
