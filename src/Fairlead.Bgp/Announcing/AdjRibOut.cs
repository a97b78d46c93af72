using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Announcing;

/// <summary>How routes are told to one peer: the parameters of its established session.</summary>
public sealed record AnnounceContext
{
    public required string Peer { get; init; }

    public required Asn LocalAs { get; init; }

    public required bool External { get; init; }

    public required bool FourOctetAs { get; init; }

    public required ImmutableArray<BgpFamily> Families { get; init; }

    /// <summary>Our address on the session: the next hop of routes of its family that name none.</summary>
    public required IPAddress LocalAddress { get; init; }

    /// <summary>Null towards an external peer: nothing is told (RFC 8212 §2).</summary>
    public required ExportPolicy? Export { get; init; }

    /// <summary>RFC 8950: IPv4 routes may have our IPv6 address as their next hop.</summary>
    public bool IPv6NextHop { get; init; }

    /// <summary>RFC 9234 §5: routes get ONLY_TO_CUSTOMER with our AS.</summary>
    public bool OnlyToCustomer { get; init; }

    /// <summary>RFC 7313 §4.1: a refreshed table stands between two marks.</summary>
    public bool EnhancedRefresh { get; init; }

    public int MessageSizeMax { get; init; } = Message.SizeMax;

    /// <summary>
    /// RFC 4724 §4.1: the peer keeps what it had from us until End-of-RIB, so that must not come before the table.
    /// </summary>
    public bool AwaitsTable { get; init; }
}

/// <summary>
/// What one peer has been told (RFC 4271 §3.2), and the difference to what is wanted, written as few UPDATEs. Routes
/// that are new or changed go first and withdrawals after them: make before break. One owner, the speaker's thread.
/// </summary>
public sealed class AdjRibOut(AnnounceContext context)
{
    private const uint DefaultLocalPref = 100;
    private readonly Dictionary<Prefix, PathAttributes> told = [];
    private readonly HashSet<Prefix> tellAgain = [];
    private readonly List<BgpFamily> refreshBegins = [];
    private readonly List<BgpFamily> refreshEnds = [];
    private bool ended;

    /// <summary>What is done to routes on their way from the next Write on.</summary>
    public ExportPolicy? Export { get; set; } = context.Export;

    /// <summary>How many prefixes the peer holds of us.</summary>
    public int Count => told.Count;

    /// <summary>Routes of the last Write that the peer cannot be sent (AttributesOf gives null).</summary>
    public int Unannounceable { get; private set; }

    public IReadOnlyDictionary<Prefix, PathAttributes> Told => told;

    /// <summary>
    /// RFC 2918 §4: the peer wants a family's routes once more. False when the family was not agreed on.
    /// </summary>
    public bool Refresh(BgpFamily family)
    {
        if (!context.Families.Contains(family)) return false;
        foreach (Prefix prefix in told.Keys)
        {
            if (BgpFamily.Of(prefix.Family) == family) tellAgain.Add(prefix);
        }

        // RFC 7313 §4.1: the marks are for after the first table; a request amid another one joins it.
        if (context.EnhancedRefresh && ended && !refreshBegins.Contains(family)) refreshBegins.Add(family);
        return true;
    }

    /// <summary>
    /// Writes the UPDATEs that bring the peer from what it was told to what is wanted, as many as fit; after the first
    /// whole table, End-of-RIB for each family. True when all is said: until then it is to be called again.
    /// </summary>
    public bool Write(ref WireWriter writer, GuardedRoutes wanted, out int updates)
    {
        updates = 0;
        if (!WriteMarks(ref writer, refreshBegins, RefreshKind.Begin)) return false;
        Dictionary<Prefix, PathAttributes> table = TableOf(wanted, out List<Group> groups);
        foreach (Group group in groups)
        {
            if (!WriteGroup(ref writer, group, ref updates)) return false;
        }

        if (!WriteWithdrawals(ref writer, table, ref updates)) return false;
        if (ended || (context.AwaitsTable && wanted.Generation < 0))
            return WriteMarks(ref writer, refreshEnds, RefreshKind.End);
        int start = writer.Position;
        foreach (BgpFamily family in context.Families) UpdateWriter.EndOfRib(ref writer, family);
        if (writer.Failed) writer.RewindTo(start);
        else (ended, updates) = (true, updates + context.Families.Length);
        return ended;
    }

