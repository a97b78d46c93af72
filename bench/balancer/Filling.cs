#pragma warning disable RS0030, CA1303 // A bench prints.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Fairlead.Balancer;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Balancer;

/// <summary>How long the kernel's tables take to fill, and one backend's change in them.</summary>
internal static class Filling
{
    private const int Services = 1000, Backends = 100, Changes = 100;

    /// <summary>Changes before those that count: each way is gone once, and what runs often is compiled well.</summary>
    private const int WarmUp = 10;

    public static void Run()
    {
        VipTable table = new(1, [])
        {
            Services =
            [
                .. Enumerable.Range(0, Services).Select(s => new ServiceEntry
                {
                    Name = $"s{s}",
                    Vips = [new(new IPAddress([192, 0, (byte)(s / 250), (byte)(1 + s % 250)]), 6, 443)],
                    Backends = [.. Enumerable.Range(0, Backends).Select(b =>
                        new BackendEntry(new IPAddress([10, (byte)(s / 250), (byte)(s % 250), (byte)(1 + b)])))],
                    Mode = DeliveryMode.Ip,
                }),
            ],
        };
        var hop = new NextHop(1, new PhysicalAddress([2, 0, 0, 0, 0, 1]), new PhysicalAddress([2, 0, 0, 0, 0, 2]),
            IPAddress.Parse("10.0.0.1"));
        Dictionary<string, BpfObject> maps = XdpProgram.LoadBalancer(BalancerSizes.For(table));
        using var tables = new KernelTables(maps, new FlowHash(1, 2), TimeSpan.FromMinutes(15));
        uint now = KernelTables.Seconds(TimeProvider.System);
        double cpu = Cpu();
        long begin = Stopwatch.GetTimestamp();
        if (!tables.Fits(table)) throw new InvalidOperationException("no room");
        tables.Apply(table, now, _ => hop);
        double fill = Stopwatch.GetElapsedTime(begin).TotalMilliseconds, fillCpu = Cpu() - cpu;
        begin = Stopwatch.GetTimestamp();
        tables.Settle();
        double second = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        List<double> changes = [], settles = [];
        var random = new Random(1);
        double first = 0;
        for (int i = -WarmUp; i < Changes; i++)
        {
            if (i == 0)
            {
                (cpu, first) = (Cpu(), changes.Max());
                changes.Clear();
                settles.Clear();
            }

            int at = random.Next(Services);
            ServiceEntry one = table.Services[at];
            int backend = random.Next(Backends);
            table = table with
            {
                Services = table.Services.SetItem(at, one with
                    { Backends = one.Backends.SetItem(backend, one.Backends[backend] with { Weight = 0 }) }),
            };
            begin = Stopwatch.GetTimestamp();
            if (!tables.Fits(table)) throw new InvalidOperationException("no room");
            tables.Apply(table, now, _ => hop, sameWays: true);
            changes.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            begin = Stopwatch.GetTimestamp();
            tables.Settle();
            settles.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }

        double changeCpu = (Cpu() - cpu) / Changes;
        changes.Sort();
        settles.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Services} services of {Backends} backends: filled in {fill:0} ms, {fillCpu:0} ms of CPU (bar 2000), the second copy after it {second:0} ms; one backend's change "
            + $"{changes[Changes / 2]:0.0} ms at the median, {changes[^1]:0.0} ms at the most (of the first {WarmUp} {first:0.0}), {changeCpu:0.0} ms of CPU (bar 10), after it {settles[Changes / 2]:0.0} ms, {settles[^1]:0.0} at the most; tables {tables.Bytes >> 20} MiB"));
        foreach (BpfObject map in maps.Values) map.Dispose();
    }

    // On a machine that others use, too, the clock tells more of them than of us.
    private static double Cpu() => Process.GetCurrentProcess().TotalProcessorTime.TotalMilliseconds;
}
