using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Fairlead.Dns.Wire;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Dns;

/// <summary>
/// Runs every contender on every mix, some rounds, and takes each one's best round: noise only ever adds.
/// </summary>
internal static class SideBySide
{
    private const int Window = 192;
    private static readonly IPEndPoint Server = new(IPAddress.Parse("192.0.2.1"), 53);

    private static readonly (string Name, double SteeredShare, int Missing, bool OnlySteering)[] Mixes =
    [
        ("fixed names", 0, 5, false), ("half the queries for steered names", 0.5, 5, true),
        ("names by chance, none of them there", 0, 100, false),
    ];

    public static void Run(int seconds, int rounds, string? only)
    {
        string folder = Directory.CreateTempSubdirectory("fairlead-bench").FullName;
        using Bed bed = NewBed();
        var best = new Dictionary<(int Mix, string Name), Figure>();
        for (int round = 0; round < rounds; round++)
        {
            foreach (Contender contender in Contender.All.Where(one => only is null || only.Contains(one.Name)))
            {
                foreach ((int mix, Figure figure) in Measure(bed, contender, folder, seconds))
                {
                    if (!best.TryGetValue((mix, contender.Name), out Figure? known) || figure.Micros < known.Micros)
                        best[(mix, contender.Name)] = figure;
                }
            }
        }

        Directory.Delete(folder, recursive: true);
        Print(best, seconds, rounds);
    }

    public static Bed NewBed()
    {
        var bed = new Bed("flbdns");
        bed.AddHost("srv");
        bed.AddHost("cli");
        bed.AddLink("srv", "eth0", "cli", "eth0");
        bed.AddAddress("srv", "eth0", "192.0.2.1/24");
        bed.AddAddress("cli", "eth0", "192.0.2.200/24");
        return bed;
    }

    private static List<(int Mix, Figure Figure)> Measure(Bed bed, Contender contender, string folder, int seconds)
    {
        var figures = new List<(int, Figure)>();
        using Process server = contender.Start(bed, Path.Combine(folder, contender.Name));
        try
        {
            NetworkNamespace.Run(bed.NamespaceOf("cli"), () =>
            {
                PinToCore0();
                WaitUntilServing(
                    contender.Name, Path.Combine(folder, contender.Name), $"host1.{Workload.Origin}");
                foreach ((int mix, (_, double share, int missing, bool onlySteering)) in Mixes.Index())
                {
                    if (onlySteering && !contender.CanSteer) continue;
                    using var generator = new Generator(Server, Workload.Queries(share, missing));
                    WarmUp(generator);
                    (double user, double system) = CpuMeter.Micros(server.Id);
                    Run run = generator.Ask(TimeSpan.FromSeconds(seconds), Window);
                    (double userAfter, double systemAfter) = CpuMeter.Micros(server.Id);
                    var figure = new Figure(
                        (userAfter - user) / run.Answered, (systemAfter - system) / run.Answered, run.PerSecond,
                        run.Lost,
                        run.Percentile(0.99), CpuMeter.ResidentBytes(server.Id), run.Rcodes[3] / (double)run.Answered);
                    Console.Error.WriteLine($"{contender.Name} {figure}");
                    figures.Add((mix, figure));
                }

                return 0;
            });
        }
        finally
        {
            server.Kill(entireProcessTree: true);
            server.WaitForExit();
        }

        return figures;
    }

    // Caches, and a compiler that learns, at its own pace and on the server's core: by time, and by queries, because a
    // busy machine gets through few of them in a second.
    private static void WarmUp(Generator generator)
    {
        long answered = 0;
        for (int i = 0; i < 20 && (i < 5 || answered < 400_000); i++)
            answered += generator.Ask(TimeSpan.FromSeconds(1), Window).Answered;
    }

    public static void PinToCore0()
    {
        // 0 is the calling thread; the mask's first bit is core 0.
        ulong mask = 1;
        _ = Affinity.SetAffinity(0, sizeof(ulong), ref mask);
    }

    public static void WaitUntilServing(string server, string folder, string name)
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        probe.ReceiveTimeout = 100;
        probe.Connect(Server);
        byte[] query = Workload.Query(name, RecordType.A, null), answer = new byte[1232];
        for (long begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(60);)
        {
            try
            {
                probe.Send(query);
                if (probe.Receive(answer) > 12 && (answer[3] & 0xf) == 0 && answer[7] == 1) return;
            }
            catch (SocketException)
            {
                // Not yet open, or still loading.
            }
        }

        throw new IOException($"{server} does not serve: {File.ReadAllText(Path.Combine(folder, "log"))}");
    }

    private static void Print(Dictionary<(int Mix, string Name), Figure> best, int seconds, int rounds)
    {
        var text = new StringBuilder();
        DateTimeOffset now = DateTimeOffset.UtcNow;
        text.AppendLine($"# bench/dns {now:yyyy-MM-dd HH:mm} UTC: {Environment.ProcessorCount} cores, "
            + $"{Model()}, Linux {Environment.OSVersion.Version}, "
            + $"load {File.ReadAllText("/proc/loadavg").Split(' ')[1]}, best of {rounds} rounds of {seconds} s, "
            + $"{Window} open queries, server on one core");
        foreach (Contender contender in Contender.All) text.AppendLine($"# {contender.Name}: {contender.Version}");
        foreach ((int mix, (string name, _, _, _)) in Mixes.Index())
        {
            text.AppendLine($"\n{name}\n{"server",-10} {"us CPU/query",12} {"of it user",10} {"x best peer",12} "
                + $"{"queries/s",11} {"lost",7} {"p99 us",8} {"MiB",6} {"NXDOMAIN",9}");
            double peer = best.Where(pair => pair.Key.Mix == mix && pair.Key.Name != "Fairlead")
                .Select(pair => pair.Value.Micros).DefaultIfEmpty(double.NaN).Min();
            foreach (Contender contender in Contender.All)
            {
                if (!best.TryGetValue((mix, contender.Name), out Figure? figure)) continue;
                text.AppendLine($"{contender.Name,-10} {figure.Micros,12:F2} {figure.User,10:F2} "
                    + $"{figure.Micros / peer,12:F2} {figure.PerSecond,11:F0} {figure.Lost,7} "
                    + $"{figure.P99Micros,8} {figure.Bytes >> 20,6} {figure.NxDomain,9:P1}");
            }
        }

        Publish(text.ToString(), append: false);
    }

    public static void Publish(string text, bool append)
    {
        Console.Write(text);
        Directory.CreateDirectory("bench/results");
        string file = $"bench/results/dns-{DateTimeOffset.UtcNow:yyyy-MM-dd}.txt";
        if (append) File.AppendAllText(file, text);
        else File.WriteAllText(file, text);
    }

    private static string Model() => File.ReadLines("/proc/cpuinfo")
        .First(line => line.StartsWith("model name", StringComparison.Ordinal)).Split(": ")[1];

    private sealed record Figure(
        double User, double System, double PerSecond, long Lost, int P99Micros, long Bytes, double NxDomain)
    {
        public double Micros => User + System;
    }
}

internal static partial class Affinity
{
    [System.Runtime.InteropServices.LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    public static partial int SetAffinity(int pid, nuint bytes, ref ulong mask);
}
