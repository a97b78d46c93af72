using System.Collections.Immutable;
using Fairlead.Fleet;

namespace Fairlead.Control;

/// <summary>
/// The store of a fleet with one node: one file a key in the node's state folder. It is always there.
/// </summary>
public sealed class FileStore(string folder, TimeProvider time) : IStore
{
    private readonly Lock gate = new();
    private readonly DateTimeOffset begun = time.GetUtcNow();
    private ImmutableDictionary<string, StoreEntry> entries = ImmutableDictionary<string, StoreEntry>.Empty;
    private long newest;

    public ImmutableDictionary<string, StoreEntry> Entries => Volatile.Read(ref entries);

    public StoreSight Sight => new(begun, time.GetUtcNow());

    public string? Fault { get; private set; }

    public Action? Changed { get; set; }

    public void Start()
    {
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.EnumerateFiles(folder, "*.json"))
        {
            string key = Uri.UnescapeDataString(Path.GetFileNameWithoutExtension(file));
            entries = entries.SetItem(key, new StoreEntry(File.ReadAllBytes(file), ++newest, begun));
        }
    }

    public Task PutAsync(string key, ReadOnlyMemory<byte> value, CancellationToken stop)
    {
        lock (gate) Write(key, value);
        Changed?.Invoke();
        return Task.CompletedTask;
    }

    public Task<bool> CompareAndSwapAsync(
        string key, long revision, ReadOnlyMemory<byte>? value, CancellationToken stop)
    {
        lock (gate)
        {
            long found = entries.TryGetValue(key, out StoreEntry? entry) ? entry.Revision : 0;
            if (found != revision) return Task.FromResult(false);
            if (value is not null)
            {
                Write(key, value.Value);
            }
            else
            {
                Delete(key);
            }
        }

        Changed?.Invoke();
        return Task.FromResult(true);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Write(string key, ReadOnlyMemory<byte> value)
    {
        try
        {
            // Written beside and renamed, so that a reader or a crash never sees half a file.
            string path = PathOf(key);
            File.WriteAllBytes(path + ".new", value.Span);
            File.Move(path + ".new", path, overwrite: true);
            Fault = null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A full disk takes nothing away from what runs: the value holds in memory, and the fault is shown.
            Fault = $"not written to disk: {fault.Message}";
        }

        Volatile.Write(ref entries, entries.SetItem(key, new StoreEntry(value, ++newest, time.GetUtcNow())));
    }

    private void Delete(string key)
    {
        try
        {
            File.Delete(PathOf(key));
            Fault = null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // As with Write: what was asked for holds from now on, but a restart would bring the value back.
            Fault = $"not deleted on disk: {fault.Message}";
        }

        Volatile.Write(ref entries, entries.Remove(key));
    }

    private string PathOf(string key) => Path.Combine(folder, Uri.EscapeDataString(key) + ".json");
}
