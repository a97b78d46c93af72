using Fairlead.Fleet.Spec;

namespace Fairlead.Tests.Lab;

/// <summary>The fleet of lab/topologies/three-cities.yaml.</summary>
public static class ThreeCities
{
    public static string TopologyFile { get; } =
        Path.Combine(Fixture.Repository, "lab", "topologies", "three-cities.yaml");

    public static string FleetFile { get; } =
        Path.Combine(Fixture.Repository, "lab", "topologies", "three-cities.fleet.yaml");

    public static FleetSpec Fleet { get; } = Read(File.ReadAllText(FleetFile));

    public static FleetSpec Read(string text) =>
        FleetReader.Read("three-cities.fleet.yaml", text, out IReadOnlyList<SpecProblem> problems)?.Spec
        ?? throw new InvalidDataException(string.Join('\n', problems));
}
