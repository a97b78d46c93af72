using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Lab;

/// <summary>The fleet of lab/topologies/three-cities.yaml, as far as its routers need it.</summary>
public static class ThreeCities
{
    public static string TopologyFile { get; } =
        Path.Combine(Fixture.Repository, "lab", "topologies", "three-cities.yaml");

    public const string FleetText = """
        fleet: three-cities
        asn: 64500
        anycast:
          subnets: [192.0.2.0/24, "2001:db8:f00::/44"]
          cover: [192.0.2.0/24, "2001:db8:f00::/44"]
        store: {etcd: ["http://198.51.100.7:2379", "http://198.51.100.23:2379", "http://198.51.100.39:2379"]}
        pops:
          nyc:
            place: {city: New York, latitude: 40.71, longitude: -74.01}
            regional: ["2001:db8:f01::/48"]
            networks: [198.51.100.0/28, "2001:db8:1::/64"]
            nodes:
              nyc1: {asn: 4200000001, addresses: [198.51.100.2, "2001:db8:1::11"]}
              nyc2: {asn: 4200000001, addresses: [198.51.100.3, "2001:db8:1::12"]}
            routers:
              nyc-edge:
                addresses: [198.51.100.1, "2001:db8:1::1"]
                bfd: {interval: 50ms, multiplier: 3}
                password: three-cities
                ttlSecurity: true
                backbone:
                  lon-edge: [198.51.100.128, "2001:db8:ffff::"]
                  tyo-edge: [198.51.100.132, "2001:db8:ffff:2::"]
                upstreams:
                  t-americas: {asn: 64496, addresses: [198.51.100.135, "2001:db8:ffff:3::1"], bfd: {interval: 100ms, multiplier: 3}}
                  t-world: {asn: 64499, addresses: [198.51.100.141, "2001:db8:ffff:6::1"], bfd: {interval: 100ms, multiplier: 3}}
          lon:
            place: {city: London, latitude: 51.51, longitude: -0.13}
            regional: ["2001:db8:f02::/48"]
            networks: [198.51.100.16/28, "2001:db8:2::/64"]
            nodes:
              lon1: {asn: 4200000001, addresses: [198.51.100.18, "2001:db8:2::11"]}
            routers:
              lon-edge:
                addresses: [198.51.100.17, "2001:db8:2::1"]
                bfd: {interval: 50ms, multiplier: 3}
                password: three-cities
                ttlSecurity: true
                backbone:
                  nyc-edge: [198.51.100.129, "2001:db8:ffff::1"]
                  tyo-edge: [198.51.100.130, "2001:db8:ffff:1::"]
                upstreams:
                  t-europe: {asn: 64497, addresses: [198.51.100.137, "2001:db8:ffff:4::1"], bfd: {interval: 100ms, multiplier: 3}}
                  t-world: {asn: 64499, addresses: [198.51.100.143, "2001:db8:ffff:7::1"], bfd: {interval: 100ms, multiplier: 3}}
          tyo:
            place: {city: Tokyo, latitude: 35.68, longitude: 139.69}
            regional: ["2001:db8:f03::/48"]
            networks: [198.51.100.32/28, "2001:db8:3::/64"]
            nodes:
              tyo1: {asn: 4200000001, addresses: [198.51.100.34, "2001:db8:3::11"]}
            routers:
              tyo-edge:
                addresses: [198.51.100.33, "2001:db8:3::1"]
                bfd: {interval: 50ms, multiplier: 3}
                password: three-cities
                ttlSecurity: true
                backbone:
                  lon-edge: [198.51.100.131, "2001:db8:ffff:1::1"]
                  nyc-edge: [198.51.100.133, "2001:db8:ffff:2::1"]
                upstreams:
                  t-asia: {asn: 64498, addresses: [198.51.100.139, "2001:db8:ffff:5::1"], bfd: {interval: 100ms, multiplier: 3}}
                  t-world: {asn: 64499, addresses: [198.51.100.145, "2001:db8:ffff:8::1"], bfd: {interval: 100ms, multiplier: 3}}
        services:
          web:
            host: "::10"
            ports: [tcp/80]
            backends:
              nyc: [198.51.100.5]
              lon: [198.51.100.21]
              tyo: [198.51.100.37]
        """;

    public static FleetSpec Fleet { get; } = Read(FleetText);

    public static FleetSpec Read(string text) =>
        FleetReader.Read("three-cities.fleet.yaml", text, out IReadOnlyList<SpecProblem> problems)
        ?? throw new InvalidDataException(string.Join('\n', problems));
}
