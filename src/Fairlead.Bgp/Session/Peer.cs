using System.ComponentModel;
using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Linux;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Session;

/// <summary>
/// One neighbour: up to two connections (one that we dial, one that it dials), of which a collision leaves one, and
/// what was told on it. Feeds events to SessionTable and does what the table says. On the speaker's thread only.
/// </summary>
internal sealed partial class Peer(PeerOptions options, SpeakerLoop loop)
{
    // RFC 4271 §10 suggests 120 s, from a time of slow routers. A lost announcer must be back in seconds, and one SYN
    // in two seconds costs nobody anything.
    private static readonly TimeSpan ConnectRetryTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan IdleHoldTimeMin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan IdleHoldTimeMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan OpenHoldTime = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan ReportEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CollisionTime = TimeSpan.FromSeconds(5);

    private readonly Connection dialled = new(dialled: true);
    private readonly AdjRibIn ribIn = new(loop.Budget);
    private readonly UpdateContent content = new();
    private Connection? accepted;
    private TimeSpan idleHold = IdleHoldTimeMin;
    private TimeSpan nextReport;
    private GuardedRoutes? told;
    private TimeSpan barredUntil;
    private TimeSpan staleUntil = Connection.Never;
    private TimeSpan upAt;
    private bool waitsForBfd;
    private bool stopped;
    private BfdState remoteBfd = Bfd.BfdState.Down;
    private uint peerRouterId;
    private string lastError = "";
    private SessionState shownState;
    private DateTimeOffset since = loop.Time.GetUtcNow();
    private long updatesIn;
    private long updatesOut;
    private long malformedIn;
    private long discardedIn;
    private long withdrawnByFault;
    private long established;

    public PeerOptions Options => options;

    public BfdState? BfdState { get; private set; } = options.Bfd is null ? null : Bfd.BfdState.Down;

    public AdjRibIn RibIn => ribIn;

    /// <summary>When something is due that belongs to no connection.</summary>
    public TimeSpan NextTimer => staleUntil;

    /// <summary>What is written of the session, while somebody wants it.</summary>
    public SessionDump? Dump { get; set; }

    public IEnumerable<Connection> Connections => accepted is null ? [dialled] : [dialled, accepted];

    public SessionState State =>
        accepted is { } other && other.State > dialled.State ? other.State
        : options.Passive && !stopped && dialled.State == SessionState.Idle ? SessionState.Active
        : dialled.State;

    public void Start()
    {
        if (!options.Passive) dialled.StartAt = loop.Now;
    }

    /// <summary>Ends what there is, with this NOTIFICATION, and begins nothing more.</summary>
    public void Stop(Notification notification)
    {
        stopped = true;
        foreach (Connection connection in Connections.ToArray())
        {
            Feed(connection, SessionEvent.Stop, notification);
            connection.StartAt = Connection.Never;
        }
    }

    /// <summary>
    /// Ends the session without a word, so that a peer with graceful restart keeps our routes for who follows us. False
    /// when the peer would not: it is then to be told that we go.
    /// </summary>
    public bool Leave()
    {
        if (Established is not { Agreed.Restart: not null } connection || options.Restart!.Families.IsEmpty)
            return false;
        stopped = true;
        Feed(connection, SessionEvent.TcpFails, why: "we restart");
        connection.StartAt = Connection.Never;
        return true;
    }

    /// <summary>The same peer, watched or told otherwise: the session stays (PeerOptions.KeepsSession).</summary>
    public void Change(PeerOptions changed)
    {
        bool otherPolicy = !Equals(options.Export, changed.Export);
        options = changed;
        BfdState = changed.Bfd is null ? null : BfdState ?? Bfd.BfdState.Down;
        if (waitsForBfd && !IsHeldByBfd) StartSoon();
        if (!otherPolicy || Established is not { } connection) return;
        connection.RibOut!.Export = changed.Export;
        told = null;
    }

    /// <summary>Whether a connection from this address is this peer's.</summary>
    public bool IsFrom(IPAddress from) => RemoteAddress.Equals(from);

    /// <summary>The peer's address; a link-local one with its interface's present number.</summary>
    public IPAddress RemoteAddress => InterfaceIndex.Scoped(options.Address, options.Interface);

    // A path that BFD has never seen work carries no session in strict mode. RFC 5882 §3.2: a peer that has taken BFD
    // out of service says nothing about the path.
    private bool IsHeldByBfd =>
        options.Bfd is { Strict: true } && BfdState != Bfd.BfdState.Up && remoteBfd != Bfd.BfdState.AdminDown;

