using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Fairlead.Lab.Running;

/// <summary>
/// What a lab has made, on disk before it is made, so that any later process can take it all away. A process is known
/// by its id and its start time: ids are used again.
/// </summary>
public sealed record LabState
{
    public required string Name { get; init; }

    /// <summary>What the namespaces' names begin with.</summary>
    public required string Prefix { get; init; }

    public required string TopologyFile { get; init; }

    public string? FleetFile { get; init; }

    public required string Fairlead { get; init; }

    /// <summary>The lab was brought up to stand by itself; no lab process belongs to it.</summary>
    public bool Stands { get; init; }

    public ImmutableArray<string> Namespaces { get; init; } = [];

    public ImmutableArray<LabProcess> Processes { get; init; } = [];

    public static string PathIn(string runFolder) => Path.Combine(runFolder, "state.json");

    /// <summary>Null when there is none. A damaged file is an IOException that names it.</summary>
    public static LabState? Load(string runFolder)
    {
        string path = PathIn(runFolder);
        if (!File.Exists(path)) return null;
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), LabStateJson.Default.LabState);
        }
        catch (JsonException damage)
        {
            throw new IOException($"{path}: {damage.Message}", damage);
        }
    }

    /// <summary>Whole or not at all: a reader never sees half of it.</summary>
    public void Save(string runFolder)
    {
        string path = PathIn(runFolder), fresh = path + ".new";
        File.WriteAllBytes(fresh, JsonSerializer.SerializeToUtf8Bytes(this, LabStateJson.Default.LabState));
        File.Move(fresh, path, overwrite: true);
    }
}

/// <summary>A process of a host. StartTime is the kernel's (clock ticks since boot, proc(5) stat field 22).</summary>
public sealed record LabProcess(string Host, string Program, int Pid, ulong StartTime)
{
    /// <summary>Whether this very process still runs (a zombie does not).</summary>
    [JsonIgnore]
    public bool IsAlive => StartTimeOf(Pid) == StartTime;

    /// <summary>The start time of a running process; null when there is none.</summary>
    public static ulong? StartTimeOf(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid}/stat");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // The second field is the command in brackets and may hold anything, brackets too.
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields is ["Z" or "X", ..] || fields.Length < 20 ? null
            : ulong.Parse(fields[19], CultureInfo.InvariantCulture);
    }
}

[JsonSerializable(typeof(LabState))]
[JsonSourceGenerationOptions(WriteIndented = true)]
internal sealed partial class LabStateJson : JsonSerializerContext;
