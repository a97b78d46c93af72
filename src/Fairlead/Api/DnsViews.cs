using System.Collections.Immutable;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;

namespace Fairlead.Api;

/// <summary>The DNS server's counters by the words of the status and of the metrics.</summary>
internal static class DnsViews
{
    private static readonly (string Name, DnsCounter Counter)[] Transports =
    [
        ("udp", DnsCounter.UdpQueries), ("tcp", DnsCounter.TcpQueries), ("tls", DnsCounter.TlsQueries),
        ("https", DnsCounter.HttpsQueries),
    ];

    private static readonly (string Name, DnsCounter Counter)[] Rcodes =
    [
        ("noerror", DnsCounter.AnswersNoError), ("formerr", DnsCounter.AnswersFormErr),
        ("servfail", DnsCounter.AnswersServFail), ("nxdomain", DnsCounter.AnswersNxDomain),
        ("notimp", DnsCounter.AnswersNotImp), ("refused", DnsCounter.AnswersRefused),
        ("badvers", DnsCounter.AnswersBadVers), ("badcookie", DnsCounter.AnswersBadCookie),
        ("other", DnsCounter.AnswersOther),
    ];

    public static DnsView Of(DnsServer server)
    {
        DnsCounters all = server.Counters;
        ImmutableArray<long> latency = all.Latency;
        DnsCounter[] told = [.. Transports.Concat(Rcodes).Select(pair => pair.Counter)];
        return new DnsView
        {
            QueriesByTransport = Sorted(Transports.Select(one => (one.Name, all[one.Counter]))),
            QueriesByType = Sorted(all.QueriesByType.Select(pair => (NameOf(pair.Key), pair.Value))),
            AnswersByRcode = Sorted(Rcodes.Select(one => (one.Name, all[one.Counter]))),
            Steered = Sorted(all.SteeredByLabel.Select(pair => (pair.Key, pair.Value))),
            Events = Sorted(Enum.GetValues<DnsCounter>().Except(told).Select(one => (WordOf(one), all[one]))),
            MedianMicroseconds = LatencyHistogram.Percentile(latency, 0.5).TotalMicroseconds,
            P99Microseconds = LatencyHistogram.Percentile(latency, 0.99).TotalMicroseconds,
            TapDropped = server.TapState.Dropped,
        };
    }

    private static string NameOf(RecordType type) =>
        type == (RecordType)ushort.MaxValue ? "other" : RecordTypes.NameOf(type);

    // TcpClosedIdle: tcp_closed_idle.
    public static string WordOf<T>(T value)
        where T : struct, Enum => string.Concat(value.ToString().Select(
        (letter, i) => char.IsAsciiLetterUpper(letter) && i > 0
            ? $"_{char.ToLowerInvariant(letter)}"
            : $"{char.ToLowerInvariant(letter)}"));

    public static ImmutableSortedDictionary<string, long> Sorted(IEnumerable<(string Name, long Value)> pairs) =>
        pairs.ToImmutableSortedDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
}
