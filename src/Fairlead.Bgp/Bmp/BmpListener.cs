using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace Fairlead.Bgp.Bmp;

/// <summary>Where routers connect to, and how much is taken from them.</summary>
public sealed record BmpOptions(IPEndPoint Listen)
{
    /// <summary>Who may connect; empty: anybody.</summary>
    public ImmutableArray<IPAddress> Routers { get; init; } = [];

    public int RoutersMax { get; init; } = 64;

    /// <summary>Routes of all tables of one router together.</summary>
    public int RoutesMax { get; init; } = 2_000_000;
}

/// <summary>
/// A monitoring station (RFC 7854 §3.2): routers connect, and tell; nothing is ever sent to them. What a router has
/// told is forgotten when its connection ends. A task a connection: this is for audits, and nothing waits for it.
/// </summary>
public sealed class BmpListener : IAsyncDisposable
{
    private readonly ConcurrentDictionary<BmpRouter, byte> routers = new();
    private readonly ConcurrentDictionary<Task, byte> conversations = new();
    private readonly CancellationTokenSource stop = new();
    private readonly BmpOptions options;
    private readonly Action<string>? said;
    private readonly Socket listener;
    private Task accepting = Task.CompletedTask;

    /// <summary>SocketException when the port cannot be had.</summary>
    /// <param name="said">Told of connections that come and go, and why; from their tasks.</param>
    public BmpListener(BmpOptions options, Action<string>? said = null)
    {
        (this.options, this.said) = (options, said);
        listener = new Socket(options.Listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        // "Any address" in IPv6 is any of both families: who listens there has the routers of both in mind.
        if (options.Listen.Address.Equals(IPAddress.IPv6Any)) listener.DualMode = true;
        try
        {
            listener.Bind(options.Listen);
            listener.Listen(16);
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    public IPEndPoint Address => (IPEndPoint)listener.LocalEndPoint!;

    public IReadOnlyCollection<BmpRouter> Routers => [.. routers.Keys];

    public void Start() => accepting = Task.Run(AcceptAsync);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await accepting;
        await Task.WhenAll(conversations.Keys);
        listener.Dispose();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(stop.Token);
            }
            catch (SocketException)
            {
                // Who came has left again; or there are no descriptors, and some may come free.
                await Task.Delay(100, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }
            catch (OperationCanceledException)
            {
                return;
            }

            Admit(socket);
        }
    }

    /// <summary>The socket is the conversation's from here on, or closed.</summary>
    private void Admit(Socket socket)
    {
        var from = (IPEndPoint)socket.RemoteEndPoint!;
        IPAddress address = from.Address.IsIPv4MappedToIPv6 ? from.Address.MapToIPv4() : from.Address;
        string? refusal = !options.Routers.IsEmpty && !options.Routers.Contains(address) ? "it is not on the list"
            : routers.Count >= options.RoutersMax ? $"{options.RoutersMax} are there already"
            : null;
        if (refusal is not null)
        {
            said?.Invoke($"{from} is refused: {refusal}");
            socket.Dispose();
            return;
        }

        var router = new BmpRouter(from, options.RoutesMax);
        routers[router] = 0;
        Task conversation = ListenAsync(socket, router);
        conversations[conversation] = 0;
        _ = conversation.ContinueWith(ended => conversations.TryRemove(ended, out _), TaskScheduler.Default);
    }

    private async Task ListenAsync(Socket socket, BmpRouter router)
    {
        string end;
        using (socket)
        {
            said?.Invoke($"{router.From} is connected");
            try
            {
                end = await HearAsync(socket, router);
            }
            catch (Exception gone) when (gone is SocketException or OperationCanceledException)
            {
                end = gone.Message;
            }
        }

        routers.TryRemove(router, out _);
        said?.Invoke($"{router.From} is gone: {end}");
    }

    private async Task<string> HearAsync(Socket socket, BmpRouter router)
    {
        byte[] buffer = new byte[64 * 1024];
        int length = 0;
        while (true)
        {
            if (length == buffer.Length) Array.Resize(ref buffer, Math.Min(buffer.Length * 2, BmpMessage.BytesMax));
            int read = await socket.ReceiveAsync(buffer.AsMemory(length), stop.Token);
            if (read == 0) return "the router closed the connection";
            length += read;
            if (router.TakeAll(buffer.AsSpan(0, length), out int used) is { } end) return end;
            buffer.AsSpan(used, length - used).CopyTo(buffer);
            length -= used;
        }
    }
}
