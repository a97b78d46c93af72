using System.Collections.Immutable;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Fairlead.Lab.Topologies;

/// <summary>A fault of a topology file, where it stands (both from 1).</summary>
public sealed record TopologyFault(string File, int Line, int Column, string Message)
{
    public override string ToString() => $"{File}:{Line}:{Column}: {Message}";
}

/// <summary>Reads one scalar; false when the text is not one.</summary>
internal delegate bool TryReadScalar<T>(string text, out T value);

/// <summary>One reading of a file: collects every fault, so that an operator sees all in one pass.</summary>
internal sealed class YamlReading(string file)
{
    public List<TopologyFault> Faults { get; } = [];

    public void Fault(YamlNode node, string message) =>
        Faults.Add(new TopologyFault(file, (int)node.Start.Line, (int)node.Start.Column, message));

    /// <summary>The document's root. Null, with a fault, when the text is not one YAML map.</summary>
    public YamlMap? Root(string text)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException wrong)
        {
            Faults.Add(new TopologyFault(file, (int)wrong.Start.Line, (int)wrong.Start.Column, wrong.Message));
            return null;
        }

        if (stream.Documents is [{ RootNode: YamlMappingNode root }]) return new YamlMap(this, root);
        Faults.Add(new TopologyFault(file, 1, 1, "a topology is one map of keys"));
        return null;
    }

    public T? Scalar<T>(YamlNode node, string what, TryReadScalar<T> read)
    {
        if (node is YamlScalarNode { Value: { } text } && read(text, out T value)) return value;
        Fault(node, $"{(node is YamlScalarNode s ? $"'{s.Value}'" : "this")} is not {what}");
        return default;
    }
}

/// <summary>A map whose keys are asked for by name; End reports the keys that nobody asked for.</summary>
internal sealed class YamlMap(YamlReading reading, YamlMappingNode node)
{
    private readonly HashSet<string> asked = new(StringComparer.Ordinal);

    public YamlMappingNode Node => node;

    public YamlReading Reading => reading;

    public YamlNode? Find(string key)
    {
        asked.Add(key);
        return node.Children.TryGetValue(new YamlScalarNode(key), out YamlNode? value) ? value : null;
    }

    public T? Optional<T>(string key, string what, TryReadScalar<T> read) =>
        Find(key) is { } value ? reading.Scalar(value, what, read) : default;

    public T? Required<T>(string key, string what, TryReadScalar<T> read)
    {
        if (Find(key) is { } value) return reading.Scalar(value, what, read);
        reading.Fault(node, $"'{key}' is missing: {what}");
        return default;
    }

    public YamlMap? Map(string key)
    {
        switch (Find(key))
        {
            case null: return null;
            case YamlMappingNode map: return new YamlMap(reading, map);
            case var other:
                reading.Fault(other, $"'{key}' is a map of keys");
                return null;
        }
    }

    public ImmutableArray<T> List<T>(string key, string what, TryReadScalar<T> read)
    {
        switch (Find(key))
        {
            case null: return [];
            case YamlSequenceNode list:
                int before = reading.Faults.Count;
                T?[] values = [.. list.Select(entry => reading.Scalar(entry, what, read))];
                return reading.Faults.Count == before ? [.. values.Select(value => value!)] : [];
            case var other:
                reading.Fault(other, $"'{key}' is a list of {what}");
                return [];
        }
    }

    /// <summary>The entries of a map of maps, in the file's order.</summary>
    public ImmutableArray<T> Named<T>(string key, Func<string, YamlMap, T> read)
    {
        if (Map(key) is not { } outer) return [];
        var values = ImmutableArray.CreateBuilder<T>();
        foreach ((YamlNode name, YamlNode value) in outer.Node.Children)
        {
            string? given = reading.Scalar<string>(name, TopologyScalars.NameMeans, TopologyScalars.TryName);
            if (given is null) continue;
            if (value is not YamlMappingNode map)
            {
                reading.Fault(value, $"'{given}' is a map of keys");
                continue;
            }

            var inner = new YamlMap(reading, map);
            values.Add(read(given, inner));
            inner.End();
        }

        return values.ToImmutable();
    }

    /// <summary>The entries of a list of maps.</summary>
    public ImmutableArray<T> Rows<T>(string key, Func<YamlMap, T> read)
    {
        var values = ImmutableArray.CreateBuilder<T>();
        switch (Find(key))
        {
            case null: break;
            case YamlSequenceNode list:
                foreach (YamlNode row in list)
                {
                    if (row is not YamlMappingNode map)
                    {
                        reading.Fault(row, $"an entry of '{key}' is a map of keys");
                        continue;
                    }

                    var inner = new YamlMap(reading, map);
                    values.Add(read(inner));
                    inner.End();
                }

                break;
            case var other:
                reading.Fault(other, $"'{key}' is a list");
                break;
        }

        return values.ToImmutable();
    }

    public void End()
    {
        foreach (YamlNode key in node.Children.Keys)
        {
            if (key is YamlScalarNode { Value: { } name } && asked.Contains(name)) continue;
            reading.Fault(key, $"unknown key '{key}'; known here: {string.Join(", ", asked.Order())}");
        }
    }
}
