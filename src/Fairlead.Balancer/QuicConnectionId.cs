using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;

namespace Fairlead.Balancer;

/// <summary>
/// Connection ids of draft-ietf-quic-load-balancers-21, as servers write them and bpf/quic.h reads them.
/// <code>
/// [configuration 3 | length 5][server id][nonce]      a key encrypts server id and nonce together
/// </code>
/// </summary>
public static class QuicConnectionId
{
    private const int Block = 16, LongLength = 5, LongId = 6, ShortId = 1;

    /// <summary>
    /// The connection id of a server. A nonce is used once a server id: counted up, or, without a key, made by chance.
    /// The first byte's last five bits say how long the rest is, which cards of servers like to know.
    /// </summary>
    public static byte[] Write(QuicConfig config, ReadOnlySpan<byte> serverId, ReadOnlySpan<byte> nonce)
    {
        if (serverId.Length != config.ServerIdBytes || nonce.Length != config.NonceBytes)
            throw new ArgumentException($"{config}: {config.ServerIdBytes} bytes and a nonce of {config.NonceBytes}");
        byte[] id = [(byte)((config.Config << 5) | config.Bytes), .. serverId, .. nonce];
        if (config.Key.Length == 0) return id;
        using Aes aes = Cipher(config);
        Span<byte> secret = id.AsSpan(1);
        if (config.Bytes == Block) aes.EncryptEcb(secret, secret, PaddingMode.None);
        else Feistel(aes, secret, passes: [1, 2, 3, 4]);
        return id;
    }

    /// <summary>The server id in a connection id of this configuration; null: it is too short.</summary>
    public static byte[]? ReadServerId(QuicConfig config, ReadOnlySpan<byte> id)
    {
        if (id.Length <= config.Bytes) return null;
        byte[] secret = id.Slice(1, config.Bytes).ToArray();
        if (config.Key.Length > 0)
        {
            using Aes aes = Cipher(config);
            if (config.Bytes == Block) aes.DecryptEcb(secret, secret, PaddingMode.None);
            else Feistel(aes, secret, passes: [4, 3, 2, 1]);
        }

        return secret[..config.ServerIdBytes];
    }

    /// <summary>
    /// Whose connection this UDP payload is of, by its connection id, as bpf/quic.h finds it; null: none of them says
    /// so, and the slots decide.
    /// </summary>
    public static IPAddress? BackendOf(ServiceEntry service, ReadOnlySpan<byte> payload)
    {
        if (payload.Length < ShortId + 1 + QuicConfig.BytesMax) return null;
        bool isLong = (payload[0] & 0x80) != 0;
        if (isLong && payload.Length < LongId + 1 + QuicConfig.BytesMax) return null;
        ReadOnlySpan<byte> id = payload[(isLong ? LongId : ShortId)..];
        return MadeBy(service.Quic, isLong && payload[LongLength] < id.Length ? id[..payload[LongLength]] : id);
    }

    /// <summary>The backend that made this connection id; null: none did.</summary>
    public static IPAddress? MadeBy(ImmutableArray<QuicConfig> configs, ReadOnlySpan<byte> id)
    {
        foreach (QuicConfig config in configs)
        {
            if (id.IsEmpty || config.Config != id[0] >> 5) continue;
            string? read = ReadServerId(config, id) is { } server ? Convert.ToHexString(server) : null;
            foreach (QuicServerId one in config.Ids)
                if (one.Id.Equals(read, StringComparison.OrdinalIgnoreCase)) return one.Backend;
        }

        return null;
    }

    // The draft's §5.4: each pass makes one half of the other. Of an odd number of bytes the one in the middle is
    // divided: its upper half ends the left, its lower half begins the right.
    private static void Feistel(Aes aes, Span<byte> secret, ReadOnlySpan<int> passes)
    {
        int half = (secret.Length + 1) / 2, rightAt = secret.Length - half;
        bool isOdd = secret.Length % 2 != 0;
        Span<byte> left = stackalloc byte[half], right = stackalloc byte[half], block = stackalloc byte[Block];
        secret[..half].CopyTo(left);
        secret[rightAt..].CopyTo(right);
        Divide(left, right);
        foreach (int pass in passes)
        {
            Span<byte> from = pass % 2 == 1 ? left : right, to = pass % 2 == 1 ? right : left;
            block.Clear();
            from.CopyTo(block);
            (block[^2], block[^1]) = ((byte)secret.Length, (byte)pass);
            aes.EncryptEcb(block, block, PaddingMode.None);
            for (int i = 0; i < half; i++) to[i] ^= block[i];
            Divide(left, right);
        }

        left.CopyTo(secret);
        byte middle = isOdd ? left[^1] : (byte)0;
        right.CopyTo(secret[rightAt..]);
        secret[rightAt] |= middle;

        void Divide(Span<byte> one, Span<byte> other)
        {
            if (!isOdd) return;
            one[^1] &= 0xf0;
            other[0] &= 0x0f;
        }
    }

    private static Aes Cipher(QuicConfig config)
    {
        var aes = Aes.Create();
        aes.Key = Convert.FromHexString(config.Key);
        return aes;
    }
}
