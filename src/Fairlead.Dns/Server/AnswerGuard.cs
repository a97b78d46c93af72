using Fairlead.Dns.Answering;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Server;

/// <summary>
/// The way from a packet to the Answerer: it counts, and no packet can end the thread that carries it.
/// </summary>
internal sealed class AnswerGuard(
    DnsCounters all, ThreadCounters counters, AnswerState state, RateLimiter? limiter = null,
    IMessageHandler? handler = null, TapQueue? tap = null, TimeProvider? time = null)
{
    private uint nowUnits;
    private DateTimeOffset now;

    public delegate int AnswerCall(
        DnsTable table, ReadOnlySpan<byte> query, in Asker asker, AnswerState? state, Span<byte> response);

    /// <summary>Only tests put another here, one that fails.</summary>
    public AnswerCall Call { get; init; } = Answerer.Answer;

    public ThreadCounters Counters => counters;

    public AnswerState State => state;

    /// <summary>The time of the queries that come now: Unix time for cookies, since the start for rates.</summary>
    public void At(DateTimeOffset now, TimeSpan sinceStart)
    {
        this.now = now;
        state.NowSeconds = (uint)now.ToUnixTimeSeconds();
        nowUnits = RateLimiter.UnitsOf(sinceStart);
    }

    /// <summary>
    /// This query comes to Answer soon: what it will look at is asked of memory now. Cheap, and it never fails.
    /// </summary>
    public void Expect(ReadOnlySpan<byte> query) => state.Cache?.Expect(query);

    /// <summary>Gives the answer's length; 0: nothing is to be sent.</summary>
    public int Answer(DnsTable table, ReadOnlySpan<byte> query, in Asker asker, Span<byte> response)
    {
        counters.Add(asker.Transport);
        int length;
        try
        {
            length = Call(table, query, asker, state, response);
            if (handler is not null && IsForHandler(asker)) length = AskHandler(table, query, asker, response);
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
        if (state.SteeredLabel > 0) counters.AddSteered(state.SteeredLabel);
        if (state.WasReady) counters.Add(DnsCounter.AnswersReady);
        if (limiter is not null && asker.Transport == Transport.Udp && state.Cookie != CookieState.Valid)
        {
            length = Limit(query, asker, response, length);
            if (length == 0) return 0;
        }

        if ((response[2] & 0x02) != 0) counters.Add(DnsCounter.AnswersTruncated);
        counters.AddRcode(state.Rcode);
        tap?.Add(asker, query, response[..length], now, time!.GetUtcNow());
        return length;
    }

    /// <summary>
    /// The transfer that a query on a stream asks for; null when it asks for none, and is to be answered.
    /// </summary>
    public IAnswerStream? OpenStream(ReadOnlySpan<byte> query, in Asker asker)
    {
        if (handler is null || QueryMessage.Read(query, out QueryMessage asked) != QueryFault.None
            || asked.Type is not (RecordType.Axfr or RecordType.Ixfr)) return null;
        try
        {
            return handler.Open(query, asker);
        }
        catch (Exception fault)
        {
            // As in Answer: the client gets a refusal, the others go on.
            counters.Add(DnsCounter.Faults);
            all.Keep(query, fault);
            return null;
        }
    }

    /// <summary>The next message of a transfer; 0 at its end, -1 when it failed by a fault of ours.</summary>
    public int Next(IAnswerStream stream, Span<byte> message)
    {
        try
        {
            return stream.Next(message);
        }
        catch (Exception fault)
        {
            // As in Answer.
            counters.Add(DnsCounter.Faults);
            all.Keep([], fault);
            return -1;
        }
    }

    // Only what was not answered is worth the question: the common query pays nothing for it.
    // RFC 8945 §5.3: what comes signed is answered signed, a SOA query of a secondary first of all.
    private bool IsForHandler(in Asker asker) => state.HasTsig || (state.Rcode == Rcode.NotImp
        ? state.Opcode is Opcode.Notify or Opcode.Update
        : state.Rcode == Rcode.Refused && state.Type == RecordType.Ixfr && !asker.IsStream);

    private int AskHandler(DnsTable table, ReadOnlySpan<byte> query, in Asker asker, Span<byte> response)
    {
        int handled = handler!.Answer(query, asker, response);
        // The answer that was written before is gone, so it is made again.
        if (handled == 0) return Call(table, query, asker, state, response);
        state.Rcode = (Rcode)(response[3] & 0xf);
        return Math.Min(handled, response.Length);
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
