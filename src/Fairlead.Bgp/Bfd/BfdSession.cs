using System.Net;

namespace Fairlead.Bgp.Bfd;

/// <summary>A session that stands, as its two ends know it.</summary>
public sealed record BfdStanding(uint Mine, uint Theirs);

/// <summary>One path to watch: the peer's name, both ends (Local null: the kernel chooses), and the timers.</summary>
public sealed record BfdTarget(string Peer, IPAddress Address, IPAddress? Local, BfdOptions Options)
{
    /// <summary>The interface of a link-local address.</summary>
    public string? Interface { get; init; }

    /// <summary>It was Up in an engine that has died: the new one goes on where that stopped.</summary>
    public BfdStanding? Standing { get; init; }
}

/// <summary>A session as people ask for it. DetectionTime is zero while nothing has been heard.</summary>
public sealed record BfdStatus(
    string Peer, BfdState State, BfdState Remote, BfdDiagnostic Diagnostic, uint Discriminator,
    uint RemoteDiscriminator, TimeSpan TransmitInterval, TimeSpan DetectionTime, long Changes);

/// <summary>
/// The variables and timers of one session (RFC 5880 §6.8), asynchronous mode, active role. Knows neither sockets nor
/// clocks: time comes in as the engine's `now`. Allocates nothing after construction.
/// </summary>
public sealed class BfdSession
{
    /// <summary>A timer that does not run.</summary>
    public static readonly TimeSpan Never = TimeSpan.MaxValue;

    // RFC 5880 §6.8.3: while not Up, no faster than once a second.
    private static readonly TimeSpan SlowInterval = TimeSpan.FromSeconds(1);

    private readonly Random random;
    private BfdOptions options;
    private uint remoteDiscriminator;
    private TimeSpan remoteMinTx;
    private TimeSpan remoteMinRx = TimeSpan.FromMicroseconds(1); // RFC 5880 §6.8.1.
    private byte remoteMultiplier;
    private bool remoteDemand;

    // What packets say, and what timers obey until a poll sequence has confirmed it (RFC 5880 §6.8.3).
    private TimeSpan saidMinTx = SlowInterval;
    private TimeSpan saidMinRx;
    private TimeSpan minTx = SlowInterval;
    private TimeSpan minRx;
    private bool polling;
    private bool held;
    private long changes;
    private TimeSpan sentAt;

    public BfdSession(BfdTarget target, uint discriminator, Random random, TimeSpan now)
    {
        (Target, Discriminator, this.random, options) = (target, discriminator, random, target.Options);
        saidMinRx = minRx = options.Interval;
        saidMinTx = minTx = IdleInterval;
        (sentAt, SendAt) = (now, now);
        if (target.Standing is not { } standing) return;
        // What the peer sends and takes it will say; until then it is as quick as we are.
        (State, Remote, remoteDiscriminator) = (BfdState.Up, BfdState.Up, standing.Theirs);
        (saidMinTx, minTx, remoteMinTx) = (options.Interval, options.Interval, options.Interval);
        remoteMultiplier = (byte)options.Multiplier;
        DetectAt = now + DetectionTime;
    }

    public BfdTarget Target { get; private set; }

    /// <summary>Ours; unique on this machine and never 0.</summary>
    public uint Discriminator { get; }

    public BfdState State { get; private set; } = BfdState.Down;

    public BfdState Remote { get; private set; } = BfdState.Down;

    public BfdDiagnostic Diagnostic { get; private set; }

    /// <summary>When the next periodic packet is due.</summary>
    public TimeSpan SendAt { get; private set; }

    /// <summary>When the peer is held for dead.</summary>
    public TimeSpan DetectAt { get; private set; } = Never;

    /// <summary>RFC 5880 §6.8.4: the peer's multiplier times the slower of what it sends and what we take.</summary>
    public TimeSpan DetectionTime => (remoteMinTx > minRx ? remoteMinTx : minRx) * remoteMultiplier;

    /// <summary>The interval between our packets before jitter; Never when the peer asks for none.</summary>
    public TimeSpan TransmitInterval
    {
        get
        {
            // RFC 5880 §6.8.7: no periodic packets for a peer that takes none, or is in demand mode while all is up.
            bool silent = remoteMinRx == TimeSpan.Zero
                || (remoteDemand && State == BfdState.Up && Remote == BfdState.Up && !polling);
            return silent ? Never : minTx > remoteMinRx ? minTx : remoteMinRx;
        }
    }

    private TimeSpan IdleInterval => options.Interval > SlowInterval ? options.Interval : SlowInterval;

    /// <summary>Other timers for the same path: the session stays, a poll sequence agrees on them.</summary>
    public void Change(BfdTarget target, TimeSpan now)
    {
        (Target, options) = (target, target.Options);
        Say(State == BfdState.Up ? options.Interval : IdleInterval, options.Interval, now);
    }

