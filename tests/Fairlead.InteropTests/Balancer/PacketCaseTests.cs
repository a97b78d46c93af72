using System.Text;
using System.Text.RegularExpressions;
using Fairlead.Balancer.Maps;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// Every case of tests/fixtures/balancer/*.pkt, through the kernel's own run of the program. A case is a sentence and
/// packets: what comes in, and what becomes of it. A packet that passes must be the one that came.
/// </summary>
public sealed partial class PacketCaseTests
{
    private const int CasesAtLeast = 150;

    [InteropFact]
    public void Every_packet_case_ends_as_it_says()
    {
        PacketCase[] cases = [.. Cases()];
        Assert.True(cases.Length >= CasesAtLeast, $"{cases.Length} cases");
        Assert.Equal(cases.Length, cases.Select(one => one.Sentence).Distinct().Count());
        var wrong = new List<string>();
        using var bed = new CaseBed();
        foreach (PacketCase one in cases)
        {
            bed.Forget();
            string? fault = FirstFault(bed, one);
            if (fault is not null) wrong.Add($"{one.Place}: {one.Sentence}\n{fault}");
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases.Length} cases:\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Every_reason_has_a_case()
    {
        // The kernel's run always has room before the frame; NoRoom takes a flood, which FlowTests have.
        HashSet<PacketReason> seen = [.. Cases().SelectMany(one => one.Steps).Select(step => step.Reason)];
        seen.UnionWith([PacketReason.NoHeadroom, PacketReason.NoRoom]);
        Assert.Equal(Enum.GetValues<PacketReason>(), seen.Order());
    }

    private static string? FirstFault(CaseBed bed, PacketCase one)
    {
        foreach (Step step in one.Steps)
        {
            ulong[] before = bed.Reasons();
            byte[] sent = PacketText.Build(step.In);
            (uint verdict, byte[] after) = bed.Run(sent);
            ulong[] now = bed.Reasons();
            string[] counted =
                [.. Enum.GetValues<PacketReason>().Where(r => now[(int)r] != before[(int)r]).Select(r => $"{r}")];
            byte[] expected = step.Out.Length == 0 ? sent : PacketText.Build(step.Out, HashOf(step.In));
            string said = $"  in {step.In}\n  verdict {verdict}, counted {string.Join(", ", counted)}";
            if (verdict != step.Verdict) return $"{said}, expected verdict {step.Verdict}";
            if (!counted.Contains($"{step.Reason}")) return $"{said}, expected {step.Reason}";
            if (step.Verdict != 1 && !after.AsSpan().SequenceEqual(expected))
                return $"{said}\n  got      {Convert.ToHexString(after)}\n  expected {Convert.ToHexString(expected)}";
        }

        return null;
    }

    // What a frame without ports has no hash of its own for: zero, as the program has it.
    private static ulong HashOf(string packet) =>
        packet.Contains("tcp", StringComparison.Ordinal) || packet.Contains("udp", StringComparison.Ordinal)
            ? CaseBed.Key.Of(PacketText.FlowOf(packet)) : 0;

    private static IEnumerable<PacketCase> Cases()
    {
        string folder = Fixture.PathOf("balancer");
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
                if (verb == "in") one!.Steps.Add(new Step(rest, 0, default, ""));
                else one!.Steps[^1] = one.Steps[^1].Becomes(verb, words.Groups["reason"].Value, rest);
            }

            if (one is not null) yield return one;
        }
    }

    [GeneratedRegex(@"^  (?<verb>in|tx|pass|drop|redirect)(:(?<reason>[a-z-]+))?(?<rest> .*)?$")]
    private static partial Regex StepLine();

    private sealed record PacketCase(string Place, string Sentence, List<Step> Steps);

    private sealed record Step(string In, uint Verdict, PacketReason Reason, string Out)
    {
        public Step Becomes(string verb, string reason, string packet)
        {
            // enum xdp_action.
            uint verdict = verb switch { "drop" => 1, "pass" => 2, "tx" => 3, _ => 4 };
            string name = reason.Length == 0 ? "forwarded" : reason;
            var camel = new StringBuilder();
            foreach (string word in name.Split('-')) camel.Append(char.ToUpperInvariant(word[0])).Append(word[1..]);
            if (verdict is 1 or 2 && reason.Length == 0) throw new FormatException($"{verb} needs a reason");
            return this with { Verdict = verdict, Reason = Enum.Parse<PacketReason>($"{camel}"), Out = packet };
        }
    }
}
