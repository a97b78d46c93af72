using System.Collections.Immutable;
using System.Text;
using System.Threading.Channels;
using Fairlead.Control.Etcd.Messages;
using Fairlead.Fleet;
using Google.Protobuf;

namespace Fairlead.Control.Etcd;

/// <summary>
/// The store on etcd's v3 API (3.4 and later; 3.5 recommended). One connection watches, another one reads and writes,
/// since a busy watch starves the rest of its connection (etcd issue 15402). The watch is not trusted alone: everything
/// is read again now and then, and a change counts only if its revision is newer. The endpoints are in order of choice.
/// </summary>
public sealed class EtcdStore(ImmutableArray<Uri> endpoints, string prefix, TimeProvider time, int seed) : IStore
{
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(500);
    private const int ProgressMissedMax = 3;
    private static readonly TimeSpan FirstChoiceWait = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RelistInterval = TimeSpan.FromSeconds(30);

    private static readonly ImmutableDictionary<string, StoreEntry> Empty =
        ImmutableDictionary<string, StoreEntry>.Empty;

    private static readonly TimeSpan HedgeAfter = TimeSpan.FromMilliseconds(400);

    // For calls; the watch has connections of its own.
    private readonly ImmutableArray<GrpcConnection> members =
        [.. endpoints.Select(endpoint => new GrpcConnection(endpoint))];

    private readonly CancellationTokenSource stopping = new();
    private readonly Random random = new(seed);
    private readonly Lock gate = new();
    private ImmutableDictionary<string, StoreEntry> entries = Empty;
    private GrpcConnection? followed;
    private long newestRevision;
    private long listedRevision;
    private DateTimeOffset? liveSince;
    private DateTimeOffset? provenAt;
    private Task loop = Task.CompletedTask;

    public ImmutableDictionary<string, StoreEntry> Entries => Volatile.Read(ref entries);

    public StoreSight Sight
    {
        get
        {
            lock (gate) return new StoreSight(liveSince, provenAt);
        }
    }

    public string? Fault { get; private set; } = "not connected yet";

    public Action? Changed { get; set; }

    private ByteString From => ByteString.CopyFromUtf8(prefix);

    /// <summary>The first key after all that begin with the prefix: its last byte, plus one.</summary>
    private ByteString To
    {
        get
        {
            byte[] bytes = Encoding.UTF8.GetBytes(prefix);
            bytes[^1]++;
            return ByteString.CopyFrom(bytes);
        }
    }

    public void Start() => loop = Task.Run(RunAsync);

    /// <summary>
    /// Writes through the member we follow and, while that one does not answer, through the others as well: one whose
    /// leader has just died may swallow a write for seconds. To write the same twice does no harm.
    /// </summary>
    public async Task PutAsync(string key, ReadOnlyMemory<byte> value, CancellationToken stop)
    {
        var request = new PutRequest { Key = Key(key), Value = ByteString.CopyFrom(value.Span) };
        GrpcConnection first = Connected();
        await Hedge.FirstAsync(
            members.Where(member => member != first).Prepend(first)
                .Select(member => (Func<CancellationToken, Task<PutResponse>>)(enough =>
                    member.CallAsync("/etcdserverpb.KV/Put", request, PutResponse.Parser, CallLimit, enough))),
            HedgeAfter, time, stop);
    }

    public async Task<bool> CompareAndSwapAsync(
        string key, long revision, ReadOnlyMemory<byte>? value, CancellationToken stop)
    {
        var change = new RequestOp();
        if (value is null) change.RequestDeleteRange = new DeleteRangeRequest { Key = Key(key) };
        else change.RequestPut = new PutRequest { Key = Key(key), Value = ByteString.CopyFrom(value.Value.Span) };
        var request = new TxnRequest
        {
            Compare =
            {
                new Compare { Target = Compare.Types.CompareTarget.Mod, Key = Key(key), ModRevision = revision },
            },
            Success = { change },
        };
        TxnResponse response = await Connected()
            .CallAsync("/etcdserverpb.KV/Txn", request, TxnResponse.Parser, CallLimit, stop);
        return response.Succeeded;
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await loop;
        foreach (GrpcConnection member in members) member.Dispose();
        stopping.Dispose();
    }

