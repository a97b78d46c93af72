using System.Collections.Immutable;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net;

namespace Fairlead.Dns.Transfers;

/// <summary>The zones that may leave, of one table, each with the way to it. Immutable.</summary>
internal sealed record TransferTable(DnsTable Table, ImmutableDictionary<DnsName, ZoneJournal> Zones)
{
    public static TransferTable Empty { get; } = new(
        DnsTable.Empty, ImmutableDictionary.Create<DnsName, ZoneJournal>(NameComparer.Instance));
}

/// <summary>A zone has a new serial.</summary>
internal readonly record struct NewVersion(DnsName Origin, RRset Soa);

/// <summary>
/// Follows the tables of the server. Whoever publishes tables calls Prepare before, so that the serial answered is the
/// one transferred, and Take after. One thread calls; any number reads Current.
/// </summary>
internal sealed class TransferVersions(Snapshot<TransferSettings> settings, SerialKeeper serials)
{
    private TransferTable current = TransferTable.Empty;
    private (DnsTable Table, List<TransferredZone> Zones)? prepared;

    public TransferTable Current => Volatile.Read(ref current);

    /// <summary>
    /// Gives the table its serials: a zone that is steered or signed here, and may be transferred, has the keeper's.
    /// signerOf tells who signs a zone here; null: nobody.
    /// </summary>
    public DnsTable Prepare(DnsTable table, Func<DnsName, SetSigner?>? signerOf)
    {
        TransferOptions options = settings.Current.Options;
        if (options.Allow.IsEmpty) return table;
        bool wantsAll = options.Allow.Any(rule => rule.Zone is null);
        HashSet<DnsName> wanted = [.. options.Allow.Select(rule => rule.Zone).OfType<DnsName>()];
        ILookup<DnsName, RRset> steered = TransferredZone.SteeredSets(table);
        var zones = new List<TransferredZone>();
        var soas = new Dictionary<Zone, RRset>(ReferenceEqualityComparer.Instance);
        foreach (Zone zone in table.Zones.Where(zone => wantsAll || wanted.Contains(zone.Origin)))
        {
            SetSigner? signer = signerOf?.Invoke(zone.Origin);
            var version = new TransferredZone(zone, zone.Soa, [.. steered[zone.Origin]]);
            if (!zone.IsExpired && (signer is not null || !version.Steered.IsEmpty || serials.Knows(zone.Origin)))
            {
                uint serial = serials.Next(zone.Origin, zone.Serial, version.Fingerprint());
                if (serial != zone.Serial)
                {
                    RRset soa = SoaOf(zone, serial);
                    soas[zone] = signer is null ? soa : signer.Sign(soa);
                    version = version with { Soa = soas[zone] };
                }
            }

            zones.Add(version);
        }

        if (soas.Count > 0) table = table.WithSoas(soas);
        prepared = (table, zones);
        return table;
    }

    /// <summary>The table is served now. Gives the zones with a serial that they did not have before.</summary>
    public List<NewVersion> Take(DnsTable table)
    {
        if (prepared?.Table != table) Prepare(table, null);
        List<TransferredZone> zones = prepared is { } known && known.Table == table ? known.Zones : [];
        ImmutableDictionary<DnsName, ZoneJournal>.Builder next = TransferTable.Empty.Zones.ToBuilder();
        var changed = new List<NewVersion>();
        foreach (TransferredZone zone in zones)
        {
            DnsName origin = zone.Zone.Origin;
            // An expired zone has no version to go on from.
            bool isKnown = current.Zones.TryGetValue(origin, out ZoneJournal? journal);
            if (zone.Zone.IsExpired || (isKnown && journal!.Current.Zone.IsExpired)) isKnown = false;
            next[origin] = isKnown
                ? journal!.Then(zone, settings.Current.Options.JournalBytesMax)
                : ZoneJournal.Start(zone);
            bool isNew = !isKnown || journal!.Current.Serial != zone.Serial;
            if (isNew && !zone.Zone.IsExpired) changed.Add(new NewVersion(origin, zone.Soa));
        }

        Volatile.Write(ref current, new TransferTable(table, next.ToImmutable()));
        prepared = null;
        return changed;
    }

    // The same object for the same serial, so that a version can be told to be the same.
    private RRset SoaOf(Zone zone, uint serial)
    {
        RRset? last = current.Zones.GetValueOrDefault(zone.Origin)?.Current.Soa;
        RRset soa = SerialOrder.With(zone.Soa, serial);
        return last is not null && last.SignatureCount == 0 && last.TtlSeconds == soa.TtlSeconds
            && last[0].SequenceEqual(soa[0]) ? last : soa;
    }
}
