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

    /// <summary>A third of the hold time (RFC 4271 §10).</summary>
    public TimeSpan KeepaliveTime => HoldTime / 3;

    /// <summary>RFC 9687 §6: eight minutes, or twice the hold time when that is more.</summary>
    public TimeSpan SendHoldTime =>
        HoldTime * 2 > TimeSpan.FromMinutes(8) ? HoldTime * 2 : TimeSpan.FromMinutes(8);

    public UpdateContext ContextFor(PeerOptions options) => new(
        options.External, FourOctetAs,
        Families.Contains(BgpFamily.IPv4Unicast), Families.Contains(BgpFamily.IPv6Unicast));

    public static OpenMessage OurOpen(PeerOptions options) => new()
    {
        As = options.LocalAs,
        HoldSeconds = (ushort)options.HoldTime.TotalSeconds,
        RouterId = options.RouterId,
        Capabilities = new Capabilities
        {
            Families = options.OfferedFamilies,
            FourOctetAs = options.LocalAs,
            RouteRefresh = true,
        },
    };

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

        // RFC 4760 §8: no multiprotocol capability means IPv4 unicast.
        ImmutableArray<BgpFamily> offered =
            open.Capabilities.Families.IsEmpty ? [BgpFamily.IPv4Unicast] : open.Capabilities.Families;
        ImmutableArray<BgpFamily> both = [.. options.OfferedFamilies.Where(offered.Contains)];
        if (both.IsEmpty)
        {
            fault = MissingFamilies(options.OfferedFamilies);
            return null;
        }

        return new Negotiation
        {
            HoldTime = TimeSpan.FromSeconds(Math.Min(open.HoldSeconds, options.HoldTime.TotalSeconds)),
            Families = both,
            FourOctetAs = open.Capabilities.FourOctetAs is not null,
            PeerRouterId = open.RouterId,
        };
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
        foreach (BgpFamily family in families) OpenMessage.WriteMultiprotocol(ref writer, family);
        return new Notification(NotificationCode.Open, OpenSubcode.UnsupportedCapability, writer.Written);
    }
}
