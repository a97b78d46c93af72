namespace Fairlead.Bgp.Bfd;

/// <summary>
/// What we ask of a BFD session: we send at Interval once it is Up (when the peer takes that many), take packets at
/// Interval, and the peer holds us for dead when Multiplier of them are missing.
/// </summary>
public sealed record BfdOptions
{
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(300);

    public int Multiplier { get; init; } = 3;

    /// <summary>No BGP session before BFD is Up: a path that loses packets one way must not carry traffic.</summary>
    public bool Strict { get; init; }

    /// <summary>RFC 5883: the peer is more than one hop away.</summary>
    public bool Multihop { get; init; }

    /// <summary>RFC 5883 §5: the most routers that a packet of a multihop session may have crossed.</summary>
    public int HopsMax { get; init; } = 254;

    /// <summary>Every fault, in words without the peer's name.</summary>
    public IEnumerable<string> Problems()
    {
        if (Interval.TotalMilliseconds is < 5 or > 60_000) yield return "the BFD interval must be 5 ms to 60 s";
        if (Multiplier is < 1 or > 255) yield return "the BFD multiplier must be 1 to 255";
        if (HopsMax is < 1 or > 254) yield return "BFD hops must be 1 to 254";
    }
}

/// <summary>The state machine of RFC 5880 §6.2. Pure.</summary>
public static class BfdTable
{
    /// <summary>RFC 5880 §6.2, §6.8.6: our next state, from our state and the one the peer reports.</summary>
    public static BfdState Next(BfdState local, BfdState remote) => (local, remote) switch
    {
        (BfdState.AdminDown, _) => BfdState.AdminDown,
        (BfdState.Init or BfdState.Up, BfdState.AdminDown) => BfdState.Down,
        (BfdState.Down, BfdState.Down) => BfdState.Init,
        (BfdState.Down, BfdState.Init) => BfdState.Up,
        (BfdState.Init, BfdState.Init or BfdState.Up) => BfdState.Up,
        (BfdState.Up, BfdState.Down) => BfdState.Down,
        _ => local,
    };

    /// <summary>RFC 5880 §6.8.4: our next state when the detection time has passed without a packet.</summary>
    public static BfdState Expire(BfdState local) =>
        local is BfdState.Init or BfdState.Up ? BfdState.Down : local;
}
