using System.Collections.Immutable;

namespace Fairlead.Lab.Running;

/// <summary>What a lab is brought up from.</summary>
public sealed record LabOptions
{
    public required string TopologyFile { get; init; }

    /// <summary>Each lab has a folder here, named after its topology; the locks are here too.</summary>
    public string RunRoot { get; init; } = "/run/fairlead-lab";

    /// <summary>What namespaces are named with: fl-nyc1. Labs of different prefixes may stand side by side.</summary>
    public string Prefix { get; init; } = "fl";

    /// <summary>The binary that {fairlead} stands for.</summary>
    public string Fairlead { get; init; } = Environment.ProcessPath ?? "fairlead";

    /// <summary>Instead of the topology's fleet file.</summary>
    public string? FleetFile { get; init; }

    /// <summary>Programs that are not started ("node"), for a lab of the bare internet.</summary>
    public ImmutableHashSet<string> Without { get; init; } = [];

    /// <summary>By host: the text of the file its program is given, instead of what the topology says.</summary>
    public ImmutableDictionary<string, string> Files { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>A line a step, for people.</summary>
    public Action<string> Progress { get; init; } = _ => { };

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
