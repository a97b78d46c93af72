using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Lab;

/// <summary>Small fleets that take the less common ways through the router's configuration.</summary>
public static class Variants
{
    /// <summary>The three cities, with a router in London that takes BLACKHOLE.</summary>
    public static FleetSpec Blackholes { get; } = ThreeCities.Fleet with
    {
        Pops =
        [
            .. ThreeCities.Fleet.Pops.Select(pop => pop.Name != "lon" ? pop : pop with
            {
                Routers = [.. pop.Routers.Select(router => router with { TakesBlackholes = true })],
            }),
        ],
    };

    /// <summary>No IPv6, no BFD, no password, no backbone, nodes of the router's own AS.</summary>
    public static FleetSpec IPv4Only { get; } = ThreeCities.Read("""
        fleet: small
        asn: 64500
        anycast: {subnets: [192.0.2.0/24], cover: [192.0.2.0/24]}
        pops:
          one:
            nodes: {n1: {addresses: [10.0.0.2]}}
            routers: {r1: {addresses: [10.0.0.1], upstreams: {up: {asn: 64496, addresses: [10.0.1.1]}}}}
        services:
          web: {host: "::10", ports: [tcp/80], backends: {one: [10.0.0.9]}}
        """);

    /// <summary>Addresses of services and no aggregates, as those who come from ExaBGP have it.</summary>
    public static FleetSpec HostsOnly { get; } = ThreeCities.Read("""
        fleet: hosts
        asn: 64500
        anycast: {subnets: [192.0.2.53/32, "2001:db8:f00::53/128"]}
        pops:
          one:
            nodes: {n1: {addresses: [10.0.0.2, "fd00::2"]}}
            routers: {r1: {addresses: [10.0.0.1, "fd00::1"]}}
        services:
          dns: {vips: [192.0.2.53, "2001:db8:f00::53"], ports: [], check: {kind: none}, onNodes: true}
        """);

    /// <summary>The router has an AS of its own, so that it must make the fleet's the origin.</summary>
    public static FleetSpec OwnAs { get; } = ThreeCities.Read("""
        fleet: guest
        asn: 64500
        anycast: {subnets: ["2001:db8:f00::/44"], cover: ["2001:db8:f00::/44"]}
        pops:
          one:
            nodes: {n-1: {asn: 4200000001, addresses: ["fd00::2"]}}
            routers: {r1: {asn: 64511, addresses: ["fd00::1"], upstreams: {up: {asn: 64496, addresses: ["fd00:1::1"]}}}}
        services:
          web: {host: "::10", ports: [tcp/80], backends: {one: ["fd00::9"]}}
        """);
}
