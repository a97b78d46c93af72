using System.Collections.Immutable;
using Fairlead.Control;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;

namespace Fairlead.Node;

/// <summary>
/// Turns the store's entries into the World that Decide looks at. Used by the reconcile loop alone. Entries that are no
/// report or intent are left out and counted: what others wrote is never trusted to be well-formed.
/// </summary>
public sealed class Observer(IStore store, string ownPop, string ownNode, LastState? last)
{
    public const string NodesFolder = "nodes/";
    public const string IntentsFolder = "intents/";

    private readonly string ownKey = KeyOf(ownPop, ownNode);
    private readonly Dictionary<string, Held> held = new(StringComparer.Ordinal);
    private int malformedReports, malformedIntents;

    public int Malformed => malformedReports + malformedIntents;

    public static string KeyOf(Intent intent) => IntentsFolder + intent.Id;

    public static string KeyOf(NodeReport report) => KeyOf(report.Pop, report.Node);

    private static string KeyOf(string pop, string node) => $"{NodesFolder}{pop}/{node}";

    /// <summary>The intents of the store; while it has never been reached, those of the last plan.</summary>
    public ImmutableArray<Intent> Intents()
    {
        ImmutableDictionary<string, StoreEntry> entries = store.Entries;
        if (store.Sight.LiveSince is null && entries.IsEmpty) return last?.Intents ?? [];
        Intent?[] read =
        [
            .. entries.Where(pair => pair.Key.StartsWith(IntentsFolder, StringComparison.Ordinal))
                .OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .Select(pair => FleetJson.Read<Intent>(pair.Value.Value.Span))
                .Select(intent => intent is { IsWhole: true } ? intent : null),
        ];
        malformedIntents = read.Count(intent => intent is null);
        return [.. read.OfType<Intent>()];
    }

    public World Look(
        FleetSpec fleet, NodeReport own, ImmutableArray<Intent> intents, Plan? previous, DateTimeOffset now)
    {
        StoreSight sight = store.Sight;
        ImmutableDictionary<string, StoreEntry> entries = store.Entries;
        if (entries.IsEmpty && last is not null) RecallReports(now);
        Take(fleet, entries, sight);
        return new World
        {
            OwnPop = ownPop,
            Store = sight,
            Nodes =
            [
                .. held.Values.Select(node => node.View).OrderBy(view => view.Report.Node, StringComparer.Ordinal),
                new NodeView(own, now, own.Started),
            ],
            Intents = intents,
            Previous = previous,
        };
    }

    private void RecallReports(DateTimeOffset now)
    {
        foreach (NodeReport report in last!.Reports.Where(report => KeyOf(report) != ownKey))
            held.TryAdd(KeyOf(report), new Held(0, new NodeView(report, now, now)));
    }

    private void Take(FleetSpec fleet, ImmutableDictionary<string, StoreEntry> entries, StoreSight sight)
    {
        malformedReports = 0;
        foreach ((string key, StoreEntry entry) in entries)
        {
            // Our own report in the store may be an older one: what we know of ourselves is newer.
            if (key == ownKey || !key.StartsWith(NodesFolder, StringComparison.Ordinal)) continue;
            held.TryGetValue(key, out Held? node);
            if (node is not null && node.Revision == entry.Revision) continue;
            NodeReport? report = FleetJson.Read<NodeReport>(entry.Value.Span);
            if (report is not { IsWhole: true } || KeyOf(report) != key
                || fleet.Pop(report.Pop)?.Node(report.Node) is null)
            {
                malformedReports++;
                continue;
            }

            // Reports overtake each other on their way; an older one of the same process says nothing new.
            NodeReport? before = node?.View.Report;
            if (before is not null && before.Started == report.Started && before.Sequence > report.Sequence) continue;
            bool gap = node is null || node.View.Report.Started != report.Started
                || sight.SilenceSince(node.View.HeardAt) >= fleet.Safety.DeadAfter;
            DateTimeOffset fresh = gap ? entry.HeardAt : node!.View.FreshSince;
            held[key] = new Held(entry.Revision, new NodeView(report, entry.HeardAt, fresh));
        }
    }

    private sealed record Held(long Revision, NodeView View);
}
