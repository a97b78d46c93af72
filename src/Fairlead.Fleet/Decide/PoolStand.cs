using Fairlead.Fleet.Spec;

namespace Fairlead.Fleet.Decide;

/// <summary>How a pool's host routes of a family are told.</summary>
public enum HostStance
{
    Announce,

    /// <summary>As the last choice (FailingSpec).</summary>
    Deprefer,
    Withdraw,
}

/// <summary>
/// A pool's verdict with its times: one that fails is told as the last choice for a while, and one that has recovered
/// waits until it has proven itself. Pure; a node keeps one for each of its pools and families.
/// </summary>
/// <param name="Stance">How it is told now.</param>
/// <param name="Healthy">What its checks said last.</param>
/// <param name="Since">Since when they say so.</param>
public readonly record struct PoolStand(HostStance Stance, bool Healthy, DateTimeOffset Since)
{
    /// <summary>What is seen first is believed at once: there is nothing yet that it could disturb.</summary>
    public static PoolStand First(bool healthy, DateTimeOffset now) =>
        new(healthy ? HostStance.Announce : HostStance.Withdraw, healthy, now);

    public PoolStand Next(bool healthy, AnnounceSpec announce, DateTimeOffset now)
    {
        PoolStand next = healthy == Healthy ? this : this with { Healthy = healthy, Since = now };
        if (healthy) return now - next.Since >= announce.WarmUp ? next with { Stance = HostStance.Announce } : next;
        if (next.Stance == HostStance.Announce && announce.Failing is not null)
            next = next with { Stance = HostStance.Deprefer };
        bool ends = announce.Failing is null || now - next.Since >= announce.Failing.For;
        return ends ? next with { Stance = HostStance.Withdraw } : next;
    }

    /// <summary>When time alone changes it; null: never.</summary>
    public DateTimeOffset? ChangesAt(AnnounceSpec announce) => (Healthy, Stance) switch
    {
        (true, not HostStance.Announce) => Since + announce.WarmUp,
        (false, HostStance.Deprefer) => Since + announce.Failing?.For,
        _ => null,
    };
}
