using System.Collections.Immutable;
using Fairlead.Fleet;

namespace Fairlead.Control;

/// <summary>
/// A value as this node holds it. Revision grows with every change of the key; HeardAt is by our own clock.
/// </summary>
public sealed record StoreEntry(ReadOnlyMemory<byte> Value, long Revision, DateTimeOffset HeardAt);

/// <summary>
/// What the pops of a fleet share: keys and values, and the news of changes. Implementations keep a view of everything
/// in memory, which stays as it is while the store is out of reach (I4).
/// </summary>
public interface IStore : IAsyncDisposable
{
    /// <summary>Everything, by key.</summary>
    ImmutableDictionary<string, StoreEntry> Entries { get; }

    /// <summary>Since when we are connected, and when a committed change last reached us.</summary>
    StoreSight Sight { get; }

    /// <summary>The last fault, for people; null while all is well.</summary>
    string? Fault { get; }

    /// <summary>Called after Entries or Sight has changed, from a thread of the store.</summary>
    Action? Changed { get; set; }

    void Start();

    /// <summary>Writes whatever was there. IOException when the store cannot be reached.</summary>
    Task PutAsync(string key, ReadOnlyMemory<byte> value, CancellationToken stop);

    /// <summary>
    /// Writes (null: deletes) only if the key's revision is the given one (0: it must not exist). False: somebody was
    /// faster. IOException when the store cannot be reached.
    /// </summary>
    Task<bool> CompareAndSwapAsync(string key, long revision, ReadOnlyMemory<byte>? value, CancellationToken stop);
}
