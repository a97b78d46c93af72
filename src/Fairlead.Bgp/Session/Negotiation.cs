using System.Collections.Immutable;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Session;

/// <summary>What two OPENs have agreed on. Pure.</summary>
public sealed record Negotiation
{
    public required TimeSpan HoldTime { get; init; }

    public required ImmutableArray<BgpFamily> Families { get; init; }

    public required bool FourOctetAs { get; init; }

    public required uint PeerRouterId { get; init; }

    public bool EnhancedRefresh { get; init; }

    /// <summary>RFC 8654 §4: what we may send. We always take the longer ones.</summary>
    public int MessageSizeMax { get; init; } = Message.SizeMax;

    /// <summary>RFC 7911 §4: the families whose routes the peer sends with path identifiers.</summary>
    public ImmutableArray<BgpFamily> AddPath { get; init; } = [];

    /// <summary>RFC 8950 §4: both sides take IPv4 routes with an IPv6 next hop.</summary>
    public bool IPv6NextHop { get; init; }

    /// <summary>What the peer has said of restarts; null when one of us keeps no routes over one.</summary>
    public RestartCapability? Restart { get; init; }

    /// <summary>RFC 8538 §4: a NOTIFICATION does not end the peer's keeping of routes, a hard reset does.</summary>
    public bool RestartOverNotification { get; init; }

    /// <summary>A third of the hold time (RFC 4271 §10).</summary>
    public TimeSpan KeepaliveTime => HoldTime / 3;

    /// <summary>RFC 9687 §6: eight minutes, or twice the hold time when that is more.</summary>
    public TimeSpan SendHoldTime =>
        HoldTime * 2 > TimeSpan.FromMinutes(8) ? HoldTime * 2 : TimeSpan.FromMinutes(8);

    public UpdateContext ContextFor(PeerOptions options) => new(
        options.External, FourOctetAs,
        Families.Contains(BgpFamily.IPv4Unicast), Families.Contains(BgpFamily.IPv6Unicast))
    {
        AddPathIPv4 = AddPath.Contains(BgpFamily.IPv4Unicast),
        AddPathIPv6 = AddPath.Contains(BgpFamily.IPv6Unicast),
        IPv6NextHop = IPv6NextHop,
    };

    /// <summary>First: no session with the peer has stood since this process began.</summary>
    public static OpenMessage OurOpen(PeerOptions options, bool first) => new()
    {
        As = options.LocalAs,
        HoldSeconds = (ushort)options.HoldTime.TotalSeconds,
        RouterId = options.RouterId,
        Capabilities = new Capabilities
        {
            Families = options.OfferedFamilies,
            FourOctetAs = options.LocalAs,
            RouteRefresh = true,
            EnhancedRefresh = true,
            ExtendedMessage = true,
            IPv6NextHop = OffersIPv6NextHop(options) ? [BgpFamily.IPv4Unicast] : [],
            AddPath = options.AddPath
                ? options.OfferedFamilies.ToImmutableDictionary(family => family, _ => AddPathMode.Receive)
                : ImmutableDictionary<BgpFamily, AddPathMode>.Empty,
            Role = options.Role,
            Restart = options.Restart is not { } restart ? null : new RestartCapability
            {
                Restarted = restart.Restarted && first,
                OverNotification = true,
                Seconds = (int)restart.Time.TotalSeconds,
                Kept = restart.Families,
                // RFC 4724 §3: in a first session, whether we found it as an earlier process had left it; where we
                // did not, the peer drops what it has kept. Later ones follow on sessions of our own.
                Forwards = restart.Restarted || !first ? restart.Families : [],
            },
        },
    };

    private static bool OffersIPv6NextHop(PeerOptions options) =>
        options.IPv6NextHop && options.OfferedFamilies.Contains(BgpFamily.IPv4Unicast);

