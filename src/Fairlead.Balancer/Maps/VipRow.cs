using System.Net;

namespace Fairlead.Balancer.Maps;

/// <summary>VIPs as the kernel has them.</summary>
internal static class VipRow
{
    /// <summary>Puts these into their places; gives the table's mask, and whether some VIP has any port.</summary>
    public static (uint Mask, bool AnyPort) Fill(
        IReadOnlyDictionary<VipPort, (uint Number, uint Service)> vips, HashSet<uint> sticky, Span<FlVip> places)
    {
        List<FlVip> all = [.. vips.Select(vip => Of(vip.Key, vip.Value.Number, vip.Value.Service))];
        AddFragments(all, sticky);
        uint mask = PlaceTable.Fill(
            [.. all], vip => PlaceTable.Hash(vip.Address0, vip.Address1, vip.PortProtocol), places, "VIPs");
        return (mask, all.Exists(vip => (ushort)vip.PortProtocol == 0));
    }

    /// <summary>A sticky service's fragments need no port to be told apart.</summary>
    private static void AddFragments(List<FlVip> all, HashSet<uint> sticky)
    {
        HashSet<(ulong, ulong, uint)> any = [.. all.Where(v => (ushort)v.PortProtocol == 0).Select(PlaceOf)];
        foreach (FlVip vip in all.Where(vip => sticky.Contains(vip.Service)).ToList())
        {
            FlVip fragments = vip with { PortProtocol = vip.PortProtocol & 0xffff0000, OnlyFragments = 1 };
            if (any.Add(PlaceOf(fragments))) all.Add(fragments);
        }
    }

    /// <summary>
    /// The places that a table's VIPs will ask for; a service's number here is its place in the table.
    /// </summary>
    public static List<FlVip> Of(VipTable table)
    {
        List<FlVip> all = [.. table.Services.Index().SelectMany(service => service.Item.Vips
            .Select(vip => Of(vip, 0, (uint)service.Index + 1))).DistinctBy(PlaceOf)];
        AddFragments(all, [.. table.Services.Index().Where(s => s.Item.IsSticky).Select(s => (uint)s.Index + 1)]);
        return all;
    }

    private static (ulong, ulong, uint) PlaceOf(FlVip vip) => (vip.Address0, vip.Address1, vip.PortProtocol);

    public static FlVip Of(VipPort vip, uint number, uint service)
    {
        (ulong first, ulong second) = FlowHash.Halves(vip.Address);
        ushort port = (ushort)IPAddress.HostToNetworkOrder((short)vip.Port);
        return new FlVip
        {
            Address0 = first,
            Address1 = second,
            PortProtocol = port | ((uint)vip.Protocol << 16),
            Service = service,
            Number = number,
        };
    }
}