    private ByteString Key(string key) => ByteString.CopyFromUtf8(prefix + key);

    private GrpcConnection Connected() => Volatile.Read(ref followed) ?? throw new IOException($"etcd: {Fault}");

    private async Task RunAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            int member = 0;
            try
            {
                member = await ChooseAsync(stopping.Token);
                await FollowAsync(member, stopping.Token);
            }
            catch (IOException fault)
            {
                SetSight(null, $"{endpoints[member]}: {fault.Message}");
            }
            catch (OperationCanceledException)
            {
                if (!stopping.IsCancellationRequested)
                    SetSight(null, $"{endpoints[member]}: three progress answers missed");
            }

            Changed?.Invoke();
            try
            {
                // Jittered, so that a whole fleet does not come back to a restarted store in one instant.
                if (!stopping.IsCancellationRequested)
                    await Task.Delay(TimeSpan.FromMilliseconds(100 + random.Next(300)), time, stopping.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>The first endpoint of the list if it answers a read soon, else whichever answers first.</summary>
    private Task<int> ChooseAsync(CancellationToken stop) => Hedge.FirstAsync(
        Enumerable.Range(0, members.Length)
            .Select(member => (Func<CancellationToken, Task<int>>)(enough => AskAsync(member, enough))),
        FirstChoiceWait, time, stop);

    private async Task<int> AskAsync(int member, CancellationToken stop)
    {
        var request = new RangeRequest { Key = ByteString.CopyFromUtf8("/"), Serializable = true };
        await members[member].CallAsync(
            "/etcdserverpb.KV/Range", request, RangeResponse.Parser, CallLimit, stop);
        return member;
    }

    /// <summary>Reads everything and follows the changes, until something breaks.</summary>
    private async Task FollowAsync(int member, CancellationToken stop)
    {
        using var watching = new GrpcConnection(endpoints[member]);
        GrpcConnection calling = members[member];
        Volatile.Write(ref followed, calling);
        long revision = await ListAsync(calling, stop);

        using var alive = CancellationTokenSource.CreateLinkedTokenSource(stop);
        alive.CancelAfter(ProgressInterval * ProgressMissedMax);
        Channel<IMessage> requests = Channel.CreateUnbounded<IMessage>();
        requests.Writer.TryWrite(new WatchRequest
        {
            CreateRequest = new WatchCreateRequest { Key = From, RangeEnd = To, StartRevision = revision + 1 },
        });
        Task pace = PaceAsync(calling, requests.Writer, alive.Token);
        try
        {
            await watching.StreamAsync("/etcdserverpb.Watch/Watch", requests.Reader, WatchResponse.Parser,
                answer =>
                {
                    alive.CancelAfter(ProgressInterval * ProgressMissedMax);
                    Take(answer);
                }, alive.Token);
        }
        finally
        {
            requests.Writer.TryComplete();
            await alive.CancelAsync();
            await pace;
        }
    }

    /// <summary>Asks for progress twice a second, and lists everything again every 30 s or so.</summary>
    private async Task PaceAsync(GrpcConnection calling, ChannelWriter<IMessage> requests, CancellationToken stop)
    {
        DateTimeOffset relist = time.GetUtcNow() + (RelistInterval * (0.75 + (random.NextDouble() * 0.5)));
        try
        {
            while (true)
            {
                await Task.Delay(ProgressInterval, time, stop);
                requests.TryWrite(new WatchRequest { ProgressRequest = new WatchProgressRequest() });
                if (time.GetUtcNow() < relist) continue;
                relist = time.GetUtcNow() + (RelistInterval * (0.75 + (random.NextDouble() * 0.5)));
                await TryListAsync(calling, stop);
            }
        }
        catch (OperationCanceledException)
        {
            // The stream has ended, or we stop.
        }
    }

    private async Task TryListAsync(GrpcConnection calling, CancellationToken stop)
    {
        try
        {
            await ListAsync(calling, stop);
        }
        catch (IOException)
        {
            // It is only a second look: the watch's own silence decides about the connection.
        }
    }

    private async Task<long> ListAsync(GrpcConnection connection, CancellationToken stop)
    {
        long known = Interlocked.Read(ref newestRevision);
        // Serializable: a member without a majority still answers, and old news is better than none at start.
        RangeResponse all = await RangeAsync(connection, serializable: true, stop);
        // A member that lags, or a store that was made anew? A linearizable read never goes back in time: it tells.
        if (all.Header.Revision < known) all = await RangeAsync(connection, serializable: false, stop);
        lock (gate)
        {
            if (all.Header.Revision < known) (newestRevision, entries) = (0, Empty);
            // The watch has brought newer news in the meantime.
            if (all.Header.Revision < newestRevision) return newestRevision;
            listedRevision = newestRevision = all.Header.Revision;
            // Two keys that are no UTF-8 may read the same; neither is ours, so either will do.
            var found = all.Kvs.DistinctBy(kv => kv.Key.ToStringUtf8())
                .ToDictionary(kv => kv.Key.ToStringUtf8()[prefix.Length..]);
            ImmutableDictionary<string, StoreEntry>.Builder next = entries.ToBuilder();
            foreach (string gone in entries.Keys.Where(key => !found.ContainsKey(key))) next.Remove(gone);
            foreach ((string key, KeyValue kv) in found) Set(next, key, kv);
            Volatile.Write(ref entries, next.ToImmutable());
        }

        Changed?.Invoke();
        return all.Header.Revision;
    }

    private Task<RangeResponse> RangeAsync(GrpcConnection connection, bool serializable, CancellationToken stop)
    {
        var request = new RangeRequest { Key = From, RangeEnd = To, Serializable = serializable };
        return connection.CallAsync("/etcdserverpb.KV/Range", request, RangeResponse.Parser, CallLimit, stop);
    }

    private void Take(WatchResponse answer)
    {
        if (answer.Canceled)
        {
            throw new IOException(answer.CompactRevision > 0
                ? $"the watch fell behind the compaction at {answer.CompactRevision}: reading everything again"
                : $"the watch was cancelled: {answer.CancelReason}");
        }

        if (answer.Created) SetSight(time.GetUtcNow(), null);
        if (answer.Events.Count > 0)
        {
            lock (gate)
            {
                ImmutableDictionary<string, StoreEntry>.Builder next = entries.ToBuilder();
                foreach (Event change in answer.Events)
                {
                    // Older than the last list, which knew it already (and perhaps that it went again).
                    if (change.Kv.ModRevision <= listedRevision) continue;
                    string key = change.Kv.Key.ToStringUtf8()[prefix.Length..];
                    if (change.Type == Event.Types.EventType.Put) Set(next, key, change.Kv);
                    else if (next.TryGetValue(key, out StoreEntry? held) && held.Revision < change.Kv.ModRevision)
                        next.Remove(key);
                    newestRevision = Math.Max(newestRevision, change.Kv.ModRevision);
                }

                Volatile.Write(ref entries, next.ToImmutable());
                // Only a change that was committed proves a majority; progress a lone member answers too.
                provenAt = time.GetUtcNow();
            }
        }

        if (answer.Created || answer.Events.Count > 0) Changed?.Invoke();
    }

    private void Set(ImmutableDictionary<string, StoreEntry>.Builder next, string key, KeyValue kv)
    {
        if (next.TryGetValue(key, out StoreEntry? held) && held.Revision >= kv.ModRevision) return;
        next[key] = new StoreEntry(kv.Value.Memory, kv.ModRevision, time.GetUtcNow());
    }

    private void SetSight(DateTimeOffset? since, string? fault)
    {
        lock (gate)
        {
            liveSince = since;
            Fault = fault;
        }
    }
}
