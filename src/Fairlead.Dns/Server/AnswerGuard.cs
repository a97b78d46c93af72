using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Server;

/// <summary>
/// The way from a packet to the Answerer: it counts, and no packet can end the thread that carries it.
/// </summary>
internal sealed class AnswerGuard(DnsCounters all, ThreadCounters counters)
{
    public delegate int AnswerCall(
        DnsTable table, ReadOnlySpan<byte> query, UInt128 clientMapped, bool isStream, Span<byte> response);

    /// <summary>Only tests put another here, one that fails.</summary>
    public AnswerCall Call { get; init; } = Answerer.Answer;

    public ThreadCounters Counters => counters;

    public int Answer(DnsTable table, ReadOnlySpan<byte> query, UInt128 client, bool isStream, Span<byte> response)
    {
        counters.Add(isStream ? DnsCounter.TcpQueries : DnsCounter.UdpQueries);
        int length;
        try
        {
            length = Call(table, query, client, isStream, response);
        }
        catch (Exception fault)
        {
            // A top loop: one packet that meets a fault of ours must not take the server from everybody else.
            counters.Add(DnsCounter.Faults);
            all.Keep(query, fault);
            length = Answerer.ServFail(query, response);
        }

        if (length == 0)
            counters.Add(
                query.Length < QueryMessage.HeaderBytes ? DnsCounter.DroppedShort : DnsCounter.DroppedResponse);
        else
            Count(query, response[..length]);
        return length;
    }

    private void Count(ReadOnlySpan<byte> query, ReadOnlySpan<byte> response)
    {
        if ((response[2] & 0x02) != 0) counters.Add(DnsCounter.AnswersTruncated);
        // BADVERS has a low half of 0, as NOERROR has; the high half stands in the OPT, the only record it has then.
        var rcode = (Rcode)(response[3] & 0xf);
        bool onlyOpt = rcode == Rcode.NoError && response is [_, _, _, _, _, _, 0, 0, 0, 0, 0, 1, ..];
        if (onlyOpt && QueryMessage.Read(query, out _) == QueryFault.Version) rcode = Rcode.BadVers;
        counters.AddRcode(rcode);
    }
}
