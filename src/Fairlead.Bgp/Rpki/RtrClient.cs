using System.Net;
using System.Net.Sockets;
using Fairlead.Net;

namespace Fairlead.Bgp.Rpki;

/// <summary>Where the cache is, and how long its data may be leant on.</summary>
public sealed record RtrOptions(IPEndPoint Cache)
{
    public TimeSpan ExpireMax { get; init; } = TimeSpan.FromDays(2);
}

/// <summary>How the client stands.</summary>
/// <param name="LastFault">Why the last connection ended; null before the first end.</param>
public sealed record RtrStatus(
    RtrState State, byte Version, uint Serial, int Payloads, bool HasData, DateTimeOffset? SyncedAt, string? LastFault,
    long Connections, long Rejected);

/// <summary>
/// The connection to one RPKI cache: carries octets between the socket and RtrSession, waits, connects again. What it
/// has learnt is in Table, whole after each End of Data; a task of its own, since nothing waits for it.
/// </summary>
public sealed class RtrClient : IAsyncDisposable
{
    private const int BufferBytes = 64 * 1024;

    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource stop = new();
    private readonly RtrOptions options;
    private readonly TimeProvider time;
    private readonly Random random;
    private readonly Action? changed;
    private readonly RtrSession session;
    private readonly long started;
    private Task running = Task.CompletedTask;
    private RtrStatus status = new(RtrState.Down, 1, 0, 0, false, null, null, 0, 0);

    /// <param name="changed">Called, from the client's task, when the table or the state has changed.</param>
    public RtrClient(RtrOptions options, TimeProvider time, Random random, Action? changed = null)
    {
        (this.options, this.time, this.random, this.changed) = (options, time, random, changed);
        session = new RtrSession(options.ExpireMax);
        started = time.GetTimestamp();
    }

    public Snapshot<OriginValidation> Table { get; } = new(OriginValidation.Empty);

    public RtrStatus Status => Volatile.Read(ref status);

    private TimeSpan Now => time.GetElapsedTime(started);

    public void Start() => running = Task.Run(RunAsync);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        stop.Dispose();
    }

    private async Task RunAsync()
    {
        TimeSpan pause = FirstPause;
        while (!stop.IsCancellationRequested)
        {
            (bool synced, RtrStep end) = (false, default(RtrStep));
            string? fault = null;
            try
            {
                (synced, end) = await ConverseAsync();
                fault = end.Close;
            }
            catch (Exception gone) when (gone is SocketException or IOException or OperationCanceledException)
            {
                fault = gone is OperationCanceledException ? "no connection in time" : gone.Message;
            }

            session.Disconnected();
            Note(fault);
            if (synced) pause = FirstPause;
            if (end.Again) continue;
            await RestAsync(pause * (0.75 + (0.5 * random.NextDouble())));
            TimeSpan longest = session.RetryInterval < LongestPause ? session.RetryInterval : LongestPause;
            pause = pause * 2 < longest ? pause * 2 : longest;
        }
    }

    /// <summary>One connection, to its end: whether data came whole on it, and why it ended.</summary>
    private async Task<(bool Synced, RtrStep End)> ConverseAsync()
    {
        using var socket = new Socket(options.Cache.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using (var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token))
        {
            limit.CancelAfter(ConnectWithin);
            await socket.ConnectAsync(options.Cache, limit.Token);
        }

        Note(null, connections: 1);
        byte[] buffer = new byte[BufferBytes];
        int length = 0;
        bool synced = false;
        RtrStep step = await DoAsync(socket, session.Connected(Now));
        Task<int>? reading = null;
        while (step.Close is null)
        {
            reading ??= socket.ReceiveAsync(buffer.AsMemory(length), stop.Token).AsTask();
            if (!await IsDoneAsync(reading, session.NextTick - Now))
            {
                step = await DoAsync(socket, session.Tick(Now));
                continue;
            }

            int read = await reading;
            reading = null;
            if (read == 0) return (synced, new RtrStep(Close: "the cache closed the connection"));
            length += read;
            (step, int used) = await TakeAsync(socket, buffer.AsMemory(0, length));
            buffer.AsSpan(used, length - used).CopyTo(buffer);
            length -= used;
            synced |= session.State == RtrState.Synced;
        }

        return (synced, step);
    }

    /// <summary>Every whole PDU in the buffer; gives how much of it is done with.</summary>
    private async Task<(RtrStep Last, int Used)> TakeAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        int used = 0;
        while (true)
        {
            RtrReject reject = RtrPdu.TryRead(data.Span[used..], out RtrPdu pdu, out int length);
            if (reject == RtrReject.Incomplete) return (default, used);
            if (reject != RtrReject.None) Note(null, rejected: 1);
            RtrStep step = reject == RtrReject.None
                ? session.Received(pdu, data.Span.Slice(used, length), Now)
                : session.Rejected(reject, data.Span[used..]);
            used += length;
            if ((await DoAsync(socket, step)).Close is not null) return (step, used);
        }
    }

    private async Task<RtrStep> DoAsync(Socket socket, RtrStep step)
    {
        if (step.Publish is { } table) Note(null, syncedAt: session.HasData ? time.GetUtcNow() : null, next: table);
        if (step.Send is { } bytes) await socket.SendAsync(bytes, stop.Token);
        return step;
    }

    /// <summary>Whether the task is done before the time is over.</summary>
    private async Task<bool> IsDoneAsync(Task task, TimeSpan within)
    {
        if (task.IsCompleted) return true;
        if (within <= TimeSpan.Zero) return false;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        // Timers take no more than some weeks; a tick that finds nothing due does no harm.
        TimeSpan longest = TimeSpan.FromDays(1);
        Task ended = await Task.WhenAny(task, Task.Delay(within < longest ? within : longest, time, over.Token));
        await over.CancelAsync();
        return ended == task || stop.IsCancellationRequested;
    }

    /// <summary>Waits for the next connection; what expires meanwhile is forgotten.</summary>
    private async Task RestAsync(TimeSpan pause)
    {
        TimeSpan until = Now + pause;
        while (Now < until && !stop.IsCancellationRequested)
        {
            TimeSpan next = session.NextTick < until ? session.NextTick : until;
            TimeSpan wait = next - Now;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (session.Tick(Now).Publish is { } table) Note(null, next: table);
        }
    }

    // The status first: who sees the next table sees what is said of it.
    private void Note(
        string? fault, int connections = 0, int rejected = 0, DateTimeOffset? syncedAt = null,
        OriginValidation? next = null)
    {
        RtrStatus before = Status;
        Volatile.Write(ref status, new RtrStatus(
            session.State, session.Version, session.Serial, (next ?? Table.Current).Count, session.HasData,
            syncedAt ?? before.SyncedAt, fault ?? before.LastFault, before.Connections + connections,
            before.Rejected + rejected));
        if (next is not null) Table.Publish(next);
        changed?.Invoke();
    }
}
