using System.Net.Sockets;
using System.Text;
using Fairlead.Api;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Fairlead.Tests.Api;

/// <summary>HTTP on the control socket, octet by octet.</summary>
public sealed class LocalHttpTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-http").FullName;
    private readonly TaskCompletionSource hasLeft = new();
    private LocalHttp? server;

    private string Path => System.IO.Path.Combine(folder, "sock");

    public Task InitializeAsync()
    {
        // Says what it has understood.
        server = new LocalHttp(Path, 100, NullLogger.Instance, async context =>
        {
            if (context.Request.Path == "/broken") throw new InvalidDataException("a fault of ours");
            if (context.Request.Path == "/live")
            {
                LiveAnswer live = context.Features.Get<LiveAnswer>()!;
                await live.BeginAsync("text/x", live.Gone);
                await live.SendAsync("one\n"u8.ToArray(), live.Gone);
                if (context.Request.QueryString.HasValue)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, live.Gone).ContinueWith(_ => hasLeft.SetResult(),
                        CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                }

                await live.SendAsync("two\n"u8.ToArray(), live.Gone);
                return;
            }

            using var reader = new StreamReader(context.Request.Body);
            string body = await reader.ReadToEndAsync();
            context.Response.StatusCode = 202;
            context.Response.ContentType = "text/x";
            await context.Response.WriteAsync(
                $"{context.Request.Method} {context.Request.Path} {context.Request.Query["a"]} {body}");
        });
        server.Start();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await server!.DisposeAsync();
        Assert.False(File.Exists(Path));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_request_is_answered_however_its_octets_come()
    {
        const string Request = "POST /x%20y?a=1%2B HTTP/1.1\r\nHost: node\r\nContent-Length: 5\r\n\r\nhello";
        const string Answer =
            "HTTP/1.1 202 \r\nContent-Length: 20\r\nContent-Type: text/x\r\n\r\nPOST /x%20y 1+ hello";
        for (int cut = 0; cut < Request.Length; cut++)
        {
            using Socket socket = Connect();
            Send(socket, Request[..cut]);
            Send(socket, Request[cut..] + Request); // The second one waits in what was read for the first.
            string heard = HearUntil(socket, text => text.Length >= 2 * Answer.Length);
            Assert.Equal(Answer + Answer, heard);
        }
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "202 ")]
    [InlineData("GET / HTTP/1.0\r\n\r\n", "202 ")]
    [InlineData("GET /broken HTTP/1.0\r\n\r\n", "500 ")]
    [InlineData("hello\r\n\r\n", "400 ")]
    [InlineData("GET http://node/ HTTP/1.1\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/2.0\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/1.1\r\na: 1\r\n b\r\n\r\n", "400 ")]
    [InlineData("GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\n", "400 ")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 ")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400 ")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400 ")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", "413 ")]
    [InlineData("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "411 ")]
    public void What_cannot_be_read_is_refused_and_ends_the_connection(string request, string status)
    {
        using Socket socket = Connect();
        Send(socket, request);
        Assert.StartsWith("HTTP/1.1 " + status, HearUntil(socket, _ => false), StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_without_an_end_is_not_heard_out()
    {
        using Socket socket = Connect();
        Send(socket, "GET / HTTP/1.1\r\n" + new string('a', 20_000));
        Assert.Equal("", HearUntil(socket, _ => false));
    }

    [Fact]
    public void Who_waits_to_be_told_to_go_on_is_told()
    {
        using Socket socket = Connect();
        Send(socket, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", HearUntil(socket, text => text.EndsWith("\r\n\r\n")));
        Send(socket, "ok");
        Assert.EndsWith("POST /  ok", HearUntil(socket, _ => false), StringComparison.Ordinal);
    }

    [Fact]
    public void An_answer_may_go_out_while_it_is_made_and_ends_with_the_connection()
    {
        using Socket socket = Connect();
        Send(socket, "GET /live HTTP/1.1\r\n\r\n");
        Assert.Equal("HTTP/1.1 200 \r\nContent-Type: text/x\r\nConnection: close\r\n\r\none\ntwo\n",
            HearUntil(socket, _ => false));
    }

    [Fact]
    public async Task Who_makes_an_answer_hears_that_nobody_listens_any_more()
    {
        Socket socket = Connect();
        Send(socket, "GET /live?waits HTTP/1.1\r\n\r\n");
        Assert.EndsWith("one\n", HearUntil(socket, text => text.EndsWith("one\n", StringComparison.Ordinal)));
        socket.Dispose();
        await hasLeft.Task.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void More_connections_than_are_served_at_once_wait_for_their_turn()
    {
        Socket[] idle = [.. Enumerable.Range(0, 64).Select(_ => Connect())];
        using Socket late = Connect();
        Send(late, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
        foreach (Socket socket in idle) socket.Dispose();
        Assert.StartsWith("HTTP/1.1 202 ", HearUntil(late, _ => false), StringComparison.Ordinal);
    }

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = 10_000,
        };
        socket.Connect(new UnixDomainSocketEndPoint(Path));
        return socket;
    }

    private static void Send(Socket socket, string text)
    {
        if (text.Length > 0) socket.Send(Encoding.Latin1.GetBytes(text));
    }

    /// <summary>What comes until it is enough, or the other side closes.</summary>
    private static string HearUntil(Socket socket, Func<string, bool> isEnough)
    {
        string heard = "";
        byte[] part = new byte[4096];
        while (!isEnough(heard))
        {
            int count;
            try
            {
                count = socket.Receive(part);
            }
            catch (SocketException fault) when (fault.SocketErrorCode == SocketError.ConnectionReset)
            {
                break; // It closed with octets of ours unread.
            }

            if (count == 0) break;
            heard += Encoding.Latin1.GetString(part, 0, count);
        }

        return heard;
    }
}