    /// <summary>
    /// How this route is told to this peer; null when the session has no next hop for its family, or when the route
    /// carries more communities than a message should.
    /// </summary>
    public PathAttributes? AttributesOf(Route route)
    {
        if (Export is null && context.External) return null;
        ExportPolicy policy = Export ?? ExportPolicy.Plain;
        if (NextHopOf(route) is not { } nextHop) return null;
        bool leaving = route.GracefulShutdown || policy.GracefulShutdown;
        bool own = policy.Communities.IsEmpty && !leaving && !route.Blackhole;
        ImmutableArray<uint> communities =
            own ? route.Communities : [.. CommunitiesOf(route, policy, leaving).Distinct()];
        ImmutableArray<ulong> extended = Joined(route.ExtendedCommunities, policy.ExtendedCommunities);
        ImmutableArray<LargeCommunity> large = Joined(route.LargeCommunities, policy.LargeCommunities);
        if (AttributeBytes.Of(communities, extended, large) > AttributeBytes.Max) return null;
        int ownAs = context.External ? Math.Clamp(route.Prepend + policy.Prepend, 0, Route.PrependMax) + 1 : 0;
        return new PathAttributes
        {
            NextHop = nextHop,
            LinkLocalNextHop = nextHop.IsIPv6LinkLocal ? nextHop : null,
            AsPath = [.. Enumerable.Repeat(context.LocalAs, ownAs)],
            Med = route.Med ?? policy.Med,
            // RFC 8326 §4.2: inside our AS the preference says what the community says outside.
            LocalPref = context.External ? null : leaving ? 0 : route.LocalPref ?? policy.LocalPref ?? DefaultLocalPref,
            Communities = communities,
            ExtendedCommunities = extended,
            LargeCommunities = large,
            OnlyToCustomer = context.OnlyToCustomer ? context.LocalAs : null,
        };
    }

    // RFC 2545 §3: on a session between link-local addresses ours stands in both places of the next hop.
    private IPAddress? NextHopOf(Route route)
    {
        if (route.NextHop is { } named && Export is not { ToInternet: true }) return named;
        bool fits = context.LocalAddress.AddressFamily == route.Prefix.Family
            || (route.Prefix.IsIPv4 && context.IPv6NextHop);
        return fits ? context.LocalAddress : null;
    }

    private static IEnumerable<uint> CommunitiesOf(Route route, ExportPolicy policy, bool leaving)
    {
        foreach (uint community in route.Communities) yield return community;
        foreach (uint community in policy.Communities) yield return community;
        if (leaving) yield return Community.GracefulShutdown;
        if (!route.Blackhole) yield break;
        yield return Community.Blackhole;
        yield return Community.NoExport;
    }

    private static ImmutableArray<T> Joined<T>(ImmutableArray<T> own, ImmutableArray<T> added) =>
        added.IsEmpty ? own : [.. own.Concat(added).Distinct()];

    private bool WriteMarks(ref WireWriter writer, List<BgpFamily> families, RefreshKind kind)
    {
        while (families.Count > 0)
        {
            int start = writer.Position;
            Message.WriteRouteRefresh(ref writer, families[0], kind);
            if (writer.Failed)
            {
                writer.RewindTo(start);
                return false;
            }

            if (kind == RefreshKind.Begin) refreshEnds.Add(families[0]);
            families.RemoveAt(0);
        }

        return true;
    }

