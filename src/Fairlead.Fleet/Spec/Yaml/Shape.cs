using System.Collections.Immutable;
using System.Text.Json.Nodes;
using YamlDotNet.RepresentationModel;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The faults of one reading, and where each path of the file stands.</summary>
internal sealed class Reading(string file)
{
    private readonly Stack<string> path = new();

    public List<SpecProblem> Problems { get; } = [];

    /// <summary>Path ("pops.nyc.regional[0]") to line and column.</summary>
    public Dictionary<string, (int Line, int Column)> Places { get; } = new(StringComparer.Ordinal);

    /// <summary>
    /// The top-level keys below which something does not fit: rules that read them would only stumble.
    /// </summary>
    public HashSet<string> FaultySections { get; } = new(StringComparer.Ordinal);

    public void Fault(YamlNode node, string message)
    {
        Problems.Add(new SpecProblem(file, (int)node.Start.Line, (int)node.Start.Column, message));
        if (path.Count > 0) FaultySections.Add(path.Last());
    }

    /// <summary>
    /// Reads a part; its place is its own, or that of its name where the name is the operator's choice.
    /// </summary>
    public T? Within<T>(string step, YamlNode node, Shape<T> shape, out bool read, YamlNode? name = null)
    {
        path.Push(path.Count == 0 ? step : step.StartsWith('[') ? path.Peek() + step : $"{path.Peek()}.{step}");
        YamlNode at = name ?? node;
        Places[path.Peek()] = ((int)at.Start.Line, (int)at.Start.Column);
        read = shape.TryRead(node, this, out T? value);
        path.Pop();
        return value;
    }

    /// <summary>A fault of a path; one that is not in the file stands at its nearest ancestor.</summary>
    public SpecProblem FaultAt(string where, string message)
    {
        for (string at = where; ;)
        {
            if (Places.TryGetValue(at, out (int Line, int Column) place))
                return new SpecProblem(file, place.Line, place.Column, message);
            int cut = at.LastIndexOfAny(['.', '[']);
            if (cut < 0) return new SpecProblem(file, 1, 1, message);
            at = at[..cut];
        }
    }

    public static string Show(YamlNode node) => node switch
    {
        YamlScalarNode { Value: null or "" } => "nothing",
        YamlScalarNode scalar => $"\"{scalar.Value}\"",
        YamlSequenceNode => "a list",
        _ => "a mapping",
    };
}

/// <summary>A YAML value's shape: how it is read, and its JSON schema, from one declaration.</summary>
internal abstract class Shape<T>
{
    /// <summary>False when it does not fit; the fault is then in the reading.</summary>
    public abstract bool TryRead(YamlNode node, Reading reading, out T? value);

    public abstract JsonObject Schema();
}

internal delegate bool ScalarParser<T>(string text, out T value);

/// <summary>One scalar; expected says in words what it must be. Types of the schema stand beside each other.</summary>
internal sealed class Scalar<T>(
    string expected, ScalarParser<T> parse, string? pattern = null, string type = "string", bool isSecret = false)
    : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        value = default;
        if (node is YamlScalarNode { Value: { Length: > 0 } text } && parse(text, out T parsed))
        {
            value = parsed;
            return true;
        }

        string found = isSecret ? "something else (it is not shown here)" : Reading.Show(node);
        reading.Fault(node, $"expected {expected}, found {found}");
        return false;
    }

    public override JsonObject Schema()
    {
        JsonNode types = type.Contains(' ')
            ? new JsonArray([.. type.Split(' ').Select(one => (JsonNode)one)])
            : type;
        var schema = new JsonObject { ["type"] = types, ["description"] = expected };
        if (pattern is not null) schema["pattern"] = pattern;
        return schema;
    }
}

/// <summary>One of a few words.</summary>
internal sealed class OneOf<T>(params (string Word, T Value)[] words) : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        value = default;
        string? text = (node as YamlScalarNode)?.Value;
        foreach ((string word, T meaning) in words)
        {
            if (word != text) continue;
            value = meaning;
            return true;
        }

        string hint = text is null ? "" : NearestName.Hint(text, words.Select(w => w.Word));
        reading.Fault(node, $"unknown word {Reading.Show(node)}{hint}");
        return false;
    }

    public override JsonObject Schema() =>
        new() { ["enum"] = new JsonArray([.. words.Select(w => (JsonNode)w.Word)]) };
}

