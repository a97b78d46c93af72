using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Fleet;

/// <summary>Fleet files for tests: one that has no fault, and the fleet of the three-cities lab.</summary>
internal static class FleetFiles
{
    public const string Good = """
        fleet: small
        asn: 64500
        anycast:
          subnets: [192.0.2.0/24, "2001:db8:f00::/44"]
          cover: [192.0.2.0/24, "2001:db8:f00::/44"]
        store: {etcd: ["http://198.51.100.7:2379"]}
        pops:
          nyc:
            place: {city: New York, latitude: 40.71, longitude: -74.01}
            regional: ["2001:db8:f01::/48"]
            nodes: {nyc1: {addresses: [198.51.100.2]}}
            routers: {nyc-edge: {addresses: [198.51.100.1]}}
          lon:
            place: {city: London, latitude: 51.51, longitude: -0.13}
            regional: ["2001:db8:f02::/48"]
            nodes: {lon1: {addresses: [198.51.100.18]}}
            routers: {lon-edge: {addresses: [198.51.100.17]}}
        services:
          web:
            host: "::1"
            ports: [tcp/80]
            backends: {nyc: [198.51.100.5], lon: [198.51.100.21]}
        zones:
          example.com: {file: example.com.zone, steer: {www: {service: web}}}
        """;

    public static string ThreeCities { get; } =
        Path.Combine(Fixture.Repository, "lab", "topologies", "three-cities.fleet.yaml");

    public static FleetSpec Read(string text)
    {
        FleetFile? file = FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems);
        Assert.Empty(problems);
        return file!.Spec;
    }
}
