using Fairlead.Net.Addresses;

namespace Fairlead.Import;

/// <summary>Who fits: from these networks, and, if there is a key, signed with it.</summary>
internal sealed record BindMatch(IReadOnlyList<Prefix> From, string? Key);

/// <summary>
/// Address match lists. In named the first element that fits decides, and "!" turns it round; here networks and keys
/// are only ever allowed. So a list is walked with what no element before has decided: what comes out allows the same.
/// </summary>
internal sealed class BindAcls(ImportedFleet fleet)
{
    private const int DepthMax = 16;

    private static readonly Prefix[] Everywhere = [Prefix.Parse("0.0.0.0/0"), Prefix.Parse("::/0")];

    private static readonly Prefix[] Own = [Prefix.Parse("127.0.0.1/32"), Prefix.Parse("::1/128")];

    private readonly Dictionary<string, BindStatement> named = new(StringComparer.Ordinal);

    public void Add(BindStatement acl)
    {
        if (acl is not { Parts: [_, { Word: { } name }, { Block: not null }] })
            throw new ImportException(acl.At, "expected a name and a block: acl NAME { ... };");
        if (!named.TryAdd(name, acl)) throw new ImportException(acl.At, $"the acl {name} stands here twice");
    }

    /// <summary>Null when an element has no counterpart; it was named then.</summary>
    public IReadOnlyList<BindMatch>? Matches(BindBlock list)
    {
        var found = new List<BindMatch>();
        return Walk(list, found, new Undecided([.. Everywhere], [.. Everywhere]), 0) ? found : null;
    }

    public static bool IsEverywhere(IReadOnlyList<Prefix> from) => Everywhere.All(from.Contains);

    /// <summary>Whether the list is this one word.</summary>
    public static bool IsOnly(BindBlock? list, string word) =>
        list is { Statements: [{ Parts: [{ Word: { } only }] }] } && only == word;

    private bool Walk(BindBlock list, List<BindMatch> found, Undecided left, int depth)
    {
        foreach (BindStatement element in list.Statements)
        {
            bool not = element.Key == "!";
            IReadOnlyList<BindPart> parts = not ? [.. element.Parts.Skip(1)] : element.Parts;
            var inner = new List<BindMatch>();
            if (parts.Count == 0)
                throw new ImportException(element.At, "expected an address, a name or a block behind \"!\"");
            if (!Element(parts, inner, left, depth)) return false;
            if (not && inner.Any(match => match.Key is not null))
            {
                fleet.Leave(element.At, $"{element}: a key that is refused has no counterpart; the list is left out");
                return false;
            }

            if (!not) found.AddRange(inner.Where(match => match.From.Count > 0));
            foreach (BindMatch match in inner.Where(match => match.Key is null))
                left = new Undecided(Without(left.Networks, match.From),
                    not ? Without(left.ForKeys, match.From) : left.ForKeys);
        }

        return true;
    }

    // What this element fits, of what is left.
    private bool Element(IReadOnlyList<BindPart> parts, List<BindMatch> found, Undecided left, int depth)
    {
        BindPart first = parts[0];
        if (depth > DepthMax) throw new ImportException(first.At, "lists go too deep, or round in a circle");
        if (first.Block is { } block) return Walk(block, found, left, depth + 1);
        string word = first.Word!;
        if (word == "key" && parts is [_, { Word: { } key }])
        {
            found.Add(new BindMatch(left.ForKeys, key));
            return true;
        }

        if (parts.Count > 1) return Left(first, $"{word} {parts[1].Word}");
        switch (word)
        {
            case "any":
                found.Add(new BindMatch(left.Networks, null));
                return true;
            case "none":
                return true;
            case "localhost":
                fleet.Leave(first.At, "localhost: 127.0.0.1 and ::1 are taken; add this machine's other addresses");
                found.Add(new BindMatch([.. Own.SelectMany(own => Within(own, left.Networks))], null));
                return true;
            default:
                if (named.TryGetValue(word, out BindStatement? acl))
                    return Walk(acl.Block!, found, left, depth + 1);
                if (!TryNetwork(word, out Prefix network))
                    return Left(first, word);
                found.Add(new BindMatch(Within(network, left.Networks), null));
                return true;
        }
    }

    private bool Left(BindPart part, string shown)
    {
        string advice = part.Word switch
        {
            "geoip" => "places steer names here (geo.maps), and allow nothing",
            "localnets" => "give the networks themselves",
            _ => "expected an address, a network, or the name of an acl",
        };
        fleet.Leave(part.At, $"{shown}: {advice}; the list is left out");
        return false;
    }

    /// <summary>An address, a network, or the front of one ("10/8"); host bits are refused, as named does.</summary>
    public static bool TryNetwork(string text, out Prefix network)
    {
        if (Prefix.TryParse(text, out network)) return true;
        string[] parts = text.Split('/');
        if (parts.Length != 2 || parts[0].Contains(':')) return false;
        int missing = 3 - Math.Min(3, parts[0].Count(c => c == '.'));
        string address = parts[0] + string.Concat(Enumerable.Repeat(".0", missing));
        return Prefix.TryParse($"{address}/{parts[1]}", out network);
    }

    private static List<Prefix> Within(Prefix network, List<Prefix> left)
    {
        var inside = new List<Prefix>();
        foreach (Prefix one in left.Where(one => one.IsIPv4 == network.IsIPv4))
        {
            if (one.Contains(network)) inside.Add(network);
            else if (network.Contains(one)) inside.Add(one);
        }

        return inside;
    }

    private static List<Prefix> Without(List<Prefix> from, IReadOnlyList<Prefix> gone)
    {
        foreach (Prefix one in gone) from = [.. from.SelectMany(prefix => Without(prefix, one))];
        return from;
    }

    // Cutting a hole leaves one sibling at each length between the two.
    private static IEnumerable<Prefix> Without(Prefix prefix, Prefix hole)
    {
        if (prefix.IsIPv4 != hole.IsIPv4 || !prefix.Overlaps(hole)) return [prefix];
        if (hole.Contains(prefix)) return [];
        return Enumerable.Range(prefix.LengthMapped + 1, hole.LengthMapped - prefix.LengthMapped).Select(length =>
        {
            UInt128 bit = UInt128.One << (128 - length), mask = length == 0 ? 0 : UInt128.MaxValue << (128 - length);
            return Prefix.OfMapped((hole.Bits ^ bit) & mask, length);
        });
    }

    /// <summary>What no element before has decided. Who was let in anyhow may come with a key too.</summary>
    private sealed record Undecided(List<Prefix> Networks, List<Prefix> ForKeys);
}
