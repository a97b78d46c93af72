#pragma warning disable RS0030, CA1303 // A bench prints.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Reflection;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Bench.Balancer;
using Fairlead.Net.Linux;

if (args is ["fill"])
{
    Filling.Run();
    return;
}

using var stream = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("harness.skel")!);
Dictionary<string, BpfObject> harness = new LightSkeleton(stream).Load(new Dictionary<string, int>());
// The table of remembered flows as it is by default, or as large as the first word says: remembered=1048576.
string? room = Array.Find(args, word => word.StartsWith("remembered=", StringComparison.Ordinal));
args = [.. args.Where(word => word != room)];
BalancerSizes sizes = BalancerSizes.Least with { Backends = 1024, QuicIds = 4096 };
if (room is not null)
    sizes = sizes with { ExceptionBuckets = int.Parse(room["remembered=".Length..], CultureInfo.InvariantCulture) / 8 };
Dictionary<string, BpfObject> balancer = XdpProgram.LoadBalancer(sizes);
using var rounds = new BpfArray<Round>(harness["rounds"]);
harness["jump"].Set(BitConverter.GetBytes(0), BitConverter.GetBytes(balancer["program balancer"].Fd));
harness["jump"].Set(BitConverter.GetBytes(1), BitConverter.GetBytes(harness["program empty"].Fd));
using var tables = new KernelTables(balancer, new FlowHash(1, 2), TimeSpan.FromMinutes(15));
uint now = KernelTables.Seconds(TimeProvider.System);
NextHop Way(IPAddress to) => new(1, new PhysicalAddress([2, 0, 0, 0, 0, 1]), new PhysicalAddress([2, 0, 0, 0, 0, 2]),
    IPAddress.Parse(to.GetAddressBytes().Length == 4 ? "10.0.0.1" : "2001:db8:1::1"));
tables.Apply(Cases.Table(isBefore: true), now, Way);
tables.Apply(Cases.Table(isBefore: false), now, Way);

Console.WriteLine($"# {DateTimeOffset.UtcNow:yyyy-MM-dd}, kernel {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}; "
    + "ns a packet: the least of the batches, net of the harness; ratio: to the empty program in the kernel's test run");
const int Batches = 9;
// The kernel's own loop around an empty program: what the peers' figures are given as ratios to.
uint bare = Least(() => 1 << 19, Batches, () => Cases.Frame(1, 4, 6, false).Length, harness["program empty"]);
uint Measure(Case one, uint to, int batches)
{
    byte[] frame = Cases.Frame(one.Vip, one.Family, one.Protocol, one.IsSyn, one.Payload);
    ref Round round = ref rounds[0];
    (round.Length, round.Mask, round.To, round.Address) = ((uint)frame.Length, (uint)one.Flows - 1, to, one.Family == 4 ? 26u + 0 : 34u);
    frame.AsSpan(0, Round.Bytes).CopyTo(round.Frame);
    int repeat = Math.Max(one.Flows, 1 << 17);
    uint least = uint.MaxValue;
    byte[] after = new byte[256];
    for (int i = 0; i < batches; i++)
    {
        if (one.IsFresh) tables.Exceptions.Slice(0, tables.Exceptions.Length).Clear();
        rounds[0].Count = 0;
        uint verdict = harness["program harness"].Run(frame, after, out _, repeat);
        if (verdict != (to == 1 ? 3u : one.Verdict)) throw new InvalidOperationException($"{one.Name}: verdict {verdict}");
        least = Math.Min(least, harness["program harness"].LastNanoseconds);
    }

    return least;
}

uint Least(Func<int> repeat, int batches, Func<int> length, BpfObject program)
{
    uint least = uint.MaxValue;
    byte[] frame = new byte[length()], after = new byte[256];
    for (int i = 0; i < batches; i++)
    {
        program.Run(frame, after, out _, repeat());
        least = Math.Min(least, program.LastNanoseconds);
    }

    return least;
}

Console.WriteLine($"empty program in the kernel's test run: {bare} ns");
Console.WriteLine($"{"case",-58} {"flows",7} {"gross",6} {"empty",6} {"net",5} {"ratio",6} {"bar",4}");
bool isMissed = false;
foreach (Case one in Cases.All().Where(one => args.All(word => one.Name.Contains(word, StringComparison.Ordinal))))
{
    if (one.Vip is > 10 and < 20 && one.Flows > 4 * sizes.ExceptionBuckets)
    {
        Console.WriteLine($"{one.Name,-58} {one.Flows,7} more than half of a table for {8 * sizes.ExceptionBuckets}");
        continue;
    }

    // The same frames to the empty program, in the same minute: what the harness itself costs.
    uint without = Measure(one, 1, Batches), with = Measure(one, 0, Batches);
    int net = (int)with - (int)without;
    isMissed |= net > one.Bar;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{one.Name,-58} {one.Flows,7} {with,6} {without,6} {net,5} {(double)net / bare,6:0.00} {one.Bar,4}{(net > one.Bar ? " MISSED" : "")}"));
}

Environment.ExitCode = isMissed ? 1 : 0;
