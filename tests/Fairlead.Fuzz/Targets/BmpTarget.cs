using System.Net;
using Fairlead.Bgp.Bmp;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// What a router tells a monitoring station on one connection: read, kept within the limit, and counted.
/// </summary>
public sealed class BmpTarget : IFuzzTarget
{
    private const int RoutesMax = 50;

    public string Name => "bmp";

    public bool IsText => false;

    public int BytesMax => 8192;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. new[]
        {
            "0300000006", "030000000604", "0300000030",
            "00000000000000000000000000000000000000000a0900020000fdea0a090002",
            "00", "01", "03", "40", "80", "20", "10", "00020004", "00010004", "0000", "000100020000", "ffffffff",
            "ffffffffffffffffffffffffffffffff", "ffffffffffffffffffffffffffffffff001302", "001704", "18c61200", "4510",
        }.Select(Convert.FromHexString),
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        var router = new BmpRouter(new IPEndPoint(IPAddress.Loopback, 179), RoutesMax);
        var behaviour = new Behaviour();
        bool ended = router.TakeAll(input, out int used) is not null;
        BrokenPromiseException.Unless(used <= input.Length, "what was taken lies in the stream");
        behaviour.Add(ended ? 1 : 0);
        BmpRouterStatus status = router.Status();
        foreach (BmpTableStatus table in status.Tables)
        {
            BrokenPromiseException.Unless(
                router.Routes(table.Peer, table.View).Length == table.Routes, "a table has as many routes as it says");
        }

        int routes = status.Tables.Sum(table => table.Routes);
        BrokenPromiseException.Unless(routes <= RoutesMax, "a router cannot make us hold more than the limit");
        foreach ((string counter, long count) in status.Counters)
            behaviour.Add((counter.Sum(letter => letter) * 4) + (int)Math.Min(count, 3));
        behaviour.Add(Math.Min(routes, 5));
        behaviour.Add(status.PeersUp.Length);
        return behaviour.Number;
    }
}
