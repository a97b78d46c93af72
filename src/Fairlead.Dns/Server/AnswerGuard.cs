using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Server;

/// <summary>
/// The way from a packet to the Answerer: it counts, and no packet can end the thread that carries it.
/// </summary>
internal sealed class AnswerGuard(
    DnsCounters all, ThreadCounters counters, AnswerState state, RateLimiter? limiter = null)
{
    private uint nowUnits;

    public delegate int AnswerCall(
        DnsTable table, ReadOnlySpan<byte> query, in Asker asker, AnswerState? state, Span<byte> response);

    /// <summary>Only tests put another here, one that fails.</summary>
    public AnswerCall Call { get; init; } = Answerer.Answer;

    public ThreadCounters Counters => counters;

    public AnswerState State => state;

    /// <summary>The time of the queries that come now: Unix time for cookies, since the start for rates.</summary>
    public void At(DateTimeOffset now, TimeSpan sinceStart)
    {
        state.NowSeconds = (uint)now.ToUnixTimeSeconds();
        nowUnits = RateLimiter.UnitsOf(sinceStart);
    }

    /// <summary>Gives the answer's length; 0: nothing is to be sent.</summary>
    public int Answer(DnsTable table, ReadOnlySpan<byte> query, in Asker asker, Span<byte> response)
    {
        counters.Add(asker.Transport);
        int length;
        try
        {
            length = Call(table, query, asker, state, response);
        }
        catch (Exception fault)
        {
            // A top loop: one packet that meets a fault of ours must not take the server from everybody else.
            counters.Add(DnsCounter.Faults);
            all.Keep(query, fault);
            state.Rcode = Rcode.ServFail;
            length = Answerer.ServFail(query, response);
        }

        if (length == 0)
        {
            counters.Add(
                query.Length < QueryMessage.HeaderBytes ? DnsCounter.DroppedShort : DnsCounter.DroppedResponse);
            return 0;
        }

        counters.Add(state.Type);
        counters.Add(state.Cookie);
        if (state.WasReady) counters.Add(DnsCounter.AnswersReady);
        if (limiter is not null && asker.Transport == Transport.Udp && state.Cookie != CookieState.Valid)
        {
            length = Limit(query, asker, response, length);
            if (length == 0) return 0;
        }

        if ((response[2] & 0x02) != 0) counters.Add(DnsCounter.AnswersTruncated);
        counters.AddRcode(state.Rcode);
        return length;
    }

    private int Limit(ReadOnlySpan<byte> query, in Asker asker, Span<byte> response, int length)
    {
        bool hasRecords = (response[6] | response[7]) != 0;
        switch (limiter!.Judge(asker.ClientMapped, state.Rcode, hasRecords, nowUnits))
        {
            case RateVerdict.Send:
                return length;
            case RateVerdict.Slip when Answerer.Limited(query, asker, state, response) is var small and > 0:
                counters.Add(DnsCounter.RateSlipped);
                return small;
            default:
                counters.Add(DnsCounter.RateDropped);
                return 0;
        }
    }
}
