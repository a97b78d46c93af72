using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Bgp.Session;

/// <summary>What a dump has come to. Lost: messages that the stream was too slow for.</summary>
public sealed record DumpResult(long Messages, long Bytes, long Lost);

/// <summary>The two ends of a dumped session.</summary>
internal readonly record struct DumpEnds(Asn PeerAs, Asn LocalAs, IPAddress Peer, IPAddress Local);

/// <summary>
/// One peer's messages as MRT records with microseconds (RFC 6396 §3), written from the very bytes of the session:
/// <code>
/// seconds u32 | type u16 (17: BGP4MP_ET) | subtype u16 | length u32 | microseconds u32
/// peer AS u32 | local AS u32 | interface u16 | AFI u16 | peer address | local address | message, or two states u16
/// </code>
/// The speaker's thread only queues; a slow stream loses records, which are counted, and never delays a session.
/// </summary>
internal sealed class SessionDump(string peer, Stream stream, long bytesMax)
{
    private const ushort Bgp4MpEt = 17;
    private const int QueueMax = 4096;
    private const int HeadSize = 64;

    private readonly Channel<byte[]> queue = Channel.CreateBounded<byte[]>(
        new BoundedChannelOptions(QueueMax) { SingleReader = true, SingleWriter = true });
    private long messages;
    private long bytes;
    private long lost;

    public string Peer => peer;

    /// <summary>No more records come: the bytes are used up, or Close was called.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Messages, one after the other as they are on the wire.</summary>
    public void Messages(
        ReadOnlySpan<byte> stream, DumpEnds ends, DateTimeOffset at, bool ours, Negotiation? agreed)
    {
        while (Message.TryFrame(stream, Message.ExtendedSizeMax, out _, out int length, out _))
        {
            Record(SubtypeOf(ours, agreed), ends, at, stream[..length]);
            stream = stream[length..];
        }
    }

    /// <summary>RFC 6396 §4.4.1: states are numbered from 1 (Idle) to 6 (Established).</summary>
    public void Change(SessionState before, SessionState after, DumpEnds ends, DateTimeOffset at)
    {
        const ushort StateChange = 5; // BGP4MP_STATE_CHANGE_AS4.
        Span<byte> states = [0, (byte)(before + 1), 0, (byte)(after + 1)];
        Record(StateChange, ends, at, states);
    }

    public void Close()
    {
        IsClosed = true;
        queue.Writer.TryComplete();
    }

    /// <summary>Writes what is queued until the dump is closed. IOException when the stream fails.</summary>
    public async Task<DumpResult> PumpAsync()
    {
        await foreach (byte[] record in queue.Reader.ReadAllAsync().ConfigureAwait(false))
            await stream.WriteAsync(record).ConfigureAwait(false);
        await stream.FlushAsync().ConfigureAwait(false);
        return new DumpResult(messages, bytes, lost);
    }

    // RFC 6396 §4.4.2 to §4.4.3, and RFC 8050 §4 where routes have path identifiers. The AS4 forms are for messages
    // whose AS_PATH has four octets; before the OPENs are exchanged there is none.
    private static ushort SubtypeOf(bool ours, Negotiation? agreed)
    {
        bool four = agreed?.FourOctetAs != false;
        // The peer's routes alone can have path identifiers: we send none.
        bool paths = !ours && agreed is { AddPath.IsEmpty: false };
        return (four, ours, paths) switch
        {
            (true, false, false) => 4,
            (true, true, _) => 7,
            (true, false, true) => 9,
            (false, false, false) => 1,
            (false, true, _) => 6,
            (false, false, true) => 8,
        };
    }

    private void Record(ushort subtype, DumpEnds ends, DateTimeOffset at, ReadOnlySpan<byte> body)
    {
        if (IsClosed) return;
        byte[] record = new byte[HeadSize + body.Length];
        var writer = new WireWriter(record);
        writer.U32((uint)at.ToUnixTimeSeconds());
        writer.U16(Bgp4MpEt);
        writer.U16(subtype);
        Span<byte> lengthAt = writer.Reserve(4);
        int start = writer.Position;
        writer.U32((uint)(at.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond));
        bool four = subtype is not (1 or 6 or 8);
        WriteAs(ref writer, ends.PeerAs, four);
        WriteAs(ref writer, ends.LocalAs, four);
        writer.U16(0); // The interface: not known, as the RFC allows.
        writer.U16(BgpFamily.Of(ends.Peer.AddressFamily).Afi);
        WriteAddress(ref writer, ends.Peer);
        WriteAddress(ref writer, ends.Local);
        writer.Bytes(body);
        BinaryPrimitives.WriteUInt32BigEndian(lengthAt, (uint)(writer.Position - start));

        if (bytes + writer.Position > bytesMax)
        {
            Close();
            return;
        }

        if (!queue.Writer.TryWrite(record[..writer.Position]))
        {
            lost++;
            return;
        }

        messages++;
        bytes += writer.Position;
    }

    private static void WriteAs(ref WireWriter writer, Asn asn, bool four)
    {
        if (four) writer.U32(asn.Value);
        else writer.U16((ushort)(asn.FitsTwoOctets ? asn.Value : Asn.Trans.Value));
    }

    private static void WriteAddress(ref WireWriter writer, IPAddress address)
    {
        Span<byte> octets = writer.Reserve(address.AddressFamily == AddressFamily.InterNetwork ? 4 : 16);
        address.TryWriteBytes(octets, out _);
    }
}