internal sealed class ListOf<T>(Shape<T> item, bool mayBeEmpty = false) : Shape<ImmutableArray<T>>
{
    public override bool TryRead(YamlNode node, Reading reading, out ImmutableArray<T> value)
    {
        value = [];
        if (node is not YamlSequenceNode list)
        {
            reading.Fault(node, $"expected a list, found {Reading.Show(node)}");
            return false;
        }

        if (list.Children.Count == 0 && !mayBeEmpty)
        {
            reading.Fault(node, "expected at least one entry, found an empty list");
            return false;
        }

        ImmutableArray<T>.Builder items = ImmutableArray.CreateBuilder<T>(list.Children.Count);
        for (int i = 0; i < list.Children.Count; i++)
        {
            T? read = reading.Within($"[{i}]", list.Children[i], item, out bool fits);
            if (fits) items.Add(read!);
        }

        value = items.ToImmutable();
        return true;
    }

    public override JsonObject Schema() => new() { ["type"] = "array", ["items"] = item.Schema() };
}

/// <summary>A list that may be written as its only entry.</summary>
internal sealed class OneOrMore<T>(Shape<T> item) : Shape<ImmutableArray<T>>
{
    private readonly ListOf<T> list = new(item);

    public override bool TryRead(YamlNode node, Reading reading, out ImmutableArray<T> value)
    {
        if (node is YamlSequenceNode) return list.TryRead(node, reading, out value);
        bool fits = item.TryRead(node, reading, out T? one);
        value = fits ? [one!] : [];
        return fits;
    }

    // Plain scalars such as 200 are numbers to a validator.
    public override JsonObject Schema() => new()
    {
        ["anyOf"] = new JsonArray(new JsonObject { ["type"] = "integer" }, item.Schema(), list.Schema()),
    };
}

/// <summary>A mapping from names of the operator's choice.</summary>
internal sealed class MapOf<T>(Shape<string> key, Shape<T> item) : Shape<ImmutableArray<KeyValuePair<string, T>>>
{
    public override bool TryRead(YamlNode node, Reading reading, out ImmutableArray<KeyValuePair<string, T>> value)
    {
        value = [];
        if (node is not YamlMappingNode map)
        {
            reading.Fault(node, $"expected a mapping from names, found {Reading.Show(node)}");
            return false;
        }

        ImmutableArray<KeyValuePair<string, T>>.Builder items = ImmutableArray.CreateBuilder<KeyValuePair<string, T>>();
        foreach ((YamlNode keyNode, YamlNode child) in map.Children)
        {
            if (!key.TryRead(keyNode, reading, out string? name)) continue;
            T? read = reading.Within(name!, child, item, out bool fits, keyNode);
            if (fits) items.Add(new KeyValuePair<string, T>(name!, read!));
        }

        value = items.ToImmutable();
        return true;
    }

    public override JsonObject Schema() => new()
    {
        ["type"] = "object",
        ["propertyNames"] = key.Schema(),
        ["additionalProperties"] = item.Schema(),
    };
}

/// <summary>A mapping with known fields; build takes each by name, and so declares it.</summary>
internal sealed class ObjectOf<T>(string what, Func<Fields, T> build) : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        value = default;
        if (node is not YamlMappingNode map)
        {
            reading.Fault(node, $"expected {what} (a mapping), found {Reading.Show(node)}");
            return false;
        }

        var fields = new Fields(map, reading);
        T built = build(fields);
        if (!fields.End(what)) return false;
        value = built;
        return true;
    }

    public override JsonObject Schema()
    {
        var fields = new Fields(null, null);
        _ = build(fields);
        var schema = new JsonObject
        {
            ["type"] = "object",
            ["description"] = what,
            ["additionalProperties"] = false,
            ["properties"] = fields.Properties,
        };
        if (fields.RequiredNames.Count > 0)
            schema["required"] = new JsonArray([.. fields.RequiredNames.Select(name => (JsonNode)name)]);
        return schema;
    }
}

/// <summary>
/// The fields of one mapping. Without a node it only writes down what is asked for: that is the schema.
/// </summary>
internal sealed class Fields(YamlMappingNode? node, Reading? reading)
{
    private readonly List<string> known = [];
    private bool complete = true;

    public JsonObject Properties { get; } = [];

    public List<string> RequiredNames { get; } = [];

    public T Required<T>(string name, Shape<T> shape, string doc)
    {
        RequiredNames.Add(name);
        return Take(name, shape, doc, default!, required: true);
    }

    public T Optional<T>(string name, Shape<T> shape, T fallback, string doc) =>
        Take(name, shape, doc, fallback, required: false);

    /// <summary>Faults the keys that nobody asked for. False when a required field is missing.</summary>
    public bool End(string what)
    {
        foreach (YamlNode key in node!.Children.Keys)
        {
            string? name = (key as YamlScalarNode)?.Value;
            if (name is not null && known.Contains(name)) continue;
            reading!.Fault(key, $"{what} has no key {Reading.Show(key)}{NearestName.Hint(name ?? "", known)}");
        }

        return complete;
    }