    private void StartSoon()
    {
        waitsForBfd = false;
        if (!options.Passive && !stopped && dialled.State == SessionState.Idle) dialled.StartAt = loop.Now;
    }

    /// <summary>A connection that the peer has made.</summary>
    public void Accept(KernelSocket socket)
    {
        // RFC 4724 §5: a peer with graceful restart that connects again has lost the old connection and cannot say so.
        // A connection right behind the session is the other one of a collision, late.
        if (Established is { Agreed.Restart: not null } lost && loop.Now - upAt > CollisionTime)
            Feed(lost, SessionEvent.TcpFails, why: "the peer has restarted");
        // RFC 4271 §6.8: an established session is not given up for a new connection.
        if (stopped || IsHeldByBfd || loop.Now < barredUntil || Established is not null)
        {
            socket.Dispose();
            return;
        }

        // A peer that connects again has given its first attempt up.
        if (accepted is not null) Feed(accepted, SessionEvent.CollisionDump);
        accepted = new Connection(dialled: false) { Socket = socket };
        Prepare(socket);
        Feed(accepted, SessionEvent.StartPassive);
        Feed(accepted, SessionEvent.TcpConnected);
    }

    /// <summary>Fires the timers that are due.</summary>
    public void Tick()
    {
        foreach (Connection connection in Connections)
        {
            if (Due(connection.StartAt))
            {
                connection.StartAt = Connection.Never;
                waitsForBfd = IsHeldByBfd;
                if (waitsForBfd) lastError = "waits for BFD";
                else Feed(connection, SessionEvent.Start);
            }

            if (Due(connection.RetryAt)) Feed(connection, SessionEvent.RetryExpires);
            if (Due(connection.HoldAt)) Feed(connection, SessionEvent.HoldExpires);
            if (Due(connection.SendHoldAt)) Feed(connection, SessionEvent.SendHoldExpires);
            if (Due(connection.KeepaliveAt)) Feed(connection, SessionEvent.KeepaliveExpires);
        }

        if (Due(staleUntil)) SweepStale([BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast]);

        bool Due(TimeSpan at) => at <= loop.Now;
    }

    /// <summary>What BFD says of the path to the peer.</summary>
    public void OnBfd(BfdChange change)
    {
        remoteBfd = change.Remote;
        if (options.Bfd is null) return;
        (BfdState? before, BfdState) = (BfdState, change.State);
        if (waitsForBfd && !IsHeldByBfd) StartSoon();
        if (change.State == before) return;
        bool wasUp = before == Bfd.BfdState.Up;
        loop.Emit(new BgpEvent.BfdChanged(options.Name, change.State, change.Diagnostic));
        // RFC 5882 §3.2: AdminDown on the other side says nothing about the path, and BGP has a hold timer of its own.
        if (!wasUp || change.State == Bfd.BfdState.Up || change.Remote == Bfd.BfdState.AdminDown) return;
        foreach (Connection connection in Connections.ToArray())
        {
            if (connection.State >= SessionState.OpenSent) Feed(connection, SessionEvent.BfdDown);
        }
    }

    /// <summary>Writes what the peer has yet to be told, and sends what the sockets take.</summary>
    public void Flush()
    {
        foreach (Connection connection in Connections)
        {
            bool more = connection.State == SessionState.Established && !ReferenceEquals(told, loop.Wanted)
                && !loop.IsStale;
            do
            {
                if (more) more = WriteDifference(connection);
                if (!Send(connection)) break;
            }
            while (more && connection.Output.IsEmpty);
        }
    }

    public PeerStatus Status() => new()
    {
        Name = options.Name,
        Address = options.Address,
        State = State,
        Since = since,
        LastError = lastError,
        Bfd = BfdState,
        Announced = Established?.RibOut?.Count ?? 0,
        ToldGeneration = told?.Generation ?? -1,
        Received = ribIn.Count,
        UpdatesIn = updatesIn,
        UpdatesOut = updatesOut,
        MalformedIn = malformedIn,
        DiscardedIn = discardedIn,
        WithdrawnByFault = withdrawnByFault,
        NotKept = ribIn.NotKept,
        Unannounceable = Established?.RibOut?.Unannounceable ?? 0,
        RestartOffered = options.Restart is { Families.IsEmpty: false } restart ? restart.Time : null,
        Agreed = Established?.Agreed,
        KeepsStale = staleUntil != Connection.Never,
        Established = established,
    };

