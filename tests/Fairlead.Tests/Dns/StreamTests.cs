using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Net;
using static Fairlead.Tests.Dns.DnsTestBed;
using static Fairlead.Tests.Dns.ServerBed;

namespace Fairlead.Tests.Dns;

/// <summary>Connections: transfers beside queries, TLS, and what clients do to wear a server out.</summary>
public class StreamTests
{
    private static readonly byte[] Www = Query("www.example.com", RecordType.A);

    private static DnsServer Started(DnsServerOptions options)
    {
        var server = new DnsServer(options, new Snapshot<DnsTable>(Table));
        server.Start();
        return server;
    }

    private static async Task<NetworkStream> ConnectAsync(IPEndPoint server)
    {
        var client = new TcpClient();
        await client.ConnectAsync(server);
        return client.GetStream();
    }

    [Fact]
    public async Task A_transfer_flows_as_it_is_taken_and_queries_come_in_between()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        var handler = new FakeTransfers { Messages = 2000, Bytes = 16_000 };
        await using DnsServer server = Started(new DnsServerOptions { Listen = [local], Handler = handler });
        await using NetworkStream stream = await ConnectAsync(local);
        byte[] axfr = Query("example.com", RecordType.Axfr);
        await stream.WriteAsync(Framed(axfr));
        byte[] first = await ReadFramedAsync(stream);
        Assert.Equal(16_000, first.Length);
        // Nobody takes them: the transfer stands still, and its memory too.
        await UntilAsync(() => handler.Made > 10);
        int made = -1;
        await UntilAsync(() => made == (made = handler.Made));
        Assert.True(handler.Made < 1500);

        await stream.WriteAsync(Framed(Www));
        int messages = 1, at = 0;
        while (messages < 2000)
        {
            byte[] message = await ReadFramedAsync(stream);
            if (message.Length == 16_000) messages++;
            else at = messages;
        }

