using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>
/// The three files of a key, as BIND names and writes them, so that keys can be brought along and taken away:
/// <code>
/// Kexample.com.+013+12345.private   Private-key-format: v1.3, Algorithm, PrivateKey (base64); mode 0600
/// Kexample.com.+013+12345.key       the DNSKEY record as a line of a master file
/// Kexample.com.+013+12345.state     role and times; when it is missing, those of the private file hold
/// </code>
/// </summary>
internal static class KeyFile
{
    public const string PrivateEnd = ".private";
    private const string Time = "yyyyMMddHHmmss";

    /// <summary>The beginning of the files' names.</summary>
    public static string NameOf(DnsName zone, ushort tag)
    {
        // RFC 2317 names have a slash in them; a file's name cannot.
        string name = zone.ToString().ToLowerInvariant().Replace("/", "%2F", StringComparison.Ordinal);
        return $"K{name}+{DnssecKey.Algorithm:D3}+{tag:D5}";
    }

    public static string PrivateText(ZoneKey key)
    {
        var text = new StringBuilder("Private-key-format: v1.3\n");
        text.Append("Algorithm: 13 (ECDSAP256SHA256)\n");
        text.Append("PrivateKey: ").Append(Convert.ToBase64String(key.Key.PrivateKey)).Append('\n');
        Print(text, "Created", key.Times.Created);
        Print(text, "Publish", key.Times.Published);
        Print(text, "Activate", key.Times.Active);
        return text.ToString();
    }

    public static string PublicText(DnssecKey key) =>
        $"; {key.Role.ToString().ToUpperInvariant()} {key.Tag} of {key.Zone}; for the parent: {key.DsText()}\n"
        + $"{key.Zone} IN DNSKEY {(key.Role == KeyRole.Zsk ? 256 : 257)} 3 {DnssecKey.Algorithm} "
        + $"{Convert.ToBase64String(key.PublicKey)}\n";

    public static string StateText(ZoneKey key)
    {
        var text = new StringBuilder($"; The state of key {key.Key.Tag}, for {key.Key.Zone}\n");
        text.Append("Algorithm: 13\nLength: 256\n");
        text.Append("KSK: ").Append(key.Key.Role == KeyRole.Zsk ? "no" : "yes").Append('\n');
        text.Append("ZSK: ").Append(key.Key.Role == KeyRole.Ksk ? "no" : "yes").Append('\n');
        Print(text, "Generated", key.Times.Created);
        Print(text, "Published", key.Times.Published);
        Print(text, "Active", key.Times.Active);
        Print(text, "PublishCDS", key.Times.DsWanted);
        Print(text, "DSPublish", key.Times.DsSeen);
        Print(text, "Retired", key.Times.Retired);
        Print(text, "Removed", key.Times.Removed);
        return text.ToString();
    }

    /// <summary>
    /// Puts a key together from its files' texts; state is null when there is no such file. InvalidDataException, with
    /// the reason, when they are not a key of ours. bareSep is the role of a key with SEP set and no state file.
    /// </summary>
    public static ZoneKey Read(string privateText, string publicText, string? stateText, KeyRole bareSep)
    {
        Dictionary<string, string> secret = Fields(privateText);
        if (!secret.TryGetValue("Algorithm", out string? algorithm) || algorithm.Split(' ')[0] != "13")
            throw new InvalidDataException($"algorithm {algorithm ?? "?"}: only 13 (ECDSAP256SHA256) can be used");
        (DnsName zone, bool sep, byte[] publicKey) = ReadPublic(publicText);
        Dictionary<string, string> state = stateText is null ? [] : Fields(stateText);
        KeyRole role = !sep ? KeyRole.Zsk : bareSep;
        if (sep && state.TryGetValue("ZSK", out string? signsZone))
            role = signsZone == "yes" ? KeyRole.Csk : KeyRole.Ksk;

        KeyTimes times = stateText is null ? TimesOfPrivate(secret) : TimesOfState(state);
        try
        {
            byte[] number = Convert.FromBase64String(secret.GetValueOrDefault("PrivateKey", ""));
            if (number.Length != DnssecKey.PrivateBytes)
                throw new InvalidDataException($"PrivateKey has {number.Length} bytes, not {DnssecKey.PrivateBytes}");
            return new ZoneKey(DnssecKey.Import(zone, role, number, publicKey), times);
        }
        catch (Exception fault) when (fault is FormatException or CryptographicException)
        {
            throw new InvalidDataException($"PrivateKey: {fault.Message}", fault);
        }
    }

