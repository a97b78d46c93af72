using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// Servers that say who they are and whom they see, then echo; and connections that never stop asking. What a crowd
/// tells is how many broke, and how long the longest waited.
/// </summary>
internal sealed class TcpCrowd : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private readonly XdpBed bed;
    private readonly CancellationTokenSource stop = new();
    private readonly ConcurrentBag<Socket> sockets = [];
    private readonly ConcurrentBag<Task> tasks = [];
    private readonly ConcurrentQueue<string> broken = new();
    private long longestTicks;
    private long answers;

    public TcpCrowd(XdpBed bed) => this.bed = bed;

    /// <summary>What broke, each in words.</summary>
    public IReadOnlyCollection<string> Broken => broken;

    /// <summary>The longest wait for an answer since the last reading.</summary>
    public TimeSpan TakeLongest() => TimeSpan.FromTicks(Interlocked.Exchange(ref longestTicks, 0));

    public long Answers => Interlocked.Read(ref answers);

    /// <summary>The backend that each connection is with, and the client's address that it sees.</summary>
    public ConcurrentBag<(string Backend, string Client)> Hellos { get; } = [];

    public void Serve(int backend)
    {
        foreach (IPAddress any in (IPAddress[])[IPAddress.Any, IPAddress.IPv6Any])
        {
            Socket listener = bed.In($"b{backend}", () =>
            {
                var socket = new Socket(any.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                if (any.AddressFamily == AddressFamily.InterNetworkV6) socket.DualMode = false;
                socket.Bind(new IPEndPoint(any, 80));
                socket.Listen(4096);
                return socket;
            });
            sockets.Add(listener);
            tasks.Add(AcceptAsync(listener, $"b{backend}"));
        }
    }

    /// <summary>
    /// Opens so many connections to the VIP, and has them ask without end. Waits until all have begun.
    /// </summary>
    public async Task OpenAsync(string vip, int number)
    {
        var address = IPAddress.Parse(vip);
        Socket[] opened = bed.In("client", () => Enumerable.Range(0, number)
            .Select(_ => new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true })
            .ToArray());
        foreach (Socket[] some in opened.Chunk(100))
            await Task.WhenAll(some.Select(socket => BeginAsync(socket, new IPEndPoint(address, 80))));
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        foreach (Socket socket in sockets) socket.Dispose();
        await Task.WhenAll(tasks);
        stop.Dispose();
    }

    private async Task BeginAsync(Socket socket, IPEndPoint to)
    {
        sockets.Add(socket);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await socket.ConnectAsync(to, patience.Token);
            byte[] hello = new byte[64];
            await FillAsync(socket, hello, patience.Token);
            string[] words = Encoding.ASCII.GetString(hello).TrimEnd('\0').Split(' ');
            Hellos.Add((words[0], words[1]));
            tasks.Add(AskAsync(socket, words[0]));
        }
        catch (Exception fault) when (fault is SocketException or OperationCanceledException or EndOfStreamException)
        {
            broken.Enqueue($"connect: {fault.Message}");
        }
    }

    private async Task AskAsync(Socket socket, string backend)
    {
        byte[] question = new byte[64], answer = new byte[64];
        for (ulong number = 0; !stop.IsCancellationRequested; number++)
        {
            try
            {
                BitConverter.TryWriteBytes(question, number);
                long begin = Stopwatch.GetTimestamp();
                await socket.SendAsync(question, stop.Token);
                await FillAsync(socket, answer, stop.Token);
                if (!answer.AsSpan().SequenceEqual(question)) throw new EndOfStreamException("another answer");
                Keep(Stopwatch.GetElapsedTime(begin).Ticks);
                Interlocked.Increment(ref answers);
                await Task.Delay(Pause, stop.Token);
            }
            catch (Exception fault) when (
                fault is SocketException or EndOfStreamException && !stop.IsCancellationRequested)
            {
                broken.Enqueue($"{backend} {socket.LocalEndPoint}: {fault.Message}");
                return;
            }
            catch (Exception fault) when (fault
                is OperationCanceledException or ObjectDisposedException or SocketException or EndOfStreamException)
            {
                return;
            }
        }
    }

    private void Keep(long ticks)
    {
        long longest = Interlocked.Read(ref longestTicks);
        while (ticks > longest)
        {
            long found = Interlocked.CompareExchange(ref longestTicks, ticks, longest);
            if (found == longest) return;
            longest = found;
        }
    }

    private static async Task FillAsync(Socket socket, byte[] into, CancellationToken stop)
    {
        for (int at = 0; at < into.Length;)
        {
            int read = await socket.ReceiveAsync(into.AsMemory(at), stop);
            if (read == 0) throw new EndOfStreamException("closed");
            at += read;
        }
    }

    private async Task AcceptAsync(Socket listener, string name)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                Socket socket = await listener.AcceptAsync(stop.Token);
                sockets.Add(socket);
                tasks.Add(EchoAsync(socket, name));
            }
            catch (Exception fault) when (fault
                is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private async Task EchoAsync(Socket socket, string name)
    {
        try
        {
            socket.NoDelay = true;
            byte[] buffer = new byte[64];
            Encoding.ASCII.GetBytes($"{name} {((IPEndPoint)socket.RemoteEndPoint!).Address}").CopyTo(buffer, 0);
            await socket.SendAsync(buffer, stop.Token);
            while (await socket.ReceiveAsync(buffer, stop.Token) is > 0 and var read)
                await socket.SendAsync(buffer.AsMemory(0, read), stop.Token);
        }
        catch (Exception fault) when (fault is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The client tells what broke.
        }
    }
}
