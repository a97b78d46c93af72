using System.Diagnostics;
using System.Globalization;
using Fairlead.Health;

namespace Fairlead.Bench.Checks;

/// <summary>What has happened since the last look: tries, their outcomes and times, CPU of the whole process.</summary>
internal static class Meter
{
    private static long at;
    private static (long Tries, long Failures, long Unknowns) before;
    private static TimeSpan cpuBefore;

    public static void Start(CheckEngine engine, Process self)
    {
        self.Refresh();
        (at, before, cpuBefore) = (Stopwatch.GetTimestamp(), Sums(engine), self.TotalProcessorTime);
    }

    /// <summary>Ten thousand a second on one core: so much processor time may a try take.</summary>
    private const double BarMicroseconds = 100;

    /// <summary>Prints the figures, and whether they are within the bar.</summary>
    public static bool Print(string kind, int checks, CheckEngine engine, Process self, long turns)
    {
        self.Refresh();
        TimeSpan time = Stopwatch.GetElapsedTime(at), cpu = self.TotalProcessorTime - cpuBefore;
        (long Tries, long Failures, long Unknowns) now = Sums(engine);
        long tries = now.Tries - before.Tries;
        double[] took = [.. engine.Status().Where(s => s.Last is not null)
            .Select(s => s.Last!.Took.TotalMicroseconds).Order()];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{kind}: {checks} checks, {tries / time.TotalSeconds:0} tries/s, "
            + $"{cpu.TotalMicroseconds / tries:0.0} us CPU a try, {cpu / time * 100:0} % of a core, "
            + $"took p50 {took[took.Length / 2]:0} us p99 {took[took.Length * 99 / 100]:0} us, "
            + $"{now.Failures - before.Failures} failures, {now.Unknowns - before.Unknowns} unknown, {turns} turns, "
            + $"{self.WorkingSet64 >> 20} MiB, {self.Threads.Count} threads"));
        double each = cpu.TotalMicroseconds / tries;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"one core carries {1e6 / each:0} a second; bar: at most {BarMicroseconds:0} us CPU a try: "
            + $"{(each <= BarMicroseconds ? "held" : "missed")}"));
        Start(engine, self);
        return each <= BarMicroseconds;
    }

    private static (long Tries, long Failures, long Unknowns) Sums(CheckEngine engine)
    {
        IReadOnlyList<CheckStatus> all = engine.Status();
        return (all.Sum(s => s.Tries), all.Sum(s => s.Failures), all.Sum(s => s.Unknowns));
    }
}
