using System.Net;

namespace Fairlead.Balancer;

/// <summary>
/// A server id of draft-ietf-quic-load-balancers in plain text: the backend that writes this into its QUIC connection
/// ids, in the configuration with this number (0 to 6). Connections with such ids come to it whatever their client's
/// address is. The id is in hex, of one to eight bytes, and all of one configuration are of one length.
/// </summary>
public readonly record struct QuicServerId(byte Config, string Id, IPAddress Backend)
{
    private const int ConfigMax = 6, BytesMax = 8, LongLength = 5, LongId = 6, ShortId = 1;

    /// <summary>The id's bytes, the first in the lowest, as the kernel reads them.</summary>
    internal ulong Bits => Read(Convert.FromHexString(Id));

    internal int Bytes => Id.Length / 2;

    /// <summary>What is wrong with a service's ids; null: nothing.</summary>
    public static string? Problem(ServiceEntry service)
    {
        foreach (QuicServerId one in service.QuicIds)
        {
            if (one.Config > ConfigMax) return $"QUIC configuration {one.Config}: there are 0 to {ConfigMax}";
            if (one.Bytes is < 1 or > BytesMax || one.Id.Length % 2 != 0 || !one.Id.All(char.IsAsciiHexDigit))
                return $"QUIC server id {one.Id}: it takes one to {BytesMax} bytes in hex";
            QuicServerId other = service.QuicIds.First(other => other.Config == one.Config);
            if (other.Bytes != one.Bytes) return $"QUIC server ids {other.Id} and {one.Id} differ in length";
        }

        return service.QuicIds.GroupBy(one => (one.Config, one.Bits)).FirstOrDefault(same => same.Count() > 1)?.First()
            is { } twice ? $"QUIC server id {twice.Id} is given twice" : null;
    }

    /// <summary>
    /// Whose connection this UDP payload is of, by its connection id, as bpf/quic.h finds it; null: none of them says
    /// so, and the slots decide.
    /// </summary>
    public static IPAddress? BackendOf(ServiceEntry service, ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 2 * BytesMax) return null;
        bool isLong = (payload[0] & 0x80) != 0;
        ReadOnlySpan<byte> id = payload[(isLong ? LongId : ShortId)..];
        foreach (QuicServerId one in service.QuicIds)
        {
            if (one.Config != id[0] >> 5 || (isLong && payload[LongLength] <= one.Bytes)) continue;
            if (Read(id.Slice(1, one.Bytes)) == one.Bits) return one.Backend;
        }

        return null;
    }

    private static ulong Read(ReadOnlySpan<byte> bytes)
    {
        ulong bits = 0;
        for (int i = 0; i < bytes.Length; i++) bits |= (ulong)bytes[i] << (8 * i);
        return bits;
    }
}
