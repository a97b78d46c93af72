using System.Text.Json.Nodes;
using Fairlead.Fleet.Spec.Yaml;
using YamlDotNet.RepresentationModel;

namespace Fairlead.Fleet.Spec;

/// <summary>
/// A fleet without faults, and where its parts stand in the file, for faults that only other files show.
/// </summary>
public sealed class FleetFile
{
    private readonly Reading reading;

    internal FleetFile(FleetSpec spec, Reading reading) => (Spec, this.reading) = (spec, reading);

    public FleetSpec Spec { get; }

    /// <summary>A fault of what stands at this path ("geo.database").</summary>
    public SpecProblem At(string path, string message) => reading.FaultAt(path, message);
}

/// <summary>Reads a fleet file's text. All faults in one pass; with any of them there is no fleet.</summary>
public static class FleetReader
{
    /// <summary>The fleet, or null and the faults, sorted by place.</summary>
    public static FleetFile? Read(string file, string text, out IReadOnlyList<SpecProblem> problems)
    {
        YamlNode? root = YamlText.Parse(file, text, out SpecProblem? fault);
        if (root is null)
        {
            problems = [fault!];
            return null;
        }

        var reading = new Reading(file);
        bool fits = FleetShapes.Fleet.TryRead(root, reading, out FleetSpec? fleet);
        if (fits)
        {
            foreach ((string path, string message) in FleetRules.Broken(fleet!, reading.FaultySections))
                reading.Problems.Add(reading.FaultAt(path, message));
        }

        problems = [.. reading.Problems.Distinct().OrderBy(p => p.Line).ThenBy(p => p.Column)];
        return problems.Count == 0 ? new FleetFile(fleet!, reading) : null;
    }

    /// <summary>The JSON schema (draft 2020-12) of fleet files.</summary>
    public static JsonObject Schema()
    {
        JsonObject schema = FleetShapes.Fleet.Schema();
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
        schema["title"] = "Fairlead fleet file";
        return schema;
    }
}
