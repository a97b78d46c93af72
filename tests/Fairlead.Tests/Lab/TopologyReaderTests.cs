using System.Collections.Immutable;
using System.Net;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Lab;

public class TopologyReaderTests
{
    private const string Small = """
        topology: small
        fleet: small.fleet.yaml
        addresses:
          links: [198.51.100.128/25, "2001:db8:ffff::/48"]
        networks:
          one: {router: r1, prefixes: [198.51.100.0/28]}
        programs:
          router:
            writes: {file: "{home}/bird.conf", router: bird}
            command: bird -f -c {home}/bird.conf
            ready: {socket: "{home}/bird.ctl", within: 5s}
        hosts:
          r1: {asn: 64500, network: one, addresses: [198.51.100.1], programs: [router]}
          c1: {network: one, addresses: [198.51.100.2]}
          r2: {asn: 64501, announces: [203.0.113.0/28], programs: [router]}
        links:
          - {number: 10, ends: [r1, r2], relation: customer}
        """;

    [Fact]
    public void The_three_cities_can_be_read()
    {
        Topology topology = TopologyReader.Read(ThreeCities.TopologyFile);

        Assert.Equal("three-cities", topology.Name);
        Assert.Equal(33, topology.Hosts.Length);
        Assert.Equal(19, topology.Links.Length);
        Assert.EndsWith("lab/topologies/three-cities.fleet.yaml", topology.FleetFile);
        // The fleet file names the same addresses: each upstream is the far end of a link of its router.
        foreach (var router in ThreeCities.Fleet.Pops.SelectMany(pop => pop.Routers))
        {
            foreach (var upstream in router.Upstreams)
            {
                LinkSpec link = topology.LinksOf(router.Name).Single(l => l.FarEnd(router.Name) == upstream.Name);
                Assert.Equal(upstream.Addresses, link.AddressesOf(upstream.Name).Select(end => end.Address));
                Assert.Equal(upstream.Asn, topology.Host(upstream.Name)!.Asn);
            }

            foreach ((string neighbour, ImmutableArray<IPAddress> own) in router.Backbone)
            {
                LinkSpec link = topology.LinksOf(router.Name).Single(l => l.FarEnd(router.Name) == neighbour);
                Assert.Equal(own, link.AddressesOf(router.Name).Select(end => end.Address));
            }
        }
    }

    [Fact]
    public void A_link_has_the_numbers_addresses_and_its_first_end_the_even_one()
    {
        LinkSpec link = Assert.Single(TopologyReader.TryRead("small.yaml", Small, out _)!.Links);

        Assert.Equal(
            [Prefix.Parse("198.51.100.148/31"), Prefix.Parse("2001:db8:ffff:a::/127")], link.Prefixes.AsEnumerable());
        Assert.Equal(["198.51.100.148", "2001:db8:ffff:a::"], link.AddressesOf("r1").Select(a => a.Address.ToString()));
        Assert.Equal(
            ["198.51.100.149", "2001:db8:ffff:a::1"], link.AddressesOf("r2").Select(a => a.Address.ToString()));
    }

    [Theory]
    [InlineData("  r2: {asn: 64501,", "  r2: {asn: zero,", 15, 13, "'zero' is not an AS number")]
    [InlineData("addresses: [198.51.100.2]", "addresses: [198.51.100.99]", 14, 7, "99 is not in network 'one'")]
    [InlineData("addresses: [198.51.100.2]", "addresses: [198.51.100.1]", 14, 7, "198.51.100.1 is already r1's")]
    [InlineData("addresses: [198.51.100.2]", "adresses: [198.51.100.2]", 14, 22, "unknown key 'adresses'; known")]
    [InlineData("programs: [router]}\n  c1", "programs: [ruter]}\n  c1", 13, 7, "no program 'ruter'")]
    [InlineData("ends: [r1, r2]", "ends: [r1, r9]", 17, 5, "no host 'r9'")]
    [InlineData("ends: [r1, r2]", "ends: [r1, r1]", 17, 5, "two different ends")]
    [InlineData("number: 10", "number: 64", 17, 5, "link 64 does not fit into 198.51.100.128/25")]
    [InlineData("relation: customer", "relation: sibling", 17, 44, "'sibling' is not backbone, customer or peer")]
    [InlineData("within: 5s", "within: soon", 11, 48, "'soon' is not a time such as 5s")]
    [InlineData("socket: \"{home}/bird.ctl\", ", "", 11, 12, "ready by one of: socket, tcp, http, answers")]
    [InlineData(", router: bird}", "}", 9, 13, "one of: command, template, router")]
    [InlineData("{router: r1, prefixes", "{router: c9, prefixes", 6, 3, "its router 'c9' is not a host on it")]
    [InlineData("  r1: {", "  R1: {", 13, 3, "'R1' is not a name of lower-case")]
    [InlineData("  c1: {", "  eth0: {", 14, 9, "'eth0' is the name of a device")]
    [InlineData("topology: small\n", "", 1, 1, "'topology' is missing")]
    [InlineData("links:\n  - {", "links:\n  - [", 17, 52, "did not find expected")]
    public void A_fault_is_reported_with_its_line_and_column(
        string instead, string wrong, int line, int column, string message)
    {
        string text = Small.Replace(instead, wrong, StringComparison.Ordinal);
        Assert.NotEqual(Small, text);

        Assert.Null(TopologyReader.TryRead("small.yaml", text, out ImmutableArray<TopologyFault> faults));

        Assert.Contains(faults, fault =>
            (fault.Line, fault.Column) == (line, column) && fault.Message.Contains(message, StringComparison.Ordinal));
    }

    [Fact]
    public void All_faults_come_at_once_and_none_is_hidden_behind_another()
    {
        string text = Small.Replace("asn: 64500", "asn: x", StringComparison.Ordinal)
            .Replace("number: 10", "number: ten", StringComparison.Ordinal);

        _ = TopologyReader.TryRead("small.yaml", text, out ImmutableArray<TopologyFault> faults);

        Assert.Equal([13, 17], faults.Select(fault => fault.Line));
    }

    [Fact]
    public void A_missing_file_is_one_clear_line()
    {
        var fault = Assert.Throws<LabException>(() => TopologyReader.Read("/nowhere/at-all.yaml"));

        Assert.Equal(LabFault.Topology, fault.Kind);
        Assert.StartsWith("/nowhere/at-all.yaml: ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Placeholders_are_the_hosts_own_and_other_braces_stay()
    {
        Topology topology = TopologyReader.TryRead("/lab/small.yaml", Small, out _)!;
        var text = new ProgramText(topology, "/run/x", "/opt/my fairlead", null);

        Assert.Equal(
            [
                "/opt/my fairlead", "/run/x/c1", "c1", "one", "198.51.100.2", "/lab/small.fleet.yaml", "/lab",
                "{other}", "",
            ],
            text.Words(
                "{fairlead} {home}  {host} {network} {ipv4}\n{fleet} {topology} {other} {ipv6}", topology.Host("c1")!));
    }
}
