using Fairlead.Bgp.Rpki;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// What an RPKI cache sends, each PDU behind an octet of minutes that pass before it: the session must ask, stage,
/// publish and refuse within its limits, and what it sends itself must be PDUs.
/// </summary>
public sealed class RtrTarget : IFuzzTarget
{
    private const int PayloadsMax = 20;

    public string Name => "rtr";

    public bool IsText => false;

    public int BytesMax => 4096;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. new[]
        {
            "00010003000100000008", "000103be800000000c", "01040000000000140118180c0000200000fbf4",
            "0104000000000014", "0106000000000020", "0107be8000000018", "0007be800000000c00000001", "0108000000000008",
            "0109000000000023", "010a000200000010", "010a000400000010", "000a0004000000100000000000000000",
            "0100be800000000c00000002", "00000e100000025800001c20", "00000000", "ffffffff",
        }.Select(Convert.FromHexString),
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        var session = new RtrSession(TimeSpan.FromHours(2), PayloadsMax);
        TimeSpan now = TimeSpan.Zero;
        var behaviour = new Behaviour();
        Check(session, session.Connected(now), now, ref behaviour);
        while (!input.IsEmpty)
        {
            now += TimeSpan.FromMinutes(input[0]);
            input = input[1..];
            if (session.NextTick <= now) Check(session, session.Tick(now), now, ref behaviour);
            RtrReject reject = RtrPdu.TryRead(input, out RtrPdu pdu, out int length);
            behaviour.Add((int)reject);
            if (reject == RtrReject.Incomplete) break;
            BrokenPromiseException.Unless(
                reject != RtrReject.None || length >= RtrPdu.HeaderBytes, "a PDU has a length");
            RtrStep step = reject == RtrReject.None
                ? session.Received(pdu, input[..length], now)
                : session.Rejected(reject, input);
            Check(session, step, now, ref behaviour);
            // After what cannot be read, the connection is another one, and what follows begins there.
            input = input[Math.Clamp(length, 1, input.Length)..];
        }

        return behaviour.Number;
    }

    private static void Check(RtrSession session, in RtrStep step, TimeSpan now, ref Behaviour behaviour)
    {
        behaviour.Add((int)session.State);
        if (step.Publish is { } table)
        {
            int payloads = table.All().Count();
            behaviour.Add(100 + Math.Min(payloads, 4));
            BrokenPromiseException.Unless(payloads <= PayloadsMax, "a cache cannot make us hold more than the limit");
        }

        if (step.Send is { } sent)
        {
            BrokenPromiseException.Unless(
                RtrPdu.TryRead(sent, out _, out int length) == RtrReject.None && length == sent.Length,
                "what we send is one PDU");
        }

        if (step.Close is null) return;
        behaviour.Add(200);
        session.Disconnected();
        RtrStep again = session.Connected(now);
        BrokenPromiseException.Unless(again is { Send: not null, Close: null }, "a new connection begins with a query");
    }
}
