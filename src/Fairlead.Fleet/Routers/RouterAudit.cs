using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bmp;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Routers;

/// <summary>What is wrong with a router's routes, or with one of its sessions.</summary>
public enum AuditFault
{
    /// <summary>It takes what lies outside the anycast subnets.</summary>
    OutsideSubnets,

    /// <summary>It takes what is neither a host route nor an aggregate of the fleet.</summary>
    Length,

    /// <summary>It takes an aggregate whose next hop is no address inside it: nothing gates that.</summary>
    NextHop,

    /// <summary>It takes a path that another AS than the peer's has begun.</summary>
    Origin,

    /// <summary>It takes of an upstream or of a stranger what is the fleet's own, or nobody's.</summary>
    FromOutside,

    /// <summary>It tells an upstream more than the aggregates.</summary>
    Leak,

    /// <summary>It keeps a dead peer's routes.</summary>
    GracefulRestart,

    /// <summary>It refuses what it should take.</summary>
    NotTaken,

    /// <summary>A route that should be there is not.</summary>
    Lacking,

    NoSession,
}

/// <summary>One finding.</summary>
/// <param name="Peer">Whose routes, or whose session: the name in the fleet file, or an address.</param>
/// <param name="Fault">What kind it is.</param>
/// <param name="Prefix">The route, if it is about one.</param>
/// <param name="Text">For people.</param>
/// <param name="Missing">The line of `router-config` that would prevent it; null: it cannot be told.</param>
public sealed record AuditFinding(string Peer, AuditFault Fault, Prefix? Prefix, string Text, string? Missing);

/// <summary>A table of a peer. Its absences count only when it is complete and the first transfer is over.</summary>
public sealed record AuditTable(BmpView View, bool IsWhole, ImmutableArray<BmpRoute> Routes);

/// <summary>A peer whose session the router holds up, as it tells of it.</summary>
public sealed record AuditPeer(IPAddress Address, Asn Asn, bool KeepsDeadRoutes, ImmutableArray<AuditTable> Tables)
{
    public AuditTable? Table(BmpView view) => Tables.FirstOrDefault(table => table.View == view);
}

/// <summary>What an audit says of a router.</summary>
/// <param name="Findings">What is wrong.</param>
/// <param name="Open">What could not be judged, and why.</param>
/// <param name="IsWhole">Every peer's table after policy has come in full.</param>
public sealed record AuditReport(ImmutableArray<AuditFinding> Findings, ImmutableArray<string> Open, bool IsWhole);

/// <summary>
/// Holds what a router says of itself against what its fleet file asks of it: what it takes of whom, what it lacks.
/// </summary>
public sealed class RouterAudit
{
    private readonly ImmutableArray<AuditFinding>.Builder findings = ImmutableArray.CreateBuilder<AuditFinding>();
    private readonly ImmutableArray<string>.Builder open = ImmutableArray.CreateBuilder<string>();
    private readonly RouterFacts facts;
    private readonly RouterLines lines;
    private readonly HashSet<Prefix> taken = [];
    private bool isWhole = true;

    private RouterAudit(RouterFacts facts, RouterLines lines) => (this.facts, this.lines) = (facts, lines);

    /// <summary>ArgumentException as RouterConfig.</summary>
    /// <param name="fleet">What the routers are held against.</param>
    /// <param name="pop">The router's pop.</param>
    /// <param name="router">Its name.</param>
    /// <param name="description">What it says it is ("FRRouting 8.4.4"): names the language of its lines.</param>
    /// <param name="peers">Whose sessions it holds up.</param>
    /// <param name="plan">What the fleet wants now; null: which services are up is not known.</param>
    public static AuditReport Judge(
        FleetSpec fleet, string pop, string router, string? description, IReadOnlyList<AuditPeer> peers, Plan? plan)
    {
        var audit = new RouterAudit(
            new RouterFacts(fleet, pop, router), RouterLines.Of(fleet, pop, router, description));
        foreach (RouterFamily family in audit.facts.Families) audit.Family(family, peers, plan);
        audit.Strangers(peers);
        return new AuditReport(audit.findings.ToImmutable(), audit.open.ToImmutable(), audit.isWhole);
    }

