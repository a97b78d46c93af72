using System.Text;
using Fairlead.Fleet.Spec;

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
    /// <summary>
    /// The configuration of one router. ArgumentException when the fleet has no such pop or router, speaks no BGP, or
    /// holds a password that a file cannot carry.
    /// </summary>
    public static string Write(FleetSpec fleet, string popName, string routerName)
    {
        var facts = new RouterFacts(fleet, popName, routerName);
        var text = new StringBuilder();
        WriteHead(text, facts);
        // BIRD 2 has no empty prefix set: a family without anycast addresses is not there at all.
        foreach (RouterFamily family in facts.Families)
        {
            BirdGuard.Write(text, facts, family);
            BirdSessions.Write(text, facts, family);
        }

        return text.ToString();
    }

    private static void WriteHead(StringBuilder text, RouterFacts facts)
    {
        text.Append($$"""
            # {{facts.Title}}. For BIRD 2.0.12 and later 2.x.
            # Written by `fairlead router-config bird`; change the fleet file and write it again.
            log stderr all;
            router id {{facts.RouterId}};

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
}
