using Fairlead.Bgp.Receiving;
using Fairlead.Bgp.Wire;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// UPDATEs of a session whose parameters the first octet tells: what RFC 7606 promises about them, and the table that
/// they are taken into.
/// </summary>
public sealed class BgpUpdateTarget : IFuzzTarget
{
    private readonly UpdateContent content = new();
    private readonly UpdateContent again = new();
    private readonly ReceivedBudget budget = new(200, 200_000);
    private readonly AdjRibIn table;

    public BgpUpdateTarget() => table = new AdjRibIn(budget);

    public string Name => "bgp-update";

    public bool IsText => false;

    public int BytesMax => 1 + Message.SizeMax;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        // Each attribute that we know, well made.
        .. new[]
        {
            "40010100", "40020602010000fde9", "400200", "4002040201fde9", "40020402015ba0", "400304c6120001",
            "8004040000002a", "40050400000064", "400600", "c007080000fde90a090002", "c00706fde90a090002",
            "c00804fde80007", "c00804ffff0000", "c008080a0a0a0affff029a", "8009040a000001", "800a040a000001",
            "800e1a0002011020010db8000900000000000000000002003020010db8a001", "800f0a0002013020010db8a001",
            "800f03000201", "800f03000101", "800e0c00010104c612000100180a0a0a", "c01008000200000000fde8",
            "c01106020100000001", "c0110a0202fa56ea01fa56ea02", "c012080000fde90a090002",
            "c0200c0000fde80000000100000002", "c023040000fde9", "801a0b01000b0000000000000001",
            "c063030102", "50020006", "1810", "180a0a0a", "200a0a0a0a", "00000001180a0a0a",
        }.Select(Convert.FromHexString),
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return 0;
        UpdateContext context = ContextOf(input[0]);
        UpdateAction action = UpdateReader.Read(input[1..], context, content);
        Check(action);
        BrokenPromiseException.Unless(
            action == UpdateReader.Read(input[1..], context, again) && again.Announced.SequenceEqual(content.Announced)
                && again.Withdrawn.SequenceEqual(content.Withdrawn),
            "what was read before does not show");
        if (action != UpdateAction.SessionReset) table.Take(content, DateTimeOffset.UnixEpoch);
        BrokenPromiseException.Unless(
            budget.Routes == table.Count && budget is { Routes: <= 200, Bytes: >= 0 and <= 200_000 },
            "the table keeps to its budget");
        if (input.Length % 64 == 0) Clear();
        _ = content.Describe();

        var behaviour = new Behaviour();
        behaviour.Add((int)action);
        behaviour.Add((int)content.FaultIn);
        behaviour.Add((int)content.Problem);
        behaviour.Add(Math.Min(content.Announced.Count, 3) + (Math.Min(content.Withdrawn.Count, 3) * 4));
        behaviour.Add(Math.Min(content.AsPath.Count, 3) + (content.EndOfRib is null ? 0 : 8));
        behaviour.Add((content.Communities.Count > 0 ? 1 : 0) + (content.LargeCommunities.Count > 0 ? 2 : 0)
            + (content.ExtendedCommunities.Count > 0 ? 4 : 0) + (content.Aggregator is null ? 0 : 8));
        return behaviour.Number;
    }

    private void Clear()
    {
        table.Clear();
        BrokenPromiseException.Unless(budget is { Routes: 0, Bytes: 0 }, "an empty table takes nothing");
    }

    private void Check(UpdateAction action)
    {
        BrokenPromiseException.Unless(
            (action == UpdateAction.SessionReset) == content.Fault is not null, "a reset, and it alone, has its words");
        BrokenPromiseException.Unless(
            action != UpdateAction.TreatAsWithdraw || content.Announced.Count == 0, "a withdrawal announces nothing");
        BrokenPromiseException.Unless(content.FieldCount <= content.Announced.Count, "the NLRI field is a part");
        BrokenPromiseException.Unless(
            action != UpdateAction.Accept || content.Announced.Count == 0
                || content is { Origin: <= 2 } && (content.NextHop ?? content.MultiprotocolNextHop) is not null,
            "an accepted route has what is mandatory");
    }

    private static UpdateContext ContextOf(byte bits) =>
        new((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0)
        {
            AddPathIPv4 = (bits & 16) != 0,
            AddPathIPv6 = (bits & 32) != 0,
            IPv6NextHop = (bits & 64) != 0,
        };
}
