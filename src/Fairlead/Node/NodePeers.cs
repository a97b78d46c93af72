using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Linux;
using Microsoft.Extensions.Logging;

namespace Fairlead.Node;

/// <summary>
/// Whom a node speaks BGP to: its pop's routers as the fleet file says, and where one is the default gateway, whatever
/// that is now. A gateway that is gone is not forgotten before there is another: its session ends by itself if it must,
/// and a route that is replaced is away for a moment.
/// </summary>
/// <param name="popName">The node's pop.</param>
/// <param name="nodeName">The node.</param>
/// <param name="log">Where it says what it sees.</param>
/// <param name="follows">Its balancer goes on from where an earlier process left it, so the routes may too.</param>
public sealed class NodePeers(string popName, string nodeName, ILogger log, bool follows = false) : IDisposable
{
    private static readonly AddressFamily[] Families = [AddressFamily.InterNetwork, AddressFamily.InterNetworkV6];

    private readonly Lock gate = new();
    private readonly Dictionary<AddressFamily, Gateway> gateways = [];
    private RouteWatch? watch;

    /// <summary>Whether a router of this fleet may be spoken to, be it that its address is still to come.</summary>
    public bool MayBeAny(FleetSpec fleet) =>
        HasGateway(fleet) || !Of(fleet).IsEmpty;

    /// <summary>A session a router and family, wherever both ends have an address.</summary>
    public ImmutableArray<PeerOptions> Of(FleetSpec fleet)
    {
        lock (gate)
        {
            PopSpec pop = fleet.Pop(popName)!;
            if (HasGateway(fleet)) _ = Look();
            return PeersOf(fleet, pop, pop.Node(nodeName)!, gateways, follows);
        }
    }

    /// <summary>Goes over to another gateway when there is one, from now on.</summary>
    public void Follow(BgpSpeaker speaker, Func<FleetSpec> fleet)
    {
        try
        {
            watch = new RouteWatch(() =>
            {
                // A table of a million routes that changes all the time is only read where somebody asks for it.
                FleetSpec now = fleet();
                if (!HasGateway(now)) return;
                bool isOver;
                lock (gate) isOver = Look();
                if (isOver) speaker.ReplacePeers(Of(now));
            });
        }
        catch (IOException fault)
        {
            log.LogError("{Fault}: a new default gateway is not noticed before the fleet file is read again",
                fault.Message);
        }
    }

    public void Dispose() => watch?.Dispose();

    internal static ImmutableArray<PeerOptions> PeersOf(
        FleetSpec fleet, PopSpec pop, NodeSpec node, IReadOnlyDictionary<AddressFamily, Gateway> gateways,
        bool follows = false) =>
    [
        .. from router in pop.Routers
           from family in Families
           let local = node.Address(family)
           let gateway = router.IsGateway ? gateways.GetValueOrDefault(family) : null
           let remote = gateway?.Address ?? router.Address(family)
           where local is not null && remote is not null
           select new PeerOptions
           {
               Name = $"{router.Name}/{(family == AddressFamily.InterNetwork ? "ipv4" : "ipv6")}",
               Address = remote,
               // A link-local router sees our link-local address: the kernel knows which.
               LocalAddress = remote.IsIPv6LinkLocal ? null : local,
               Interface = remote.IsIPv6LinkLocal ? gateway!.Interface : null,
               LocalAs = node.Asn ?? fleet.Asn!.Value,
               PeerAs = router.Asn ?? fleet.Asn!.Value,
               RouterId = RouterId(node),
               HoldTime = router.HoldTime,
               Password = router.Password,
               TtlSecurity = router.TtlSecurity,
               // What is announced passes the guard and the plan before.
               Export = ExportPolicy.Plain with
               {
                   ToInternet = router.IsInternet,
                   WithoutBlackholes = !router.TakesBlackholes,
               },
               Import = ImportPolicy.Plain, // For the looking glass: nothing is ever installed.
               Restart = Survival.Of(fleet, pop, router, family) is { } time
                   ? new RestartOptions { Families = [BgpFamily.Of(family)], Time = time, Restarted = follows }
                   : null,
               Bfd = router.Bfd is { } bfd
                   ? new BfdOptions { Interval = bfd.Interval, Multiplier = bfd.Multiplier, Strict = bfd.IsStrict }
                   : null,
           },
    ];

    private bool HasGateway(FleetSpec fleet) => fleet.Pop(popName)!.Routers.Any(router => router.IsGateway);

    /// <summary>Whether a gateway is another one than before.</summary>
    private bool Look()
    {
        bool isOver = false;
        foreach (AddressFamily family in Families)
        {
            if (DefaultGateways.Of(family) is not { } now || now == gateways.GetValueOrDefault(family)) continue;
            log.LogInformation("the default gateway is {Address} on {Interface}", now.Address, now.Interface);
            gateways[family] = now;
            isOver = true;
        }

        return isOver;
    }

    /// <summary>
    /// The IPv4 address; a node without one takes four octets of its name's hash (RFC 6286 asks only that it be unique
    /// in the AS).
    /// </summary>
    private static uint RouterId(NodeSpec node)
    {
        Span<byte> bytes = stackalloc byte[4];
        return node.Address(AddressFamily.InterNetwork) is { } address && address.TryWriteBytes(bytes, out _)
            ? BinaryPrimitives.ReadUInt32BigEndian(bytes)
            : (uint)FairleadNode.StableHash(node.Name) | 1;
    }
}
