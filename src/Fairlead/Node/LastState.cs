using System.Collections.Immutable;
using System.Security.Cryptography;
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
        byte[] head = Convert.ToHexString(SHA256.HashData(body)).Select(letter => (byte)letter).Append((byte)'\n')
            .ToArray();
        string fresh = path + ".new";
        File.WriteAllBytes(fresh, [.. head, .. body]);
        if (File.Exists(path)) File.Move(path, before, overwrite: true);
        File.Move(fresh, path, overwrite: true);
    }

    private static T? ReadOne(string file)
    {
        const int HeadBytes = 65;
        try
        {
            if (!File.Exists(file)) return null;
            byte[] bytes = File.ReadAllBytes(file);
            if (bytes.Length < HeadBytes) return null;
            ReadOnlySpan<byte> body = bytes.AsSpan(HeadBytes);
            string sum = Convert.ToHexString(SHA256.HashData(body)) + "\n";
            return bytes.Take(HeadBytes).SequenceEqual(sum.Select(letter => (byte)letter))
                ? FleetJson.Read<T>(body)
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
