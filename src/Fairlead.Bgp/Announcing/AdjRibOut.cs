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
}

/// <summary>
/// What one peer has been told (RFC 4271 §3.2), and the difference to what is wanted, written as few UPDATEs. Routes
/// that are new or changed go first and withdrawals after them: make before break. One owner, the speaker's thread.
/// </summary>
public sealed class AdjRibOut(AnnounceContext context)
{
    private const uint DefaultLocalPref = 100;
    private const int CommunitiesMax = 256; // So that attributes always leave room for routes in a message.
    private readonly Dictionary<Prefix, PathAttributes> told = [];
    private readonly HashSet<Prefix> tellAgain = [];
    private bool ended;

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

        return true;
    }

    /// <summary>
    /// Writes the UPDATEs that bring the peer from what it was told to what is wanted, as many as fit; after the first
    /// whole table, End-of-RIB for each family. True when all is said: until then it is to be called again.
    /// </summary>
    public bool Write(ref WireWriter writer, GuardedRoutes wanted, out int updates)
    {
        updates = 0;
        Dictionary<Prefix, PathAttributes> table = TableOf(wanted, out List<Group> groups);
        foreach (Group group in groups)
        {
            if (!WriteGroup(ref writer, group, ref updates)) return false;
        }

        if (!WriteWithdrawals(ref writer, table, ref updates)) return false;
        if (ended) return true;
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
        bool sameFamily = context.LocalAddress.AddressFamily == route.Prefix.Family;
        if ((route.NextHop ?? (sameFamily ? context.LocalAddress : null)) is not { } nextHop) return null;
        if (route.Communities.Length > CommunitiesMax) return null;
        int ownAs = context.External ? Math.Clamp(route.Prepend, 0, 64) + 1 : 0;
        return new PathAttributes
        {
            NextHop = nextHop,
            AsPath = [.. Enumerable.Repeat(context.LocalAs, ownAs)],
            Med = route.Med,
            LocalPref = context.External ? null : DefaultLocalPref,
            Communities = route.Communities,
        };
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
                || (route.OnlyPeers.Length > 0 && !route.OnlyPeers.Contains(context.Peer)))
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
            int taken = UpdateWriter.Announce(ref writer, group.Family, context.FourOctetAs, group.Attributes, rest);
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
            int taken = UpdateWriter.Withdraw(ref writer, family, rest);
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
