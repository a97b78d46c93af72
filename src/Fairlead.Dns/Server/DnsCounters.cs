using System.Collections.Immutable;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Server;

/// <summary>
/// The counters of one thread: only it writes, anyone may read. Aligned words are never read half-written.
/// </summary>
internal sealed class ThreadCounters
{
    private readonly long[] values = new long[Enum.GetValues<DnsCounter>().Length];

    public void Add(DnsCounter counter, long count = 1) => values[(int)counter] += count;

    public void AddRcode(Rcode rcode) => Add(DnsCounters.OfRcode(rcode));

    public long Read(DnsCounter counter) => Volatile.Read(ref values[(int)counter]);
}

/// <summary>What the server counts. Each reason for silence or refusal has one of its own.</summary>
public enum DnsCounter
{
    UdpQueries,
    TcpQueries,
    AnswersNoError,
    AnswersFormErr,
    AnswersServFail,
    AnswersNxDomain,
    AnswersNotImp,
    AnswersRefused,
    AnswersBadVers,
    AnswersTruncated,

    /// <summary>Less than a header: dropped.</summary>
    DroppedShort,

    /// <summary>A response, not a query: dropped, else two servers would answer each other for ever.</summary>
    DroppedResponse,

    /// <summary>Answers that the kernel would not take.</summary>
    SendLost,

    /// <summary>Answering failed by a fault of ours; see LastOffender.</summary>
    Faults,
    TcpAccepted,
    TcpRefusedTotal,
    TcpRefusedClient,

    /// <summary>The longest idle one made room for a new one.</summary>
    TcpEvicted,
    TcpClosedIdle,

    /// <summary>A length of less than a header, or broken off within a message.</summary>
    TcpClosedFormat,
}

/// <summary>The sums over all threads of a server.</summary>
public sealed class DnsCounters
{
    private const int OffenderBytesMax = 512;

    private ImmutableArray<ThreadCounters> threads = [];
    private byte[] lastOffender = [];

    public long this[DnsCounter counter]
    {
        get
        {
            long sum = 0;
            foreach (ThreadCounters thread in threads) sum += thread.Read(counter);
            return sum;
        }
    }

    /// <summary>
    /// The first 512 bytes of the last query whose answering failed by a fault of ours; empty when none did.
    /// </summary>
    public ReadOnlyMemory<byte> LastOffender => Volatile.Read(ref lastOffender);

    /// <summary>The fault itself, for the log; null when there was none.</summary>
    public Exception? LastFault { get; private set; }

    internal static DnsCounter OfRcode(Rcode rcode) => rcode switch
    {
        Rcode.NoError => DnsCounter.AnswersNoError,
        Rcode.FormErr => DnsCounter.AnswersFormErr,
        Rcode.NxDomain => DnsCounter.AnswersNxDomain,
        Rcode.NotImp => DnsCounter.AnswersNotImp,
        Rcode.Refused => DnsCounter.AnswersRefused,
        Rcode.BadVers => DnsCounter.AnswersBadVers,
        _ => DnsCounter.AnswersServFail,
    };

    internal ThreadCounters AddThread()
    {
        var thread = new ThreadCounters();
        ImmutableInterlocked.Update(ref threads, (all, one) => all.Add(one), thread);
        return thread;
    }

    internal void Keep(ReadOnlySpan<byte> query, Exception fault)
    {
        Volatile.Write(ref lastOffender, query[..Math.Min(query.Length, OffenderBytesMax)].ToArray());
        LastFault = fault;
    }
}
