using System.Collections.Immutable;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>Where a key is in its life (RFC 7583 §3.1).</summary>
public enum KeyState
{
    /// <summary>Made, not shown to anybody.</summary>
    Generated,

    /// <summary>In the DNSKEY set, does not sign.</summary>
    Published,

    /// <summary>In the DNSKEY set, signs.</summary>
    Active,

    /// <summary>In the DNSKEY set for what is in caches; does not sign any more.</summary>
    Retired,

    Removed,
}

/// <summary>When each thing happened to a key or will happen; null: not planned.</summary>
public sealed record KeyTimes
{
    public DateTimeOffset? Created { get; init; }

    public DateTimeOffset? Published { get; init; }

    public DateTimeOffset? Active { get; init; }

    /// <summary>From here on CDS and CDNSKEY ask the parent for this key's DS (RFC 7344). CSK and KSK only.</summary>
    public DateTimeOffset? DsWanted { get; init; }

    /// <summary>The operator said that the parent has the DS.</summary>
    public DateTimeOffset? DsSeen { get; init; }

    public DateTimeOffset? Retired { get; init; }

    public DateTimeOffset? Removed { get; init; }

    public KeyState StateAt(DateTimeOffset now)
    {
        if (Removed <= now) return KeyState.Removed;
        if (Retired <= now) return KeyState.Retired;
        if (Active <= now) return KeyState.Active;
        return Published <= now ? KeyState.Published : KeyState.Generated;
    }

    internal IEnumerable<DateTimeOffset> Changes()
    {
        foreach (DateTimeOffset? time in (DateTimeOffset?[])[Published, Active, DsWanted, Retired, Removed])
        {
            if (time is { } known) yield return known;
        }
    }
}

/// <summary>A key and its life.</summary>
public sealed record ZoneKey(DnssecKey Key, KeyTimes Times);

/// <summary>What the keys of a zone do at one moment. Made by At, from the key files and the time alone.</summary>
public sealed record KeySet
{
    public required DnsName Zone { get; init; }

    /// <summary>In the DNSKEY set.</summary>
    public required ImmutableArray<DnssecKey> Shown { get; init; }

    /// <summary>Sign the DNSKEY, CDS and CDNSKEY sets.</summary>
    public required ImmutableArray<DnssecKey> KeySigners { get; init; }

    /// <summary>Sign all other sets.</summary>
    public required ImmutableArray<DnssecKey> ZoneSigners { get; init; }

    /// <summary>The keys whose DS the parent shall have: in CDS and CDNSKEY.</summary>
    public required ImmutableArray<DnssecKey> ForParent { get; init; }

    /// <summary>The key that waits for ParentHasDs, if one does.</summary>
    public DnssecKey? AwaitsParent { get; init; }

    /// <summary>When this changes by itself; null: never.</summary>
    public DateTimeOffset? NextChange { get; init; }

    public static KeySet At(DnsName zone, IEnumerable<ZoneKey> keys, DateTimeOffset now)
    {
        ImmutableArray<ZoneKey> all = [.. keys.OrderBy(key => key.Times.Created).ThenBy(key => key.Key.Tag)];
        ImmutableArray<DnssecKey> In(Func<ZoneKey, KeyState, bool> chosen) =>
            [.. all.Where(key => chosen(key, key.Times.StateAt(now))).Select(key => key.Key)];

        // The newest that may be asked for replaces the ones before it (RFC 7344 §4: CDS is the whole DS set).
        ZoneKey? wanted = all
            .Where(key => key.Key.Role != KeyRole.Zsk && key.Times.DsWanted <= now)
            .Where(key => key.Times.StateAt(now) is KeyState.Published or KeyState.Active)
            .MaxBy(key => key.Times.DsWanted);
        IEnumerable<DateTimeOffset> changes = all.SelectMany(key => key.Times.Changes()).Where(time => time > now);
        return new KeySet
        {
            Zone = zone,
            Shown = In((_, state) => state is KeyState.Published or KeyState.Active or KeyState.Retired),
            KeySigners = In((key, state) => state == KeyState.Active && key.Key.Role != KeyRole.Zsk),
            ZoneSigners = In((key, state) => state == KeyState.Active && key.Key.Role != KeyRole.Ksk),
            ForParent = wanted is null ? [] : [wanted.Key],
            AwaitsParent = wanted?.Times.DsSeen is null ? wanted?.Key : null,
            NextChange = changes.Select(time => (DateTimeOffset?)time).Min(),
        };
    }

    /// <summary>Whether the other set makes the same zone out of the same data.</summary>
    internal bool SignsAs(KeySet other) =>
        Same(Shown, other.Shown) && Same(KeySigners, other.KeySigners) && Same(ZoneSigners, other.ZoneSigners)
        && Same(ForParent, other.ForParent);

    /// <summary>What keeps these keys from signing a zone.</summary>
    public IEnumerable<string> Problems()
    {
        if (KeySigners.IsEmpty) yield return $"zone {Zone}: no CSK or KSK is active, nothing signs its DNSKEY set";
        if (ZoneSigners.IsEmpty) yield return $"zone {Zone}: no CSK or ZSK is active, nothing signs its records";
    }

    private static bool Same(ImmutableArray<DnssecKey> one, ImmutableArray<DnssecKey> other) =>
        one.Select(key => Convert.ToBase64String(key.Dnskey))
            .SequenceEqual(other.Select(key => Convert.ToBase64String(key.Dnskey)));
}
