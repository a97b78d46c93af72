using System.Diagnostics;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;

namespace Fairlead.Bench.Dns;

/// <summary>
/// What a query costs between two system calls: the workload through AnswerGuard, without a socket. Of each
/// thousand queries the best of many rounds, since noise only ever adds.
/// </summary>
internal static class InProcess
{
    private const int Rounds = 200;
    private const int Batch = 64;
    private const int Chunk = 1024;

    public static void Run()
    {
        var table = Workload.Table();
        foreach ((double share, int missing) in ((double, int)[])[(0, 5), (0.5, 5), (1, 5), (0, 100)])
        {
            byte[][] queries = Workload.Queries(share, missing);
            AnswerGuard guard = Guard();
            var response = new byte[1472];
            var asker = new Asker(((UInt128)0xffff << 32) | 0xc0000264, Transport.Udp, 4242);
            double[] best = [.. Enumerable.Repeat(double.MaxValue, queries.Length / Chunk)];
            for (int round = 0; round < Rounds; round++)
            {
                for (int chunk = 0; chunk < best.Length; chunk++)
                {
                    long begin = Stopwatch.GetTimestamp();
                    for (int i = chunk * Chunk; i < (chunk + 1) * Chunk; i += Batch)
                    {
                        for (int j = i; j < i + Batch; j++) guard.Expect(queries[j]);
                        for (int j = i; j < i + Batch; j++) guard.Answer(table, queries[j], asker, response);
                    }

                    best[chunk] = Math.Min(best[chunk], Stopwatch.GetElapsedTime(begin).TotalNanoseconds / Chunk);
                }
            }

            Console.WriteLine($"steered {share:P0}, not there {missing} %: {best.Average():F0} ns a query");
        }
    }

    private static AnswerGuard Guard()
    {
        var counters = new DnsCounters();
        return new AnswerGuard(
            counters, counters.AddThread(), new AnswerState { Cache = new AnswerCache(32_768) });
    }
}
