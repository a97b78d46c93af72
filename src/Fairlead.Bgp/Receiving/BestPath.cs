using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Receiving;

/// <summary>Why a route that a peer has announced does not count.</summary>
public enum Ineligible
{
    None,

    /// <summary>RFC 8212 §2: an external peer without an import policy.</summary>
    NoPolicy,
    Policy,

    /// <summary>RFC 4271 §9: our own AS is in the path.</summary>
    OwnAs,

    /// <summary>RFC 4456 §8: it was we who brought it into the AS.</summary>
    OwnOriginator,

    /// <summary>RFC 9234 §5: it may not have come from there.</summary>
    RouteLeak,
}

/// <summary>A route that a peer has announced, and what the looking glass says of it.</summary>
public sealed record SeenRoute
{
    public required string Peer { get; init; }

    public required IPAddress PeerAddress { get; init; }

    public required Asn PeerAs { get; init; }

    /// <summary>The peer's BGP identifier.</summary>
    public required uint PeerRouterId { get; init; }

    public required bool External { get; init; }

    public required Prefix Prefix { get; init; }

    public required uint PathId { get; init; }

    public required ReceivedAttributes Attributes { get; init; }

    /// <summary>The peer restarts or sends its table again, and has not repeated this one yet.</summary>
    public required bool Stale { get; init; }

    public required Ineligible Ineligible { get; init; }

    /// <summary>After the import policy: the received one inside the AS, the policy's from outside.</summary>
    public required uint Preference { get; init; }

    /// <summary>Of all routes to the prefix this one would be used.</summary>
    public bool Best { get; init; }
}

/// <summary>Which of the routes to one prefix is the best (RFC 4271 §9.1.2). Pure.</summary>
public static class BestPath
{
    /// <summary>The same routes, the best of each prefix marked; first the best, then in the peers' order.</summary>
    public static IEnumerable<SeenRoute> Mark(IEnumerable<SeenRoute> routes) =>
        from same in routes.GroupBy(route => route.Prefix)
        orderby same.Key
        let best = Choose([.. same.Where(route => route.Ineligible == Ineligible.None)])
        from route in same.OrderByDescending(route => ReferenceEquals(route, best))
        select ReferenceEquals(route, best) ? route with { Best = true } : route;

    /// <summary>Null when there is none.</summary>
    public static SeenRoute? Choose(List<SeenRoute> routes)
    {
        if (routes.Count == 0) return null;
        // RFC 9494 §4.3: what outlived its session comes after all else.
        Keep(routes, route => route.Attributes.Communities.Contains(Community.LongLivedStale) ? 1 : 0);
        Keep(routes, route => -(long)route.Preference);
        Keep(routes, route => route.Attributes.AsPath.Length);
        Keep(routes, route => route.Attributes.Origin);
        KeepLeastMeds(routes);
        Keep(routes, route => route.External ? 0 : 1);
        // RFC 4456 §9: a reflected route stands for the router that brought it in.
        Keep(routes, route => route.Attributes.OriginatorId ?? route.PeerRouterId);
        Keep(routes, route => route.Attributes.ClusterList.Length);
        return routes.OrderBy(route => Prefix.BitsOf(route.PeerAddress)).ThenBy(route => route.PathId).First();
    }

    /// <summary>The preference that the policy gives a route.</summary>
    public static uint PreferenceOf(ReceivedAttributes attributes, ImportPolicy? policy, bool external)
    {
        // RFC 8326 §4.1: the path is about to go, so any other one is better.
        if (attributes.Communities.Contains(Community.GracefulShutdown)) return 0;
        uint given = (policy ?? ImportPolicy.Plain).LocalPref;
        return external ? given : attributes.LocalPref ?? given;
    }

    private static void Keep(List<SeenRoute> routes, Func<SeenRoute, long> rank)
    {
        long least = routes.Min(rank);
        routes.RemoveAll(route => rank(route) > least);
    }

    // RFC 4271 §9.1.2.2 (c): MEDs of different neighbors mean different things.
    private static void KeepLeastMeds(List<SeenRoute> routes)
    {
        var least = routes.GroupBy(Neighbor).ToDictionary(same => same.Key, same => same.Min(Med));
        routes.RemoveAll(route => Med(route) > least[Neighbor(route)]);

        static uint Med(SeenRoute route) => route.Attributes.Med ?? 0;
        static uint Neighbor(SeenRoute route) =>
            route.Attributes.AsPath is [var first, ..] ? first.Value : 0;
    }
}
