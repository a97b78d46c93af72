using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Dns.Transfers;

/// <summary>
/// The copies of secondary zones: a master file each, ORIGIN.zone. The time of the file's last change is when a
/// primary last said that it is the newest.
/// </summary>
internal sealed class ZoneCopies(string folder, TimeProvider time)
{
    public (Zone? Zone, TimeSpan Age, string? Problem) Read(DnsName origin)
    {
        string path = PathOf(origin);
        if (!File.Exists(path)) return (null, default, null);
        MasterFileResult result = MasterFile.ReadFile(path, origin);
        if (result.Zone is null) return (null, default, $"the copy is of no use: {result.Problems[0]}");
        TimeSpan age = time.GetUtcNow() - new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero);
        return (result.Zone, age > TimeSpan.Zero ? age : TimeSpan.Zero, null);
    }

    /// <summary>IOException or UnauthorizedAccessException when it cannot be kept; the old one stays.</summary>
    public void Write(Zone zone)
    {
        Directory.CreateDirectory(folder);
        string path = PathOf(zone.Origin), aside = path + ".new";
        using (var file = new FileStream(aside, FileMode.Create, FileAccess.Write))
        {
            using (var text = new StreamWriter(file, leaveOpen: true)) MasterFile.Write(zone, text);
            file.Flush(flushToDisk: true);
        }

        File.SetLastWriteTimeUtc(aside, time.GetUtcNow().UtcDateTime);
        File.Move(aside, path, overwrite: true);
    }

    public void Touch(DnsName origin)
    {
        string path = PathOf(origin);
        if (File.Exists(path)) File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);
    }

    // A slash is the one character of a name that a file's name cannot have (RFC 2317 zones have it).
    private string PathOf(DnsName origin) => Path.Combine(
        folder, origin.ToString().ToLowerInvariant().Replace("/", "\\047", StringComparison.Ordinal) + "zone");
}