    private bool IsFor(Route route)
    {
        if (route.OnlyPeers.Length > 0 && !route.OnlyPeers.Contains(context.Peer)) return false;
        // RFC 7999 §3.3: who takes BLACKHOLE takes it for longer prefixes too; NO_EXPORT keeps them from the world.
        return route.Blackhole
            ? Export is not { WithoutBlackholes: true }
            : Export is not { ToInternet: true } || Guard.IsForInternet(route.Prefix);
    }

    private Dictionary<Prefix, PathAttributes> TableOf(GuardedRoutes wanted, out List<Group> groups)
    {
        var table = new Dictionary<Prefix, PathAttributes>(wanted.Routes.Length);
        var byAttributes = new Dictionary<(PathAttributes, AddressFamily), Group>();
        groups = [];
        Unannounceable = 0;
        foreach (Guarded guarded in wanted.Routes)
        {
            Route route = guarded.Route;
            if (!context.Families.Contains(BgpFamily.Of(route.Prefix.Family)) || table.ContainsKey(route.Prefix)
                || !IsFor(route))
                continue;
            if (AttributesOf(route) is not { } attributes)
            {
                Unannounceable++;
                continue;
            }

            table.Add(route.Prefix, attributes);
            bool same = told.TryGetValue(route.Prefix, out PathAttributes? before) && attributes.Equals(before);
            if (same && !tellAgain.Contains(route.Prefix)) continue;
            (PathAttributes, AddressFamily) key = (attributes, route.Prefix.Family);
            if (!byAttributes.TryGetValue(key, out Group? group))
            {
                group = new Group(attributes, BgpFamily.Of(route.Prefix.Family), []);
                byAttributes.Add(key, group);
                groups.Add(group); // In the order of the set: which route goes first must not hang on chance.
            }

            group.Routes.Add(guarded);
        }

        return table;
    }

    private bool WriteGroup(ref WireWriter writer, Group group, ref int updates)
    {
        ReadOnlySpan<Guarded> rest = CollectionsMarshal.AsSpan(group.Routes);
        while (rest.Length > 0)
        {
            int taken = UpdateWriter.Announce(
                ref writer, group.Family, context.FourOctetAs, group.Attributes, rest, context.MessageSizeMax);
            if (taken == 0) return false;
            updates++;
            foreach (Guarded guarded in rest[..taken])
            {
                told[guarded.Prefix] = group.Attributes;
                tellAgain.Remove(guarded.Prefix);
            }

            rest = rest[taken..];
        }

        return true;
    }

    private bool WriteWithdrawals(ref WireWriter writer, Dictionary<Prefix, PathAttributes> table, ref int updates)
    {
        List<Prefix> gone = [.. told.Keys.Where(prefix => !table.ContainsKey(prefix)).Order()];
        int split = gone.FindIndex(prefix => !prefix.IsIPv4);
        int countV4 = split < 0 ? gone.Count : split; // IPv4 sorts first.
        ReadOnlySpan<Prefix> all = CollectionsMarshal.AsSpan(gone);
        return WriteGone(ref writer, BgpFamily.IPv4Unicast, all[..countV4], ref updates)
            && WriteGone(ref writer, BgpFamily.IPv6Unicast, all[countV4..], ref updates);
    }

    private bool WriteGone(ref WireWriter writer, BgpFamily family, ReadOnlySpan<Prefix> rest, ref int updates)
    {
        while (rest.Length > 0)
        {
            int taken = UpdateWriter.Withdraw(ref writer, family, rest, context.MessageSizeMax);
            if (taken == 0) return false;
            updates++;
            foreach (Prefix prefix in rest[..taken])
            {
                told.Remove(prefix);
                tellAgain.Remove(prefix);
            }

            rest = rest[taken..];
        }

        return true;
    }

    private sealed record Group(PathAttributes Attributes, BgpFamily Family, List<Guarded> Routes);
}