    private Connection? Established =>
        dialled.State == SessionState.Established ? dialled
        : accepted?.State == SessionState.Established ? accepted
        : null;

    private void Feed(
        Connection connection, SessionEvent @event, Notification? notification = null, string? why = null)
    {
        SessionState before = connection.State;
        Negotiation? agreed = connection.Agreed;
        (connection.State, SessionActions actions) = SessionTable.Next(before, @event);
        if ((actions & SessionActions.Notify) != 0)
        {
            notification = Wrapped(notification ?? NotificationFor(@event, before), agreed);
            why ??= $"sent: {notification}";
            WriteNotification(connection, notification);
        }

        if ((actions & (SessionActions.Drop | SessionActions.IdleHold)) != 0 && @event != SessionEvent.CollisionDump)
            lastError = why ?? @event.ToString();
        if ((actions & SessionActions.Drop) != 0) loop.Close(connection.Detach());
        if (connection.State != before) DumpChange(before, connection.State);
        if ((actions & SessionActions.Down) != 0) OnDown(@event, notification, agreed);
        if ((actions & SessionActions.Dial) != 0) Dial(connection);
        if ((actions & SessionActions.Retry) != 0) connection.RetryAt = loop.Now + loop.Jitter(ConnectRetryTime);
        if ((actions & SessionActions.SendOpen) != 0) WriteOpen(connection);
        if ((actions & SessionActions.HoldLong) != 0)
            (connection.HoldAt, connection.RetryAt) = (loop.Now + OpenHoldTime, Connection.Never);
        if ((actions & SessionActions.SendKeepalive) != 0) WriteKeepalive(connection);
        if ((actions & SessionActions.Hold) != 0) connection.HoldAt = After(connection.Agreed!.HoldTime);
        if ((actions & SessionActions.KeepaliveTimer) != 0)
            connection.KeepaliveAt = After(loop.Jitter(connection.Agreed!.KeepaliveTime));
        if ((actions & SessionActions.Up) != 0) OnUp(connection);
        if (@event == SessionEvent.TooManyPrefixes) barredUntil = loop.Now + options.PrefixesPause;
        Settle(connection, (actions & SessionActions.IdleHold) != 0);
    }

    // RFC 8538 §4: with its N bit the peer keeps our routes over a NOTIFICATION, except a hard reset. Where we mean
    // that the session is over, it must be one.
    private static Notification Wrapped(Notification notification, Negotiation? agreed)
    {
        bool final = notification is { Code: NotificationCode.Cease, Subcode: not CeaseSubcode.Collision };
        return final && agreed?.RestartOverNotification == true ? notification.AsHardReset() : notification;
    }

    // What follows from a state, whatever led there: dial again, or forget a connection that the peer had made.
    private void Settle(Connection connection, bool failed)
    {
        if (failed) idleHold = idleHold * 2 < IdleHoldTimeMax ? idleHold * 2 : IdleHoldTimeMax;
        if (connection.State == SessionState.Idle && connection == accepted) accepted = null;
        else if (connection.State == SessionState.Active && connection == accepted && connection.Socket is null)
            accepted = null; // A state machine that cannot dial has nothing to wait for.

        bool idle = dialled.State == SessionState.Idle && accepted is null && dialled.StartAt == Connection.Never;
        if (idle && !stopped && !options.Passive && !waitsForBfd)
            dialled.StartAt = Later(loop.Now + loop.Jitter(idleHold / 2), barredUntil);
        if (State == shownState) return;
        (shownState, since) = (State, loop.Time.GetUtcNow());
    }

