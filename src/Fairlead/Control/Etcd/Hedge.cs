namespace Fairlead.Control.Etcd;

/// <summary>
/// Asks one, and while that one is slow or fails, the next as well: the first answer counts. For questions and writes
/// that may reach several without harm.
/// </summary>
internal static class Hedge
{
    /// <summary>The first success; when all have failed, the last one's fault.</summary>
    public static async Task<T> FirstAsync<T>(
        IEnumerable<Func<CancellationToken, Task<T>>> tries, TimeSpan patience, TimeProvider time,
        CancellationToken stop)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using IEnumerator<Func<CancellationToken, Task<T>>> next = tries.GetEnumerator();
        List<Task<T>> underWay = [];
        Task<T>? failed = null;
        try
        {
            for (bool more = true; ;)
            {
                more = more && next.MoveNext();
                if (more) underWay.Add(next.Current(enough.Token));
                if (underWay.Count == 0) return await (failed ?? throw new ArgumentException("nobody to ask"));
                Task impatience = Task.Delay(more ? patience : Timeout.InfiniteTimeSpan, time, enough.Token);
                Task first = await Task.WhenAny([.. underWay, impatience]);
                stop.ThrowIfCancellationRequested();
                if (first is not Task<T> done) continue;
                if (done.IsCompletedSuccessfully) return await done;
                // It failed: the next one is asked at once, and the others may still answer.
                underWay.Remove(done);
                failed = done;
            }
        }
        finally
        {
            await enough.CancelAsync();
            // What ends by the cancellation has nothing to say that anybody waits for; its fault counts as seen.
            _ = Task.WhenAll(underWay).ContinueWith(late => late.Exception, TaskScheduler.Default);
        }
    }
}
