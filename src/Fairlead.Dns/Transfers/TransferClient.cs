using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// What we ask of another server: SOA, IXFR and AXFR over TCP, NOTIFY over UDP. One at a time. SocketException or
/// IOException when it cannot be reached or what it says is not an answer; OperationCanceledException when it is slow.
/// </summary>
internal sealed class TransferClient(
    IPEndPoint server, IPAddress? source, Func<AddressFamily, SocketType, Socket>? newSocket, TimeProvider time)
    : IDisposable
{
    private const int MessageBytesMax = 65_535;

    private readonly byte[] buffer = new byte[MessageBytesMax + 2];
    private Socket? socket;

    /// <summary>Gives the rcode of the answer.</summary>
    public async Task<int> NotifyAsync(
        DnsName origin, RRset soa, TsigKey? key, TimeSpan patience, CancellationToken stop)
    {
        Memory<byte> request = Request(
            Opcode.Notify, origin, RecordType.Soa, Section.Answer, soa, key, out TsigSession? session);
        using (session)
        {
            socket = Open(SocketType.Dgram);
            using CancellationTokenSource deadline = Deadline(patience, stop);
            await socket.ConnectAsync(server, deadline.Token);
            await socket.SendAsync(request, deadline.Token);
            byte[] answer = new byte[4096];
            while (true)
            {
                int length = await socket.ReceiveAsync(answer, deadline.Token);
                // Anybody can send us datagrams: what is not the answer is passed over.
                if (TransferAnswer.Matches(answer.AsSpan(0, length), request.Span, Opcode.Notify)
                    && (session is null
                        || session.Verify(answer.AsSpan(0, length), time.GetUtcNow()) == TsigVerdict.Valid))
                    return answer[3] & 0xf;
            }
        }
    }

    /// <summary>The SOA that the server answers with. IOException when it has none for us.</summary>
    public async Task<RRset> SoaAsync(DnsName origin, TsigKey? key, TimeSpan patience, CancellationToken stop)
    {
        RRset? soa = null;
        await ExchangeAsync(
            Opcode.Query, origin, RecordType.Soa, null, key, patience, message =>
            {
                // RFC 1035 §7.3: an answer from a server that has lost the zone itself proves nothing.
                if ((message[2] & 0x04) == 0) throw new IOException("its answer is not authoritative");
                foreach ((DnsName owner, RecordType type, uint ttl, byte[] rdata) in TransferAnswer.RecordsOf(message))
                {
                    if (owner == origin && type == RecordType.Soa) soa ??= new RRset(owner, type, ttl, [rdata]);
                }

                return true;
            }, stop);
        return soa ?? throw new IOException("it answered without a SOA");
    }

    /// <summary>Feeds the records of all answers to `take` until that says that it has all; RFC 5936 §2.2.</summary>
    public Task TransferAsync(
        DnsName origin, RRset? since, TsigKey? key, TimeSpan patience,
        Func<DnsName, RecordType, uint, byte[], bool> take, CancellationToken stop) =>
        ExchangeAsync(
            Opcode.Query, origin, since is null ? RecordType.Axfr : RecordType.Ixfr, since, key, patience,
            message => TransferAnswer.TakeAll(message, take), stop);

    public void Dispose() => socket?.Dispose();

    private async Task ExchangeAsync(
        Opcode opcode, DnsName origin, RecordType type, RRset? since, TsigKey? key, TimeSpan patience,
        Func<byte[], bool> take, CancellationToken stop)
    {
        Memory<byte> request = Request(opcode, origin, type, Section.Authority, since, key, out var session);
        using (session)
        {
            using CancellationTokenSource connecting = Deadline(patience, stop);
            if (socket is null)
            {
                socket = Open(SocketType.Stream);
                await socket.ConnectAsync(server, connecting.Token);
            }

            await using var stream = new NetworkStream(socket, ownsSocket: false);
            byte[] framed = [(byte)(request.Length >> 8), (byte)request.Length, .. request.Span];
            await stream.WriteAsync(framed, connecting.Token);
            var answer = new TransferAnswer(request, session, opcode, take);
            while (!answer.IsComplete)
            {
                // Each message must come in time, the whole may take long.
                using CancellationTokenSource deadline = Deadline(patience, stop);
                answer.Take(await ReceiveAsync(stream, deadline.Token), time.GetUtcNow());
            }
        }
    }

    private async Task<byte[]> ReceiveAsync(NetworkStream stream, CancellationToken stop)
    {
        await stream.ReadExactlyAsync(buffer.AsMemory(0, 2), stop);
        int length = BinaryPrimitives.ReadUInt16BigEndian(buffer);
        await stream.ReadExactlyAsync(buffer.AsMemory(0, length), stop);
        return buffer[..length];
    }

    private Socket Open(SocketType type)
    {
        Socket opened = newSocket?.Invoke(server.AddressFamily, type)
            ?? new Socket(server.AddressFamily, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp);
        if (source is not null) opened.Bind(new IPEndPoint(source, 0));
        return opened;
    }

    private CancellationTokenSource Deadline(TimeSpan patience, CancellationToken stop)
    {
        CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(stop);
        // Not the timer of `time`: the network answers by the clock on the wall, whatever clock a test has.
        deadline.CancelAfter(patience);
        return deadline;
    }

    private Memory<byte> Request(
        Opcode opcode, DnsName origin, RecordType type, Section section, RRset? soa, TsigKey? key,
        out TsigSession? session)
    {
        byte[] message = new byte[2048];
        var writer = new WireWriter(message);
        writer.U16((ushort)RandomNumberGenerator.GetInt32(65_536));
        writer.U16((ushort)(((int)opcode << 11) | (opcode == Opcode.Notify ? 0x0400 : 0)));
        writer.U16(1);
        writer.Reserve(6).Clear();
        writer.Bytes(origin.Wire);
        writer.U16((ushort)type);
        writer.U16((ushort)RecordClass.Internet);
        if (soa is not null)
        {
            message[(6 + (2 * (int)section)) + 1] = 1;
            writer.Bytes(origin.Wire);
            writer.Bytes(soa.View.AllBodies[..BodyOf.Length(soa.View.AllBodies)]);
        }

        int length = writer.Position;
        session = key is null ? null : TsigSession.Request(key, message, ref length, time.GetUtcNow());
        return message.AsMemory(0, length);
    }
}
