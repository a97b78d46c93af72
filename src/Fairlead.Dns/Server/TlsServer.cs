using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Fairlead.Dns.Answering;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Server;

/// <summary>
/// DNS over TLS (RFC 7858, and RFC 9103 for transfers): the framing of TCP inside of TLS, ALPN `dot`. Each
/// client has a task of its own and the limits of TCP, its handshake counted as idle time.
/// </summary>
internal sealed class TlsServer(
    IReadOnlyList<Socket> listeners,
    DnsServerOptions options,
    AnswerDoor door,
    CertificateFiles certificate,
    TimeProvider time) : IAsyncDisposable
{
    private static readonly SslApplicationProtocol Dot = new("dot");

    private readonly CancellationTokenSource stop = new();
    private readonly HashSet<Task> clients = [];
    private readonly Dictionary<UInt128, int> countOfClient = [];
    private readonly Lock gate = new();
    private Task[] accepting = [];

    public void Start() => accepting = [.. listeners.Select(AcceptAsync)];

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        foreach (Socket listener in listeners) listener.Dispose();
        await Task.WhenAll(accepting);
        Task[] left;
        lock (gate) left = [.. clients];
        await Task.WhenAll(left);
        stop.Dispose();
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                TakeIn(await listener.AcceptAsync(stop.Token));
            }
            catch (SocketException)
            {
                // The client was gone before we came, or descriptors are short: others end, and it comes again.
                door.Count(DnsCounter.TcpRefusedTotal);
                await Task.Delay(TimeSpan.FromMilliseconds(50), time, CancellationToken.None);
            }
            catch (Exception fault) when (fault is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void TakeIn(Socket socket)
    {
        UInt128 client = Prefix.BitsOf(((IPEndPoint)socket.RemoteEndPoint!).Address);
        UInt128 group = Prefix.OfMapped(client, 128).IsIPv4 ? client : Prefix.OfMapped(client, 64).Bits;
        lock (gate)
        {
            int count = countOfClient.GetValueOrDefault(group);
            bool refused = count >= options.TcpConnectionsPerClientMax;
            if (refused || clients.Count >= options.TcpConnectionsMax)
            {
                door.Count(refused ? DnsCounter.TcpRefusedClient : DnsCounter.TcpRefusedTotal);
                socket.Dispose();
                return;
            }

            countOfClient[group] = count + 1;
            Task task = ServeAsync(socket, client);
            clients.Add(task);
            _ = ForgetAsync(task, group);
        }
    }

    private async Task ForgetAsync(Task task, UInt128 group)
    {
        await task;
        lock (gate)
        {
            clients.Remove(task);
            if (--countOfClient[group] == 0) countOfClient.Remove(group);
        }
    }

    private async Task ServeAsync(Socket socket, UInt128 client)
    {
        await Task.Yield(); // The accept loop goes on.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        socket.NoDelay = true;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(2 * (2 + ushort.MaxValue));
        try
        {
            await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
            ended.CancelAfter(options.TcpIdle);
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = certificate.Take(),
                ApplicationProtocols = [Dot],
            }, ended.Token);
            door.Count(DnsCounter.TlsAccepted);
            while (await ServeQueryAsync(tls, buffer, new Asker(client, Transport.Tls), ended))
            {
                // One query after the other; what was pipelined waits in the stream.
            }
        }
        catch (Exception fault) when (fault is IOException or AuthenticationException or SocketException)
        {
            door.Count(DnsCounter.TlsFailed);
        }
        catch (OperationCanceledException)
        {
            if (!stop.IsCancellationRequested) door.Count(DnsCounter.TcpClosedIdle);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>False: the client has ended the connection, or is out of step.</summary>
    private async Task<bool> ServeQueryAsync(
        SslStream tls, byte[] buffer, Asker asker, CancellationTokenSource ended)
    {
        ended.CancelAfter(options.TcpIdle);
        Memory<byte> query = buffer.AsMemory(0, 2 + ushort.MaxValue), answer = buffer.AsMemory(query.Length);
        int got = await tls.ReadAtLeastAsync(query[..2], 2, throwOnEndOfStream: false, ended.Token);
        if (got < 2) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(query.Span);
        await tls.ReadExactlyAsync(query.Slice(2, length), ended.Token);
        query = query.Slice(2, length);
        if (door.OpenStream(query.Span, asker) is { } stream)
        {
            using (stream)
            {
                while (door.Next(stream, answer.Span[2..]) is var next and not 0)
                {
                    if (next < 0) return false;
                    await SendAsync(tls, answer, next, ended);
                }
            }

            return true;
        }

        int answered = door.Answer(query.Span, asker, answer.Span[2..]);
        if (answered == 0) return false;
        await SendAsync(tls, answer, answered, ended);
        return true;
    }

    private async Task SendAsync(SslStream tls, Memory<byte> answer, int length, CancellationTokenSource ended)
    {
        ended.CancelAfter(options.TcpIdle);
        BinaryPrimitives.WriteUInt16BigEndian(answer.Span, (ushort)length);
        await tls.WriteAsync(answer[..(2 + length)], ended.Token);
    }
}
