// How long after Decide the answers of every UDP thread show a plan's change: a fleet of 3 pops and 1,000 steered
// names, 2 UDP threads on loopback; nyc goes down and comes back in turn. Timed is from the call of Decide, over
// PlanAnswers.Publish, which is what a node's loop calls, until each of 16 client sockets, asking in a tight loop, has
// a new answer. "Prepared": a node's LookAhead has signed what is likely, and each change is the first of its kind;
// "none at hand": nothing was signed before.
//   bench/plan-change/run [rounds]
#pragma warning disable CA1849 // A few lines of text are written between measurements, not in them.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Fairlead.Bench.PlanChange;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Net;
using Fairlead.Node;

const int NameCount = 1000;
const int WarmUpRounds = 40;
const int WarmUpRoundsSigned = 8; // Each reads the whole fleet again, and the code is warm already.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int rounds = args.Length > 0 ? int.Parse(args[0]) : 200;
string root = Path.GetFullPath(Path.Combine(Here(), "..", ".."));
using var world = new World3(Path.Combine(root, "lab", "topologies"), NameCount);
string load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
var text = new StringWriter();
DateTime date = DateTime.UtcNow;
text.WriteLine($"# bench/plan-change/run {rounds}: {date:yyyy-MM-dd HH:mm} UTC, "
    + $"{Environment.ProcessorCount} cores, {Cpu()},");
text.WriteLine($"# Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}, load {load} at the start;");
text.WriteLine($"# {world.Fleet.Pops.Length} pops, {NameCount} steered names, 2 UDP threads, "
    + $"16 client sockets, {rounds} rounds.");
text.WriteLine("# Milliseconds; each line has its own order, so the parts do not add up.");
text.WriteLine($"{"",-26} {"median",8} {"p99",8} {"max",8}");
await Measure("unsigned", signed: false, prepared: false);
Console.Write(text);
await Measure("signed, prepared", signed: true, prepared: true);
await Measure("signed, none at hand", signed: true, prepared: false);
Console.Write($"\n{text}");
File.WriteAllText(Path.Combine(root, "bench", "results", $"plan-change-{date:yyyy-MM-dd}.txt"), text.ToString());
return 0;

async Task Measure(string what, bool signed, bool prepared)
{
    LoadedFleet fleet = world.Load(signed);
    Plan plan = Decision.Decide(fleet.Spec, world.At(true, null), World3.Now).Plan;
    var table = new Snapshot<DnsTable>(DnsTable.Empty);
    var planAnswers = new PlanAnswers(table, "bench");
    planAnswers.Publish(fleet, plan, 0);
    using var ahead = new LookAhead();
    var local = new IPEndPoint(IPAddress.Loopback, 53530);
    await using var server = new DnsServer(
        new DnsServerOptions { Listen = [local], UdpThreads = 2, RateLimit = null }, table);
    server.Start();
    using var askers = new Askers(16, local, DnsName.Parse("n0999.example.com"), dnssec: signed);
    double[] total = new double[rounds], decide = new double[rounds], publish = new double[rounds],
        answers = new double[rounds];
    double first = 0, looking = 0;
    (double Total, string Parts) worst = default;
    ahead.From(fleet, plan);
    while (ahead.Ready < 0) Thread.Sleep(1);
    int warmUp = signed ? WarmUpRoundsSigned : WarmUpRounds;
    for (int round = -warmUp; round < rounds; round++)
    {
        // A fleet that was read again has an empty cache: each change finds what was made ahead, or nothing.
        if (signed) fleet = world.Load(signed);
        if (prepared)
        {
            planAnswers.Publish(fleet, plan, round);
            long from = Stopwatch.GetTimestamp();
            ahead.From(fleet, plan);
            while (ahead.Ready < 0) Thread.Sleep(1);
            looking = Ms(from, Stopwatch.GetTimestamp());
        }

        World seen = world.At(nycIsUp: (round & 1) != 0, plan);
        TimeSpan paused = GC.GetTotalPauseDuration();
        long begin = Stopwatch.GetTimestamp();
        plan = Decision.Decide(fleet.Spec, seen, World3.Now).Plan;
        long decided = Stopwatch.GetTimestamp();
        planAnswers.Publish(fleet, plan, round);
        long published = Stopwatch.GetTimestamp();
        askers.WaitForChange();
        long answered = Stopwatch.GetTimestamp();
        if (round == -warmUp) first = Ms(begin, answered);
        if (round < 0) continue;
        (decide[round], publish[round]) = (Ms(begin, decided), Ms(decided, published));
        (answers[round], total[round]) = (Ms(published, answered), Ms(begin, answered));
        if (total[round] <= worst.Total) continue;
        double collecting = (GC.GetTotalPauseDuration() - paused).TotalMilliseconds;
        worst = (total[round], $"{decide[round]:F2} + {publish[round]:F2} + {answers[round]:F2}, {collecting:F2} of it "
            + "in collections");
    }

    Line(what, total);
    Line("  Decide", decide);
    Line("  PlanAnswers.Publish", publish);
    Line("  until all have answered", answers);
    text.WriteLine($"{"  the first of all",-26} {first,8:F2}");
    text.WriteLine($"  the slowest: {worst.Parts}");
    if (prepared) text.WriteLine($"  looking ahead takes {looking:F0} ms beside it, {ahead.Ready} sets are ready");
}

void Line(string what, double[] times)
{
    Array.Sort(times);
    double p99 = times[Math.Min(times.Length - 1, times.Length * 99 / 100)];
    text.WriteLine($"{what,-26} {times[times.Length / 2],8:F2} {p99,8:F2} {times[^1],8:F2}");
}

static double Ms(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

static string Cpu() => File.ReadLines("/proc/cpuinfo")
    .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1] ?? "a processor";

static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
