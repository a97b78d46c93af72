using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Bmp;
using Fairlead.Fleet;
using Fairlead.Fleet.Routers;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Decide;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Fleet;

/// <summary>What an audit makes of the tables of nyc-edge in the three-cities fleet.</summary>
public class RouterAuditTests
{
    private static readonly Asn Node = new(4200000001);

    /// <summary>Every session of the router, and on each what belongs there.</summary>
    private static readonly ImmutableArray<AuditPeer> Good =
    [
        .. new[] { "198.51.100.2", "198.51.100.3" }.Select(address => NodePeer(
            address, Route("192.0.2.1/32", "198.51.100.2"), Route("192.0.2.83/32", "198.51.100.2"),
            Route("192.0.2.0/24", "192.0.2.1"))),
        .. new[] { "2001:db8:1::11", "2001:db8:1::12" }.Select(address => NodePeer(
            address,
            [
                Route("2001:db8:f00::/44", "2001:db8:f00::1"), Route("2001:db8:f01::/48", "2001:db8:f01::1"),
                .. new[] { "f00", "f01", "f02", "f03" }.SelectMany(one => new[]
                {
                    Route($"2001:db8:{one}::1/128", "2001:db8:1::11"),
                    Route($"2001:db8:{one}::53/128", "2001:db8:1::11"),
                }),
            ])),
        Peer("198.51.100.129", 64500, Route("192.0.2.1/32", "198.51.100.129", path: [])),
        Peer("198.51.100.133", 64500), Peer("2001:db8:ffff::1", 64500), Peer("2001:db8:ffff:2::1", 64500),
        Peer("198.51.100.135", 64496, Route("203.0.114.0/24", "198.51.100.135", path: [64496])),
        Peer("198.51.100.141", 64499), Peer("2001:db8:ffff:3::1", 64496), Peer("2001:db8:ffff:6::1", 64499),
    ];

    [Fact]
    public void A_router_as_it_should_be_is_clean()
    {
        AuditReport report = Judge(Good);
        Assert.Empty(report.Findings);
        Assert.True(report.IsWhole);
        Assert.Empty(report.Open);
    }

    [Theory]
    [InlineData("198.51.100.2", "203.0.113.0/24", "198.51.100.2", AuditFault.OutsideSubnets,
        "neighbor 198.51.100.2 route-map fl-node-nyc1-v4-in in")]
    [InlineData("198.51.100.3", "192.0.2.128/25", "198.51.100.3", AuditFault.Length,
        "neighbor 198.51.100.3 route-map fl-node-nyc2-v4-in in")]
    [InlineData("2001:db8:1::11", "2001:db8:f02::/48", "2001:db8:1::11", AuditFault.NextHop,
        "neighbor 2001:db8:1::11 route-map fl-node-nyc1-v6-in in")]
    [InlineData("198.51.100.129", "192.0.2.0/24", "198.51.100.129", AuditFault.OutsideSubnets,
        "neighbor 198.51.100.129 route-map fl-pop-lon-edge-v4-in in")]
    [InlineData("198.51.100.135", "192.0.2.64/26", "198.51.100.135", AuditFault.FromOutside,
        "neighbor 198.51.100.135 route-map fl-upstream-v4-in in")]
    [InlineData("198.51.100.141", "0.0.0.0/0", "198.51.100.141", AuditFault.FromOutside,
        "neighbor 198.51.100.141 route-map fl-upstream-v4-in in")]
    [InlineData("198.51.100.141", "10.1.0.0/16", "198.51.100.141", AuditFault.FromOutside,
        "neighbor 198.51.100.141 route-map fl-upstream-v4-in in")]
    public void What_is_taken_and_should_not_be_is_found_with_the_line_that_is_missing(
        string peer, string prefix, string nextHop, AuditFault fault, string line)
    {
        AuditFinding found = Assert.Single(Judge(With(peer, Route(prefix, nextHop))).Findings);
        Assert.Equal((fault, prefix, line), (found.Fault, found.Prefix.ToString(), found.Missing));
    }

    [Fact]
    public void A_path_that_another_as_began_is_found_and_frrs_own_as_in_front_is_none()
    {
        BmpRoute frr = Route("192.0.2.9/32", "198.51.100.2", path: [64500, Node.Value]);
        Assert.Empty(Judge(With("198.51.100.2", frr)).Findings);
        foreach (uint[] path in (uint[][])[[Node.Value, 64666], [64666], []])
            Assert.Equal(AuditFault.Origin, Assert.Single(
                Judge(With("198.51.100.2", Route("192.0.2.9/32", "198.51.100.2", path: path))).Findings).Fault);
    }

    [Fact]
    public void What_is_not_there_counts_only_when_all_has_come()
    {
        AuditPeer[] without = [.. Good.Select(peer => Change(peer, table => table with
        {
            Routes = table.Routes.RemoveAll(route => route.Prefix == Prefix.Parse("192.0.2.0/24")),
        }))];
        AuditFinding lacking = Assert.Single(Judge([.. without]).Findings);
        Assert.Equal((AuditFault.Lacking, "192.0.2.0/24"), (lacking.Fault, lacking.Prefix.ToString()));

        AuditReport partial = Judge([.. without.Select(peer => Change(peer, table => table with { IsWhole = false }))]);
        Assert.Empty(partial.Findings);
        Assert.False(partial.IsWhole);
    }