    private void Family(RouterFamily family, IReadOnlyList<AuditPeer> peers, Plan? plan)
    {
        bool nodesWhole = true;
        foreach (NodeSession node in facts.Nodes(family))
        {
            if (Known(peers, node.Theirs, "node", node.Node) is not { } peer)
            {
                nodesWhole = false;
                continue;
            }

            string? line = lines.OfSession("node", node.Node, node.Theirs, family);
            nodesWhole &= Accepted(peer, node.Node, route => Judge(route, node, family), line);
            if (peer.Table(BmpView.InPostPolicy) is { } after)
                taken.UnionWith(after.Routes.Select(route => route.Prefix));
            Refused(peer, node, family);
            if (peer.KeepsDeadRoutes && facts.Router.Restart is null)
                Find(node.Node, AuditFault.GracefulRestart, null,
                    "graceful restart is agreed on: when the node dies, its routes stay", lines.Restart);
        }

        foreach (BackboneSession other in facts.Backbone(family))
        {
            if (Known(peers, other.Theirs, "router", other.Router) is { } peer)
                Accepted(peer, other.Router, route => JudgeBackbone(route, family),
                    lines.OfSession("pop", other.Router, other.Theirs, family));
        }

        foreach (UpstreamSession upstream in facts.Upstreams(family))
        {
            if (Known(peers, upstream.Theirs, "upstream", upstream.Upstream) is not { } peer) continue;
            Accepted(peer, upstream.Upstream, route => JudgeOutside(route, family),
                lines.OfSession("upstream", upstream.Upstream, upstream.Theirs, family));
            Told(peer, upstream, family);
        }

        if (nodesWhole) Lacking(family, plan);
    }

    /// <summary>The peer, or null after it was said that there is no session.</summary>
    private AuditPeer? Known(IReadOnlyList<AuditPeer> peers, IPAddress address, string kind, string name)
    {
        AuditPeer? peer = peers.FirstOrDefault(one => one.Address.Equals(address));
        if (peer is null)
            Find(name, AuditFault.NoSession, null, $"it holds no session with {kind} {name} ({address})", null);
        return peer;
    }

    /// <summary>Judges what the router has taken of a peer. Whether the table is whole.</summary>
    private bool Accepted(
        AuditPeer peer, string name, Func<BmpRoute, (AuditFault Fault, string Text)?> judge, string? line)
    {
        if (peer.Table(BmpView.InPostPolicy) is not { } table)
        {
            isWhole = false;
            open.Add($"{name} ({peer.Address}): the router does not tell what it takes of it (monitor post-policy)");
            return false;
        }

        foreach (BmpRoute route in table.Routes)
        {
            if (judge(route) is var (fault, text)) Find(name, fault, route.Prefix, text, line);
        }

        if (!table.IsWhole)
        {
            isWhole = false;
            open.Add($"{name} ({peer.Address}): not all of its routes have come");
        }

        return table.IsWhole;
    }

    private (AuditFault Fault, string Text)? Judge(BmpRoute route, NodeSession node, RouterFamily family)
    {
        Prefix prefix = route.Prefix;
        if (!facts.Subnets(family).Any(subnet => subnet.Contains(prefix)))
            return (AuditFault.OutsideSubnets, $"takes {prefix}, which is outside every anycast subnet");
        bool isHost = prefix.Length == family.HostLength;
        if (!isHost && !facts.Aggregates(family).Contains(prefix))
            return (AuditFault.Length, $"takes {prefix}: neither a host route nor an aggregate of the fleet");
        if (!isHost && (route.Path.NextHop is not { } nextHop || !prefix.Contains(nextHop)))
            return (AuditFault.NextHop,
                $"takes {prefix} with the next hop {route.Path.NextHop}: no service inside it stands behind it");
        // FRR puts its own AS in front of what it has heard.
        ReadOnlySpan<Asn> path = route.Path.AsPath.AsSpan();
        if (path is [var first, ..] && first == facts.Asn) path = path[1..];
        bool isOwn = path.IndexOfAnyExcept(node.Asn) < 0 && (node.IsInternal || path.Length > 0);
        return isOwn
            ? null
            : (AuditFault.Origin,
                $"takes {prefix} by the path \"{string.Join(' ', route.Path.AsPath)}\": not the node's");
    }

    private (AuditFault Fault, string Text)? JudgeBackbone(BmpRoute route, RouterFamily family)
    {
        Prefix prefix = route.Prefix;
        bool isHost = prefix.Length == family.HostLength
            && facts.Subnets(family).Any(subnet => subnet.Contains(prefix));
        return isHost || facts.OtherNetworks(family).Contains(prefix)
            ? null
            : (AuditFault.OutsideSubnets, $"takes {prefix}: over the backbone go host routes and the pops' networks");
    }

