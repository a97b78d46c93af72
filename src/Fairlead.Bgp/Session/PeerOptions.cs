using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Session;

/// <summary>
/// One BGP neighbour, as configured. Equality goes by value: an equal one keeps its session at ReplacePeers.
/// </summary>
public sealed record PeerOptions
{
    /// <summary>What routes and status call it; unique.</summary>
    public required string Name { get; init; }

    public required IPAddress Address { get; init; }

    /// <summary>The TCP port that we dial and on which we listen for this peer.</summary>
    public int Port { get; init; } = 179;

    /// <summary>Where our side of the session ends; null: the kernel chooses.</summary>
    public IPAddress? LocalAddress { get; init; }

    public required Asn LocalAs { get; init; }

    public required Asn PeerAs { get; init; }

    /// <summary>Our BGP identifier: any number but 0, unique in our AS (RFC 6286).</summary>
    public required uint RouterId { get; init; }

    /// <summary>What we offer; the smaller of both sides counts. Zero (none) or 3 s to 65535 s.</summary>
    public TimeSpan HoldTime { get; init; } = TimeSpan.FromSeconds(9);

    /// <summary>TCP MD5 (RFC 2385): 1 to 80 octets of UTF-8.</summary>
    public string? Password { get; init; }

    /// <summary>
    /// RFC 5082: the peer is on our link, so segments that crossed a router are dropped by the kernel.
    /// </summary>
    public bool TtlSecurity { get; init; }

    /// <summary>Never dial, only listen.</summary>
    public bool Passive { get; init; }

    public BfdOptions? Bfd { get; init; }

    /// <summary>The families to offer; empty: the one of the peer's address.</summary>
    public ImmutableArray<BgpFamily> Families { get; init; } = [];

    /// <summary>RFC 4486 §4: the session ends when the peer announces more.</summary>
    public int PrefixesMax { get; init; } = 100_000;

    /// <summary>An internal peer (iBGP) or an external one (RFC 4271 §1.1).</summary>
    public bool External => LocalAs != PeerAs;

    public ImmutableArray<BgpFamily> OfferedFamilies =>
        Families.IsDefaultOrEmpty ? [BgpFamily.Of(Address.AddressFamily)] : Families;

    /// <summary>Every fault of the options, in words; none: they can be used.</summary>
    public IEnumerable<string> Problems()
    {
        if (Name.Length == 0) yield return "a peer needs a name";
        if (LocalAs.Value == 0 || PeerAs.Value == 0) yield return $"{Name}: AS 0 is nobody's (RFC 7607)";
        if (RouterId == 0) yield return $"{Name}: the router id must not be 0";
        if (HoldTime != TimeSpan.Zero && HoldTime.TotalSeconds is < 3 or > ushort.MaxValue)
            yield return $"{Name}: the hold time must be 0 or 3 s to 65535 s";
        if (Port is < 1 or > ushort.MaxValue) yield return $"{Name}: port {Port} does not exist";
        if (LocalAddress is { } local && local.AddressFamily != Address.AddressFamily)
            yield return $"{Name}: local address and peer address are of different families";
        if (Password is { } password && System.Text.Encoding.UTF8.GetByteCount(password) is 0 or > 80)
            yield return $"{Name}: the password must have 1 to 80 octets";
        if (Address.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
            yield return $"{Name}: {Address} is neither IPv4 nor IPv6";
        if (Bfd is { Interval.TotalMilliseconds: < 5 or > 60_000 })
            yield return $"{Name}: the BFD interval must be 5 ms to 60 s";
        if (Bfd is { Multiplier: < 1 or > 255 }) yield return $"{Name}: the BFD multiplier must be 1 to 255";
    }

    public bool Equals(PeerOptions? other) =>
        other is not null
        && (Name, Port, LocalAs, PeerAs, RouterId, HoldTime) ==
            (other.Name, other.Port, other.LocalAs, other.PeerAs, other.RouterId, other.HoldTime)
        && (Password, TtlSecurity, Passive, Bfd, PrefixesMax) ==
            (other.Password, other.TtlSecurity, other.Passive, other.Bfd, other.PrefixesMax)
        && Address.Equals(other.Address)
        && Equals(LocalAddress, other.LocalAddress)
        && OfferedFamilies.AsSpan().SequenceEqual(other.OfferedFamilies.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Name, Address, Port);

    // The record's own printer would show the password.
    public override string ToString() => $"{Name} ({Address} AS{PeerAs})";
}