    // A key without times (BIND's v1.2) is in use, and always was.
    private static KeyTimes TimesOfPrivate(Dictionary<string, string> fields)
    {
        DateTimeOffset? created = TimeOf(fields, "Created") ?? DateTimeOffset.UnixEpoch;
        bool timed = fields.ContainsKey("Publish") || fields.ContainsKey("Activate");
        DateTimeOffset? active = timed ? TimeOf(fields, "Activate") : created;
        return new KeyTimes
        {
            Created = created,
            Published = timed ? TimeOf(fields, "Publish") ?? active : created,
            Active = active,
            DsWanted = TimeOf(fields, "SyncPublish") ?? active,
            Retired = TimeOf(fields, "Inactive"),
            Removed = TimeOf(fields, "Delete"),
        };
    }

    private static KeyTimes TimesOfState(Dictionary<string, string> fields) => new()
    {
        Created = TimeOf(fields, "Generated"),
        Published = TimeOf(fields, "Published"),
        Active = TimeOf(fields, "Active"),
        DsWanted = TimeOf(fields, "PublishCDS"),
        DsSeen = TimeOf(fields, "DSPublish"),
        Retired = TimeOf(fields, "Retired"),
        Removed = TimeOf(fields, "Removed"),
    };

    private static (DnsName Zone, bool Sep, byte[] Key) ReadPublic(string text)
    {
        string line = text.Split('\n').FirstOrDefault(line => line.Length > 0 && line[0] != ';') ?? "";
        string[] words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        int at = Array.IndexOf(words, "DNSKEY");
        if (at < 1 || words.Length < at + 5 || !DnsName.TryParse(words[0], out DnsName zone))
            throw new InvalidDataException("the .key file has no line with a DNSKEY record");
        if (words[at + 1] is not ("256" or "257"))
            throw new InvalidDataException($"DNSKEY flags {words[at + 1]}: only 256 and 257 can be used");
        var key = new byte[DnssecKey.PublicBytes];
        string base64 = string.Concat(words.Skip(at + 4));
        if (!Convert.TryFromBase64String(base64, key, out int bytes) || bytes != key.Length)
            throw new InvalidDataException("the DNSKEY of the .key file is not a P-256 key");
        return (zone, words[at + 1] == "257", key);
    }

    private static Dictionary<string, string> Fields(string text)
    {
        var fields = new Dictionary<string, string>();
        foreach (string line in text.Split('\n'))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line[0] != ';') fields[line[..colon].Trim()] = line[(colon + 1)..].Trim();
        }

        return fields;
    }

    private static DateTimeOffset? TimeOf(Dictionary<string, string> fields, string name)
    {
        if (!fields.TryGetValue(name, out string? text)) return null;
        // BIND writes the time again in words behind the digits.
        string digits = text.Split(' ')[0];
        if (digits == "0") return null;
        return DateTimeOffset.TryParseExact(digits, Time, CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset time)
            ? time
            : throw new InvalidDataException($"{name}: '{text}' is not a time (YYYYMMDDHHMMSS, UTC)");
    }

    private static void Print(StringBuilder text, string name, DateTimeOffset? time)
    {
        if (time is not { } known) return;
        text.Append(name).Append(": ").Append(known.ToUniversalTime().ToString(Time, CultureInfo.InvariantCulture));
        text.Append('\n');
    }
}