    /// <summary>Null and the NOTIFICATION to send when the peer's OPEN does not fit the options.</summary>
    public static Negotiation? TryAgree(PeerOptions options, OpenMessage open, out Notification? fault)
    {
        fault = null;
        if (open.As != options.PeerAs)
        {
            fault = new Notification(NotificationCode.Open, OpenSubcode.BadPeerAs);
            return null;
        }

        // RFC 6286 §2.2: inside an AS the identifier must be unique; outside it may be the same.
        if (!options.External && open.RouterId == options.RouterId)
        {
            fault = new Notification(NotificationCode.Open, OpenSubcode.BadIdentifier);
            return null;
        }

        if (!RolesFit(options, open.Capabilities))
        {
            fault = new Notification(NotificationCode.Open, OpenSubcode.RoleMismatch);
            return null;
        }

        // RFC 4760 §8: no multiprotocol capability means IPv4 unicast.
        ImmutableArray<BgpFamily> offered =
            open.Capabilities.Families.IsEmpty ? [BgpFamily.IPv4Unicast] : open.Capabilities.Families;
        ImmutableArray<BgpFamily> both = [.. options.OfferedFamilies.Where(offered.Contains)];
        if (both.IsEmpty)
        {
            fault = MissingFamilies(options.OfferedFamilies);
            return null;
        }

        return Agreed(options, open, both);
    }

    private static Negotiation Agreed(PeerOptions options, OpenMessage open, ImmutableArray<BgpFamily> both)
    {
        Capabilities theirs = open.Capabilities;
        RestartCapability? restart = options.Restart is null ? null : theirs.Restart;
        return new Negotiation
        {
            HoldTime = TimeSpan.FromSeconds(Math.Min(open.HoldSeconds, options.HoldTime.TotalSeconds)),
            Families = both,
            FourOctetAs = theirs.FourOctetAs is not null,
            PeerRouterId = open.RouterId,
            EnhancedRefresh = theirs.EnhancedRefresh,
            MessageSizeMax = theirs.ExtendedMessage ? Message.ExtendedSizeMax : Message.SizeMax,
            AddPath = options.AddPath
                ? [.. both.Where(family => (theirs.AddPath.GetValueOrDefault(family) & AddPathMode.Send) != 0)]
                : [],
            IPv6NextHop = OffersIPv6NextHop(options) && theirs.IPv6NextHop.Contains(BgpFamily.IPv4Unicast),
            Restart = restart,
            RestartOverNotification = restart?.OverNotification == true,
        };
    }

    // RFC 9234 §4.2: the pairs that make sense. A peer that names no role is taken at our word unless we are strict.
    private static bool RolesFit(PeerOptions options, Capabilities theirs)
    {
        if (options.Role is not { } ours) return true;
        if (theirs.RoleConflict) return false;
        return theirs.Role is not { } role ? !options.RoleStrict : (ours, role) is
            (SessionRole.Provider, SessionRole.Customer) or (SessionRole.Customer, SessionRole.Provider)
            or (SessionRole.RouteServer, SessionRole.RouteServerClient)
            or (SessionRole.RouteServerClient, SessionRole.RouteServer) or (SessionRole.Peer, SessionRole.Peer);
    }

    /// <summary>
    /// RFC 4271 §6.8 and RFC 6286 §2.3: of two connections, whether the one that we dialled stays. The higher
    /// identifier's does, and the higher AS's when they are equal.
    /// </summary>
    public static bool KeepsDialled(PeerOptions options, uint peerRouterId) =>
        options.RouterId != peerRouterId
            ? options.RouterId > peerRouterId
            : options.LocalAs.Value > options.PeerAs.Value;

    // RFC 5492 §5: the data lists the capabilities that we miss.
    private static Notification MissingFamilies(ImmutableArray<BgpFamily> families)
    {
        Span<byte> data = stackalloc byte[64];
        var writer = new WireWriter(data);
        foreach (BgpFamily family in families) Capabilities.WriteFamily(ref writer, family);
        return new Notification(NotificationCode.Open, OpenSubcode.UnsupportedCapability, writer.Written);
    }
}
