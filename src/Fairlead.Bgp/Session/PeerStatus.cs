using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Session;

/// <summary>One peer as it was at the end of the speaker's last turn.</summary>
public sealed record PeerStatus
{
    public required string Name { get; init; }

    public required IPAddress Address { get; init; }

    public required SessionState State { get; init; }

    /// <summary>When State was entered.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>Why the last session or attempt ended; empty when there was none.</summary>
    public required string LastError { get; init; }

    /// <summary>Null without BFD.</summary>
    public required BfdState? Bfd { get; init; }

    /// <summary>How many of our prefixes the peer holds.</summary>
    public required int Announced { get; init; }

    /// <summary>The generation of the RouteSet that the peer has been told in full; -1 when none.</summary>
    public required long ToldGeneration { get; init; }

    /// <summary>How many prefixes the peer has announced to us.</summary>
    public required int Received { get; init; }

    public required long UpdatesIn { get; init; }

    public required long UpdatesOut { get; init; }

    /// <summary>UPDATEs with a fault that RFC 7606 let the session survive.</summary>
    public required long MalformedIn { get; init; }

    /// <summary>Attributes that were dropped for a fault while their routes stayed (RFC 7606 §2).</summary>
    public long DiscardedIn { get; init; }

    /// <summary>Routes that a fault beside them has withdrawn (RFC 7606 §2).</summary>
    public long WithdrawnByFault { get; init; }

    /// <summary>Announcements that the looking glass had no room for (ReceivedBudget).</summary>
    public long NotKept { get; init; }

    /// <summary>Wanted routes that cannot be told here: no next hop, no policy, or too many communities.</summary>
    public int Unannounceable { get; init; }

    /// <summary>For how long we ask the peer to keep our routes when we are gone; null: we do not (RFC 4724).</summary>
    public TimeSpan? RestartOffered { get; init; }

    /// <summary>What the two OPENs have agreed on; null while no session stands.</summary>
    public Negotiation? Agreed { get; init; }

    /// <summary>The peer is away and its routes are kept (RFC 4724 §4.2), or it has yet to repeat them.</summary>
    public bool KeepsStale { get; init; }

    /// <summary>How often a session was established.</summary>
    public required long Established { get; init; }
}

/// <summary>What the speaker tells, on its own thread: the receiver must not block.</summary>
public abstract record BgpEvent(string Peer)
{
    public sealed record PeerUp(string Peer) : BgpEvent(Peer);

    public sealed record PeerDown(string Peer, string Reason) : BgpEvent(Peer);

    public sealed record BfdChanged(string Peer, BfdState State, BfdDiagnostic Diagnostic) : BgpEvent(Peer);

    /// <summary>
    /// The process has stood still for so long. A RouteSet that says its age (RouteSet.AsOf) is told to nobody until
    /// one comes that rests on what was seen since. Peer is empty.
    /// </summary>
    public sealed record Thawed(TimeSpan Gap) : BgpEvent("");

    /// <summary>
    /// The process that speaks BFD has died or cannot be started; it is started again, and its sessions go on. Peer is
    /// empty.
    /// </summary>
    public sealed record BfdProcessDied(string Text) : BgpEvent("");

    /// <summary>The guard has refused a prefix; once for each change of set or guard. Peer is empty.</summary>
    public sealed record GuardRefused(Prefix Prefix, GuardReason Reason) : BgpEvent("");

    /// <summary>An UPDATE had a fault; what was done about it (RFC 7606) stands in the text.</summary>
    public sealed record MalformedUpdate(string Peer, string Text) : BgpEvent(Peer);

    /// <summary>A port could not be listened on; we dial on and try again. Peer is the first that needs it.</summary>
    public sealed record ListenFailed(string Peer, string Text) : BgpEvent(Peer);
}