    private T Take<T>(string name, Shape<T> shape, string doc, T fallback, bool required)
    {
        known.Add(name);
        if (node is null)
        {
            JsonObject schema = shape.Schema();
            schema["description"] = doc;
            Properties[name] = schema;
            return fallback;
        }

        YamlNode? child = node.Children.FirstOrDefault(pair => (pair.Key as YamlScalarNode)?.Value == name).Value;
        if (child is null)
        {
            if (!required) return fallback;
            reading!.Fault(node, $"expected the key \"{name}\": {doc}");
            complete = false;
            return fallback;
        }

        T? value = reading!.Within(name, child, shape, out bool fits);
        if (fits) return value!;
        if (required) complete = false;
        return fallback;
    }
}

/// <summary>A value type that may be left out.</summary>
internal sealed class NullableOf<T>(Shape<T> shape) : Shape<T?>
    where T : struct
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        bool fits = shape.TryRead(node, reading, out T read);
        value = fits ? read : null;
        return fits;
    }

    public override JsonObject Schema() => shape.Schema();
}

/// <summary>Written in one of two ways: the second one's node is a mapping where the first one's is not.</summary>
internal sealed class EitherOf<T>(Shape<T> plain, Shape<T> mapping) : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value) =>
        (node is YamlMappingNode ? mapping : plain).TryRead(node, reading, out value);

    public override JsonObject Schema() => new() { ["anyOf"] = new JsonArray(plain.Schema(), mapping.Schema()) };
}

/// <summary>A list, or one word in its place.</summary>
internal sealed class ListOrWord<T>(Shape<T> list, string word, T ofWord) : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        value = ofWord;
        return (node is YamlScalarNode scalar && scalar.Value == word) || list.TryRead(node, reading, out value);
    }

    public override JsonObject Schema() =>
        new() { ["anyOf"] = new JsonArray(list.Schema(), new JsonObject { ["const"] = word }) };
}

/// <summary>A mapping with exactly one of several keys, each with a shape of its own.</summary>
internal sealed class OneKeyOf<T>(params (string Key, Shape<T> Shape)[] keys) : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        value = default;
        var map = (YamlMappingNode)node;
        string? name = (map.Children.Keys.FirstOrDefault() as YamlScalarNode)?.Value;
        (string _, Shape<T>? shape) = keys.FirstOrDefault(pair => pair.Key == name);
        if (map.Children.Count == 1 && shape is not null)
        {
            value = reading.Within(name!, map.Children.Values.First(), shape, out bool fits);
            return fits;
        }

        string words = string.Join(", ", keys.Select(pair => pair.Key));
        reading.Fault(node, map.Children.Count == 1
            ? $"unknown word \"{name}\"{NearestName.Hint(name ?? "", keys.Select(pair => pair.Key))}"
            : $"expected one key, one of {words}, found {map.Children.Count}");
        return false;
    }

    public override JsonObject Schema() => new()
    {
        ["type"] = "object",
        ["maxProperties"] = 1,
        ["minProperties"] = 1,
        ["additionalProperties"] = false,
        ["properties"] = new JsonObject(
            [.. keys.Select(pair => KeyValuePair.Create<string, JsonNode?>(pair.Key, pair.Shape.Schema()))]),
    };
}

/// <summary>Another shape's value, made into this one's.</summary>
internal sealed class MadeOf<TFrom, T>(Shape<TFrom> from, Func<TFrom, T> make) : Shape<T>
{
    public override bool TryRead(YamlNode node, Reading reading, out T? value)
    {
        bool fits = from.TryRead(node, reading, out TFrom? read);
        value = fits ? make(read!) : default;
        return fits;
    }

    public override JsonObject Schema() => from.Schema();
}

/// <summary>A mapping in which one key is reserved; what is left is read by the second shape.</summary>
internal sealed class WithKey<TKey, T>(string key, Shape<TKey> reserved, Shape<T> rest)
    : Shape<(TKey? Reserved, T Others)>
{
    public override bool TryRead(YamlNode node, Reading reading, out (TKey? Reserved, T Others) value)
    {
        value = default;
        var others = new YamlMappingNode();
        TKey? kept = default;
        foreach ((YamlNode name, YamlNode child) in (node as YamlMappingNode ?? others).Children)
        {
            // A scalar: a mapping of that name is one of the others.
            if (child is YamlScalarNode && (name as YamlScalarNode)?.Value == key)
                kept = reading.Within(key, child, reserved, out _, name);
            else others.Add(name, child);
        }

        if (!rest.TryRead(node is YamlMappingNode ? others : node, reading, out T? read)) return false;
        value = (kept, read!);
        return true;
    }

    public override JsonObject Schema()
    {
        JsonObject schema = rest.Schema();
        schema["properties"] = new JsonObject { [key] = reserved.Schema() };
        return schema;
    }
}
