using System.Collections.Immutable;
using System.Text;
using Fairlead.Control;
using Fairlead.Fleet;

namespace Fairlead.Tests.Node;

/// <summary>A store that holds what the test says.</summary>
internal sealed class HeldStore(DateTimeOffset now) : IStore
{
    private long revision;

    public ImmutableDictionary<string, StoreEntry> Entries { get; private set; } =
        ImmutableDictionary<string, StoreEntry>.Empty;

    public StoreSight Sight { get; set; } = new(now.AddHours(-1), now);

    public string? Fault => null;

    public Action? Changed { get; set; }

    public void Start()
    {
    }

    public void Hold(string key, byte[] value, DateTimeOffset heardAt) =>
        Entries = Entries.SetItem(key, new StoreEntry(value, ++revision, heardAt));

    public void Hold(string key, string value) => Hold(key, Encoding.UTF8.GetBytes(value), now);

    public Task PutAsync(string key, ReadOnlyMemory<byte> value, CancellationToken stop) =>
        throw new IOException("this store is only read");

    public Task<bool> CompareAndSwapAsync(
        string key, long expected, ReadOnlyMemory<byte>? value, CancellationToken stop) =>
        throw new IOException("this store is only read");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
