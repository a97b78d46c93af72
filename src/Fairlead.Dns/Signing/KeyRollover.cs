using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>
/// How one key follows another (RFC 6781 §4.1, RFC 7583 §3). Pure: from keys and times to the times that change; a
/// KeyFolder writes them down, and from there on everything follows from the files and the clock.
/// </summary>
public static class KeyRollover
{
    /// <summary>The life of a zone's first key of its role: shown and signing at once.</summary>
    public static KeyTimes First(KeyRole role, DateTimeOffset now, KeyTiming timing) => new()
    {
        Created = now,
        Published = now,
        Active = now,
        // The parent may point to us when nobody can still have the zone as it was without signatures.
        DsWanted = role == KeyRole.Zsk ? null : now + timing.TtlMax + timing.Propagation,
    };

    /// <summary>
    /// The times of the new key and of those it replaces. InvalidOperationException, which says why, when a change is
    /// under way already or there is nothing to replace.
    /// </summary>
    public static (KeyTimes New, IReadOnlyList<ZoneKey> Changed) Roll(
        DnsName zone, IReadOnlyList<ZoneKey> keys, KeyRole role, DateTimeOffset now, KeyTiming timing)
    {
        List<ZoneKey> ofRole = [.. keys.Where(key => key.Key.Role == role)];
        List<ZoneKey> active = [.. ofRole.Where(key => key.Times.StateAt(now) == KeyState.Active)];
        string name = role.ToString().ToUpperInvariant();
        if (active.Count == 0) throw new InvalidOperationException($"zone {zone} has no active {name} to replace");
        ZoneKey? waiting = ofRole.Find(key => key.Times.StateAt(now) is KeyState.Generated or KeyState.Published);
        if (waiting is not null || active.Count > 1)
        {
            throw new InvalidOperationException(
                $"zone {zone}: a change of its {name} is under way, key {(waiting ?? active[^1]).Key.Tag} comes in");
        }

        return role == KeyRole.Zsk ? RollZsk(active[0], now, timing) : RollSigner(zone, active[0], role, now, timing);
    }

    /// <summary>
    /// The operator saw the new key's DS at the parent: the keys before it go when no cache has the old DS any more.
    /// InvalidOperationException when the key is not the one that the parent is asked for.
    /// </summary>
    public static IReadOnlyList<ZoneKey> ParentHasDs(
        DnsName zone, IReadOnlyList<ZoneKey> keys, ushort tag, DateTimeOffset now, KeyTiming timing)
    {
        List<ZoneKey> entry = [.. keys.Where(key =>
            key.Key.Role != KeyRole.Zsk && key.Times.StateAt(now) is KeyState.Published or KeyState.Active)];
        ZoneKey seen = entry.Find(key => key.Key.Tag == tag)
            ?? throw new InvalidOperationException($"zone {zone} has no key {tag} that a DS can point to");
        if (entry.Exists(key => key.Times.Created > seen.Times.Created))
            throw new InvalidOperationException($"zone {zone}: key {tag} is being replaced by a newer one");
        if (seen.Times.DsSeen is not null) return [];

        // RFC 7583 §3.3.1: said too early, the wait still begins where the new key was known everywhere.
        DateTimeOffset from = seen.Times.DsWanted > now ? seen.Times.DsWanted.Value : now;
        DateTimeOffset gone = from + timing.DsTtl + timing.ParentPropagation;
        var changed = new List<ZoneKey> { seen with { Times = seen.Times with { DsSeen = now } } };
        foreach (ZoneKey old in entry.Where(key => key != seen && key.Times.Retired is null))
            changed.Add(old with { Times = old.Times with { Retired = gone, Removed = gone } });
        return changed;
    }

    // RFC 7583 §3.2.1, pre-publication: shown first, used when every cache has it, the old one shown until no cache
    // has a signature of it.
    private static (KeyTimes, IReadOnlyList<ZoneKey>) RollZsk(ZoneKey old, DateTimeOffset now, KeyTiming timing)
    {
        DateTimeOffset active = now + timing.TtlMax + timing.Propagation;
        var retired = old with
        {
            Times = old.Times with { Retired = active, Removed = active + timing.TtlMax + timing.Propagation },
        };
        return (new KeyTimes { Created = now, Published = now, Active = active }, [retired]);
    }

    // RFC 7583 §3.3.1, double signature: both sign from the first moment on; the parent is asked for the new DS when
    // every cache has the new key; the old key waits, without an end, for ParentHasDs.
    private static (KeyTimes, IReadOnlyList<ZoneKey>) RollSigner(
        DnsName zone, ZoneKey old, KeyRole role, DateTimeOffset now, KeyTiming timing)
    {
        if (old.Times.DsSeen is null)
        {
            throw new InvalidOperationException(
                $"zone {zone}: it was not said yet that the parent has the DS of key {old.Key.Tag}");
        }

        return (First(role, now, timing), []);
    }
}
