using System.Runtime.InteropServices;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Receiving;

/// <summary>
/// What all peers' routes together may take. A route beyond it is counted and not kept: the looking glass then lacks
/// it, and nothing else hangs on it. One owner, the speaker's thread.
/// </summary>
public sealed class ReceivedBudget(int routesMax = 1_000_000, long bytesMax = 128L << 20)
{
    // A slot of the table with its share of the room to grow.
    internal const int RouteBytes = 96;

    public int Routes { get; private set; }

    public long Bytes { get; private set; }

    internal bool TryTake(int routes, int bytes)
    {
        if (Routes + routes > routesMax || Bytes + bytes > bytesMax) return false;
        Routes += routes;
        Bytes += bytes;
        return true;
    }

    internal void Give(int routes, int bytes)
    {
        Routes -= routes;
        Bytes -= bytes;
    }
}

/// <summary>
/// What one peer has announced (RFC 4271 §3.2), kept for the looking glass and for the limit of prefixes. Routes of an
/// earlier time are stale while the peer restarts (RFC 4724 §4.2) or sends its table again (RFC 7313 §4.2): those that
/// it does not repeat go at the end of it. One owner, the speaker's thread.
/// </summary>
public sealed class AdjRibIn(ReceivedBudget budget)
{
    private readonly Dictionary<PathPrefix, Entry> routes = [];
    private readonly int[] epochs = [0, 0];
    private int countIPv6;

    public int Count => routes.Count;

    /// <summary>Announcements that the budget had no room for.</summary>
    public long NotKept { get; private set; }

    public int CountOf(BgpFamily family) =>
        family == BgpFamily.IPv4Unicast ? routes.Count - countIPv6 : countIPv6;

    /// <summary>Takes an UPDATE in that is not to be refused as a whole.</summary>
    public void Take(UpdateContent content, DateTimeOffset at)
    {
        foreach (PathPrefix path in content.Withdrawn) Remove(path);
        Add(CollectionsMarshal.AsSpan(content.Announced)[..content.FieldCount], content, field: true, at);
        Add(CollectionsMarshal.AsSpan(content.Announced)[content.FieldCount..], content, field: false, at);
    }

    /// <summary>From now on what is there of the family is stale until it is repeated.</summary>
    public void BeginAgain(BgpFamily family) => epochs[family == BgpFamily.IPv4Unicast ? 0 : 1]++;

    /// <summary>The peer has repeated all it has of the family: what is still stale goes.</summary>
    public void Sweep(BgpFamily family)
    {
        foreach ((PathPrefix path, Entry entry) in routes)
        {
            // Removing while enumerating is what Dictionary allows.
            if (BgpFamily.Of(path.Prefix.Family) == family && IsStale(path, entry)) Remove(path);
        }
    }

    public void Clear()
    {
        foreach (PathPrefix path in routes.Keys) Remove(path);
        routes.TrimExcess();
    }

    /// <summary>The peer's routes to exactly this prefix.</summary>
    public IEnumerable<KeptRoute> Exactly(Prefix prefix) => Kept(path => path.Prefix == prefix);

    /// <summary>The peer's routes inside the prefix, itself included.</summary>
    public IEnumerable<KeptRoute> Inside(Prefix prefix) => Kept(path => prefix.Contains(path.Prefix));

    /// <summary>The longest prefix of the peer that holds this one.</summary>
    public Prefix? LongestAround(Prefix prefix)
    {
        Prefix? longest = null;
        foreach (PathPrefix path in routes.Keys)
        {
            bool better = longest is not { } known || path.Prefix.LengthMapped > known.LengthMapped;
            if (better && path.Prefix.Contains(prefix)) longest = path.Prefix;
        }

        return longest;
    }

    // A scan: people ask a looking glass a few times a minute, and an index would cost every UPDATE.
    private IEnumerable<KeptRoute> Kept(Func<PathPrefix, bool> wanted) => routes
        .Where(route => wanted(route.Key))
        .Select(route => new KeptRoute(route.Key, route.Value.Shared.Attributes, IsStale(route.Key, route.Value)));

    private int EpochOf(PathPrefix path) => epochs[path.Prefix.IsIPv4 ? 0 : 1];

    private bool IsStale(PathPrefix path, Entry entry) => entry.Epoch < EpochOf(path);

    private void Add(ReadOnlySpan<PathPrefix> paths, UpdateContent content, bool field, DateTimeOffset at)
    {
        if (paths.IsEmpty) return;
        var shared = new Shared(ReceivedAttributes.Of(content, field, at));
        foreach (PathPrefix path in paths)
        {
            Remove(path); // RFC 4271 §9: an announcement replaces the one before it.
            int bytes = ReceivedBudget.RouteBytes + (shared.Uses == 0 ? shared.Attributes.Bytes : 0);
            if (!budget.TryTake(1, bytes))
            {
                NotKept++;
                continue;
            }

            shared.Uses++;
            routes.Add(path, new Entry(shared, EpochOf(path)));
            if (!path.Prefix.IsIPv4) countIPv6++;
        }
    }

    private void Remove(PathPrefix path)
    {
        if (!routes.Remove(path, out Entry entry)) return;
        if (!path.Prefix.IsIPv4) countIPv6--;
        bool last = --entry.Shared.Uses == 0;
        budget.Give(1, ReceivedBudget.RouteBytes + (last ? entry.Shared.Attributes.Bytes : 0));
    }

    private sealed class Shared(ReceivedAttributes attributes)
    {
        public ReceivedAttributes Attributes => attributes;

        public int Uses { get; set; }
    }

    private readonly record struct Entry(Shared Shared, int Epoch);
}

/// <summary>A route as the peer's table has it.</summary>
public readonly record struct KeptRoute(PathPrefix Path, ReceivedAttributes Attributes, bool Stale);
