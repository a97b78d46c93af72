using System.Collections.Immutable;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Server;

/// <summary>
/// The counters of one thread: only it writes, anyone may read. Aligned words are never read half-written.
/// </summary>
internal sealed class ThreadCounters
{
    /// <summary>Types above CAA are counted together.</summary>
    public const int TypesMax = (int)RecordType.Caa + 1;

    // A cache line of nothing on both sides: no other thread's counters share one with ours.
    private const int Apart = 8;

    private readonly long[] values = new long[Enum.GetValues<DnsCounter>().Length + (2 * Apart)];
    private readonly long[] steered = new long[SteeredLabels.CountMax + (2 * Apart)];
    private readonly long[] types = new long[TypesMax + 1 + (2 * Apart)];

    public LatencyHistogram Latency { get; } = new();

    public void Add(DnsCounter counter, long count = 1) => values[(int)counter + Apart] += count;

    public void Add(Transport transport) => Add(DnsCounter.UdpQueries + (int)transport);

    public void Add(CookieState cookie)
    {
        if (cookie != CookieState.None) Add(DnsCounter.CookiesClientOnly + ((int)cookie - 1));
    }

    public void Add(RecordType type) => types[Math.Min((int)type, TypesMax) + Apart]++;

    public void AddSteered(int label) => steered[label + Apart]++;

    public void AddRcode(Rcode rcode) => Add(DnsCounters.OfRcode(rcode));

    public long Read(DnsCounter counter) => Volatile.Read(ref values[(int)counter + Apart]);

    public long ReadSteered(int label) => Volatile.Read(ref steered[label + Apart]);

    public long ReadType(int index) => Volatile.Read(ref types[index + Apart]);
}

/// <summary>What the server counts. Each reason for silence or refusal has one of its own.</summary>
public enum DnsCounter
{
    UdpQueries,
    TcpQueries,
    TlsQueries,
    HttpsQueries,
    AnswersNoError,
    AnswersFormErr,
    AnswersServFail,
    AnswersNxDomain,
    AnswersNotImp,
    AnswersRefused,
    AnswersBadVers,
    AnswersBadCookie,

    /// <summary>Codes that have no counter of their own.</summary>
    AnswersOther,

    /// <summary>Taken ready from the cache.</summary>
    AnswersReady,
    AnswersTruncated,

    /// <summary>Less than a header: dropped.</summary>
    DroppedShort,

    /// <summary>A response, not a query: dropped, else two servers would answer each other for ever.</summary>
    DroppedResponse,

    /// <summary>Queries with a client's cookie alone, with one that is not ours, with one of ours.</summary>
    CookiesClientOnly,
    CookiesWrong,
    CookiesValid,

    /// <summary>Over the rate: answered with TC or BADCOOKIE.</summary>
    RateSlipped,

    /// <summary>Over the rate: not answered.</summary>
    RateDropped,

    /// <summary>Answers that the kernel would not take.</summary>
    SendLost,

    /// <summary>Answering failed by a fault of ours; see LastOffender.</summary>
    Faults,

    /// <summary>AXFR and IXFR begun on a stream.</summary>
    Transfers,
    TcpAccepted,

    /// <summary>Handshakes that came to their end; TcpRefused and TcpClosedIdle count TLS too.</summary>
    TlsAccepted,

    /// <summary>Handshakes or records that were not TLS as we speak it, or broken off.</summary>
    TlsFailed,
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

    /// <summary>Queries by type, those that came; types above CAA (257) are one, number 65535.</summary>
    public IReadOnlyDictionary<RecordType, long> QueriesByType
    {
        get
        {
            var sums = new Dictionary<RecordType, long>();
            for (int i = 0; i <= ThreadCounters.TypesMax; i++)
            {
                long sum = 0;
                foreach (ThreadCounters thread in threads) sum += thread.ReadType(i);
                if (sum > 0) sums[i == ThreadCounters.TypesMax ? (RecordType)ushort.MaxValue : (RecordType)i] = sum;
            }

            return sums;
        }
    }

    /// <summary>Steered answers by their label: where they sent the client, and why.</summary>
    public IReadOnlyDictionary<string, long> SteeredByLabel
    {
        get
        {
            ImmutableArray<string> names = SteeredLabels.Names;
            var sums = new Dictionary<string, long>(StringComparer.Ordinal);
            for (int i = 1; i < names.Length; i++)
            {
                long sum = threads.Sum(thread => thread.ReadSteered(i));
                if (sum > 0) sums[names[i]] = sum;
            }

            return sums;
        }
    }

    /// <summary>
    /// Answers by how long they took from leaving the kernel's queue to being sent, see LatencyHistogram.
    /// </summary>
    public ImmutableArray<long> Latency => LatencyHistogram.Sum(threads.Select(thread => thread.Latency));

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
        Rcode.ServFail => DnsCounter.AnswersServFail,
        Rcode.BadCookie => DnsCounter.AnswersBadCookie,
        _ => DnsCounter.AnswersOther,
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
