using System.Text;
using System.Text.RegularExpressions;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// What comes in, the verdict, the reason's name as C# has it, and what goes out; empty: what came in.
/// </summary>
internal sealed record PacketStep(string In, uint Verdict, string Reason, string Out)
{
    public PacketStep Becomes(string verb, string reason, string packet)
    {
        // enum xdp_action.
        uint verdict = verb switch { "drop" => 1, "pass" => 2, "tx" => 3, _ => 4 };
        string name = reason.Length == 0 ? "forwarded" : reason;
        var camel = new StringBuilder();
        foreach (string word in name.Split('-')) camel.Append(char.ToUpperInvariant(word[0])).Append(word[1..]);
        if (verdict is 1 or 2 && reason.Length == 0) throw new FormatException($"{verb} needs a reason");
        return this with { Verdict = verdict, Reason = $"{camel}", Out = packet };
    }
}

/// <summary>A case of a .pkt file: a sentence, and packets one after the other.</summary>
internal sealed partial record PacketCase(string Place, string Sentence, List<PacketStep> Steps)
{
    /// <summary>All cases of the files in this folder.</summary>
    public static IEnumerable<PacketCase> In(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*.pkt").Order(StringComparer.Ordinal))
        {
            PacketCase? one = null;
            foreach ((int number, string line) in File.ReadLines(file).Index())
            {
                if (line.Length == 0 || line.StartsWith('#')) continue;
                if (!line.StartsWith("  ", StringComparison.Ordinal))
                {
                    if (one is not null) yield return one;
                    one = new PacketCase($"{Path.GetFileName(file)}:{number + 1}", line, []);
                    continue;
                }

                Match words = StepLine().Match(line);
                if (!words.Success) throw new FormatException($"{file}:{number + 1}: {line}");
                string verb = words.Groups["verb"].Value, rest = words.Groups["rest"].Value.Trim();
                if (verb == "in") one!.Steps.Add(new PacketStep(rest, 0, "", ""));
                else one!.Steps[^1] = one.Steps[^1].Becomes(verb, words.Groups["reason"].Value, rest);
            }

            if (one is not null) yield return one;
        }
    }

    /// <summary>
    /// Runs the packets. `counts` gives what was counted under each reason's name so far; `hashOf` the hash of a
    /// packet's flow. The first thing that is not as it says, null: there is none.
    /// </summary>
    public string? FirstFault(Func<byte[], (uint Verdict, byte[] After)> run, Func<Dictionary<string, ulong>> counts,
        Func<string, ulong> hashOf)
    {
        foreach (PacketStep step in Steps)
        {
            Dictionary<string, ulong> before = counts();
            byte[] sent = PacketText.Build(step.In);
            (uint verdict, byte[] after) = run(sent);
            string[] counted = [.. counts().Where(one => one.Value != before[one.Key]).Select(one => one.Key)];
            byte[] expected = step.Out.Length == 0 ? sent : PacketText.Build(step.Out, hashOf(step.In));
            string said = $"  in {step.In}\n  verdict {verdict}, counted {string.Join(", ", counted)}";
            if (verdict != step.Verdict) return $"{said}, expected verdict {step.Verdict}";
            if (!counted.Contains(step.Reason)) return $"{said}, expected {step.Reason}";
            if (step.Verdict != 1 && !after.AsSpan().SequenceEqual(expected))
                return $"{said}\n  got      {Convert.ToHexString(after)}\n  expected {Convert.ToHexString(expected)}";
        }

        return null;
    }

    [GeneratedRegex(@"^  (?<verb>in|tx|pass|drop|redirect)(:(?<reason>[a-z-]+))?(?<rest> .*)?$")]
    private static partial Regex StepLine();
}
