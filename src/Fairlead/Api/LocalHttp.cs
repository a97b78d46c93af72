using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Fairlead.Api;

/// <summary>
/// HTTP/1.1 (RFC 9112) on a Unix socket, for small requests and answers. Kestrel would cost each node 8 MB of memory
/// for a socket that only its operator and its scraper open; it serves DoH, where strangers come over TLS.
/// </summary>
internal sealed class LocalHttp(string path, int bodyBytesMax, ILogger log, Func<HttpContext, Task> answer)
    : IAsyncDisposable
{
    private const int ConnectionsMax = 64;

    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource stop = new();
    private readonly SemaphoreSlim free = new(ConnectionsMax);
    private Task accepting = Task.CompletedTask;

    /// <summary>IOException when the socket cannot be had.</summary>
    public void Start()
    {
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen(ConnectionsMax);
        }
        catch (SocketException fault)
        {
            throw new IOException($"{path}: {fault.Message}", fault);
        }

        accepting = AcceptAsync();
    }

    /// <summary>Takes no more, and lets those end that are being answered.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await accepting;
        File.Delete(path); // Before another node can have put its own there.
        listener.Dispose();
        for (int i = 1; i < ConnectionsMax; i++) await free.WaitAsync();
        stop.Dispose();
        free.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                // Who comes while all are taken waits in the kernel's queue.
                await free.WaitAsync(stop.Token);
                _ = TalkAsync(await NextAsync());
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping. The one place that is left is nobody's.
        }
    }

    private async Task<Socket> NextAsync()
    {
        while (true)
        {
            try
            {
                return await listener.AcceptAsync(stop.Token);
            }
            catch (SocketException)
            {
                // No descriptors are left, or who came is gone again: it gets better or it does not.
                await Task.Delay(TimeSpan.FromMilliseconds(100), stop.Token);
            }
        }
    }

    private async Task TalkAsync(Socket socket)
    {
        try
        {
            using (socket) await new LocalConnection(socket, bodyBytesMax, log, answer).RunAsync(stop.Token);
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
            // The other side is gone or silent, or we stop.
        }
        finally
        {
            free.Release();
        }
    }
}

/// <summary>One connection of LocalHttp: a request after the other.</summary>
internal sealed class LocalConnection(Socket socket, int bodyBytesMax, ILogger log, Func<HttpContext, Task> answer)
{
    private const int HeadBytesMax = 16 * 1024;
    private static readonly TimeSpan IdleMax = TimeSpan.FromMinutes(2);

    private readonly byte[] heard = new byte[HeadBytesMax];
    private int length;

