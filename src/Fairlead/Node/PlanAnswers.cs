using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Fleet;
using Fairlead.Net;

namespace Fairlead.Node;

/// <summary>
/// Brings plans into the answers. Called by ReconcileLoop.Act, and by bench/plan-change, which measures it. One
/// thread's own; the table is everybody's.
/// </summary>
public sealed class PlanAnswers(Snapshot<DnsTable> dns, string nsid, ZoneTransfers? transfers = null)
{
    /// <summary>From now on every thread that answers does so by this plan.</summary>
    public SteeringTable Publish(LoadedFleet fleet, Plan plan, long generation)
    {
        DnsTable before = dns.Current;
        SteeringTable steering = fleet.Steering.Of(plan, fleet.Signing.SignerOf, before.Steering);
        var table = DnsTable.Create(
            generation, transfers?.ZonesOf(fleet) ?? fleet.Zones, RegionMap.Empty, steering, nsid, before);
        table = transfers?.Prepare(table, fleet) ?? table;
        dns.Publish(table);
        transfers?.Handler.Take(table);
        return steering;
    }
}
