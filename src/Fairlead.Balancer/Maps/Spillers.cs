using System.Collections.Immutable;
using System.Net;

namespace Fairlead.Balancer.Maps;

/// <summary>The balancers elsewhere that may send on to this one, as the kernel has them (bpf/spill.h).</summary>
internal static class Spillers
{
    /// <summary>IOException: there are too many.</summary>
    public static void Check(ImmutableArray<IPAddress> spillers)
    {
        if (spillers.Length > VipTable.SpillersMax)
        {
            throw new IOException(
                $"{spillers.Length} balancers elsewhere may send on to this one: at most {VipTable.SpillersMax}");
        }
    }

    /// <summary>Gives the mask of the table; 0: there are none.</summary>
    public static uint Fill(ImmutableArray<IPAddress> spillers, Span<FlAddress> places)
    {
        FlAddress[] all = [.. spillers.Select(FlowHash.Halves).Select(half => new FlAddress
        {
            Half0 = half.First,
            Half1 = half.Second,
        })];
        uint mask = PlaceTable.Fill(
            all, one => PlaceTable.Hash(one.Half0, one.Half1, 0), places, "balancers elsewhere");
        return all.Length == 0 ? 0 : mask;
    }
}
