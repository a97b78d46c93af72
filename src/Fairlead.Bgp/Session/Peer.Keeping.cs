using System.Net;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Session;

/// <summary>The part of Peer that keeps what came: over a restart of the peer, for questions, and for a dump.</summary>
internal sealed partial class Peer
{
    /// <summary>The peer's routes to the prefix; with inside, those to prefixes inside it too.</summary>
    public IEnumerable<SeenRoute> Seen(Prefix prefix, bool inside) =>
        (inside ? ribIn.Inside(prefix) : ribIn.Exactly(prefix)).Select(SeenAs);

    private SeenRoute SeenAs(KeptRoute route) => new()
    {
        Peer = options.Name,
        PeerAddress = options.Address,
        PeerAs = options.PeerAs,
        PeerRouterId = peerRouterId,
        External = options.External,
        Prefix = route.Path.Prefix,
        PathId = route.Path.PathId,
        Attributes = Marked(route.Attributes),
        Stale = route.Stale,
        Ineligible = Judge(route),
        Preference = BestPath.PreferenceOf(route.Attributes, options.Import, options.External),
    };

    private Ineligible Judge(KeptRoute route)
    {
        ReceivedAttributes attributes = route.Attributes;
        if (attributes.AsPath.Contains(options.LocalAs)) return Ineligible.OwnAs;
        if (!options.External && attributes.OriginatorId == options.RouterId) return Ineligible.OwnOriginator;
        // RFC 9234 §5: from a customer or a route server's client such a route is a leak, and from a peer when it has
        // passed another one.
        bool leak = options.Role switch
        {
            SessionRole.Provider or SessionRole.RouteServer => attributes.OnlyToCustomer is not null,
            SessionRole.Peer => attributes.OnlyToCustomer is { } from && from != options.PeerAs,
            _ => false,
        };
        if (leak) return Ineligible.RouteLeak;
        if (options.Import is not { } import) return options.External ? Ineligible.NoPolicy : Ineligible.None;
        return import.Accepts(route.Path.Prefix) ? Ineligible.None : Ineligible.Policy;
    }

    // RFC 9234 §5: what comes from a provider, a peer or a route server may only go on to customers.
    private ReceivedAttributes Marked(ReceivedAttributes attributes)
    {
        bool marks = attributes.OnlyToCustomer is null
            && options.Role is SessionRole.Customer or SessionRole.Peer or SessionRole.RouteServerClient;
        return marks ? attributes with { OnlyToCustomer = options.PeerAs } : attributes;
    }

    /// <summary>
    /// RFC 4724 §4.2 and RFC 8538 §4: after a loss that may be a restart the peer's routes stay, as stale ones. BFD
    /// that goes down is no restart: the path itself is in doubt.
    /// </summary>
    private void KeepStale(SessionEvent @event, Notification? notification, Negotiation? agreed)
    {
        bool restarts = @event switch
        {
            SessionEvent.TcpFails => true,
            SessionEvent.HoldExpires => agreed?.RestartOverNotification == true,
            SessionEvent.Notification => agreed?.RestartOverNotification == true && notification?.IsHardReset == false,
            _ => false,
        };
        if (!restarts || stopped || agreed?.Restart is not { Kept.IsEmpty: false, Seconds: > 0 } restart)
        {
            ribIn.Clear();
            staleUntil = Connection.Never;
            return;
        }

        foreach (BgpFamily family in agreed.Families)
        {
            ribIn.Sweep(family); // What was stale before this one goes now (RFC 4724 §4.2).
            ribIn.BeginAgain(family);
        }

        SweepStale([.. agreed.Families.Except(restart.Kept)]);
        staleUntil = loop.Now + TimeSpan.FromSeconds(restart.Seconds);
    }

    // RFC 4724 §4.2: what the peer has not kept forwarding goes at once, the rest at its End-of-RIB or in time.
    private void TakeUpStale(Negotiation agreed)
    {
        peerRouterId = agreed.PeerRouterId;
        if (staleUntil == Connection.Never) return;
        TimeSpan again = loop.Now + TimeSpan.FromSeconds(agreed.Restart?.Seconds ?? 0);
        IEnumerable<BgpFamily> kept = agreed.Restart?.Forwards ?? [];
        SweepStale([.. new[] { BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast }.Except(kept)]);
        staleUntil = agreed.Restart is null ? Connection.Never : again;
    }

    private void SweepStale(ReadOnlySpan<BgpFamily> families)
    {
        foreach (BgpFamily family in families) ribIn.Sweep(family);
        staleUntil = Connection.Never;
    }

    private void Commit(Connection connection, in WireWriter writer) =>
        DumpMessages(connection.Output.Commit(writer), ours: true, connection.Agreed);

    private void DumpMessages(ReadOnlySpan<byte> messages, bool ours, Negotiation? agreed) =>
        Dump?.Messages(messages, Ends, loop.Time.GetUtcNow(), ours, agreed);

    private void DumpChange(SessionState before, SessionState after) =>
        Dump?.Change(before, after, Ends, loop.Time.GetUtcNow());

    private DumpEnds Ends => new(
        options.PeerAs, options.LocalAs, options.Address,
        Established?.LocalAddress ?? options.LocalAddress ?? (options.Address.AddressFamily
            == System.Net.Sockets.AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any));
}
