namespace Fairlead.Bgp.Session;

/// <summary>RFC 4271 §8.2.2.</summary>
public enum SessionState
{
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

/// <summary>
/// RFC 4271 §8.1, with the RFC's event numbers; DelayOpen, damping of peers and manual counters are not ours. The last
/// four come from RFC 9687, RFC 2918, RFC 9384 and RFC 4486 §4.
/// </summary>
public enum SessionEvent
{
    Start, // 1, 3
    StartPassive, // 4, 5
    Stop, // 2, 8
    RetryExpires, // 9
    HoldExpires, // 10
    KeepaliveExpires, // 11
    TcpConnected, // 16, 17
    TcpFails, // 18
    Open, // 19
    HeaderError, // 21
    OpenError, // 22
    CollisionDump, // 23
    Notification, // 24, 25
    Keepalive, // 26
    Update, // 27
    UpdateError, // 28
    SendHoldExpires,
    RouteRefresh,
    BfdDown,
    TooManyPrefixes,
}

/// <summary>What the owner of the connection has to do, in the order of the bits.</summary>
[Flags]
public enum SessionActions
{
    None = 0,

    /// <summary>Send the NOTIFICATION that belongs to the event, if one may be sent on this connection.</summary>
    Notify = 1,

    /// <summary>Close the TCP connection and stop its timers.</summary>
    Drop = 2,

    /// <summary>The session is over: forget what the peer was told and has told, and say so.</summary>
    Down = 4,

    /// <summary>Begin a TCP connection.</summary>
    Dial = 8,

    /// <summary>Set the ConnectRetryTimer.</summary>
    Retry = 16,

    /// <summary>Wait out the idle hold time before the next Start (RFC 4271 §8.1.1, IdleHoldTimer).</summary>
    IdleHold = 32,

    SendOpen = 64,

    /// <summary>
    /// A hold time of four minutes until the OPEN has come, and no ConnectRetryTimer any more (RFC 4271 §8.2.2).
    /// </summary>
    HoldLong = 128,

    SendKeepalive = 256,

    /// <summary>Set the hold timer to the negotiated time, from now.</summary>
    Hold = 512,

    /// <summary>Set the keepalive timer, from now.</summary>
    KeepaliveTimer = 1024,

    /// <summary>The session is established: send the whole table.</summary>
    Up = 2048,

    /// <summary>Take the UPDATE in.</summary>
    Process = 4096,

    /// <summary>Send the family's routes again.</summary>
    Refresh = 8192,
}

/// <summary>The state machine of one connection, as a table (RFC 4271 §8.2.2). Pure.</summary>
public static class SessionTable
{
    private const SessionActions Quit = SessionActions.Drop | SessionActions.IdleHold;
    private const SessionActions NotifyAndQuit = SessionActions.Notify | Quit;

    /// <summary>The next state, and what to do on the way.</summary>
    public static (SessionState State, SessionActions Actions) Next(SessionState state, SessionEvent @event) =>
        state switch
        {
            SessionState.Idle => Idle(@event),
            SessionState.Connect => Connect(@event),
            SessionState.Active => Active(@event),
            SessionState.OpenSent => OpenSent(@event),
            SessionState.OpenConfirm => OpenConfirm(@event),
            _ => Established(@event),
        };

    private static (SessionState, SessionActions) Idle(SessionEvent @event) => @event switch
    {
        SessionEvent.Start => (SessionState.Connect, SessionActions.Dial | SessionActions.Retry),
        SessionEvent.StartPassive => (SessionState.Active, SessionActions.None),
        _ => (SessionState.Idle, SessionActions.None),
    };

    private static (SessionState, SessionActions) Connect(SessionEvent @event) => @event switch
    {
        SessionEvent.Start or SessionEvent.StartPassive => (SessionState.Connect, SessionActions.None),
        SessionEvent.Stop or SessionEvent.CollisionDump => (SessionState.Idle, SessionActions.Drop),
        SessionEvent.RetryExpires =>
            (SessionState.Connect, SessionActions.Drop | SessionActions.Dial | SessionActions.Retry),
        SessionEvent.TcpConnected => (SessionState.OpenSent, SessionActions.SendOpen | SessionActions.HoldLong),
        SessionEvent.TcpFails => (SessionState.Active, SessionActions.Drop | SessionActions.Retry),
        _ => (SessionState.Idle, Quit),
    };

    private static (SessionState, SessionActions) Active(SessionEvent @event) => @event switch
    {
        SessionEvent.Start or SessionEvent.StartPassive => (SessionState.Active, SessionActions.None),
        SessionEvent.Stop or SessionEvent.CollisionDump => (SessionState.Idle, SessionActions.Drop),
        SessionEvent.RetryExpires => (SessionState.Connect, SessionActions.Dial | SessionActions.Retry),
        SessionEvent.TcpConnected => (SessionState.OpenSent, SessionActions.SendOpen | SessionActions.HoldLong),
        _ => (SessionState.Idle, Quit),
    };

    private static (SessionState, SessionActions) OpenSent(SessionEvent @event) => @event switch
    {
        SessionEvent.Start or SessionEvent.StartPassive => (SessionState.OpenSent, SessionActions.None),
        SessionEvent.Stop or SessionEvent.CollisionDump =>
            (SessionState.Idle, SessionActions.Notify | SessionActions.Drop),
        SessionEvent.TcpFails => (SessionState.Active, SessionActions.Drop | SessionActions.Retry),
        SessionEvent.Open => (SessionState.OpenConfirm,
            SessionActions.SendKeepalive | SessionActions.Hold | SessionActions.KeepaliveTimer),
        SessionEvent.Notification => (SessionState.Idle, Quit),
        _ => (SessionState.Idle, NotifyAndQuit),
    };

    private static (SessionState, SessionActions) OpenConfirm(SessionEvent @event) => @event switch
    {
        SessionEvent.Start or SessionEvent.StartPassive => (SessionState.OpenConfirm, SessionActions.None),
        SessionEvent.Stop or SessionEvent.CollisionDump =>
            (SessionState.Idle, SessionActions.Notify | SessionActions.Drop),
        SessionEvent.TcpFails or SessionEvent.Notification => (SessionState.Idle, Quit),
        SessionEvent.KeepaliveExpires => (SessionState.OpenConfirm,
            SessionActions.SendKeepalive | SessionActions.KeepaliveTimer),
        SessionEvent.Keepalive => (SessionState.Established, SessionActions.Hold | SessionActions.Up),
        _ => (SessionState.Idle, NotifyAndQuit),
    };

    private static (SessionState, SessionActions) Established(SessionEvent @event) => @event switch
    {
        SessionEvent.Start or SessionEvent.StartPassive => (SessionState.Established, SessionActions.None),
        SessionEvent.Stop or SessionEvent.CollisionDump =>
            (SessionState.Idle, SessionActions.Notify | SessionActions.Drop | SessionActions.Down),
        SessionEvent.TcpFails or SessionEvent.Notification => (SessionState.Idle, Quit | SessionActions.Down),
        SessionEvent.KeepaliveExpires => (SessionState.Established,
            SessionActions.SendKeepalive | SessionActions.KeepaliveTimer),
        SessionEvent.Keepalive => (SessionState.Established, SessionActions.Hold),
        SessionEvent.Update => (SessionState.Established, SessionActions.Hold | SessionActions.Process),
        SessionEvent.RouteRefresh => (SessionState.Established, SessionActions.Hold | SessionActions.Refresh),
        _ => (SessionState.Idle, NotifyAndQuit | SessionActions.Down),
    };
}