    public async Task RunAsync(CancellationToken stop)
    {
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(stop);
        bool goesOn = true;
        while (goesOn)
        {
            idle.CancelAfter(IdleMax);
            if (await HearHeadAsync(idle.Token) is not { } headBytes) return;
            var context = new DefaultHttpContext(new FeatureCollection()) { RequestAborted = stop };
            context.Features.Set<IHttpRequestFeature>(new HttpRequestFeature());
            context.Features.Set<IHttpResponseFeature>(new HttpResponseFeature());
            using var said = new MemoryStream();
            context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(said));
            await using var live = new LiveAnswer(socket, context.Response, stop);
            context.Features.Set(live);
            int refused = TryRead(heard.AsSpan(0, headBytes), context.Request, out goesOn, out int bodyBytes);
            if (refused == 0)
            {
                if (context.Request.Headers.Expect.Count > 0)
                    await SendAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), idle.Token);
                if (await HearBodyAsync(headBytes, bodyBytes, idle.Token) is not { } body) return;
                context.Request.Body = new MemoryStream(body, writable: false);
                await AnswerAsync(context, said);
                if (live.HasBegun) return;
            }
            else
            {
                (context.Response.StatusCode, goesOn) = (refused, false);
            }

            await SendAsync(HeadOf(context.Response, $"Content-Length: {said.Length}\r\n", goesOn), idle.Token);
            await SendAsync(said.GetBuffer().AsMemory(0, (int)said.Length), idle.Token);
        }
    }

    private async Task AnswerAsync(HttpContext context, MemoryStream said)
    {
        try
        {
            await answer(context);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            // Ours: the log is told of it, and whoever asked.
            log.LogError(fault, "{Method} {Path} has failed", context.Request.Method, context.Request.Path);
            said.SetLength(0);
            (context.Response.StatusCode, context.Response.ContentType) =
                (StatusCodes.Status500InternalServerError, null);
        }
    }

    /// <summary>
    /// How long the next request's head is, its empty line with it; null: there is none, or it is too long.
    /// </summary>
    private async Task<int?> HearHeadAsync(CancellationToken stop)
    {
        int end;
        while ((end = heard.AsSpan(0, length).IndexOf("\r\n\r\n"u8)) < 0)
        {
            if (length == heard.Length) return null;
            int count = await socket.ReceiveAsync(heard.AsMemory(length), stop);
            if (count == 0) return null;
            length += count;
        }

        return end + 4;
    }

    /// <summary>The body; what came behind it is the next request's. Null: the other side is gone.</summary>
    private async Task<byte[]?> HearBodyAsync(int headBytes, int bodyBytes, CancellationToken stop)
    {
        byte[] body = new byte[bodyBytes];
        int had = Math.Min(length - headBytes, bodyBytes);
        heard.AsSpan(headBytes, had).CopyTo(body);
        length -= headBytes + had;
        heard.AsSpan(headBytes + had, length).CopyTo(heard);
        while (had < bodyBytes)
        {
            int count = await socket.ReceiveAsync(body.AsMemory(had), stop);
            if (count == 0) return null;
            had += count;
        }

        return body;
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        while (!bytes.IsEmpty) bytes = bytes[await socket.SendAsync(bytes, stop)..];
    }

    /// <summary>Zero, or the status that says what is wrong with the request.</summary>
    private int TryRead(ReadOnlySpan<byte> head, HttpRequest request, out bool goesOn, out int bodyBytes)
    {
        (goesOn, bodyBytes) = (false, 0);
        string[] lines = Encoding.Latin1.GetString(head).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0 || lines[0].Split(' ') is not [var method, ['/', ..] target, "HTTP/1.1" or "HTTP/1.0"])
            return StatusCodes.Status400BadRequest;
        int query = target.IndexOf('?', StringComparison.Ordinal);
        request.Method = method;
        request.Path = new PathString(Uri.UnescapeDataString(query < 0 ? target : target[..query]));
        request.QueryString = new QueryString(query < 0 ? "" : target[query..]);
        foreach (string line in lines.AsSpan(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            // RFC 9112 §5.1 and §5.2: no space before the colon, and no line that goes on with the one before.
            if (colon <= 0 || line.AsSpan(0, colon).ContainsAny(' ', '\t')) return StatusCodes.Status400BadRequest;
            request.Headers.Append(line[..colon], line[(colon + 1)..].Trim());
        }

        string connection = request.Headers.Connection.ToString();
        goesOn = lines[0].EndsWith('1')
            ? !connection.Contains("close", StringComparison.OrdinalIgnoreCase)
            : connection.Contains("keep-alive", StringComparison.OrdinalIgnoreCase);
        if (request.Headers.TransferEncoding.Count > 0) return StatusCodes.Status411LengthRequired;
        if (request.Headers["Content-Length"].Count == 0) return 0;
        if (request.Headers.ContentLength is not { } wanted) return StatusCodes.Status400BadRequest;
        bodyBytes = (int)Math.Min(wanted, int.MaxValue);
        return wanted > bodyBytesMax ? StatusCodes.Status413PayloadTooLarge : 0;
    }

    internal static byte[] HeadOf(HttpResponse response, string lengthLine, bool goesOn)
    {
        var head = new StringBuilder();
        head.Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {response.StatusCode} \r\n");
        head.Append(lengthLine);
        if (response.ContentType is { } type) head.Append(CultureInfo.InvariantCulture, $"Content-Type: {type}\r\n");
        return Encoding.Latin1.GetBytes(head.Append(goesOn ? "\r\n" : "Connection: close\r\n\r\n").ToString());
    }
}

/// <summary>
/// An answer that goes out while it is made, until its maker or whoever asked has enough; its end is the connection's
/// (RFC 9112 §6.3). Found among the request's features.
/// </summary>
internal sealed class LiveAnswer(Socket socket, HttpResponse response, CancellationToken stop) : IAsyncDisposable
{
    private readonly CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(stop);
    private Task listening = Task.CompletedTask;

    public bool HasBegun { get; private set; }

    /// <summary>Whoever asked is gone, or we stop.</summary>
    public CancellationToken Gone => gone.Token;

    /// <summary>Sends the head.</summary>
    public Task BeginAsync(string contentType, CancellationToken until)
    {
        HasBegun = true;
        response.ContentType = contentType;
        listening = ListenAsync();
        return SendAsync(LocalConnection.HeadOf(response, "", goesOn: false), until);
    }

    /// <summary>OperationCanceledException when nobody is there any more.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken until)
    {
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[await socket.SendAsync(bytes, until)..];
        }
        catch (SocketException fault)
        {
            throw new OperationCanceledException("whoever asked is gone", fault);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await gone.CancelAsync();
        await listening;
        gone.Dispose();
    }

    /// <summary>Nothing more is to come from there; its end is all that is waited for.</summary>
    private async Task ListenAsync()
    {
        byte[] unasked = new byte[256];
        try
        {
            while (await socket.ReceiveAsync(unasked, gone.Token) > 0)
            {
            }

            await gone.CancelAsync();
        }
        catch (Exception over) when (over is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            if (over is SocketException) await gone.CancelAsync();
        }
    }
}