    private (AuditFault Fault, string Text)? JudgeOutside(BmpRoute route, RouterFamily family)
    {
        Prefix prefix = route.Prefix;
        string? why = prefix.Length == 0 ? "a default route"
            : Inside(facts.Subnets(family)) ? "the fleet's own anycast addresses"
            : Inside(facts.AllNetworks(family)) ? "a pop's own network"
            : Inside(facts.Martians(family)) ? "nobody's on the internet (RFC 6890)"
            : null;
        return why is null ? null : (AuditFault.FromOutside, $"takes {prefix}: {why}");

        bool Inside(Prefix[] ranges) => ranges.Any(range => range.Contains(prefix));
    }

    /// <summary>What a node says and the router should take, but does not.</summary>
    private void Refused(AuditPeer peer, NodeSession node, RouterFamily family)
    {
        if (peer.Table(BmpView.InPrePolicy) is not { } before
            || peer.Table(BmpView.InPostPolicy) is not { IsWhole: true } after) return;
        HashSet<Prefix> through = [.. after.Routes.Select(route => route.Prefix)];
        foreach (BmpRoute route in before.Routes.Where(route => !through.Contains(route.Prefix)))
        {
            if (Judge(route, node, family) is null)
                Find(node.Node, AuditFault.NotTaken, route.Prefix,
                    $"refuses {route.Prefix}, which the node tells and may tell", lines.OfAllowed(family));
        }
    }

    private void Told(AuditPeer peer, UpstreamSession upstream, RouterFamily family)
    {
        AuditTable? told = peer.Table(BmpView.OutPostPolicy);
        foreach (BmpRoute route in told?.Routes ?? [])
        {
            if (!facts.Aggregates(family).Contains(route.Prefix) || !Guard.IsForInternet(route.Prefix))
                Find(upstream.Upstream, AuditFault.Leak, route.Prefix, $"tells it {route.Prefix}, no aggregate of ours",
                    lines.OfSession("upstream", upstream.Upstream, upstream.Theirs, family, isOut: true));
        }
    }

    private void Lacking(RouterFamily family, Plan? plan)
    {
        Prefix[] own = family.Of(facts.Fleet.Cover.Concat(facts.Pop.Regional));
        foreach (Prefix aggregate in own.Where(one => !taken.Contains(one)))
        {
            bool isServed = taken.Any(host => host.Length == family.HostLength && aggregate.Contains(host));
            if (isServed && plan?.Pop(facts.Pop.Name)?.Aggregates is null or AggregateStance.Announce)
                Find("-", AuditFault.Lacking, aggregate,
                    $"lacks {aggregate}, though services inside it are there", lines.OfAllowed(family));
        }

        foreach (ServiceSpec service in facts.Fleet.Services)
        {
            if (service.Announce.In(facts.Pop.Name) == AnnounceWhen.Never) continue;
            foreach (Prefix vip in family.Of(facts.Fleet.AllVips(service)).Where(vip => !taken.Contains(vip)))
            {
                if (plan is null) open.Add($"{vip} of service {service.Name} is not there; is it up?");
                else if (plan.Pop(facts.Pop.Name) is { Serves: true }
                    && plan.Service(service.Name)?.IsUp(facts.Pop.Name, vip.Family) == true)
                    Find("-", AuditFault.Lacking, vip, $"lacks {vip}, though service {service.Name} is up here", null);
            }
        }
    }

    /// <summary>Peers that the fleet file does not know may say what they like, but nothing of ours.</summary>
    private void Strangers(IReadOnlyList<AuditPeer> peers)
    {
        HashSet<IPAddress> known =
        [
            .. facts.Families.SelectMany(family => facts.Nodes(family).Select(node => node.Theirs)
                .Concat(facts.Backbone(family).Select(other => other.Theirs))
                .Concat(facts.Upstreams(family).Select(upstream => upstream.Theirs))),
        ];
        foreach (AuditPeer peer in peers.Where(peer => !known.Contains(peer.Address)))
        {
            open.Add($"{peer.Address} (AS{peer.Asn}) is a peer that the fleet file does not name");
            foreach (BmpRoute route in peer.Table(BmpView.InPostPolicy)?.Routes ?? [])
            {
                if (facts.Fleet.AnycastSubnets.Any(subnet => subnet.Contains(route.Prefix)))
                    Find($"{peer.Address}", AuditFault.FromOutside, route.Prefix,
                        $"takes {route.Prefix}, an anycast address, of a peer that the fleet file does not name",
                        null);
            }
        }
    }

    private void Find(string peer, AuditFault fault, Prefix? prefix, string text, string? missing) =>
        findings.Add(new AuditFinding(peer, fault, prefix, text, missing));
}
