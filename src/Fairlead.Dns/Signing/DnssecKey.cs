using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>What a key signs.</summary>
public enum KeyRole
{
    /// <summary>Both: the zone and its keys, and the parent's DS points to it. One a zone is enough.</summary>
    Csk,

    /// <summary>The DNSKEY, CDS and CDNSKEY sets; the parent's DS points to it.</summary>
    Ksk,

    /// <summary>Everything but the keys.</summary>
    Zsk,
}

/// <summary>
/// A key of a zone, ECDSA P-256 with SHA-256 (algorithm 13, RFC 6605): the DNSKEY record and the private key that
/// signs. Any number of threads may sign at once.
/// </summary>
public sealed class DnssecKey : IDisposable
{
    public const byte Algorithm = 13;
    public const int PrivateBytes = 32;
    public const int PublicBytes = 64;
    public const int SignatureBytes = 64;

    /// <summary>RFC 8624 §3.3: the digest that a DS must have.</summary>
    public const byte Sha256Digest = 2;

    private readonly ECParameters parameters;
    private readonly byte[] dnskey;

    // An ECDsa object belongs to one thread at a time.
    private readonly ConcurrentBag<ECDsa> idle = [];

    private DnssecKey(DnsName zone, KeyRole role, ECParameters parameters)
    {
        Zone = zone;
        Role = role;
        this.parameters = parameters;
        // RFC 4034 §2.1: flags (ZONE, and SEP for what the parent points to), protocol 3, algorithm, key.
        dnskey = [1, (byte)(role == KeyRole.Zsk ? 0 : 1), 3, Algorithm, .. parameters.Q.X!, .. parameters.Q.Y!];
        Tag = TagOf(dnskey);
    }

    public DnsName Zone { get; }

    public KeyRole Role { get; }

    /// <summary>RFC 4034 appendix B: not unique, only a hint which key to try.</summary>
    public ushort Tag { get; }

    /// <summary>The RDATA of the DNSKEY record; that of CDNSKEY is the same (RFC 7344 §3.2).</summary>
    public ReadOnlySpan<byte> Dnskey => dnskey;

    /// <summary>The point's X and Y, 64 bytes, as the record has them.</summary>
    public ReadOnlySpan<byte> PublicKey => dnskey.AsSpan(4);

    internal ReadOnlySpan<byte> PrivateKey => parameters.D;

    public static DnssecKey Generate(DnsName zone, KeyRole role)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new DnssecKey(zone, role, key.ExportParameters(includePrivateParameters: true));
    }

    /// <summary>
    /// From the private number (32 bytes). CryptographicException when it is none, or the public key is another's.
    /// </summary>
    public static DnssecKey Import(
        DnsName zone, KeyRole role, ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> expectedPublicKey = default)
    {
        using var key = ECDsa.Create();
        key.ImportParameters(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = privateKey.ToArray() });
        var imported = new DnssecKey(zone, role, key.ExportParameters(includePrivateParameters: true));
        if (!expectedPublicKey.IsEmpty && !expectedPublicKey.SequenceEqual(imported.PublicKey))
            throw new CryptographicException("the private key is not the one of the public key");
        return imported;
    }

    /// <summary>RFC 4034 §5.1.4: digest of owner and DNSKEY; the RDATA of the parent's DS, and of CDS.</summary>
    public byte[] Ds()
    {
        byte[] digest = SHA256.HashData([.. Zone.Folded, .. dnskey]);
        var ds = new byte[4 + digest.Length];
        BinaryPrimitives.WriteUInt16BigEndian(ds, Tag);
        (ds[2], ds[3]) = (Algorithm, Sha256Digest);
        digest.CopyTo(ds, 4);
        return ds;
    }

    /// <summary>The line for the parent zone: "example. IN DS 12345 13 2 9F86...".</summary>
    public string DsText() => $"{Zone} IN DS {Tag} {Algorithm} {Sha256Digest} {Convert.ToHexString(Ds().AsSpan(4))}";

    /// <summary>RFC 6605 §4: r and s, 32 bytes each.</summary>
    internal void Sign(ReadOnlySpan<byte> data, Span<byte> signature)
    {
        if (!idle.TryTake(out ECDsa? signer)) signer = ECDsa.Create(parameters);
        bool fits = signer.TrySignData(data, signature, HashAlgorithmName.SHA256,
            DSASignatureFormat.IeeeP1363FixedFieldConcatenation, out int written);
        idle.Add(signer);
        if (!fits || written != SignatureBytes) throw new CryptographicException("a signature of an odd length");
    }

    internal static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        using var key = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = publicKey[..32].ToArray(), Y = publicKey[32..].ToArray() },
        });
        return key.VerifyData(
            data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    /// <summary>RFC 4034 appendix B, for every algorithm but 1.</summary>
    internal static ushort TagOf(ReadOnlySpan<byte> dnskey)
    {
        uint sum = 0;
        for (int i = 0; i < dnskey.Length; i++) sum += (i & 1) == 0 ? (uint)dnskey[i] << 8 : dnskey[i];
        return (ushort)(sum + (sum >> 16));
    }

    public void Dispose()
    {
        while (idle.TryTake(out ECDsa? signer)) signer.Dispose();
    }

    public override string ToString() => $"{Zone} {Role.ToString().ToUpperInvariant()} {Tag}";
}
