using System.Collections.Immutable;
using System.Text;
using Fairlead.Fleet;

namespace Fairlead.Node;

/// <summary>
/// What a node needs to go on after a restart without the store: the last plan and what it rested on.
/// </summary>
public sealed record LastState
{
    public long Generation { get; init; }

    public Plan? Plan { get; init; }

    public ImmutableArray<Intent> Intents { get; init; } = [];

    public ImmutableArray<NodeReport> Reports { get; init; } = [];
}

/// <summary>Keeps the LastState on disk.</summary>
public sealed class LastStateFile(string folder)
{
    private readonly StateFile<LastState> file = new(folder, "last-plan");

    /// <summary>The newest state that is whole; null when there is none.</summary>
    public LastState? Read() => file.Read(out _);

    /// <summary>IOException or UnauthorizedAccessException when the disk does not take it.</summary>
    public void Write(LastState state) => file.Write(state);
}

/// <summary>
/// A state on disk: a checksum line, then the state. It is written beside and renamed; one that is cut off or changed
/// by a bit is not believed, and then the one before it is tried.
/// </summary>
internal sealed class StateFile<T>(string folder, string name)
    where T : class
{
    private const int HeadBytes = 17;

    private readonly string path = Path.Combine(folder, $"{name}.json");
    private readonly string before = Path.Combine(folder, $"{name}.1.json");

    /// <summary>The newest that is whole; null when there is none. isNewest: it is what was written last.</summary>
    public T? Read(out bool isNewest)
    {
        T? newest = ReadOne(path);
        isNewest = newest is not null;
        return newest ?? ReadOne(before);
    }

    /// <summary>IOException or UnauthorizedAccessException when the disk does not take it.</summary>
    public void Write(T state)
    {
        byte[] body = FleetJson.Write(state);
        string fresh = path + ".new";
        File.WriteAllBytes(fresh, [.. HeadOf(body), .. body]);
        if (File.Exists(path)) File.Move(path, before, overwrite: true);
        File.Move(fresh, path, overwrite: true);
    }

    private static T? ReadOne(string file)
    {
        try
        {
            if (!File.Exists(file)) return null;
            byte[] bytes = File.ReadAllBytes(file);
            if (bytes.Length < HeadBytes) return null;
            ReadOnlySpan<byte> body = bytes.AsSpan(HeadBytes);
            return bytes.AsSpan(0, HeadBytes).SequenceEqual(HeadOf(body)) ? FleetJson.Read<T>(body) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>
    /// FNV-1a: against a disk and a torn write, not against people. A digest of the library's would bring OpenSSL into
    /// the memory of every announcer, 8 MB of it.
    /// </summary>
    private static byte[] HeadOf(ReadOnlySpan<byte> body)
    {
        ulong hash = 0xcbf29ce484222325;
        foreach (byte one in body) hash = (hash ^ one) * 0x100000001b3;
        return Encoding.ASCII.GetBytes($"{hash:x16}\n");
    }
}
