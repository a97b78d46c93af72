using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Announcing;

/// <summary>Why the guard refuses a route. The numbers index SpeakerCounters.Refused.</summary>
public enum GuardReason
{
    None,
    DefaultRoute,
    SpecialPurpose,
    OutsideSubnets,
    NextHop,

    /// <summary>The RPKI says that other networks will refuse it (RFC 6811 §2).</summary>
    OriginInvalid,
}

/// <summary>
/// The last step before the wire: nothing outside the anycast subnets is ever announced, whoever asks for it. The
/// router filters by the same list, so that either side alone stops a mistyped address. Immutable.
/// </summary>
public sealed class Guard
{
    // Never announced, whatever the list says: unspecified and "this network", loopback, link-local, multicast and
    // reserved (RFC 6890 §2.2, RFC 4291 §2.4). Documentation and private space are not here: laboratories use them.
    private static readonly ImmutableArray<Prefix> Never =
    [
        Prefix.Parse("0.0.0.0/8"), Prefix.Parse("127.0.0.0/8"), Prefix.Parse("169.254.0.0/16"),
        Prefix.Parse("224.0.0.0/4"), Prefix.Parse("240.0.0.0/4"),
        Prefix.Parse("::/128"), Prefix.Parse("::1/128"), Prefix.Parse("fe80::/10"), Prefix.Parse("ff00::/8"),
    ];

    private readonly PrefixTrie<bool> subnets = new();
    private readonly ImmutableArray<Prefix> invalid;

    /// <param name="anycastSubnets">All that may be announced.</param>
    /// <param name="originInvalid">What of it may not, since the RPKI denies it to us.</param>
    public Guard(ImmutableArray<Prefix> anycastSubnets, ImmutableArray<Prefix> originInvalid = default)
    {
        invalid = originInvalid.IsDefault ? [] : originInvalid;
        Subnets = anycastSubnets;
        foreach (Prefix subnet in anycastSubnets) subnets.Set(subnet, true);
    }

    public ImmutableArray<Prefix> Subnets { get; }

    /// <summary>
    /// Whether, and why not, the route may be announced. A subnet that covers a forbidden range frees none of it.
    /// </summary>
    public GuardReason Judge(Route route)
    {
        Prefix prefix = route.Prefix;
        if (prefix.Length == 0) return GuardReason.DefaultRoute;
        foreach (Prefix never in Never)
        {
            if (never.Overlaps(prefix)) return GuardReason.SpecialPurpose;
        }

        if (!subnets.TryLongest(prefix, out Prefix subnet, out _) || !subnet.Contains(prefix))
            return GuardReason.OutsideSubnets;
        if (invalid.Contains(prefix)) return GuardReason.OriginInvalid;
        return route.NextHop is null || IsNextHop(route.NextHop, prefix) ? GuardReason.None : GuardReason.NextHop;
    }

    /// <summary>What the internet's filters let through: nothing longer than /24 or /48 leaves (I1).</summary>
    public static int InternetLengthMax(bool isIPv4) => isIPv4 ? 24 : 48;

    public static bool IsForInternet(Prefix prefix) => prefix.Length <= InternetLengthMax(prefix.IsIPv4);

    // RFC 4271 §5.1.3 and RFC 2545 §3: a host's address, of the family of the route.
    private static bool IsNextHop(IPAddress address, Prefix prefix)
    {
        if (address.IsIPv4MappedToIPv6 || (address.AddressFamily == AddressFamily.InterNetwork) != prefix.IsIPv4)
            return false;
        foreach (Prefix never in Never)
        {
            if (never.Contains(address)) return false;
        }

        return true;
    }
}

/// <summary>
/// A route that the guard has let through. There is no other way to have one: the constructor is private and Pass
/// asks the guard. The encoder of announcements takes nothing else.
/// </summary>
public sealed class Guarded
{
    private Guarded(Route route) => Route = route;

    public Route Route { get; }

    public Prefix Prefix => Route.Prefix;

    /// <summary>The route as guarded, or null and the reason.</summary>
    public static Guarded? Pass(Guard guard, Route route, out GuardReason reason)
    {
        reason = guard.Judge(route);
        return reason == GuardReason.None ? new Guarded(route) : null;
    }
}

/// <summary>
/// A whole RouteSet after the guard: what passed, in its order, and what was refused, each prefix once.
/// </summary>
public sealed record GuardedRoutes(
    long Generation, ImmutableArray<Guarded> Routes, ImmutableDictionary<Prefix, GuardReason> Refused)
{
    public static readonly GuardedRoutes Empty = new(0, [], ImmutableDictionary<Prefix, GuardReason>.Empty);

    /// <summary>Before the first RouteSet: nothing is known to be wanted, which is not the same.</summary>
    public static readonly GuardedRoutes None = Empty with { Generation = -1 };

    public static GuardedRoutes Sift(Guard guard, RouteSet routes)
    {
        var passed = ImmutableArray.CreateBuilder<Guarded>(routes.Routes.Length);
        var refused = ImmutableDictionary.CreateBuilder<Prefix, GuardReason>();
        foreach (Route route in routes.Routes)
        {
            if (Guarded.Pass(guard, route, out GuardReason reason) is { } guarded) passed.Add(guarded);
            else refused[route.Prefix] = reason;
        }

        return new GuardedRoutes(routes.Generation, passed.ToImmutable(), refused.ToImmutable());
    }
}
