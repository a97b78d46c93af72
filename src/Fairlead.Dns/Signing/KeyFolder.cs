using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>
/// The folder with the keys of all zones; see KeyFile for the files. Every node of a zone needs the same folder: each
/// signs by itself, and what one signs another's DNSKEY set must verify. Faults of files are InvalidDataException or
/// IOException, a refused step is InvalidOperationException; the messages are meant for the operator.
/// </summary>
public sealed class KeyFolder(string path)
{
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Public = Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Others = (UnixFileMode)0b111_111;

    public string Path { get; } = path;

    /// <summary>The keys of all zones, oldest first.</summary>
    public IReadOnlyList<ZoneKey> List()
    {
        if (!Directory.Exists(Path)) return [];
        List<(string File, ZoneKey Read)> all = [.. Directory.EnumerateFiles(Path, "K*" + KeyFile.PrivateEnd)
            .Select(file => (file, Read(file, KeyRole.Csk)))];
        // A bare key with SEP is a KSK where the zone has a ZSK beside it, and alone it is a CSK.
        HashSet<DnsName> split =
            [.. all.Where(key => key.Read.Key.Role == KeyRole.Zsk).Select(key => key.Read.Key.Zone)];
        return [.. all
            .Select(key => split.Contains(key.Read.Key.Zone) ? Read(key.File, KeyRole.Ksk) : key.Read)
            .OrderBy(key => key.Times.Created).ThenBy(key => key.Key.Tag)];
    }

    public IReadOnlyList<ZoneKey> List(DnsName zone) => [.. List().Where(key => key.Key.Zone == zone)];

    /// <summary>What the zone's keys do now; null when it has none, so that it is not signed here.</summary>
    public KeySet? At(DnsName zone, DateTimeOffset now) =>
        List(zone) is { Count: > 0 } keys ? KeySet.At(zone, keys, now) : null;

    /// <summary>A zone's first key: a CSK alone, or a KSK and a ZSK. It signs from now on.</summary>
    public ZoneKey Generate(DnsName zone, KeyRole role, DateTimeOffset now, KeyTiming timing)
    {
        foreach (ZoneKey key in List(zone).Where(key => key.Times.StateAt(now) != KeyState.Removed))
        {
            bool pair = (role, key.Key.Role) is (KeyRole.Ksk, KeyRole.Zsk) or (KeyRole.Zsk, KeyRole.Ksk);
            if (!pair) throw new InvalidOperationException($"zone {zone} has key {key.Key}; a new one comes by a roll");
        }

        return Add(zone, role, KeyRollover.First(role, now, timing));
    }

    /// <summary>
    /// Brings a new key in beside the active one. Role null: the zone's CSK. Gives the new key; see its times for what
    /// happens when, and KeyRollover for why.
    /// </summary>
    public ZoneKey Roll(DnsName zone, KeyRole? role, DateTimeOffset now, KeyTiming timing)
    {
        IReadOnlyList<ZoneKey> keys = List(zone);
        (KeyTimes times, IReadOnlyList<ZoneKey> changed) =
            KeyRollover.Roll(zone, keys, role ?? KeyRole.Csk, now, timing);
        // The new key first: were the old one's end written and then the disk full, the zone would run out of keys.
        ZoneKey added = Add(zone, role ?? KeyRole.Csk, times);
        foreach (ZoneKey key in changed) WriteState(key);
        return added;
    }

    /// <summary>
    /// The parent's servers, all of them, give a DS of this key. Gives the keys whose times changed by it.
    /// </summary>
    public IReadOnlyList<ZoneKey> ParentHasDs(DnsName zone, ushort tag, DateTimeOffset now, KeyTiming timing)
    {
        IReadOnlyList<ZoneKey> changed = KeyRollover.ParentHasDs(zone, List(zone), tag, now, timing);
        foreach (ZoneKey key in changed) WriteState(key);
        return changed;
    }

    private ZoneKey Add(DnsName zone, KeyRole role, KeyTimes times)
    {
        Directory.CreateDirectory(Path, Secret | UnixFileMode.UserExecute);
        var key = new ZoneKey(DnssecKey.Generate(zone, role), times);
        // Two keys of a zone with one tag are allowed, but a file's name is not theirs to share.
        while (File.Exists(FileOf(key, KeyFile.PrivateEnd)))
            key = key with { Key = DnssecKey.Generate(zone, role) };
        Write(FileOf(key, ".key"), KeyFile.PublicText(key.Key), Public);
        WriteState(key);
        // Last: without it the others are not looked at.
        Write(FileOf(key, KeyFile.PrivateEnd), KeyFile.PrivateText(key), Secret);
        return key;
    }

    private void WriteState(ZoneKey key) => Write(FileOf(key, ".state"), KeyFile.StateText(key), Public);

    private string FileOf(ZoneKey key, string end) =>
        System.IO.Path.Combine(Path, KeyFile.NameOf(key.Key.Zone, key.Key.Tag) + end);

    private static ZoneKey Read(string file, KeyRole bareSep)
    {
        UnixFileMode mode = File.GetUnixFileMode(file);
        if ((mode & Others) != 0)
        {
            throw new InvalidDataException(
                $"{file}: others than its owner may use it (mode {Convert.ToString((int)mode, 8)}): chmod 600 it");
        }

        string stem = file[..^KeyFile.PrivateEnd.Length];
        try
        {
            string? state = File.Exists(stem + ".state") ? File.ReadAllText(stem + ".state") : null;
            return KeyFile.Read(File.ReadAllText(file), File.ReadAllText(stem + ".key"), state, bareSep);
        }
        catch (InvalidDataException fault)
        {
            throw new InvalidDataException($"{file}: {fault.Message}", fault);
        }
    }

    // Written aside and renamed, so that a reader or a crash never sees half of it.
    private static void Write(string file, string text, UnixFileMode mode)
    {
        string aside = file + ".new";
        File.Delete(aside);
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = mode,
        };
        using (var stream = new FileStream(aside, options))
        {
            stream.Write(System.Text.Encoding.ASCII.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }

        File.Move(aside, file, overwrite: true);
    }
}
