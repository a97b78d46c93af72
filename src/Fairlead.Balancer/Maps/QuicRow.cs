using System.Buffers.Binary;
using System.Numerics;

namespace Fairlead.Balancer.Maps;

/// <summary>QUIC configurations and server ids as the kernel has them (bpf/quic.h).</summary>
internal static class QuicRow
{
    private const int Block = 16;

    public static FlQuicConfig Of(QuicConfig config)
    {
        int half = (config.Bytes + 1) / 2;
        var row = new FlQuicConfig
        {
            Bytes = (byte)config.Bytes,
            ServerId = Mask(config.ServerIdBytes),
        };
        if (config.Key.Length == 0) return row;
        ExpandKey(Convert.FromHexString(config.Key), row.Key);
        if (config.Bytes == Block)
        {
            row.Passes = 1;
            return row;
        }

        // The nonce is of no use here: as long as the left half has all of the server id, the first pass is saved.
        row.Passes = (byte)(config.ServerIdBytes <= config.NonceBytes ? 3 : 4);
        row.RightAt = (byte)(config.Bytes - half);
        (row.Left, row.Right) = (Mask(half), Mask(half));
        if (config.Bytes % 2 == 0) return row;
        // The byte in the middle is divided between them.
        FlBlock middle = Of([.. new byte[half - 1], 0x0f]);
        row.Left = new FlBlock { Half0 = row.Left.Half0 & ~middle.Half0, Half1 = row.Left.Half1 & ~middle.Half1 };
        row.Right = row.Right with { Half0 = row.Right.Half0 & ~0xf0UL };
        return row;
    }

    public static FlQuicId Of(QuicConfig config, QuicServerId id, uint service, uint backend)
    {
        FlBlock bytes = Of(Convert.FromHexString(id.Id));
        return new FlQuicId
        {
            Id0 = bytes.Half0,
            Id1 = bytes.Half1,
            Service = service,
            Backend = backend | ((uint)config.Config << Layout.QuicConfig),
        };
    }

    /// <summary>quic_hash of bpf/quic.h.</summary>
    public static uint Hash(FlQuicId id) =>
        PlaceTable.Hash(id.Id0, id.Id1, ((ulong)(id.Backend >> Layout.QuicConfig) << 32) | id.Service);

    /// <summary>FIPS 197, 5.2: the key of each round from the cipher's.</summary>
    private static void ExpandKey(ReadOnlySpan<byte> key, Span<FlBlock> rounds)
    {
        Span<uint> words = stackalloc uint[4 * rounds.Length];
        for (int i = 0; i < words.Length; i++)
        {
            if (i < 4)
            {
                words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(4 * i)..]);
                continue;
            }

            uint last = words[i - 1];
            // The first byte of a word is its lowest here.
            if (i % 4 == 0) last = Substitute(BitOperations.RotateRight(last, 8)) ^ RoundConstant(i / 4);
            words[i] = words[i - 4] ^ last;
        }

        for (int i = 0; i < rounds.Length; i++)
        {
            rounds[i] = new FlBlock
            {
                Half0 = words[4 * i] | ((ulong)words[4 * i + 1] << 32),
                Half1 = words[4 * i + 2] | ((ulong)words[4 * i + 3] << 32),
            };
        }
    }

    private static uint Substitute(uint word)
    {
        uint made = 0;
        for (int i = 0; i < 32; i += 8) made |= (uint)Substitute((byte)(word >> i)) << i;
        return made;
    }

    /// <summary>FIPS 197, 5.1.1: the inverse in GF(2^8), which is the power of 254, then the affine map.</summary>
    private static byte Substitute(byte value)
    {
        byte inverse = value;
        // 254 is 2 + 4 + ... + 128: six times the square times the value, and one more square.
        for (int i = 0; i < 6; i++) inverse = Times(Times(inverse, inverse), value);
        inverse = Times(inverse, inverse);
        byte made = 0x63;
        for (int i = 0; i < 5; i++) made ^= (byte)((inverse << i) | (inverse >> (8 - i)));
        return made;
    }

    private static uint RoundConstant(int round)
    {
        byte power = 1;
        for (int i = 1; i < round; i++) power = Times(power, 2);
        return power;
    }

    private static byte Times(byte one, byte other)
    {
        int product = 0;
        for (int i = 7; i >= 0; i--)
        {
            product <<= 1;
            if ((product & 0x100) != 0) product ^= 0x11b;
            if ((other >> i & 1) != 0) product ^= one;
        }

        return (byte)product;
    }

    private static FlBlock Mask(int bytes) => Of([.. Enumerable.Repeat((byte)0xff, bytes)]);

    private static FlBlock Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> block = stackalloc byte[Block];
        block.Clear();
        bytes.CopyTo(block);
        return new FlBlock
        {
            Half0 = BinaryPrimitives.ReadUInt64LittleEndian(block),
            Half1 = BinaryPrimitives.ReadUInt64LittleEndian(block[8..]),
        };
    }
}
