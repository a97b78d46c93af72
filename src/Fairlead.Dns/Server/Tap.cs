using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net.Sockets;

namespace Fairlead.Dns.Server;

/// <summary>
/// dnstap: sends every answer with its query to a collector's unix socket (Frame Streams, with its handshake). A
/// collector that is slow or gone costs answers to the tap and never answers to the users.
/// </summary>
internal sealed class Tap(string socketFile, int queueBytes, TimeProvider time) : IAsyncDisposable
{
    private const uint Accept = 1, Start = 2, Stop = 3, Ready = 4, Finish = 5, ContentType = 1;
    private const int ControlBytesMax = 512;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ComeAgain = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource stop = new();
    private ImmutableArray<TapQueue> queues = [];
    private Task running = Task.CompletedTask;

    private static ReadOnlySpan<byte> Content => "protobuf:dnstap.Dnstap"u8;

    public long Dropped => queues.Sum(queue => queue.Dropped);

    public long Sent { get; private set; }

    public bool IsConnected { get; private set; }

    public TapQueue AddQueue()
    {
        var queue = new TapQueue(queueBytes);
        ImmutableInterlocked.Update(ref queues, (all, one) => all.Add(one), queue);
        return queue;
    }

    public void Run() => running = Task.Run(RunAsync);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await SendAsync();
            }
            catch (Exception fault) when (fault is IOException or SocketException or OperationCanceledException)
            {
                // No collector, or one that went: what waits is dropped when its room is needed.
            }

            IsConnected = false;
            await Task.Delay(ComeAgain, time, stop.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    private async Task SendAsync()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketFile), stop.Token);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Control(Ready, Content));
        await ExpectAsync(stream, Accept);
        await stream.WriteAsync(Control(Start, Content));
        IsConnected = true;
        using var pace = new PeriodicTimer(Pace, time);
        while (!stop.IsCancellationRequested)
        {
            bool any = false;
            foreach (TapQueue queue in queues) any |= await SendAsync(stream, queue);
            if (!any && !await pace.WaitForNextTickAsync(stop.Token).AsTask().ContinueWith(
                tick => tick.IsCompletedSuccessfully, TaskScheduler.Default)) break;
        }

        foreach (TapQueue queue in queues) await SendAsync(stream, queue);
        await stream.WriteAsync(Control(Stop, []));
        await ExpectAsync(stream, Finish);
    }

    private async Task<bool> SendAsync(NetworkStream stream, TapQueue queue)
    {
        ReadOnlyMemory<byte> frames = queue.Waiting();
        if (frames.IsEmpty) return false;
        using var patience = new CancellationTokenSource(Patience, time);
        await stream.WriteAsync(frames, patience.Token);
        queue.Took(frames.Length);
        Sent += frames.Length;
        return true;
    }

    // | 0, 4 bytes | LENGTH 4 | KIND 4 | CONTENT TYPE 4 | LENGTH 4 | content |; the first LENGTH counts all after it.
    private static byte[] Control(uint kind, ReadOnlySpan<byte> content)
    {
        var frame = new byte[12 + (content.IsEmpty ? 0 : 8 + content.Length)];
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(4), (uint)(frame.Length - 8));
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(8), kind);
        if (content.IsEmpty) return frame;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(12), ContentType);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(16), (uint)content.Length);
        content.CopyTo(frame.AsSpan(20));
        return frame;
    }

    private async Task ExpectAsync(NetworkStream stream, uint kind)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        var frame = new byte[ControlBytesMax];
        await stream.ReadExactlyAsync(frame.AsMemory(0, 8), patience.Token);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(4));
        if (BinaryPrimitives.ReadUInt32BigEndian(frame) != 0 || length is < 4 or > ControlBytesMax)
            throw new IOException("the collector does not speak Frame Streams");
        await stream.ReadExactlyAsync(frame.AsMemory(0, (int)length), patience.Token);
        uint got = BinaryPrimitives.ReadUInt32BigEndian(frame);
        if (got != kind || (kind == Accept && frame.AsSpan(0, (int)length).IndexOf(Content) < 0))
            throw new IOException($"the collector said {got}, not {kind}, or wants another content");
    }
}
