using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>
/// Reads YAML text into nodes, in which every scalar is a string: types come from our shapes, so that the country NO
/// stays a country. Size and depth have limits, and anchors are refused (a small file could unfold into a huge one).
/// </summary>
internal static class YamlText
{
    private const int CharactersMax = 4 * 1024 * 1024;
    private const int DepthMax = 32;

    /// <summary>The root node, or null and the problem.</summary>
    public static YamlNode? Parse(string file, string text, out SpecProblem? problem)
    {
        problem = null;
        if (text.Length > CharactersMax)
        {
            problem = new SpecProblem(file, 1, 1, $"larger than {CharactersMax / 1024 / 1024} MiB: split it");
            return null;
        }

        var scanner = new Scanner(new StringReader(text));
        try
        {
            problem = Prescan(file, new Parser(scanner));
            if (problem is not null) return null;
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            if (stream.Documents.Count == 1) return stream.Documents[0].RootNode;
            problem = new SpecProblem(file, 1, 1, $"expected one YAML document, found {stream.Documents.Count}");
        }
        catch (YamlException fault)
        {
            problem = new SpecProblem(
                file, (int)fault.Start.Line, (int)fault.Start.Column, $"not YAML: {Plain(fault)}");
        }
        catch (Exception fault) when (fault is InvalidOperationException or ArgumentException or FormatException)
        {
            // The library throws these, without a place, on some broken input (an unclosed bracket).
            Mark at = scanner.CurrentPosition;
            problem = new SpecProblem(
                file, (int)at.Line, (int)at.Column, "not YAML: something before this is not closed");
        }

        return null;
    }

    private static SpecProblem? Prescan(string file, Parser parser)
    {
        int depth = 0;
        while (parser.MoveNext())
        {
            ParsingEvent now = parser.Current!;
            depth += now.NestingIncrease;
            if (depth > DepthMax) return At(file, now, $"nested deeper than {DepthMax}");
            if (now is AnchorAlias || (now is NodeEvent node && !node.Anchor.IsEmpty))
                return At(file, now, "anchors and aliases are not read: write the value out");
        }

        return null;
    }

    private static SpecProblem At(string file, ParsingEvent at, string message) =>
        new(file, (int)at.Start.Line, (int)at.Start.Column, message);

    private static string Plain(YamlException fault)
    {
        string message = (fault.InnerException?.Message ?? fault.Message).ReplaceLineEndings(" ");
        int end = message.IndexOf("): ", StringComparison.Ordinal);
        return message.StartsWith('(') && end > 0 ? message[(end + 3)..] : message;
    }
}
