using Fairlead.Balancer.Maps;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// Every case of tests/fixtures/balancer/*.pkt, through the kernel's own run of the program. A case is a sentence and
/// packets: what comes in, and what becomes of it. A packet that passes must be the one that came.
/// </summary>
public sealed class PacketCaseTests
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
            if (one.FirstFault(bed.Run, bed.Reasons, HashOf) is { } fault)
                wrong.Add($"{one.Place}: {one.Sentence}\n{fault}");
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases.Length} cases:\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Every_reason_has_a_case()
    {
        // The kernel's run always has room before the frame; NoRoom takes a flood, which FlowTests have.
        HashSet<string> seen = [.. Cases().SelectMany(one => one.Steps).Select(step => step.Reason)];
        seen.UnionWith([$"{PacketReason.NoHeadroom}", $"{PacketReason.NoRoom}"]);
        Assert.Equal(Enum.GetNames<PacketReason>().Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
    }

    // What a frame without ports has no hash of its own for: zero, as the program has it.
    internal static ulong HashOf(string packet) =>
        packet.Contains("tcp", StringComparison.Ordinal) || packet.Contains("udp", StringComparison.Ordinal)
            // Of what was sent on, the flow that is inside.
            ? CaseBed.Key.Of(PacketText.FlowOf(packet.Split(" / gue / ")[^1])) : 0;

    private static IEnumerable<PacketCase> Cases() => PacketCase.In(Fixture.PathOf("balancer"));
}
