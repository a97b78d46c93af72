using System.Collections.Immutable;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Fleet.Decide;
using Fairlead.Net.Addresses;
using Fairlead.Node;
using Microsoft.AspNetCore.Http;

namespace Fairlead.Api;

/// <summary>A BGP session with its BFD.</summary>
public sealed record PeerView(
    string Name, string Address, string State, double SinceSeconds, string? Bfd, int Announced, string LastError)
{
    public int Received { get; init; }

    public long UpdatesIn { get; init; }

    public long UpdatesOut { get; init; }

    /// <summary>UPDATEs with a fault that the session survived (RFC 7606).</summary>
    public long MalformedIn { get; init; }

    public long Established { get; init; }

    /// <summary>The generation that the peer has been told in full; -1: none.</summary>
    public long ToldGeneration { get; init; }

    /// <summary>Seconds, as agreed; null while no session stands.</summary>
    public double? HoldTime { get; init; }

    /// <summary>Seconds for which the router keeps our routes when this process is gone; null: it drops them.</summary>
    public double? KeepsRoutes { get; init; }

    /// <summary>The fleet file asks for it, and these services, which end with the process, forbid it.</summary>
    public ImmutableArray<string> RestartForbidden { get; init; } = [];

    public static PeerView Of(PeerStatus peer, DateTimeOffset now) => new(
        peer.Name, peer.Address.ToString(), peer.State.ToString(), (now - peer.Since).TotalSeconds,
        peer.Bfd?.ToString(), peer.Announced, peer.LastError)
    {
        Received = peer.Received,
        UpdatesIn = peer.UpdatesIn,
        UpdatesOut = peer.UpdatesOut,
        MalformedIn = peer.MalformedIn,
        Established = peer.Established,
        ToldGeneration = peer.ToldGeneration,
        HoldTime = peer.Agreed?.HoldTime.TotalSeconds,
        KeepsRoutes = peer.Agreed?.Restart is null ? null : peer.RestartOffered?.TotalSeconds,
    };
}

/// <summary>A BFD session; times in milliseconds, DetectionTime 0 while nothing is heard.</summary>
public sealed record BfdView(
    string Peer, BfdState State, BfdState Remote, BfdDiagnostic Diagnostic, uint Discriminator,
    uint RemoteDiscriminator, double TransmitInterval, double DetectionTime, long Changes)
{
    public static BfdView Of(BfdStatus bfd) => new(
        bfd.Peer, bfd.State, bfd.Remote, bfd.Diagnostic, bfd.Discriminator, bfd.RemoteDiscriminator,
        bfd.TransmitInterval.TotalMilliseconds, bfd.DetectionTime.TotalMilliseconds, bfd.Changes);
}

public sealed record BfdList(ImmutableArray<BfdView> Sessions);

/// <summary>A route that a router has told us.</summary>
public sealed record SeenView(
    string Prefix, string Peer, string? NextHop, string AsPath, string Communities, bool Best, string? NotUsed);

public sealed record SeenList(ImmutableArray<SeenView> Routes);

/// <summary>Why something is as it is, step by step.</summary>
public sealed record Reasons(ImmutableArray<string> Lines);

/// <summary>Questions about routes.</summary>
internal static class BgpQuestions
{
    public static async Task LookAsync(
        HttpContext context, BgpSpeaker? speaker, Func<HttpContext, int, object?, Task> send)
    {
        if (!Prefix.TryParse(context.Request.Query["prefix"], out Prefix prefix))
        {
            await send(context, 400, new Refusal("bad-request", ["expected ?prefix=192.0.2.0/24 or an address"]));
            return;
        }

        ImmutableArray<SeenRoute>? seen = speaker is null
            ? []
            : await speaker.LookAsync(prefix, inside: context.Request.Query.ContainsKey("inside"));
        await (seen is { } routes
            ? send(context, 200, new SeenList([.. routes.Select(ViewOf)]))
            : send(context, 503, new Refusal("busy", ["too many ask at once: try again"])));
    }

    public static async Task BfdAsync(
        HttpContext context, BgpSpeaker? speaker, Func<HttpContext, int, object?, Task> send) =>
        await send(context, 200, new BfdList(
            speaker is null ? [] : [.. (await speaker.LookAtBfdAsync()).Select(BfdView.Of)]));

    public static Task WhyRouteAsync(
        HttpContext context, ReconcileLoop loop, BgpSpeaker? speaker, Func<HttpContext, int, object?, Task> send)
    {
        if (!Prefix.TryParse(context.Request.Query["prefix"], out Prefix prefix) || loop.View is not { } view)
            return send(context, 400, new Refusal("bad-request", ["expected ?prefix=192.0.2.0/24 or an address"]));
        ImmutableArray<string> lines = RouteWhy.Of(loop.Fleet.Spec, view.Plan, view.Report, prefix);
        bool wanted = view.Routes.Routes.Any(route => route.Prefix == prefix);
        IEnumerable<string> told = (speaker?.Status() ?? [])
            .Where(peer => wanted && peer.Address.AddressFamily == prefix.Family)
            .Select(peer => peer.State != SessionState.Established
                ? $"{peer.Name}: {peer.State}, not told ({peer.LastError})"
                : peer.ToldGeneration >= view.Routes.Generation
                    ? $"{peer.Name}: told, {peer.Announced} routes in all"
                    : $"{peer.Name}: is being told");
        return send(context, 200, new Reasons([.. lines, .. told]));
    }

    private static SeenView ViewOf(SeenRoute route) => new(
        route.Prefix.ToString(), route.Peer, route.Attributes.NextHop?.ToString(),
        string.Join(' ', route.Attributes.AsPath),
        string.Join(' ',
        [
            .. route.Attributes.Communities.Select(Community.Format),
            .. route.Attributes.LargeCommunities.Select(c => c.ToString()),
        ]),
        route.Best, route.Ineligible == Ineligible.None ? null : route.Ineligible.ToString());
}
