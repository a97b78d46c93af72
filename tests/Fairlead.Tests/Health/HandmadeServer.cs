using System.Net;
using System.Net.Sockets;

namespace Fairlead.Tests.Health;

/// <summary>A server on a loopback port that treats every connection as the test says.</summary>
internal sealed class HandmadeServer : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource stop = new();
    private readonly Task accepting;
    private int connections;
    private bool isDisposed;

    public HandmadeServer(Func<NetworkStream, CancellationToken, Task> treat, IPAddress? address = null)
    {
        listener = new TcpListener(address ?? IPAddress.Loopback, 0);
        listener.Start();
        accepting = AcceptAsync(treat);
    }

    public IPEndPoint Address => (IPEndPoint)listener.LocalEndpoint;

    public int Connections => Volatile.Read(ref connections);

    /// <summary>Answers every request with these bytes and closes.</summary>
    public static HandmadeServer Answering(string answer, IPAddress? address = null) => new(
        async (stream, token) =>
        {
            await ReadHeadAsync(stream, token);
            await stream.WriteAsync(System.Text.Encoding.Latin1.GetBytes(answer), token);
        }, address);

    /// <summary>Reads to the end of the request's head and gives it.</summary>
    public static async Task<string> ReadHeadAsync(Stream stream, CancellationToken token)
    {
        var head = new System.Text.StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, token) == 0) break;
            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    /// <summary>A test may end it before its own end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (isDisposed) return;
        isDisposed = true;
        await stop.CancelAsync();
        listener.Dispose();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync(Func<NetworkStream, CancellationToken, Task> treat)
    {
        List<Task> treated = [];
        try
        {
            while (true)
            {
                TcpClient client = await listener.AcceptTcpClientAsync(stop.Token);
                Interlocked.Increment(ref connections);
                treated.Add(TreatAsync(client, treat));
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException
            or InvalidOperationException)
        {
            await Task.WhenAll(treated);
        }
    }

    private async Task TreatAsync(TcpClient client, Func<NetworkStream, CancellationToken, Task> treat)
    {
        using (client)
        {
            try
            {
                await treat(client.GetStream(), stop.Token);
            }
            catch (Exception gone) when (gone is IOException or OperationCanceledException
                or System.Security.Authentication.AuthenticationException)
            {
                // The client left in the middle, or the test ends.
            }
        }
    }
}
