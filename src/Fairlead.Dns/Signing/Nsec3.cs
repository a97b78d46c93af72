using System.Buffers.Binary;
using System.Security.Cryptography;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Signing;

/// <summary>The parameters that a zone's NSEC3 chain was made with (RFC 5155 §4), and the hash they make.</summary>
internal sealed class Nsec3Parameters
{
    public const int HashBytes = 20;

    /// <summary>Base32hex without padding.</summary>
    public const int LabelBytes = 32;

    /// <summary>
    /// RFC 5155 §10.3: no signer may use more. RFC 9276 §3.1 wants none at all, for every denial pays for them.
    /// </summary>
    public const int IterationsMax = 2500;

    private const byte Sha1Algorithm = 1;
    private readonly byte[] salt;

    private Nsec3Parameters(int iterations, byte[] salt)
    {
        Iterations = iterations;
        this.salt = salt;
    }

    public int Iterations { get; }

    /// <summary>From the RDATA of NSEC3PARAM; null with another algorithm, a flag, or too many iterations.</summary>
    public static Nsec3Parameters? Read(ReadOnlySpan<byte> rdata)
    {
        // RFC 5155 §4.1.2: a record with a flag set is one to ignore.
        if (rdata.Length < 5 || rdata[0] != Sha1Algorithm || rdata[1] != 0) return null;
        int iterations = BinaryPrimitives.ReadUInt16BigEndian(rdata[2..]);
        if (iterations > IterationsMax || rdata.Length != 5 + rdata[4]) return null;
        return new Nsec3Parameters(iterations, rdata[5..].ToArray());
    }

    /// <summary>Whether a NSEC3 record belongs to this chain.</summary>
    public bool Made(ReadOnlySpan<byte> nsec3) =>
        nsec3.Length > 5 + salt.Length && nsec3[0] == Sha1Algorithm
        && BinaryPrimitives.ReadUInt16BigEndian(nsec3[2..]) == Iterations
        && nsec3[4] == salt.Length && nsec3.Slice(5, salt.Length).SequenceEqual(salt);

    /// <summary>RFC 5155 §5: the name in lower case and the salt, hashed, and each result with the salt.</summary>
    public void Hash(ReadOnlySpan<byte> folded, Span<byte> hash)
    {
        Span<byte> data = stackalloc byte[DnsName.WireBytesMax + byte.MaxValue];
        int length = folded.Length;
        folded.CopyTo(data);
        for (int i = 0; i <= Iterations; i++)
        {
            salt.CopyTo(data[length..]);
            SHA1.HashData(data[..(length + salt.Length)], hash);
            hash[..HashBytes].CopyTo(data);
            length = HashBytes;
        }
    }

    /// <summary>RFC 4648 §7: base32hex, in lower case, of 20 bytes.</summary>
    public static void ToLabel(ReadOnlySpan<byte> hash, Span<byte> label)
    {
        ReadOnlySpan<byte> digits = "0123456789abcdefghijklmnopqrstuv"u8;
        for (int group = 0; group < HashBytes / 5; group++)
        {
            ulong bits = 0;
            foreach (byte value in hash.Slice(group * 5, 5)) bits = (bits << 8) | value;
            for (int i = 0; i < 8; i++) label[(group * 8) + i] = digits[(int)(bits >> (35 - (i * 5))) & 31];
        }
    }
}
