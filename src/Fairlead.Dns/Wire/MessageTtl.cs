using Fairlead.Net.Wire;

namespace Fairlead.Dns.Wire;

/// <summary>How long an answer of ours may be kept by one who does not look into it.</summary>
public static class MessageTtl
{
    /// <summary>
    /// RFC 8484 §5.1: the smallest TTL of an answer's records, OPT aside; with none, or with a damaged message, 0.
    /// A denial's SOA has the time of the denial as its TTL already.
    /// </summary>
    public static uint Smallest(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message);
        _ = reader.U32();
        int questions = reader.U16(), records = reader.U16() + reader.U16() + reader.U16();
        for (; questions > 0; questions--)
        {
            SkipName(ref reader);
            _ = reader.U32();
        }

        uint smallest = uint.MaxValue;
        for (; records > 0 && !reader.Failed; records--)
        {
            SkipName(ref reader);
            var type = (RecordType)reader.U16();
            _ = reader.U16();
            uint ttl = reader.U32();
            _ = reader.Take(reader.U16());
            if (type != RecordType.Opt) smallest = Math.Min(smallest, ttl);
        }

        return reader.Failed || smallest == uint.MaxValue ? 0 : smallest;
    }

    private static void SkipName(scoped ref WireReader reader)
    {
        while (reader.U8() is var length and not 0)
        {
            if (length < 0xc0)
            {
                _ = reader.Take(length);
                continue;
            }

            _ = reader.U8();
            return;
        }
    }
}
