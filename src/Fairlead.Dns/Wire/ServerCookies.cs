using System.Buffers.Binary;
using System.Collections.Immutable;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Dns.Wire;

/// <summary>What a query's COOKIE option came to.</summary>
public enum CookieState
{
    /// <summary>The option was not there.</summary>
    None,

    /// <summary>A client that has no cookie of ours yet.</summary>
    ClientOnly,

    /// <summary>A server cookie that we did not make, or made too long ago, or for another address.</summary>
    Wrong,

    /// <summary>The address is truly the asker's.</summary>
    Valid,
}

/// <summary>
/// DNS cookies (RFC 7873) in the interoperable form of RFC 9018, so that every node with the same secrets takes the
/// others' cookies. The first secret makes cookies, all of them are taken: to roll, put the new one second everywhere,
/// then first everywhere, then take the old one out.
/// <code>
/// | CLIENT COOKIE 8 | VERSION 1 | RESERVED 3 | TIMESTAMP 4 | SIPHASH-2-4 8 |
/// </code>
/// </summary>
public sealed class ServerCookies
{
    public const int SecretBytes = 16;
    internal const ushort OptionCode = 10;
    internal const int ClientBytes = 8;
    internal const int ServerBytes = 16;

    // RFC 9018 §4.3: taken for an hour, five minutes of a clock that runs ahead, and made anew after half an hour.
    private const int SecondsMax = 3600;
    private const int AheadSecondsMax = 300;

    private readonly ImmutableArray<ImmutableArray<byte>> secrets;

    /// <summary>ArgumentException when there is no secret or one that has not 16 bytes.</summary>
    public ServerCookies(params ImmutableArray<ImmutableArray<byte>> secrets)
    {
        if (secrets.IsDefaultOrEmpty || secrets.Any(secret => secret.IsDefault || secret.Length != SecretBytes))
            throw new ArgumentException($"a cookie secret has {SecretBytes} bytes");
        this.secrets = secrets;
    }

    /// <summary>A secret that the server keeps to itself.</summary>
    public static ServerCookies OfChance()
    {
        var secret = new byte[SecretBytes];
        System.Security.Cryptography.RandomNumberGenerator.Fill(secret);
        return new ServerCookies([.. secret]);
    }

    /// <summary>Judges the option's data, of a length that QueryMessage has checked.</summary>
    internal CookieState Judge(scoped ReadOnlySpan<byte> cookie, UInt128 clientMapped, uint nowSeconds)
    {
        if (cookie.IsEmpty) return CookieState.None;
        if (cookie.Length == ClientBytes) return CookieState.ClientOnly;
        if (cookie.Length != ClientBytes + ServerBytes || cookie[8] != 1) return CookieState.Wrong;
        // RFC 9018 §4.3: serial number arithmetic, so that the year 2106 is no end.
        int age = (int)(nowSeconds - BinaryPrimitives.ReadUInt32BigEndian(cookie[12..]));
        if (age is > SecondsMax or < -AheadSecondsMax) return CookieState.Wrong;
        ulong hash = BinaryPrimitives.ReadUInt64LittleEndian(cookie[16..]);
        foreach (ImmutableArray<byte> secret in secrets)
        {
            if (HashOf(secret, cookie[..16], clientMapped) == hash) return CookieState.Valid;
        }

        return CookieState.Wrong;
    }

    /// <summary>Writes client cookie and a fresh server cookie: 24 bytes.</summary>
    internal void Write(scoped ref WireWriter writer, ReadOnlySpan<byte> client, UInt128 clientMapped, uint nowSeconds)
    {
        Span<byte> cookie = stackalloc byte[ClientBytes + ServerBytes];
        client[..ClientBytes].CopyTo(cookie);
        BinaryPrimitives.WriteUInt32BigEndian(cookie[8..], 0x01000000);
        BinaryPrimitives.WriteUInt32BigEndian(cookie[12..], nowSeconds);
        ulong hash = HashOf(secrets[0], cookie[..16], clientMapped);
        BinaryPrimitives.WriteUInt64LittleEndian(cookie[16..], hash);
        writer.Bytes(cookie);
    }

    private static ulong HashOf(
        ImmutableArray<byte> secret, scoped ReadOnlySpan<byte> cookieHead, UInt128 clientMapped)
    {
        Span<byte> data = stackalloc byte[32];
        cookieHead.CopyTo(data);
        BinaryPrimitives.WriteUInt128BigEndian(data[16..], clientMapped);
        if (!Prefix.OfMapped(clientMapped, 128).IsIPv4) return SipHash.Of(secret.AsSpan(), data);
        // RFC 9018 §4.4: an IPv4 client counts with its four bytes.
        data[28..].CopyTo(data[16..]);
        return SipHash.Of(secret.AsSpan(), data[..20]);
    }
}
