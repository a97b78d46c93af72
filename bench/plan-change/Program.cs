// How long after Decide the answers of every UDP thread show a plan's change: a fleet of 3 pops and 1,000 steered
// names, 2 UDP threads on loopback; nyc goes down and comes back in turn. Timed is from the call of Decide, over
// Steering.Of, DnsTable.Create and Publish, until each of 16 client sockets, asking in a tight loop, has a new answer.
//   bench/plan-change/run [rounds]
#pragma warning disable CA1849 // A few lines of text are written between measurements, not in them.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Fairlead.Bench.PlanChange;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Steer;
using Fairlead.Net;

const int NameCount = 1000;
const int WarmUpRounds = 60;
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int rounds = args.Length > 0 ? int.Parse(args[0]) : 200;
string root = Path.GetFullPath(Path.Combine(Here(), "..", ".."));
string folder = Path.Combine(root, "lab", "topologies");
var world = new World3(folder, NameCount);
DnsName origin = DnsName.Parse("example.com");
MasterFileResult read = MasterFile.ReadFile(Path.Combine(folder, "example.com.zone"), origin);
Zone plain = read.Zone ?? throw new InvalidDataException(string.Join('\n', read.Problems));
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
await Measure("unsigned", signer: null);
await Measure("signed, signatures at hand", () => new SignatureCache(1_000_000), renew: false);
await Measure("signed, none at hand", () => new SignatureCache(1_000_000), renew: true);
Console.Write(text);
File.WriteAllText(Path.Combine(root, "bench", "results", $"plan-change-{date:yyyy-MM-dd}.txt"), text.ToString());
return 0;

async Task Measure(string what, Func<SignatureCache>? signer, bool renew = false)
{
    Plan plan = Decision.Decide(world.Fleet, world.At(true, null), World3.Now).Plan;
    KeySet? keys = signer is null ? null : Keys();
    SignatureCache? cache = signer?.Invoke();
    Zone zone = plain;
    if (keys is not null)
    {
        SteeredOwner[] owners = [.. Steering.Names(world.Fleet, plan, world.Views).Select(SteeredOwner.Of)];
        zone = ZoneSigner.Sign(plain, NewSigner(keys, cache!), owners).Zone;
    }

    SteeringTable Table(Plan next)
    {
        SetSigner? one = keys is null ? null : NewSigner(keys, cache!);
        return Steering.Of(world.Fleet, next, world.Views, null, one is null ? null : _ => one);
    }

    var table = new Snapshot<DnsTable>(DnsTable.Create(0, [zone], RegionMap.Empty, Table(plan), "bench"));
    var local = new IPEndPoint(IPAddress.Loopback, 53530);
    await using var server = new DnsServer(
        new DnsServerOptions { Listen = [local], UdpThreads = 2, RateLimit = null }, table);
    server.Start();
    using var askers = new Askers(16, local, DnsName.Parse("n0999.example.com"), dnssec: keys is not null);
    double[] total = new double[rounds], decide = new double[rounds], steer = new double[rounds],
        publish = new double[rounds], answers = new double[rounds];
    for (int round = -WarmUpRounds; round < rounds; round++)
    {
        if (renew) cache = signer!();
        World seen = world.At(nycIsUp: (round & 1) != 0, plan);
        long begin = Stopwatch.GetTimestamp();
        plan = Decision.Decide(world.Fleet, seen, World3.Now).Plan;
        long decided = Stopwatch.GetTimestamp();
        SteeringTable steering = Table(plan);
        long steered = Stopwatch.GetTimestamp();
        table.Publish(DnsTable.Create(round, [zone], RegionMap.Empty, steering, "bench", table.Current));
        long published = Stopwatch.GetTimestamp();
        askers.WaitForChange();
        long answered = Stopwatch.GetTimestamp();
        if (round < 0) continue;
        (decide[round], steer[round]) = (Ms(begin, decided), Ms(decided, steered));
        (publish[round], answers[round]) = (Ms(steered, published), Ms(published, answered));
        total[round] = Ms(begin, answered);
    }

    Line(what, total);
    Line("  Decide", decide);
    Line("  Steering.Of", steer);
    Line("  DnsTable.Create, Publish", publish);
    Line("  until all have answered", answers);
}

void Line(string what, double[] times)
{
    Array.Sort(times);
    double p99 = times[Math.Min(times.Length - 1, times.Length * 99 / 100)];
    text.WriteLine($"{what,-26} {times[times.Length / 2],8:F2} {p99,8:F2} {times[^1],8:F2}");
}

KeySet Keys()
{
    KeyTimes times = KeyRollover.First(
        KeyRole.Csk, World3.Now.AddDays(-30), new KeyTiming { TtlMax = TimeSpan.FromHours(1) });
    return KeySet.At(origin, [new ZoneKey(DnssecKey.Generate(origin, KeyRole.Csk), times)], World3.Now);
}

static SetSigner NewSigner(KeySet keys, SignatureCache cache) => new(keys, new SigningOptions(), cache, World3.Now);

static double Ms(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

static string Cpu() => File.ReadLines("/proc/cpuinfo")
    .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1] ?? "a processor";

static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
