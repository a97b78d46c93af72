using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Fairlead.InteropTests.Bgp;
using Fairlead.Lab;
using Fairlead.Net.Linux;
using Xunit.Abstractions;

namespace Fairlead.InteropTests.Node;

/// <summary>What a node with a thousand services does when all of them fail in one instant.</summary>
public sealed class WithdrawStormTests(ITestOutputHelper output) : IDisposable
{
    private const int Services = 1000;
    private const int Rounds = 3;

    private static readonly string Fleet = """
        fleet: storm
        asn: 64500
        anycast: {subnets: [198.18.0.0/16]}
        pops:
          here:
            nodes: {n1: {asn: 4200000001, addresses: [10.0.0.2]}}
            routers: {r1: {addresses: [10.0.0.1]}}
        services:

        """ + string.Concat(Enumerable.Range(0, Services).Select(i => $$"""
              s{{i}}:
                vips: [198.18.{{i / 250}}.{{(i % 250) + 1}}]
                ports: [tcp/80]
                check: {kind: tcp, interval: 1s, fall: 1, rise: 1}
                backends: {here: [10.0.0.5]}

            """));

    private const string Router = """
        log stderr all;
        router id 10.0.0.1;
        protocol device {}
        protocol bgp n1 {
          local 10.0.0.1 as 64500;
          neighbor 10.0.0.2 as 4200000001;
          connect delay time 1;
          ipv4 { import all; export none; };
        }
        """;

    private readonly NodeBed bed = new(Fleet);

    [InteropFact("ip", "bird")]
    public void A_thousand_services_that_fail_at_once_are_withdrawn_in_few_messages()
    {
        using var bird = new BirdRouter(bed.Bed, "r1", Router);
        TcpListener backend = Serve();
        bed.StartNode();
        for (int round = 0; round < Rounds; round++)
        {
            bed.Until(() => bird.CountRoutes("master4") == Services, "all are announced", 60);
            long before = UpdatesOut();
            DateTimeOffset failed = TimeProvider.System.GetUtcNow();
            backend.Dispose();
            bed.Until(() => bird.CountRoutes("master4") == 0, "all are withdrawn", 30);
            DateTimeOffset gone = TimeProvider.System.GetUtcNow();
            bed.Until(() => Verdicts(failed).Count == Services, "the log is written");
            long messages = UpdatesOut() - before;
            List<DateTimeOffset> verdicts = Verdicts(failed);
            (TimeSpan after, TimeSpan within) = (gone - verdicts.Max(), verdicts.Max() - verdicts.Min());
            output.WriteLine($"{Services} services: withdrawn {after.TotalMilliseconds:F1} ms after the last verdict, "
                + $"in {messages} messages; verdicts within {within.TotalMilliseconds:F0} ms");
            // They ask alike, so they fall in one instant and are one plan: 1,000 routes fit in two messages, and
            // a turn that was already on its way may have taken some of them.
            Assert.InRange(messages, 1, 6);
            backend = Serve();
        }

        backend.Dispose();
    }

    public void Dispose() => bed.Dispose();

    /// <summary>When each check has said since then that its backend is down.</summary>
    private List<DateTimeOffset> Verdicts(DateTimeOffset since) =>
    [
        .. bed.LogText.Split('\n').Where(line => line.Contains(": down, ", StringComparison.Ordinal)
                && line.Contains("info: node[0] check ", StringComparison.Ordinal))
            .Select(line => DateTimeOffset.Parse(
                line[..line.IndexOf(' ', StringComparison.Ordinal)], CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal))
            .Where(at => at >= since),
    ];

    private long UpdatesOut()
    {
        string text = Command.Run(NodeBed.Program, "bgp", "--control", bed.Control, "--output", "json");
        using JsonDocument peers = JsonDocument.Parse(text);
        return peers.RootElement[0].GetProperty("updatesOut").GetInt64();
    }

    private TcpListener Serve()
    {
        TcpListener listener = NetworkNamespace.Run(bed.Bed.NamespaceOf("b1"), () =>
        {
            var made = new TcpListener(IPAddress.Parse("10.0.0.5"), 80);
            made.Start(4096);
            return made;
        });
        _ = AcceptAsync(listener);
        return listener;
    }

    private static async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true) (await listener.AcceptSocketAsync()).Dispose();
        }
        catch (Exception over) when (over is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The service is down.
        }
    }
}
