using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Fairlead.Net.Addresses;

namespace Fairlead.Balancer.Maps;

/// <summary>A backend as the kernel has it: its address is its identity, the rest is the way there.</summary>
public static class BackendRow
{
    private const int UdpAndGue = 12;
    private const int OtherHead = 4;

    /// <summary>Without a way it is known and not alive: what would go there is dropped, and counted.</summary>
    public static FlBackend Of(ServiceEntry service, BackendEntry backend, NextHop? way, ushort serviceId)
    {
        bool isIPv4 = backend.Address.AddressFamily == AddressFamily.InterNetwork;
        DeliveryMode mode = backend.IsElsewhere ? DeliveryMode.Gue : service.Mode;
        var row = new FlBackend
        {
            Mode = (byte)mode,
            Family = (byte)(isIPv4 ? 4 : 6),
            Port = BinaryPrimitives.ReverseEndianness(Layout.GuePort),
            Service = serviceId,
            Flags = backend.Weight > 0 ? Layout.Accepts : (ushort)0,
        };
        backend.Address.TryWriteBytes(row.To, out _);
        // RFC 6935 §5: over IPv6 no checksum is allowed in a tunnel, but not loved on the way.
        if (!isIPv4) row.Flags |= Layout.Checksum;
        if (backend.IsElsewhere) row.Flags |= Layout.Elsewhere;
        if (way is null) return row;
        row.Flags |= Layout.Alive;
        way.Source.TryWriteBytes(row.From, out _);
        way.To.GetAddressBytes().CopyTo(row.MacTo);
        way.From.GetAddressBytes().CopyTo(row.MacFrom);
        row.Device = way.Device;
        row.Vlan = way.Vlan;
        row.Mtu = (ushort)Math.Clamp(way.Mtu - Overhead(mode, isIPv4), 0, ushort.MaxValue);
        return row;
    }

    /// <summary>One that nothing is sent to, and that may come back.</summary>
    public static FlBackend Fallen(FlBackend row)
    {
        row.Flags = 0;
        return row;
    }

    /// <summary>The way that a row has, also one that fell; null: it has none.</summary>
    public static NextHop? WayOf(FlBackend row)
    {
        if (row.Mtu == 0) return null;
        var source = new IPAddress(((ReadOnlySpan<byte>)row.From)[..(row.Family == 4 ? 4 : 16)]);
        return new NextHop(row.Device, new PhysicalAddress([.. (ReadOnlySpan<byte>)row.MacFrom]),
            new PhysicalAddress([.. (ReadOnlySpan<byte>)row.MacTo]), source,
            row.Mtu + Overhead((DeliveryMode)row.Mode, row.Family == 4), row.Vlan);
    }

    /// <summary>What the mode adds to a packet at the most: during changes, GUE names two other backends.</summary>
    public static int Overhead(DeliveryMode mode, bool isIPv4)
    {
        int header = isIPv4 ? 20 : 40, address = isIPv4 ? 4 : 16;
        return mode switch
        {
            DeliveryMode.L2 => 0,
            DeliveryMode.Ip => header,
            _ => header + UdpAndGue + OtherHead + Layout.Others * address,
        };
    }

    public static Prefix Backend(FlBackend row) =>
        Prefix.Host(new IPAddress(((ReadOnlySpan<byte>)row.To)[..(row.Family == 4 ? 4 : 16)]));

    public static IPAddress Address(FlVip vip) => Address(vip.Address0, vip.Address1);

    /// <summary>From its two words in mapped form.</summary>
    public static IPAddress Address(ulong first, ulong second)
    {
        var bits = new UInt128(
            BinaryPrimitives.ReverseEndianness(first), BinaryPrimitives.ReverseEndianness(second));
        return Prefix.OfMapped(bits, 128).Address;
    }
}
