using System.Collections.Immutable;

namespace Fairlead.Lab.Scenarios;

/// <summary>One expectation, its bar, and what was measured.</summary>
public sealed record Verdict(string Step, string Expectation, string Bar, string Measured, bool Holds);

/// <summary>What a scenario run has shown.</summary>
public sealed record ScenarioReport(string Scenario, double Seconds, ImmutableArray<Verdict> Verdicts)
{
    public bool Holds => Verdicts.All(verdict => verdict.Holds);
}
