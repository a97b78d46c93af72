using System.Collections.Immutable;
using System.Net.Sockets;
using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Net.Linux;
using Fairlead.Node;

namespace Fairlead.Tests.Decide;

/// <summary>Which routes a router may keep when a node's process is gone, and who is asked to.</summary>
public class SurvivalTests
{
    private const string Text = """
        fleet: f
        asn: 64500
        anycast: {subnets: [192.0.2.0/24, "2001:db8:f00::/40"], cover: [192.0.2.0/24, "2001:db8:f00::/44"]}
        balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0]}
        pops:
          nyc:
            nodes: {n1: {addresses: [198.51.100.2, "2001:db8:1::2"]}}
            routers:
              r1: {addresses: [198.51.100.1, "2001:db8:1::1"], restart: 30s}
              r2: {addresses: [198.51.100.9]}
        services:
          web:
            host: "::1"
            ports: [tcp/80]
            backends: {nyc: [198.51.100.5, "2001:db8:1::5"]}
            balance: {mode: l2}
        """;

    private const string Resolver =
        "\n  dns: {vips: [192.0.2.53], ports: [udp/53], onNodes: true, check: {kind: none}}";

    [Fact]
    public void A_router_with_restart_is_asked_to_keep_what_the_balancer_serves()
    {
        ImmutableArray<PeerOptions> peers = Peers(Text, follows: true);
        Assert.Equal(["r1/ipv4", "r1/ipv6", "r2/ipv4"], peers.Select(peer => peer.Name));
        Assert.Equal(
            new RestartOptions
            {
                Families = [BgpFamily.IPv4Unicast],
                Time = TimeSpan.FromSeconds(30),
                Restarted = true,
            },
            peers[0].Restart);
        Assert.Equal([BgpFamily.IPv6Unicast], peers[1].Restart!.Families.AsEnumerable());
        Assert.Null(peers[2].Restart);
        Assert.False(Peers(Text, follows: false)[0].Restart!.Restarted);
        Assert.All(peers, peer => Assert.Empty(peer.Problems()));
    }

    [Fact]
    public void One_service_that_ends_with_the_process_forbids_it_for_its_family()
    {
        FleetSpec fleet = Read(Text + Resolver);
        Assert.Equal(["dns"], Survival.Mortal(fleet, fleet.Pops[0], AddressFamily.InterNetwork).AsEnumerable());
        Assert.Empty(Survival.Mortal(fleet, fleet.Pops[0], AddressFamily.InterNetworkV6));
        ImmutableArray<PeerOptions> peers = Peers(Text + Resolver, follows: true);
        Assert.Null(peers[0].Restart);
        Assert.NotNull(peers[1].Restart);
        Assert.True(Survival.IsAny(fleet, fleet.Pops[0]));
    }

    [Fact]
    public void A_service_that_this_pop_does_not_announce_forbids_nothing()
    {
        string text = Text + Resolver.Replace("onNodes", "announce: {when: never}, onNodes", StringComparison.Ordinal);
        Assert.NotNull(Peers(text, follows: true)[0].Restart);
    }

    [Fact]
    public void Where_nothing_is_announced_or_nobody_asks_nothing_is_kept()
    {
        FleetSpec fleet = Read(Text.Replace(", restart: 30s", "", StringComparison.Ordinal));
        Assert.False(Survival.IsAny(fleet, fleet.Pops[0]));
        FleetSpec none = Read(Text[..Text.IndexOf("services:", StringComparison.Ordinal)]);
        Assert.False(Survival.IsAny(none, none.Pops[0]));
    }

    [Theory]
    [InlineData("999ms")]
    [InlineData("1500ms")]
    [InlineData("4096s")]
    public void A_restart_time_that_the_capability_cannot_hold_is_refused(string time)
    {
        FleetReader.Read("fleet.yaml", Text.Replace("30s", time, StringComparison.Ordinal),
            out IReadOnlyList<SpecProblem> problems);
        Assert.Contains("1s to 4095s", Assert.Single(problems).ToString(), StringComparison.Ordinal);
    }

    private static ImmutableArray<PeerOptions> Peers(string text, bool follows)
    {
        FleetSpec fleet = Read(text);
        PopSpec pop = fleet.Pops[0];
        return NodePeers.PeersOf(fleet, pop, pop.Nodes[0], new Dictionary<AddressFamily, Gateway>(), follows);
    }

    private static FleetSpec Read(string text)
    {
        FleetFile? file = FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems);
        Assert.Empty(problems);
        return file!.Spec;
    }
}
