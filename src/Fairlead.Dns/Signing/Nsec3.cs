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
    /// RFC 9276 §3.1 wants none and validators stop at 50 to 150; more would only burn our processor for an answer that
    /// nobody accepts.
    /// </summary>
    public const int IterationsMax = 500;

    private const byte Sha1Algorithm = 1;
    private readonly byte[] salt;

    private Nsec3Parameters(int iterations, byte[] salt)
    {
        Iterations = iterations;
        this.salt = salt;
    }

    public int Iterations { get; }

    /// <summary>From the RDATA of NSEC3PARAM; null when it has another algorithm, a flag, or too many iterations.</summary>
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

    /// <summary>RFC 5155 §5: the name in lower case and the salt, hashed, and each result hashed with the salt.</summary>
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

    /// <summary>RFC 4648 §7: a NSEC3 owner's first label to its hash; false when it is none.</summary>
    public static bool TryLabel(ReadOnlySpan<byte> label, Span<byte> hash)
    {
        if (label.Length != LabelBytes) return false;
        ulong bits = 0;
        for (int i = 0; i < LabelBytes; i++)
        {
            int value = label[i] switch
            {
                >= (byte)'0' and <= (byte)'9' => label[i] - '0',
                >= (byte)'a' and <= (byte)'v' => label[i] - 'a' + 10,
                >= (byte)'A' and <= (byte)'V' => label[i] - 'A' + 10,
                _ => -1,
            };
            if (value < 0) return false;
            bits = (bits << 5) | (uint)value;
            if (i % 8 != 7) continue;
            for (int b = 0; b < 5; b++) hash[(i / 8 * 5) + b] = (byte)(bits >> (32 - (b * 8)));
            bits = 0;
        }

        return true;
    }
}
