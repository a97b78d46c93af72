using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Net;
using Fairlead.Net.Addresses;
using static Fairlead.Tests.Dns.DnsTestBed;
using static Fairlead.Tests.Dns.ServerBed;

namespace Fairlead.Tests.Dns;

/// <summary>dnstap: what a collector gets, and that nobody else waits for it.</summary>
public sealed class TapTests : IDisposable
{
    private static readonly UInt128 Client = Prefix.BitsOf(IPAddress.Parse("198.51.100.9"));
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-tap").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_frame_says_who_asked_what_when_and_what_was_answered()
    {
        byte[] query = Query("www.example.com", RecordType.A), answer = Ask(query);
        var queue = new TapQueue(65_536);
        queue.Add(new Asker(Client, Transport.Tls, 5353), query, answer, At, At.AddMilliseconds(1));
        ReadOnlySpan<byte> frame = queue.Waiting().Span;
        Assert.Equal(frame.Length - 4, BinaryPrimitives.ReadInt32BigEndian(frame));
        Dictionary<int, object> tap = Fields(frame[4..]), message = Fields((byte[])tap[14]);
        Assert.Equal(1ul, tap[15]);
        Assert.Equal((2ul, 1ul, 3ul, 5353ul), (message[1], message[2], message[3], message[6]));
        Assert.Equal([198, 51, 100, 9], (byte[])message[4]);
        Assert.Equal((ulong)At.ToUnixTimeSeconds(), message[8]);
        Assert.Equal(678_000_000ul, message[9]);
        Assert.Equal(679_000_000ul, message[13]);
        Assert.Equal(query, message[10]);
        Assert.Equal(answer, message[14]);
        queue.Took(frame.Length);
        Assert.True(queue.Waiting().IsEmpty);
    }

    [Fact]
    public void The_queue_gives_frames_in_order_drops_what_does_not_fit_and_allocates_nothing() =>
        Property.Holds(100, random =>
        {
            var queue = new TapQueue(65_536);
            byte[] query = new byte[2000], answer = new byte[8000];
            int added = 0, seen = 0;
            for (int i = 0; i < 2000; i++)
            {
                BinaryPrimitives.WriteInt32BigEndian(query, added);
                long dropped = queue.Dropped, before = GC.GetAllocatedBytesForCurrentThread();
                var asker = new Asker(Client, Transport.Udp);
                Span<byte> asked = query.AsSpan(0, random.Next(12, 2000));
                queue.Add(asker, asked, answer.AsSpan(0, random.Next(12, 8000)), At, At);
                Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
                if (queue.Dropped == dropped) added++;
                if (random.Next(4) != 0) continue;
                ReadOnlyMemory<byte> waiting = queue.Waiting();
                for (int at = 0; at < waiting.Length;)
                {
                    int length = BinaryPrimitives.ReadInt32BigEndian(waiting.Span[at..]);
                    var message = Fields((byte[])Fields(waiting.Span.Slice(at + 4, length))[14]);
                    Assert.Equal(seen++, BinaryPrimitives.ReadInt32BigEndian((byte[])message[10]));
                    at += 4 + length;
                }

                queue.Took(waiting.Length);
            }

            Assert.True(seen > 100);
        });

    [Fact]
    public async Task A_collector_that_comes_late_gets_what_is_asked_from_then_on_and_a_proper_end()
    {
        string file = Path.Combine(folder, "tap.sock");
        IPEndPoint local = Free(IPAddress.Loopback);
        byte[] query = Query("www.example.com", RecordType.A);
        var server = new DnsServer(
            new DnsServerOptions { Listen = [local], TapSocket = file }, new Snapshot<DnsTable>(Table));
        server.Start();
        using var client = new UdpClient();
        client.Connect(local);
        await client.SendAsync(query); // With no collector there, users are answered all the same.
        _ = await client.ReceiveAsync();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(file));
        listener.Listen();
        using var deadline = new CancellationTokenSource(Patience);
        await using var stream = new NetworkStream(await listener.AcceptAsync(deadline.Token), ownsSocket: true);
        byte[] content = "protobuf:dnstap.Dnstap"u8.ToArray();
        Assert.Equal([0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 22, .. content], await ControlAsync(stream));
        await stream.WriteAsync((byte[])[0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 22, .. content]);
        Assert.Equal(2, (await ControlAsync(stream))[3]);

        await client.SendAsync(query);
        byte[] answer = (await client.ReceiveAsync()).Buffer;
        for (int i = 0; i < 2; i++)
        {
            byte[] length = new byte[4];
            await stream.ReadExactlyAsync(length, deadline.Token);
            byte[] frame = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
            await stream.ReadExactlyAsync(frame, deadline.Token);
            Assert.Equal(answer, Fields((byte[])Fields(frame)[14])[14]);
        }

        Assert.Equal((0, true), server.TapState);
        Task ending = server.DisposeAsync().AsTask();
        Assert.Equal([0, 0, 0, 3], await ControlAsync(stream));
        await stream.WriteAsync((byte[])[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5]);
        await ending.WaitAsync(Patience);
    }

    private static async Task<byte[]> ControlAsync(NetworkStream stream)
    {
        using var deadline = new CancellationTokenSource(Patience);
        byte[] head = new byte[8];
        await stream.ReadExactlyAsync(head, deadline.Token);
        Assert.Equal(0, BinaryPrimitives.ReadInt32BigEndian(head));
        byte[] rest = new byte[BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(4))];
        await stream.ReadExactlyAsync(rest, deadline.Token);
        return rest;
    }

    // A protobuf message as field number -> number or bytes.
    private static Dictionary<int, object> Fields(ReadOnlySpan<byte> message)
    {
        static ulong Varint(ReadOnlySpan<byte> message, ref int at)
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte part = message[at++];
                value |= (ulong)(part & 0x7f) << shift;
                if (part < 0x80) return value;
            }
        }

        var fields = new Dictionary<int, object>();
        for (int at = 0; at < message.Length;)
        {
            int key = (int)Varint(message, ref at);
            if ((key & 7) == 0)
            {
                fields[key >> 3] = Varint(message, ref at);
                continue;
            }

            int length = (key & 7) == 5 ? 4 : (int)Varint(message, ref at);
            ReadOnlySpan<byte> data = message.Slice(at, length);
            fields[key >> 3] = (key & 7) == 5
                ? (object)(ulong)BinaryPrimitives.ReadUInt32LittleEndian(data)
                : data.ToArray();
            at += length;
        }

        return fields;
    }
}
