using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;
using Xunit.Abstractions;

namespace Fairlead.InteropTests.Dns;

/// <summary>Somebody floods, the others ask as ever, each a second time and so on as resolvers do.</summary>
public class FloodTests(ITestOutputHelper output)
{
    private const int Sources = 100;
    private const int TriesMax = 6;
    private static readonly TimeSpan Lasts = TimeSpan.FromSeconds(3);

    [InteropFact("ip")]
    public async Task A_flood_does_not_take_the_answers_from_the_others()
    {
        using var bed = new Bed("fltflood");
        bed.AddHost("srv");
        bed.Ip("srv", "route", "add", "local", "10.0.0.0/8", "dev", "lo");
        var at = new IPEndPoint(IPAddress.Parse("10.0.0.53"), 53);
        var table = new Snapshot<DnsTable>(DnsTestBed.Table);
        await using var server = new DnsServer(new DnsServerOptions { Listen = [at] }, table);
        long sent = 0;
        (int asked, int answered) = NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            using var stop = new ManualResetEventSlim();
            // A thread that is made here is in this namespace too.
            var flood = new Thread(() => sent = Flood(at, stop)) { IsBackground = true };
            flood.Start();
            (int, int) counts = Ask(at);
            stop.Set();
            flood.Join();
            return counts;
        });
        output.WriteLine($"{sent} queries of the flood; {answered} of {asked} questions of {Sources} others answered");
        Assert.True(sent > 20_000, $"the flood was none: {sent} queries");
        Assert.True(asked >= Sources, $"{asked} questions");
        Assert.True(answered >= 0.95 * asked, $"{answered} of {asked}");
    }

    // From one neighbourhood, names by chance, as fast as one thread can. It ends by itself too.
    private static long Flood(IPEndPoint server, ManualResetEventSlim stop)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Parse("10.200.0.1"), 0));
        socket.Connect(server);
        byte[] query = DnsTestBed.Query("aaaaaaaaaaaa.example.com", RecordType.A, 1232);
        var random = new Random(1);
        long count = 0, began = TimeProvider.System.GetTimestamp();
        for (; !stop.IsSet && TimeProvider.System.GetElapsedTime(began) < 10 * Lasts; count++)
        {
            for (int i = 13; i < 25; i++) query[i] = (byte)('a' + random.Next(26));
            try
            {
                socket.Send(query);
            }
            catch (SocketException)
            {
                // The server's queue is full: so it should be.
            }
        }

        return count;
    }

    private static (int Asked, int Answered) Ask(IPEndPoint server)
    {
        Socket[] sockets =
        [
            .. Enumerable.Range(1, Sources).Select(i =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)
                {
                    ReceiveTimeout = 200,
                };
                socket.Bind(new IPEndPoint(IPAddress.Parse($"10.1.{i}.1"), 0));
                socket.Connect(server);
                return socket;
            }),
        ];
        byte[] answer = new byte[4096];
        (int asked, int answered) = (0, 0);
        long began = TimeProvider.System.GetTimestamp();
        do
        {
            foreach (Socket socket in sockets)
            {
                if (TimeProvider.System.GetElapsedTime(began) > 5 * Lasts) break;
                asked++;
                if (Asks(socket, answer)) answered++;
            }
        }
        while (TimeProvider.System.GetElapsedTime(began) < Lasts);

        foreach (Socket socket in sockets) socket.Dispose();
        return (asked, answered);
    }

    private static bool Asks(Socket socket, byte[] answer)
    {
        byte[] query = DnsTestBed.Query("www.example.com", RecordType.A, 1232);
        for (int i = 0; i < TriesMax; i++)
        {
            socket.Send(query);
            try
            {
                if (new Reply(answer[..socket.Receive(answer)]).Answers.Count == 2) return true;
            }
            catch (SocketException)
            {
                // No answer in time.
            }
        }

        return false;
    }
}
