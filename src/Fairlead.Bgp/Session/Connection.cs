using System.Net;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Session;

/// <summary>
/// One TCP connection with a peer, its state machine's state and its timers (RFC 4271 §8: each connection has a state
/// machine of its own until a collision leaves one). A plain holder: Peer drives it, on the speaker's thread.
/// </summary>
internal sealed class Connection(bool dialled)
{
    /// <summary>A timer that does not run.</summary>
    public static readonly TimeSpan Never = TimeSpan.MaxValue;

    public bool Dialled => dialled;

    public SessionState State { get; set; } = SessionState.Idle;

    public KernelSocket? Socket { get; set; }

    // Made when a connection first stands: of a peer's two most often one never does.
    public byte[] Input => field ??= new byte[Message.ExtendedSizeMax + 1];

    public int InputLength { get; set; }

    public SendQueue Output { get; private set; } = new();

    public Negotiation? Agreed { get; set; }

    public UpdateContext Context { get; set; }

    public IPAddress? LocalAddress { get; set; }

    public AdjRibOut? RibOut { get; set; }

    // The speaker's time at which each timer fires. Start is the IdleHoldTimer.
    public TimeSpan StartAt { get; set; } = Never;

    public TimeSpan RetryAt { get; set; } = Never;

    public TimeSpan HoldAt { get; set; } = Never;

    public TimeSpan KeepaliveAt { get; set; } = Never;

    public TimeSpan SendHoldAt { get; set; } = Never;

    public TimeSpan NextTimer
    {
        get
        {
            TimeSpan next = StartAt < RetryAt ? StartAt : RetryAt;
            if (HoldAt < next) next = HoldAt;
            if (KeepaliveAt < next) next = KeepaliveAt;
            return SendHoldAt < next ? SendHoldAt : next;
        }
    }

    /// <summary>Everything that belongs to the TCP connection is gone; the socket is now the caller's.</summary>
    public KernelSocket? Detach()
    {
        KernelSocket? socket = Socket;
        (Socket, Agreed, RibOut, LocalAddress, InputLength) = (null, null, null, null, 0);
        Output = new SendQueue();
        (RetryAt, HoldAt, KeepaliveAt, SendHoldAt) = (Never, Never, Never, Never);
        return socket;
    }
}
