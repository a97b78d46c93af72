using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Transfers;

/// <summary>RFC 8945 §6: those that must or may be used; MD5 and the truncated ones are not among them.</summary>
public enum TsigAlgorithm
{
    HmacSha256,
    HmacSha1,
    HmacSha384,
    HmacSha512,
}

/// <summary>A secret that two servers share, by the name they both know it under (RFC 8945 §4.2).</summary>
public sealed class TsigKey
{
    private static readonly (TsigAlgorithm Algorithm, string Name, HashAlgorithmName Hash, int Bytes)[] Algorithms =
    [
        (TsigAlgorithm.HmacSha256, "hmac-sha256", HashAlgorithmName.SHA256, 32),
        (TsigAlgorithm.HmacSha1, "hmac-sha1", HashAlgorithmName.SHA1, 20),
        (TsigAlgorithm.HmacSha384, "hmac-sha384", HashAlgorithmName.SHA384, 48),
        (TsigAlgorithm.HmacSha512, "hmac-sha512", HashAlgorithmName.SHA512, 64),
    ];

    private readonly byte[] secret;

    /// <summary>ArgumentException when the secret is empty.</summary>
    public TsigKey(DnsName name, TsigAlgorithm algorithm, ReadOnlySpan<byte> secret)
    {
        if (secret.IsEmpty) throw new ArgumentException($"key {name} has an empty secret", nameof(secret));
        Name = name;
        Algorithm = algorithm;
        this.secret = secret.ToArray();
        AlgorithmName = DnsName.Parse(Algorithms[(int)algorithm].Name);
    }

    public DnsName Name { get; }

    public TsigAlgorithm Algorithm { get; }

    /// <summary>As it stands in the record.</summary>
    public DnsName AlgorithmName { get; }

    public int MacBytes => Algorithms[(int)Algorithm].Bytes;

    /// <summary>What a TSIG record with a whole MAC and six bytes of other data takes in a message.</summary>
    public int RecordBytesMax => Name.Wire.Length + 10 + AlgorithmName.Wire.Length + 16 + MacBytes + 6;

    /// <summary>Reads "hmac-sha256" and so on, and a secret in base64, as every other server writes them.</summary>
    public static bool TryParse(
        string? name, string? algorithm, string? secret, [NotNullWhen(true)] out TsigKey? key, out string problem)
    {
        key = null;
        problem = "";
        int index = Array.FindIndex(
            Algorithms, known => known.Name.Equals(algorithm, StringComparison.OrdinalIgnoreCase));
        byte[] bytes = new byte[(secret?.Length ?? 0) + 1];
        if (!DnsName.TryParse(name, out DnsName parsed)) problem = $"'{name}' is not a key's name";
        else if (index < 0) problem = $"'{algorithm}': use {string.Join(", ", Algorithms.Select(known => known.Name))}";
        else if (!Convert.TryFromBase64String(secret ?? "", bytes, out int length) || length == 0)
            problem = $"the secret of key {parsed} is not base64";
        else key = new TsigKey(parsed, Algorithms[index].Algorithm, bytes.AsSpan(0, length));
        return key is not null;
    }

    /// <summary>Whether both sign alike.</summary>
    internal bool IsSame(TsigKey other) => Name == other.Name && Algorithm == other.Algorithm
        && CryptographicOperations.FixedTimeEquals(secret, other.secret);

    internal IncrementalHash NewMac() => IncrementalHash.CreateHMAC(Algorithms[(int)Algorithm].Hash, secret);
}

/// <summary>The keys of a server by name.</summary>
internal sealed class TsigKeys(IEnumerable<TsigKey> keys)
{
    private readonly ImmutableDictionary<DnsName, TsigKey> byName = keys.ToImmutableDictionary(key => key.Name);

    public TsigKey? Find(DnsName name) => byName.GetValueOrDefault(name);
}