    /// <summary>
    /// RFC 5880 §6.8.6, after the discard rules: takes the peer's packet in. True when a packet with the Final bit is
    /// to be sent at once.
    /// </summary>
    public bool Take(in BfdPacket packet, TimeSpan now)
    {
        (remoteDiscriminator, Remote, remoteDemand) = (packet.MyDiscriminator, packet.State, packet.Demand);
        (remoteMinTx, remoteMinRx, remoteMultiplier) = (packet.DesiredMinTx, packet.RequiredMinRx, packet.Multiplier);
        if (packet.Final && polling) (polling, minTx, minRx) = (false, saidMinTx, saidMinRx);
        if (State == BfdState.AdminDown) return false;
        // Not even a Poll is answered: a second Down right behind the first takes the peer to Init before it has
        // looked, and BIRD 2 tells its BGP of what it finds then: nothing. The next one comes a second later.
        if (held) return false;

        BfdState next = BfdTable.Next(State, packet.State);
        if (next != State)
            Enter(next, next == BfdState.Down ? BfdDiagnostic.NeighborSignaledDown : BfdDiagnostic.None, now);
        DetectAt = now + DetectionTime;
        // The peer may take packets faster now than when the next one was planned.
        TimeSpan interval = TransmitInterval;
        if (interval == Never) SendAt = polling ? SendAt : Never;
        else if (SendAt > sentAt + interval) SendAt = sentAt + Jitter(interval);
        return packet.Poll;
    }

    /// <summary>Whether the detection time has passed; if so the session is Down (RFC 5880 §6.8.4).</summary>
    public bool Expire(TimeSpan now)
    {
        if (DetectAt > now) return false;
        (DetectAt, remoteDiscriminator) = (Never, 0);
        BfdState next = BfdTable.Expire(State);
        if (next == State) return false;
        Enter(next, BfdDiagnostic.DetectionTimeExpired, now);
        return true;
    }

    /// <summary>
    /// What forwards here no longer obeys who speaks for it: the session is Down, and told so, until Release
    /// (RFC 5880 §6.8.17). True when it was not Down before.
    /// </summary>
    public bool Hold(TimeSpan now)
    {
        held = true;
        if (State is BfdState.AdminDown or BfdState.Down) return false;
        Enter(BfdState.Down, BfdDiagnostic.ForwardingReset, now);
        return true;
    }

    public void Release() => held = false;

    /// <summary>Up, and by which discriminators.</summary>
    public BfdStanding? Standing =>
        State == BfdState.Up ? new BfdStanding(Discriminator, remoteDiscriminator) : null;

    public BfdStatus Status() => new(
        Target.Peer, State, Remote, Diagnostic, Discriminator, remoteDiscriminator, TransmitInterval, DetectionTime,
        changes);

    /// <summary>Taken out of service by us: the peer must not see a failure in it (RFC 5882 §3.2).</summary>
    public void Disable()
    {
        (State, Diagnostic, polling) = (BfdState.AdminDown, BfdDiagnostic.AdministrativelyDown, false);
        DetectAt = Never;
    }

    /// <summary>The periodic packet that is due, and when the next one will be.</summary>
    public BfdPacket Periodic(TimeSpan now)
    {
        TimeSpan interval = TransmitInterval;
        sentAt = now;
        SendAt = interval == Never ? Never : now + Jitter(interval);
        return Packet() with { Poll = polling };
    }

    /// <summary>The answer to a Poll (RFC 5880 §6.5): at once, and never with Poll itself.</summary>
    public BfdPacket FinalAnswer() => Packet() with { Final = true };

    private BfdPacket Packet() => new(
        State, Diagnostic, (byte)options.Multiplier, Discriminator, remoteDiscriminator, saidMinTx, saidMinRx);

    private void Enter(BfdState next, BfdDiagnostic diagnostic, TimeSpan now)
    {
        (State, Diagnostic, changes) = (next, diagnostic, changes + 1);
        Say(next == BfdState.Up ? options.Interval : IdleInterval, options.Interval, now);
        // RFC 5880 §6.8.7: a change is told at once, not at the next interval.
        SendAt = now;
    }

    // RFC 5880 §6.8.3: while Up, a slower sending and a faster detection wait for the end of the poll sequence; all
    // else counts at once.
    private void Say(TimeSpan newMinTx, TimeSpan newMinRx, TimeSpan now)
    {
        bool changed = newMinTx != saidMinTx || newMinRx != saidMinRx;
        (saidMinTx, saidMinRx) = (newMinTx, newMinRx);
        bool up = State == BfdState.Up;
        if (!up || newMinTx < minTx) minTx = newMinTx;
        if (!up || newMinRx > minRx) minRx = newMinRx;
        polling = up && (polling || changed);
        if (polling) SendAt = now;
    }

    // RFC 5880 §6.8.7: 75 to 100 % of the interval, and at most 90 % when one lost packet is enough.
    private TimeSpan Jitter(TimeSpan interval) =>
        interval * (0.75 + (random.NextDouble() * (options.Multiplier == 1 ? 0.15 : 0.25)));
}