    [Fact]
    public void A_host_route_of_a_service_that_is_up_must_be_there()
    {
        ImmutableArray<AuditPeer> without = [.. Good.Select(peer => Change(peer, table => table with
        {
            Routes = table.Routes.RemoveAll(route => route.Prefix == Prefix.Parse("192.0.2.83/32")),
        }))];
        Assert.Contains("192.0.2.83/32 of service dns", Assert.Single(Judge(without).Open), StringComparison.Ordinal);
        Plan up = new Situation(ThreeCities.Fleet).Plan(), down = new Situation().Fails("dns", "nyc").Plan();
        Assert.Equal(AuditFault.Lacking, Assert.Single(Judge(without, up).Findings).Fault);
        Assert.Empty(Judge(without, down).Findings);
    }

    [Fact]
    public void What_a_node_may_say_and_the_router_refuses_is_found()
    {
        AuditPeer node = Good[0];
        ImmutableArray<BmpRoute> said = [.. node.Tables[0].Routes, Route("192.0.2.7/32", "198.51.100.2"),
            Route("203.0.113.0/24", "198.51.100.2")];
        AuditPeer refused = node with { Tables = [node.Tables[0], new AuditTable(BmpView.InPrePolicy, true, said)] };
        AuditFinding found = Assert.Single(Judge(Good.SetItem(0, refused)).Findings);
        Assert.Equal((AuditFault.NotTaken, "192.0.2.7/32"), (found.Fault, found.Prefix.ToString()));
    }

    [Fact]
    public void Missing_sessions_kept_routes_leaks_and_strangers_are_found()
    {
        Assert.Equal(AuditFault.NoSession, Assert.Single(Judge(Good.RemoveAt(1)).Findings).Fault);
        AuditFinding kept = Assert.Single(Judge(Good.SetItem(0, Good[0] with { KeepsDeadRoutes = true })).Findings);
        Assert.Equal((AuditFault.GracefulRestart, "bgp graceful-restart-disable"), (kept.Fault, kept.Missing));

        int up = Good.Length - 4;
        AuditPeer leaking = Good[up] with
        {
            Tables = [.. Good[up].Tables, new AuditTable(BmpView.OutPostPolicy, true,
                [Route("192.0.2.0/24", "192.0.2.1"), Route("192.0.2.1/32", "192.0.2.1")])],
        };
        AuditFinding leak = Assert.Single(Judge(Good.SetItem(up, leaking)).Findings);
        Assert.Equal((AuditFault.Leak, "192.0.2.1/32"), (leak.Fault, leak.Prefix.ToString()));

        AuditReport stranger = Judge(Good.Add(Peer("198.51.100.200", 65099, Route("192.0.2.1/32", "198.51.100.200"))));
        Assert.Equal(AuditFault.FromOutside, Assert.Single(stranger.Findings).Fault);
        Assert.Single(stranger.Open);
    }

    [Theory]
    [InlineData("FRRouting 8.4.4", "neighbor 198.51.100.2 route-map fl-node-nyc1-v4-in in")]
    [InlineData("BIRD 2.13.1", "import where from_node4(4200000001, false);")]
    [InlineData("Juniper Networks JUNOS 22.4", "set protocols bgp group fl-nodes-v4 neighbor 198.51.100.2 import ")]
    [InlineData("Cisco IOS XR Software, Version 7.5", "route-policy fl-node-nyc1-v4-in in")]
    [InlineData("Arista Networks EOS 4.30", "neighbor 198.51.100.2 route-map fl-node-nyc1-v4-in in")]
    [InlineData("some router", null)]
    public void The_missing_line_is_of_the_language_that_the_router_says_it_reads(string description, string? line)
    {
        AuditReport report = RouterAudit.Judge(ThreeCities.Fleet, "nyc", "nyc-edge", description,
            With("198.51.100.2", Route("203.0.113.0/24", "198.51.100.2")), null);
        string? missing = Assert.Single(report.Findings).Missing;
        if (line is null) Assert.Null(missing);
        else Assert.StartsWith(line, missing, StringComparison.Ordinal);
    }

    private static AuditReport Judge(ImmutableArray<AuditPeer> peers, Plan? plan = null) =>
        RouterAudit.Judge(ThreeCities.Fleet, "nyc", "nyc-edge", "FRRouting 8.4.4", peers, plan);

    private static ImmutableArray<AuditPeer> With(string address, BmpRoute route) =>
    [
        .. Good.Select(peer => peer.Address.ToString() != address
            ? peer
            : Change(peer, table => table with
            {
                Routes = [.. table.Routes.Where(one => one.Prefix != route.Prefix), route],
            })),
    ];

    private static AuditPeer Change(AuditPeer peer, Func<AuditTable, AuditTable> change) =>
        peer with { Tables = [.. peer.Tables.Select(change)] };

    private static AuditPeer NodePeer(string address, params BmpRoute[] routes) => Peer(address, Node.Value, routes);

    private static AuditPeer Peer(string address, uint asn, params BmpRoute[] routes) => new(
        IPAddress.Parse(address), new Asn(asn), false, [new AuditTable(BmpView.InPostPolicy, true, [.. routes])]);

    private static BmpRoute Route(string prefix, string nextHop, uint[]? path = null) => new(
        Prefix.Parse(prefix),
        new BmpPath(Prefix.BitsOf(IPAddress.Parse(nextHop)),
            [.. (path ?? [Node.Value]).Select(asn => new Asn(asn))], [], null, null));
}
