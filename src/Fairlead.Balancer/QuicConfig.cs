using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace Fairlead.Balancer;

/// <summary>
/// A server id of a QUIC configuration, in hex: the backend that writes it into its connection ids gets what is sent to
/// those, whatever the client's address is.
/// </summary>
public readonly record struct QuicServerId(string Id, IPAddress Backend)
{
    public int Bytes => Id.Length / 2;
}

/// <summary>
/// A configuration of draft-ietf-quic-load-balancers-21: how a service's backends write their server ids into QUIC
/// connection ids. Several stand beside each other while servers go over from one to the next.
/// </summary>
public sealed record QuicConfig
{
    public const int ConfigMax = 6, KeyBytes = 16, NonceLeast = 4, BytesMax = 19;

    /// <summary>The number in an id's first three bits. 7 is for ids that nobody can read.</summary>
    public required int Config { get; init; }

    /// <summary>How long an id's nonce is.</summary>
    public required int NonceBytes { get; init; }

    /// <summary>The key of AES-128 in hex; empty: ids are in plain text, and tell everybody of their server.</summary>
    public string Key { get; init; } = "";

    public ImmutableArray<QuicServerId> Ids { get; init; } = [];

    public int ServerIdBytes => Ids.IsEmpty ? 0 : Ids[0].Bytes;

    /// <summary>Of server id and nonce: what is encrypted, where there is a key.</summary>
    public int Bytes => ServerIdBytes + NonceBytes;

    /// <summary>
    /// All that is wrong with a service's configurations, each with its path among them ("[0].key"). The key itself is
    /// never told.
    /// </summary>
    public static IEnumerable<(string Path, string Message)> Problems(ImmutableArray<QuicConfig> configs)
    {
        for (int i = 0; i < configs.Length; i++)
        {
            string at = $"[{i}]";
            QuicConfig one = configs[i];
            if (one.Config is < 0 or > ConfigMax)
                yield return ($"{at}.config", $"configuration {one.Config}: there are 0 to {ConfigMax}");
            else if (configs.Take(i).Any(other => other.Config == one.Config))
                yield return ($"{at}.config", $"configuration {one.Config} stands here twice");
            if (one.NonceBytes < NonceLeast)
                yield return ($"{at}.nonce", $"a nonce has {NonceLeast} bytes at least, not {one.NonceBytes}");
            if (one.Key.Length > 0 && (one.Key.Length != 2 * KeyBytes || !one.Key.All(char.IsAsciiHexDigit)))
                yield return ($"{at}.key", $"a key is {2 * KeyBytes} hex digits: openssl rand -hex {KeyBytes}");
            foreach ((string path, string message) in one.IdProblems(at)) yield return (path, message);
        }
    }

    /// <summary>The same in all that it says.</summary>
    public bool Equals(QuicConfig? other) => other is not null && Config == other.Config
        && NonceBytes == other.NonceBytes && Key == other.Key && Ids.AsSpan().SequenceEqual(other.Ids.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Config, NonceBytes, Ids.Length);

    /// <summary>Without the key: what is printed may be read by anybody.</summary>
    public override string ToString() => $"QUIC configuration {Config}";

    private IEnumerable<(string Path, string Message)> IdProblems(string at)
    {
        if (Ids.IsEmpty)
        {
            yield return ($"{at}.ids", "expected the server id of at least one backend");
            yield break;
        }

        var owners = new Dictionary<(string Id, AddressFamily Family), IPAddress>();
        foreach (QuicServerId one in Ids)
        {
            string path = $"{at}.ids.{one.Backend}";
            // A server has one id in both families: a connection may go over from one to the other.
            (string, AddressFamily) key = (one.Id.ToUpperInvariant(), one.Backend.AddressFamily);
            if (one.Id.Length == 0 || one.Id.Length % 2 != 0 || !one.Id.All(char.IsAsciiHexDigit))
                yield return (path, $"\"{one.Id}\" is no server id: it takes whole bytes in hex");
            else if (one.Bytes != ServerIdBytes)
                yield return (path, $"server ids {Ids[0].Id} and {one.Id} differ in length: one configuration has one");
            else if (!owners.TryAdd(key, one.Backend))
                yield return (path, $"server id {one.Id} is that of {owners[key]} already");
        }

        if (Bytes > BytesMax)
        {
            yield return ($"{at}.ids", $"server ids of {ServerIdBytes} bytes and a nonce of {NonceBytes} are more than "
                + $"the {BytesMax} that a connection id has room for behind its first byte");
        }
    }
}
