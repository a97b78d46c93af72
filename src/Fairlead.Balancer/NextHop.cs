using System.Net;
using System.Net.NetworkInformation;

namespace Fairlead.Balancer;

/// <summary>
/// The way to a backend: out of this device, in a frame from and to these addresses. Source is our address on that way,
/// which tunnels come from; Mtu is the link's.
/// </summary>
public sealed record NextHop(
    uint Device, PhysicalAddress From, PhysicalAddress To, IPAddress Source, int Mtu = 1500, ushort Vlan = 0);
