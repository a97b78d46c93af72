using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Net;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns;

public class DnsServerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static DnsServerOptions Options(params IPEndPoint[] listen) => new() { Listen = [.. listen] };

    // Sockets of the tests ask for a free port; another program could take it in between, but not often.
    private static IPEndPoint Free(IPAddress address)
    {
        using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(address, 0));
        return (IPEndPoint)probe.LocalEndPoint!;
    }

    private static async Task<byte[]> AskUdpAsync(IPEndPoint server, byte[] query)
    {
        using var client = new UdpClient(server.AddressFamily);
        client.Connect(server); // So that only answers from the very address that was asked are taken.
        await client.SendAsync(query);
        using var deadline = new CancellationTokenSource(Patience);
        return (await client.ReceiveAsync(deadline.Token)).Buffer;
    }

    private static byte[] Framed(params byte[][] queries) =>
        [.. queries.SelectMany(query => (byte[])[(byte)(query.Length >> 8), (byte)query.Length, .. query])];

    private static async Task<byte[]> ReadFramedAsync(NetworkStream stream)
    {
        using var deadline = new CancellationTokenSource(Patience);
        byte[] length = new byte[2];
        await stream.ReadExactlyAsync(length, deadline.Token);
        byte[] message = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
        await stream.ReadExactlyAsync(message, deadline.Token);
        return message;
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(
                TimeProvider.System.GetElapsedTime(started) < Patience, "the condition did not come true in time");
            await Task.Delay(10);
        }
    }

    [Fact]
    public async Task A_wildcard_socket_answers_from_the_address_that_was_asked()
    {
        IPEndPoint four = Free(IPAddress.Any), six = new(IPAddress.IPv6Any, four.Port);
        await using var server =
            new DnsServer(Options(four, six) with { UdpThreads = 2 }, new Snapshot<DnsTable>(Table));
        server.Start();
        foreach (string address in (string[])["127.0.0.1", "127.9.8.7", "::1"])
        {
            Reply reply = new(await AskUdpAsync(
                new IPEndPoint(IPAddress.Parse(address), four.Port), Query("www.example.com", RecordType.A)));
            Assert.Equal(2, reply.Answers.Count);
        }

        Assert.Equal(3, server.Counters[DnsCounter.UdpQueries]);
        Assert.Equal(3, server.Counters[DnsCounter.AnswersNoError]);
        Assert.False(server.Failure.IsCompleted);
    }

    [Fact]
    public async Task A_new_table_is_answered_from_at_once()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        var table = new Snapshot<DnsTable>(DnsTable.Empty);
        await using var server = new DnsServer(Options(local), table);
        server.Start();
        Assert.Equal(Rcode.Refused, new Reply(await AskUdpAsync(local, Query("www.example.com", RecordType.A))).Rcode);
        table.Publish(Table);
        Assert.Equal(Rcode.NoError, new Reply(await AskUdpAsync(local, Query("www.example.com", RecordType.A))).Rcode);
    }

    /// <summary>RFC 7766 §6.2.1.1: pipelining; §8: a message in any number of segments.</summary>
    [Fact]
    public async Task Queries_on_a_stream_may_be_pipelined_and_cut_anywhere()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        await using var server = new DnsServer(Options(local), new Snapshot<DnsTable>(Table));
        server.Start();
        using var client = new TcpClient();
        await client.ConnectAsync(local);
        client.NoDelay = true;
        NetworkStream stream = client.GetStream();
        byte[] queries = Framed([.. Enumerable.Range(0, 100)
            .Select(i => i % 2 == 0 ? Query("www.example.com", RecordType.A) : Query("example.com", RecordType.Mx))]);
        for (int at = 0; at < 60; at += 7) await stream.WriteAsync(queries.AsMemory(at, 7));
        await stream.WriteAsync(queries.AsMemory(63));
        client.Client.Shutdown(SocketShutdown.Send);

        for (int i = 0; i < 100; i++) Assert.Equal(
            i % 2 == 0 ? 2 : 1, new Reply(await ReadFramedAsync(stream)).Answers.Count);
        Assert.Equal(100, server.Counters[DnsCounter.TcpQueries]);
    }

    /// <summary>RFC 7766 §6.2.3: idle connections.</summary>
    [Fact]
    public async Task Who_is_idle_or_never_reads_is_cut_off()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        string many = string.Concat(Enumerable.Range(0, 3000).Select(i => $"\nmany A 10.0.{i / 256}.{i % 256}"));
        DnsTable table = DnsTable.Create(1, [Load("example.com", ZoneText + many)], Regions, Steering, "");
        await using var server = new DnsServer(
            Options(local) with { TcpIdle = TimeSpan.FromMilliseconds(400) }, new Snapshot<DnsTable>(table));
        server.Start();
        using var idle = new TcpClient();
        await idle.ConnectAsync(local);
        await idle.GetStream().WriteAsync(Framed(Query("www.example.com", RecordType.A)).AsMemory(0, 9));
        using var deaf = new TcpClient();
        deaf.ReceiveBufferSize = 4096;
        await deaf.ConnectAsync(local);
        byte[] burst = Framed([.. Enumerable.Repeat(Query("many.example.com", RecordType.A), 400)]);
        await deaf.GetStream().WriteAsync(burst);

        await UntilAsync(() => server.Counters[DnsCounter.TcpClosedIdle] == 2);
        Assert.True(server.Counters[DnsCounter.TcpQueries] < 400);
    }

    /// <summary>RFC 7766 §6.2.2: limits of connections.</summary>
    [Fact]
    public async Task Connections_have_limits()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        await using var server =
            new DnsServer(Options(local) with { TcpConnectionsPerClientMax = 3 }, new Snapshot<DnsTable>(Table));
        server.Start();
        var clients = new List<TcpClient>();
        for (int i = 0; i < 5; i++)
        {
            clients.Add(new TcpClient());
            await clients[i].ConnectAsync(local);
        }

        await UntilAsync(() => server.Counters[DnsCounter.TcpRefusedClient] == 2);
        await clients[0].GetStream().WriteAsync(Framed(Query("www.example.com", RecordType.A)));
        Assert.Equal(2, new Reply(await ReadFramedAsync(clients[0].GetStream())).Answers.Count);
        clients.ForEach(client => client.Dispose());
        Assert.Equal(3, server.Counters[DnsCounter.TcpAccepted]);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_to_be()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        var table = new Snapshot<DnsTable>(Table);
        await using var first = new DnsServer(Options(local), table);
        first.Start();
        await using var second = new DnsServer(Options(local), table);
        IOException fault = Assert.Throws<IOException>(second.Start);
        Assert.Contains($"{local} (TCP)", fault.Message);
        Assert.Contains("another program has this port", fault.Message);
    }

    [Fact]
    public async Task It_stops_promptly_and_gives_the_port_back()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        var table = new Snapshot<DnsTable>(Table);
        for (int i = 0; i < 2; i++)
        {
            var server = new DnsServer(Options(local) with { UdpThreads = 2 }, table);
            server.Start();
            _ = await AskUdpAsync(local, Query("www.example.com", RecordType.A));
            long started = TimeProvider.System.GetTimestamp();
            await server.DisposeAsync();
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(2));
        }
    }

    [Fact]
    public void A_fault_of_ours_costs_one_answer_and_is_kept()
    {
        var counters = new DnsCounters();
        var guard = new AnswerGuard(counters, counters.AddThread(), new AnswerState())
        {
            Call = (_, _, in _, _, _) => throw new InvalidOperationException("a bug"),
        };
        byte[] query = Query("www.example.com", RecordType.A), response = new byte[512];

        Assert.Equal(12, guard.Answer(Table, query, default, response));
        Assert.Equal([0x12, 0x34, 0x81, (byte)Rcode.ServFail], response[..4]);
        Assert.Equal(query, counters.LastOffender.ToArray());
        Assert.Equal(1, counters[DnsCounter.Faults]);
        Assert.Equal("a bug", counters.LastFault!.Message);
    }

    [Fact]
    public void Steered_answers_are_counted_by_label_whatever_number_it_has()
    {
        static SteeringTable Steering(params string[] labels) => new(
        [
            new SteeredName
            {
                Owner = DnsName.Parse("steered.example.com"), TtlSeconds = 30,
                ByRegion = [.. labels.Select((label, i) =>
                    (SteeredRegion)(Addresses($"192.0.2.{i + 1}", "2001:db8::1") with { Label = label }))],
            },
        ]);

        var counters = new DnsCounters();
        var guard = new AnswerGuard(counters, counters.AddThread(), new AnswerState());
        byte[] response = new byte[1232], query = Query("steered.example.com", RecordType.A);
        foreach (SteeringTable steering in (SteeringTable[])[Steering("one", "two"), Steering("three", "one")])
        {
            DnsTable table = DnsTable.Create(1, [Zone], Regions, steering, "");
            guard.Answer(table, query, new Asker(Bits("192.0.2.200"), Transport.Udp), response);
            guard.Answer(table, query, new Asker(Bits("198.51.100.7"), Transport.Udp), response);
            guard.Answer(table, query, new Asker(Bits("198.51.100.7"), Transport.Udp), response);
        }

        Assert.Equal(
            new Dictionary<string, long> { ["one"] = 3, ["two"] = 2, ["three"] = 1 }.OrderBy(pair => pair.Key),
            counters.SteeredByLabel.Where(pair => pair.Key is "one" or "two" or "three").OrderBy(pair => pair.Key));
        Assert.Equal(6, counters.QueriesByType[RecordType.A]);
    }

    private static UInt128 Bits(string address) => Prefix.BitsOf(IPAddress.Parse(address));

    [Fact]
    public void Silence_and_errors_are_counted_by_reason()
    {
        var counters = new DnsCounters();
        var guard = new AnswerGuard(counters, counters.AddThread(), new AnswerState());
        byte[] response = new byte[4096];
        byte[] version = Query("www.example.com", RecordType.A, 1232);
        version[^5] = 9;
        byte[] isResponse = Query("www.example.com", RecordType.A);
        isResponse[2] |= 0x80;
        foreach (byte[] query in (byte[][])[[1, 2], isResponse, version, Query("x.example.net", RecordType.A),
            Query("x.example.com", RecordType.A)])
            guard.Answer(Table, query, default, response);
        DnsCounter[] once =
            [DnsCounter.DroppedShort, DnsCounter.DroppedResponse, DnsCounter.AnswersBadVers, DnsCounter.AnswersRefused,
                DnsCounter.AnswersNxDomain];
        Assert.All(once, counter => Assert.Equal(1, counters[counter]));
        Assert.Equal(0, counters[DnsCounter.AnswersNoError]);
    }
}