        Assert.InRange(at, 1, 1999);
        await UntilAsync(() => handler.Disposed == 1 && server.Counters[DnsCounter.Transfers] == 1);
        await stream.WriteAsync(Framed(Www)); // And the connection lives on.
        Assert.Equal(2, new Reply(await ReadFramedAsync(stream)).Answers.Count);
    }

    [Fact]
    public async Task A_client_that_is_done_asking_still_gets_its_transfer()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        var handler = new FakeTransfers { Messages = 500, Bytes = 16_000 };
        await using DnsServer server = Started(new DnsServerOptions { Listen = [local], Handler = handler });
        await using NetworkStream stream = await ConnectAsync(local);
        await stream.WriteAsync(Framed(Query("example.com", RecordType.Axfr)));
        Assert.Equal(16_000, (await ReadFramedAsync(stream)).Length);
        stream.Socket.Shutdown(SocketShutdown.Send);
        for (int i = 1; i < 500; i++) Assert.Equal(16_000, (await ReadFramedAsync(stream)).Length);
        Assert.True(await IsClosedAsync(stream));
    }

    [Fact]
    public async Task A_broken_transfer_ends_the_connection_and_one_that_is_left_is_disposed()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        var handler = new FakeTransfers { Messages = 100_000, Bytes = 16_000, FailsAt = 3 };
        await using DnsServer server = Started(new DnsServerOptions { Listen = [local], Handler = handler });
        await using NetworkStream stream = await ConnectAsync(local);
        await stream.WriteAsync(Framed(Query("example.com", RecordType.Axfr)));
        Assert.Equal(16_000, (await ReadFramedAsync(stream)).Length);
        Assert.Equal(16_000, (await ReadFramedAsync(stream)).Length);
        Assert.True(await IsClosedAsync(stream));
        Assert.Equal(1, server.Counters[DnsCounter.Faults]);

        handler.FailsAt = int.MaxValue;
        NetworkStream left = await ConnectAsync(local);
        await left.WriteAsync(Framed(Query("example.com", RecordType.Ixfr)));
        _ = await ReadFramedAsync(left);
        await left.DisposeAsync();
        await UntilAsync(() => handler.Disposed == 2);
        // Over UDP a transfer has no stream: AXFR is refused, IXFR is the handler's to answer.
        Assert.Equal(Rcode.Refused, new Reply(await UdpAsync(local, Query("example.com", RecordType.Axfr))).Rcode);
        Assert.Equal(Rcode.NoError, new Reply(await UdpAsync(local, Query("example.com", RecordType.Ixfr))).Rcode);
    }

    [Fact]
    public async Task Notify_and_update_are_the_handlers_and_not_implemented_without_one()
    {
        byte[] notify = Query("example.com", RecordType.Soa), update = Query("example.com", RecordType.Soa);
        (notify[2], update[2]) = (4 << 3, 5 << 3);
        IPEndPoint local = Free(IPAddress.Loopback), without = Free(IPAddress.Loopback);
        await using DnsServer server =
            Started(new DnsServerOptions { Listen = [local], Handler = new FakeTransfers() });
        await using DnsServer other = Started(new DnsServerOptions { Listen = [without] });
        byte[] answer = await UdpAsync(local, notify);
        Assert.Equal([0x12, 0x34, 0x80 | (4 << 3), 0], answer[..4]);
        await using NetworkStream stream = await ConnectAsync(local);
        await stream.WriteAsync(Framed(notify));
        Assert.Equal(answer, await ReadFramedAsync(stream));
        Assert.Equal((byte)Rcode.NotImp, (await UdpAsync(local, update))[3]);
        Assert.Equal((byte)Rcode.NotImp, (await UdpAsync(without, notify))[3]);
        Assert.Equal(Rcode.Refused, new Reply(await UdpAsync(without, Query("example.com", RecordType.Ixfr))).Rcode);
    }

    /// <summary>RFC 7858 §3: TLS from the first byte on.</summary>
    [Fact]
    public async Task Tls_answers_pads_and_transfers_and_shows_a_new_certificate()
    {
        IPEndPoint local = Free(IPAddress.Loopback), tlsLocal = Free(IPAddress.Loopback);
        string folder = Directory.CreateTempSubdirectory("fairlead-tls").FullName;
        (string chain, string key) = (Path.Combine(folder, "chain.pem"), Path.Combine(folder, "key.pem"));
        WriteCertificate("dns.example.com", chain, key);
        var time = new FakeTime();
        await using var server = new DnsServer(new DnsServerOptions
        {
            Listen = [local],
            ListenTls = [tlsLocal],
            TlsCertificateFile = chain,
            TlsKeyFile = key,
            Handler = new FakeTransfers { Messages = 50, Bytes = 60_000 },
        }, new Snapshot<DnsTable>(Table), time);
        server.Start();
        var subjects = new List<string>();
        await using (SslStream tls = await TlsAsync(tlsLocal, subjects))
        {
            Assert.Equal("dot", tls.NegotiatedApplicationProtocol.ToString());
            byte[] padded = Query("www.example.com", RecordType.A, 1232, [0, 12, 0, 1, 0, 0, 11, 0, 0]);
            await tls.WriteAsync(Framed(padded, Www, Query("example.com", RecordType.Axfr), Www));
            byte[] answer = await ReadFramedAsync(tls);
            Assert.Equal(468, answer.Length);
            Assert.Equal([0, 100], new Reply(answer).Options[11]);
            Assert.Equal(2, new Reply(await ReadFramedAsync(tls)).Answers.Count);
            for (int i = 0; i < 50; i++) Assert.Equal(60_000, (await ReadFramedAsync(tls)).Length);
            Assert.Equal(2, new Reply(await ReadFramedAsync(tls)).Answers.Count);
        }

        // A key without its certificate is a renewal half done: the old pair stays.
        File.Copy(key, key + ".old");
        WriteCertificate("new.example.com", chain + ".new", key);
        time.Advance(TimeSpan.FromSeconds(6));
        await using (await TlsAsync(tlsLocal, subjects)) Assert.NotNull(server.Certificate!.Problem);
        File.Move(chain + ".new", chain, overwrite: true);
        time.Advance(TimeSpan.FromSeconds(6));
        await using (await TlsAsync(tlsLocal, subjects)) Assert.Null(server.Certificate!.Problem);
        Assert.Equal(["CN=dns.example.com", "CN=dns.example.com", "CN=new.example.com"], subjects);
        Assert.Equal(3, server.Counters[DnsCounter.TlsQueries]);

        // Who does not speak TLS is told so by its alert or the end, and counted.
        await using NetworkStream plain = await ConnectAsync(tlsLocal);
        await plain.WriteAsync(Framed(Www));
        await UntilAsync(() => server.Counters[DnsCounter.TlsFailed] == 1);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Clients_that_connect_and_vanish_or_send_parts_wear_nobody_out()
    {
        IPEndPoint local = Free(IPAddress.Loopback);
        await using DnsServer server = Started(new DnsServerOptions
        {
            Listen = [local],
            TcpConnectionsMax = 50,
            TcpConnectionsPerClientMax = 50,
            TcpIdle = TimeSpan.FromMilliseconds(500),
        });
        var random = new Random(1);
        for (int i = 0; i < 400; i++)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(local);
            int part = random.Next(Www.Length + 2);
            if (part > 0) await client.GetStream().WriteAsync(Framed(Www).AsMemory(0, part));
            // Closing with RST, as a flood does.
            if (i % 2 == 0) client.LingerState = new LingerOption(true, 0);
        }

        // On a busy machine the server is behind: those who come next must not be refused for those who have left.
        await UntilAsync(() => server.Counters[DnsCounter.TcpAccepted] + server.Counters[DnsCounter.TcpRefusedClient]
            + server.Counters[DnsCounter.TcpRefusedTotal] >= 400);
        var slow = new List<NetworkStream>();
        for (int i = 0; i < 50; i++)
        {
            slow.Add(await ConnectAsync(local));
            await slow[i].WriteAsync(Framed(Www).AsMemory(0, 5));
        }

        // Slowloris or not: within the idle time one who asks properly is served, and those are gone.
        await UntilAsync(
            () => server.Counters[DnsCounter.TcpClosedIdle] + server.Counters[DnsCounter.TcpEvicted] >= 40);
        await using NetworkStream good = await ConnectAsync(local);
        await good.WriteAsync(Framed(Www));
        Assert.Equal(2, new Reply(await ReadFramedAsync(good)).Answers.Count);
        Assert.False(server.Failure.IsCompleted);
        foreach (NetworkStream one in slow) await one.DisposeAsync();
    }

    private static async Task<byte[]> UdpAsync(IPEndPoint server, byte[] query)
    {
        using var client = new UdpClient(server.AddressFamily);
        client.Connect(server);
        await client.SendAsync(query);
        using var deadline = new CancellationTokenSource(Patience);
        return (await client.ReceiveAsync(deadline.Token)).Buffer;
    }

    /// <summary>Transfers of so many messages of so many bytes; takes NOTIFY, leaves UPDATE.</summary>
    private sealed class FakeTransfers : IMessageHandler
    {
        public int Messages { get; init; }

        public int Bytes { get; init; }

        public volatile int FailsAt = int.MaxValue;
        private int made;
        private int disposed;

        public int Made => Volatile.Read(ref made);

        public int Disposed => Volatile.Read(ref disposed);

        public int Answer(ReadOnlySpan<byte> message, in Asker asker, Span<byte> response)
        {
            if ((message[2] >> 3) == 5) return 0;
            message.CopyTo(response);
            response[2] |= 0x80;
            return message.Length;
        }

        public IAnswerStream? Open(ReadOnlySpan<byte> query, in Asker asker) => new Stream(this);

        private sealed class Stream(FakeTransfers all) : IAnswerStream
        {
            private int sent;

            public int Next(Span<byte> message)
            {
                if (sent == all.Messages) return 0;
                if (++sent == all.FailsAt) throw new InvalidOperationException("a bug");
                Interlocked.Increment(ref all.made);
                return all.Bytes;
            }

            public void Dispose() => Interlocked.Increment(ref all.disposed);
        }
    }
}