    private static TimeSpan Later(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private TimeSpan After(TimeSpan time) => time <= TimeSpan.Zero ? Connection.Never : loop.Now + time;

    private void OnUp(Connection connection)
    {
        foreach (Connection other in Connections.ToArray())
        {
            if (other != connection) Feed(other, SessionEvent.CollisionDump);
        }

        dialled.StartAt = Connection.Never;
        idleHold = IdleHoldTimeMin;
        established++;
        upAt = loop.Now;
        lastError = "";
        TakeUpStale(connection.Agreed!);
        told = null;
        loop.Hold(connection.Socket!);
        connection.LocalAddress = connection.Socket!.LocalAddress(out _);
        connection.RibOut = new AdjRibOut(new AnnounceContext
        {
            Peer = options.Name,
            LocalAs = options.LocalAs,
            External = options.External,
            FourOctetAs = connection.Agreed!.FourOctetAs,
            Families = connection.Agreed.Families,
            LocalAddress = connection.LocalAddress ?? options.Address,
            Export = options.Export,
            IPv6NextHop = connection.Agreed.IPv6NextHop,
            // RFC 9234 §5: what we announce is ours, so only where it goes decides.
            OnlyToCustomer = options.Role is SessionRole.Provider or SessionRole.Peer or SessionRole.RouteServer,
            EnhancedRefresh = connection.Agreed.EnhancedRefresh,
            MessageSizeMax = connection.Agreed.MessageSizeMax,
            AwaitsTable = options.Restart is { Families.IsEmpty: false },
        });
        loop.Emit(new BgpEvent.PeerUp(options.Name));
    }

    private void OnDown(SessionEvent @event, Notification? notification, Negotiation? agreed)
    {
        told = null;
        KeepStale(@event, notification, agreed);
        loop.Emit(new BgpEvent.PeerDown(options.Name, lastError));
    }

    /// <summary>True while some of the difference did not fit.</summary>
    private bool WriteDifference(Connection connection)
    {
        GuardedRoutes wanted = loop.Wanted;
        WireWriter writer = connection.Output.UpdateWriter();
        bool done = connection.RibOut!.Write(ref writer, wanted, out int updates);
        Commit(connection, writer);
        updatesOut += updates;
        if (done) told = wanted;
        return !done;
    }

    /// <summary>False when nothing more can be sent now.</summary>
    private bool Send(Connection connection)
    {
        if (connection.Socket is null || connection.State < SessionState.OpenSent || connection.Output.IsEmpty)
            return false;
        int sent = connection.Output.Flush(connection.Socket);
        if (sent < 0)
        {
            Feed(connection, SessionEvent.TcpFails, why: $"send: {new Win32Exception(-sent).Message}");
            return false;
        }

        // RFC 9687 §4: a peer that takes nothing for that long is dead, whatever its TCP acknowledges.
        if (connection.Output.IsEmpty) connection.SendHoldAt = Connection.Never;
        else if (sent > 0 || connection.SendHoldAt == Connection.Never)
            connection.SendHoldAt = After(connection.Agreed?.SendHoldTime ?? OpenHoldTime * 2);
        return true;
    }

    private static Notification NotificationFor(SessionEvent @event, SessionState state) => @event switch
    {
        SessionEvent.HoldExpires => new Notification(NotificationCode.HoldTimer, 0),
        SessionEvent.SendHoldExpires => new Notification(NotificationCode.SendHoldTimer, 0),
        SessionEvent.CollisionDump => new Notification(NotificationCode.Cease, CeaseSubcode.Collision),
        SessionEvent.BfdDown => new Notification(NotificationCode.Cease, CeaseSubcode.BfdDown),
        SessionEvent.TooManyPrefixes => new Notification(NotificationCode.Cease, CeaseSubcode.MaxPrefixes),
        SessionEvent.Stop => new Notification(NotificationCode.Cease, CeaseSubcode.AdministrativeShutdown),
        _ => new Notification(NotificationCode.StateMachine, state switch
        {
            SessionState.OpenSent => StateMachineSubcode.InOpenSent,
            SessionState.OpenConfirm => StateMachineSubcode.InOpenConfirm,
            _ => StateMachineSubcode.InEstablished,
        }),
    };

    private void WriteOpen(Connection connection)
    {
        WireWriter writer = connection.Output.ControlWriter();
        Negotiation.OurOpen(options, first: established == 0).Write(ref writer);
        Commit(connection, writer);
    }

    private void WriteKeepalive(Connection connection)
    {
        // With the reserve full of keepalives the peer has not read for long: the send hold timer will end it.
        WireWriter writer = connection.Output.ControlWriter();
        Message.WriteKeepalive(ref writer);
        if (!writer.Failed) Commit(connection, writer);
    }

    private void WriteNotification(Connection connection, Notification notification)
    {
        if (connection.Socket is null) return;
        WireWriter writer = connection.Output.ControlWriter();
        notification.Write(ref writer);
        if (!writer.Failed) Commit(connection, writer);
        _ = connection.Output.Flush(connection.Socket); // At once: the connection is closed next.
    }
}
