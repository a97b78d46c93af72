using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Threading.Channels;
using Google.Protobuf;

namespace Fairlead.Control.Etcd;

/// <summary>
/// gRPC over the HTTP/2 that .NET brings: one length-prefixed message a unary call, or two open streams. Every failure
/// is an IOException with the server's words.
/// </summary>
internal sealed class GrpcConnection(Uri endpoint) : IDisposable
{
    private const int MessageBytesMax = 64 * 1024 * 1024;

    private readonly HttpClient client = new(new SocketsHttpHandler
    {
        ConnectTimeout = TimeSpan.FromSeconds(2),
        UseProxy = false,
        // etcd sends GOAWAY to who pings more often than every 5 s.
        KeepAlivePingDelay = TimeSpan.FromSeconds(5),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(2),
    })
    {
        BaseAddress = endpoint,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public async Task<TResponse> CallAsync<TResponse>(
        string method, IMessage request, MessageParser<TResponse> parser, TimeSpan within, CancellationToken stop)
        where TResponse : IMessage<TResponse>
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(within);
        try
        {
            using HttpRequestMessage message = Request(method, new ByteArrayContent(Frame(request)));
            using HttpResponseMessage response =
                await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            Check(response.Headers);
            await using Stream body = await response.Content.ReadAsStreamAsync(limit.Token);
            byte[]? answer = await ReadFrameAsync(body, limit.Token);
            if (answer is null)
            {
                Check(response.TrailingHeaders);
                throw new IOException($"{method}: no answer");
            }

            return parser.ParseFrom(answer);
        }
        catch (ObjectDisposedException)
        {
            throw new IOException($"{method}: the connection was given up for another one");
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new IOException($"{method}: no answer within {within.TotalSeconds:0.#} s");
        }
        catch (Exception fault) when (fault is HttpRequestException or InvalidProtocolBufferException)
        {
            throw new IOException($"{method}: {fault.Message}", fault);
        }
    }

    /// <summary>
    /// A call with both streams open: what comes out of requests is sent, each answer goes to onAnswer. Ends, by
    /// IOException, only when the stream ends or onAnswer throws; or by cancellation.
    /// </summary>
    public async Task StreamAsync<TResponse>(
        string method, ChannelReader<IMessage> requests, MessageParser<TResponse> parser, Action<TResponse> onAnswer,
        CancellationToken stop)
        where TResponse : IMessage<TResponse>
    {
        try
        {
            using HttpRequestMessage message = Request(method, new StreamingContent(requests, stop));
            using HttpResponseMessage response =
                await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, stop);
            Check(response.Headers);
            await using Stream body = await response.Content.ReadAsStreamAsync(stop);
            while (await ReadFrameAsync(body, stop) is { } frame) onAnswer(parser.ParseFrom(frame));
            Check(response.TrailingHeaders);
            throw new IOException($"{method}: the stream has ended");
        }
        catch (Exception fault) when (fault is HttpRequestException or InvalidProtocolBufferException)
        {
            throw new IOException($"{method}: {fault.Message}", fault);
        }
    }

    public void Dispose() => client.Dispose();

    private static HttpRequestMessage Request(string method, HttpContent content)
    {
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        var request = new HttpRequestMessage(HttpMethod.Post, method)
        {
            Content = content,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        // Without this a member cut off from the majority stays silent for ever (etcd issue 10819).
        request.Headers.Add("hasleader", "true");
        return request;
    }

    private static void Check(HttpHeaders headers)
    {
        if (!headers.TryGetValues("grpc-status", out IEnumerable<string>? status) || status.First() == "0") return;
        string words = headers.TryGetValues("grpc-message", out IEnumerable<string>? given) ? given.First() : "";
        throw new IOException($"etcd: {Uri.UnescapeDataString(words)} (grpc-status {status.First()})");
    }

    private static byte[] Frame(IMessage message)
    {
        byte[] frame = new byte[5 + message.CalculateSize()];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), frame.Length - 5);
        message.WriteTo(frame.AsSpan(5));
        return frame;
    }

    private static async Task<byte[]?> ReadFrameAsync(Stream body, CancellationToken stop)
    {
        byte[] head = new byte[5];
        if (await body.ReadAtLeastAsync(head, 5, throwOnEndOfStream: false, stop) < 5) return null;
        int length = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(1));
        if (head[0] != 0 || length < 0 || length > MessageBytesMax)
            throw new IOException($"etcd: a message of {length} bytes, compressed {head[0]}");
        byte[] frame = new byte[length];
        await body.ReadExactlyAsync(frame, stop);
        return frame;
    }

    private sealed class StreamingContent(ChannelReader<IMessage> requests, CancellationToken stop) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            // The headers must go out before the first message, or the server's never come.
            await stream.FlushAsync(stop);
            await foreach (IMessage request in requests.ReadAllAsync(stop))
            {
                await stream.WriteAsync(Frame(request), stop);
                await stream.FlushAsync(stop);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
