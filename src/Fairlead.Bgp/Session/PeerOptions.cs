using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Bfd;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Bgp.Session;

/// <summary>
/// Graceful restart towards one peer (RFC 4724). Off unless asked for: it makes the peer keep the routes of a dead
/// announcer, so Families may only name what the kernel forwards without us.
/// </summary>
public sealed record RestartOptions
{
    /// <summary>The families whose packets the kernel goes on forwarding; none: we only help the peer.</summary>
    public ImmutableArray<BgpFamily> Families { get; init; } = [];

    /// <summary>For how long the peer keeps our routes: 1 s to 4095 s.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>This process follows another one whose forwarding state it has found whole.</summary>
    public bool Restarted { get; init; }

    public bool Equals(RestartOptions? other) =>
        other is not null && (Time, Restarted) == (other.Time, other.Restarted)
        && Families.AsSpan().SequenceEqual(other.Families.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Time, Restarted, Families.Length);
}

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

    /// <summary>The interface of a link-local address; the kernel numbers it anew whenever it comes back.</summary>
    public string? Interface { get; init; }

    /// <summary>
    /// RFC 5082: the peer is at most Hops away, so segments from farther are dropped by the kernel.
    /// </summary>
    public bool TtlSecurity { get; init; }

    /// <summary>1: on our link.</summary>
    public int Hops { get; init; } = 1;

    /// <summary>Never dial, only listen.</summary>
    public bool Passive { get; init; }

    public BfdOptions? Bfd { get; init; }

    /// <summary>The families to offer; empty: the one of the peer's address.</summary>
    public ImmutableArray<BgpFamily> Families { get; init; } = [];

    /// <summary>RFC 4486 §4: the session ends when the peer announces more of one family.</summary>
    public int PrefixesMax { get; init; } = 100_000;

    /// <summary>How long a peer that announced too many is left alone.</summary>
    public TimeSpan PrefixesPause { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>What is done to routes on their way; null: an external peer is told nothing (RFC 8212 §2).</summary>
    public ExportPolicy? Export { get; init; }

    /// <summary>Which of its routes count; null: none of an external peer's (RFC 8212 §2).</summary>
    public ImportPolicy? Import { get; init; }

    /// <summary>RFC 9234 §4.1: what we are to the peer; only for external ones.</summary>
    public SessionRole? Role { get; init; }

    /// <summary>RFC 9234 §4.2: no session with a peer that names no role.</summary>
    public bool RoleStrict { get; init; }

    /// <summary>RFC 7911: the peer may send several paths to a prefix.</summary>
    public bool AddPath { get; init; }

    /// <summary>RFC 8950: IPv4 routes with IPv6 next hops, on a session over IPv6.</summary>
    public bool IPv6NextHop { get; init; }

    public RestartOptions? Restart { get; init; }

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
        if (Address.IsIPv6LinkLocal && Interface is null && Address.ScopeId == 0)
            yield return $"{Name}: {Address} is link-local, so the peer needs an interface";
        if (Hops is < 1 or > 254) yield return $"{Name}: a peer is 1 to 254 hops away, not {Hops}";
        if (PrefixesMax < 1) yield return $"{Name}: at least one prefix must be allowed";
        if (IPv6NextHop && Address.AddressFamily != AddressFamily.InterNetworkV6)
            yield return $"{Name}: IPv6 next hops need a session over IPv6";
        if (Role is not null && !External) yield return $"{Name}: only an external peer has a role (RFC 9234)";
        if (Role > SessionRole.Peer) yield return $"{Name}: role {(int)Role} does not exist";
        if (RoleStrict && Role is null) yield return $"{Name}: a strict role needs a role";
        foreach (string problem in Export?.Problems() ?? []) yield return $"{Name}: {problem}";
        foreach (string problem in Bfd?.Problems() ?? []) yield return $"{Name}: {problem}";
        if (Restart is not { } restart) yield break;
        if (restart.Time.TotalSeconds is < 1 or > RestartCapability.SecondsMax)
            yield return $"{Name}: the restart time must be 1 s to {RestartCapability.SecondsMax} s";
        if (restart.Families.Except(OfferedFamilies).Any())
            yield return $"{Name}: only families of the session can survive a restart";
    }

    /// <summary>Whether a session of the other options can go on under these: all else changes in place.</summary>
    public bool KeepsSession(PeerOptions other) =>
        Equals(other with { Bfd = Bfd, Export = Export, Import = Import, PrefixesPause = PrefixesPause });

    public bool Equals(PeerOptions? other) =>
        other is not null
        && (Name, Port, LocalAs, PeerAs, RouterId, HoldTime, Interface) ==
            (other.Name, other.Port, other.LocalAs, other.PeerAs, other.RouterId, other.HoldTime, other.Interface)
        && (Password, TtlSecurity, Hops, Passive, Bfd, PrefixesMax, PrefixesPause) == (other.Password,
            other.TtlSecurity, other.Hops, other.Passive, other.Bfd, other.PrefixesMax, other.PrefixesPause)
        && (Role, RoleStrict, AddPath, IPv6NextHop, Restart) ==
            (other.Role, other.RoleStrict, other.AddPath, other.IPv6NextHop, other.Restart)
        && Equals(Export, other.Export)
        && Equals(Import, other.Import)
        && Address.Equals(other.Address)
        && Equals(LocalAddress, other.LocalAddress)
        && OfferedFamilies.AsSpan().SequenceEqual(other.OfferedFamilies.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Name, Address, Port);

    // The record's own printer would show the password.
    public override string ToString() => $"{Name} ({Address} AS{PeerAs})";
}
