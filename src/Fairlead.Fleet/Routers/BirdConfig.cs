using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>
/// The router's side of the guard, as a configuration of BIRD 2 (2.0.12 and later 2.x): what a node may announce, what
/// goes to the internet, and what the pops' routers tell each other. Text only; nothing here opens a file or a socket.
///
/// How an aggregate is gated: a node announces it with a next hop that is one of its service addresses inside that
/// aggregate. The node sessions fill a table of their own (nodes4, nodes6) that is also the table their next hops are
/// looked up in. A host route is made direct (gw = from), so a recursive route may lean on it; when the last host route
/// of that address goes, the lookup only finds the aggregate itself, which BIRD refuses, and the aggregate becomes
/// unreachable in the same turn. Unreachable aggregates are not exported.
/// </summary>
public static class BirdConfig
{
    /// <summary>Host routes and aggregates that one node may hold in the router.</summary>
    public const int NodeRoutesMax = 50;

    /// <summary>
    /// The configuration of one router. ArgumentException when the fleet has no such pop or router, speaks no BGP, or
    /// holds a password that BIRD's file cannot carry.
    /// </summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        PopSpec pop = fleet.Pop(popName) ?? throw new ArgumentException($"the fleet has no pop '{popName}'");
        RouterSpec router = pop.Router(routerName)
            ?? throw new ArgumentException($"pop '{popName}' has no router '{routerName}'");
        Asn fleetAsn = fleet.Asn ?? throw new ArgumentException("the fleet has no asn: it speaks no BGP");
        if (router.Password is { } password && password.AsSpan().IndexOfAny("\"\r\n") >= 0)
            throw new ArgumentException($"router '{routerName}': BIRD cannot carry a quote or line end in a password");

        var text = new StringBuilder();
        Asn asn = router.Asn ?? fleetAsn;
        WriteHead(text, fleet, pop, router, asn);
        foreach (BirdFamily family in new[] { BirdFamily.V4, BirdFamily.V6 })
        {
            // BIRD 2 has no empty prefix set: a family without anycast addresses has no guard and no session.
            if (!fleet.AnycastSubnets.Any(family.Holds)) continue;
            BirdGuard.Write(text, fleet, pop, family, asn);
            BirdSessions.Write(text, fleet, pop, router, family);
        }

        return text.ToString();
    }

    private static void WriteHead(StringBuilder text, FleetSpec fleet, PopSpec pop, RouterSpec router, Asn asn)
    {
        text.Append($$"""
            # {{fleet.Name}}: router {{router.Name}} of {{pop.Name}}, AS{{asn}}. For BIRD 2.0.12 and later 2.x.
            # Written by `fairlead router-config bird`; change the fleet file and write it again.
            log stderr all;
            router id {{RouterId(router)}};

            protocol device {
              scan time 5;
            }

            # The connected networks: the pop's own ones go to the backbone.
            protocol direct {
              ipv4;
              ipv6;
            }

            # Both families in one statement: a second `accept` would replace the first.
            protocol bfd {
              accept direct;
            }

            """);
    }

    /// <summary>The router's IPv4 address. A router without one gets a number that is stable over its name.</summary>
    private static IPAddress RouterId(RouterSpec router)
    {
        if (router.Address(AddressFamily.InterNetwork) is { } address) return address;
        uint hash = 2166136261;
        foreach (char c in router.Name) hash = (hash ^ c) * 16777619;
        // 1.0.0.0 to 126.255.255.255, so it reads as an address and is never zero (RFC 6286 §2.1).
        return new IPAddress([(byte)(1 + (hash >> 24) % 126), (byte)(hash >> 16), (byte)(hash >> 8), (byte)hash]);
    }
}

/// <summary>What differs between the families in the text.</summary>
internal sealed record BirdFamily(string Digit, AddressFamily Addresses, int HostLength, int InternetLengthMax)
{
    public static readonly BirdFamily V4 = new("4", AddressFamily.InterNetwork, 32, 24);
    public static readonly BirdFamily V6 = new("6", AddressFamily.InterNetworkV6, 128, 48);

    public bool Holds(Prefix prefix) => prefix.Family == Addresses;

    public IPAddress? Of(IEnumerable<IPAddress> addresses) =>
        addresses.FirstOrDefault(address => address.AddressFamily == Addresses);
}
