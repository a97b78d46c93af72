using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Dns;

/// <summary>
/// A zone of a million records: what it takes in memory beside Knot, and what its reload costs those who ask meanwhile.
/// The server has one core for all of it.
/// </summary>
internal static class MillionRecords
{
    public const int Records = 1_000_000;
    private const int PerSecond = 10_000;
    private const int Reloads = 5;
    private const string File1 = "million.zone";
    private static readonly IPEndPoint Server = new(IPAddress.Parse("192.0.2.1"), 53);

    /// <summary>The table of the zone file in the folder; its serial is the generation.</summary>
    public static DnsTable Load(string folder, DnsTable? previous)
    {
        MasterFileResult read = MasterFile.ReadFile(Path.Combine(folder, File1), DnsName.Parse(Workload.Origin));
        return DnsTable.Create(
            read.Zone!.Serial, [read.Zone], RegionMap.Empty, SteeringTable.Empty, "", previous);
    }

    public static void Run()
    {
        string folder = Directory.CreateTempSubdirectory("fairlead-million").FullName;
        Write(folder, 1);
        using Bed bed = SideBySide.NewBed();
        byte[][] queries = [.. Enumerable.Range(0, 65_536).Select(i => Workload.Query(
            $"host{i * 15}.{Workload.Origin}", RecordType.A, null))];
        var text = new StringBuilder("\n1,000,000 records\n");
        long knot = Memory(bed, folder, "knotd", Knot(folder));
        using Process server = bed.Start(
            "srv", Path.Combine(folder, "log"), "taskset", "-c", "1", Environment.ProcessPath!, "million", folder);
        NetworkNamespace.Run(bed.NamespaceOf("cli"), () =>
        {
            SideBySide.PinToCore0();
            SideBySide.WaitUntilServing("Fairlead", folder, $"host15.{Workload.Origin}");
            using var generator = new Generator(Server, queries);
            _ = generator.Ask(TimeSpan.FromSeconds(10), 192, PerSecond);
            long ours = CpuMeter.ResidentBytes(server.Id);
            text.AppendLine($"memory: Fairlead {ours >> 20} MiB, Knot {knot >> 20} MiB: x {ours / (double)knot:F2}");
            text.AppendLine($"{Reloads} reloads at {PerSecond} queries/s, each beside as long without one:");
            var times = new List<double>();
            for (int i = 0; i < Reloads; i++) times.Add(Reload(generator, server, folder, i + 2, text));
            times.Sort();
            text.AppendLine($"the median of p99 during a reload: x {times[Reloads / 2]:F2}; memory after them "
                + $"{CpuMeter.ResidentBytes(server.Id) >> 20} MiB");
            return 0;
        });
        server.Kill();
        server.WaitForExit();
        Directory.Delete(folder, recursive: true);
        SideBySide.Publish(text.ToString(), append: true);
    }

    /// <summary>What p99 is during the reload, as a multiple of what it was before.</summary>
    private static double Reload(Generator generator, Process server, string folder, int serial, StringBuilder text)
    {
        Run before = generator.Ask(TimeSpan.FromSeconds(10), 192, PerSecond);
        Write(folder, serial);
        _ = Fairlead.Lab.Command.Run("kill", "-HUP", server.Id.ToString(CultureInfo.InvariantCulture));
        Run during = generator.Ask(TimeSpan.FromSeconds(10), 192, PerSecond);
        double times = during.Percentile(0.99) / (double)before.Percentile(0.99);
        text.AppendLine($"  lost {during.Lost} of {during.Sent}, p99 {during.Percentile(0.99)} us beside "
            + $"{before.Percentile(0.99)} us (x {times:F2}), p99.9 {during.Percentile(0.999)} us beside "
            + $"{before.Percentile(0.999)} us; " + File.ReadLines(Path.Combine(folder, "log")).LastOrDefault());
        return times;
    }

    private static void Write(string folder, int serial)
    {
        // Written aside and moved in, as an operator's tools do.
        string path = Path.Combine(folder, File1);
        using (var file = new StreamWriter(path + ".new"))
        {
            file.Write($"$ORIGIN {Workload.Origin}.\n$TTL 3600\n@ IN SOA ns1 hostmaster {serial} 7200 900 1209600 300\n"
                + "@ IN NS ns1\nns1 IN A 192.0.2.1\n");
            for (int i = 0; i < Records; i++) file.Write($"host{i} IN A 10.{i >> 16}.{(i >> 8) & 255}.{i & 255}\n");
        }

        File.Move(path + ".new", path, overwrite: true);
    }

    private static string[] Knot(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "knot.conf"), $"""
            server:
                rundir: {folder}
                listen: 0.0.0.0@53
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            database:
                storage: {folder}
            zone:
              - domain: {Workload.Origin}
                storage: {folder}
                file: {File1}
                journal-content: none
                zonefile-load: whole
                semantic-checks: off

            """);
        return ["-c", $"{folder}/knot.conf"];
    }

    private static long Memory(Bed bed, string folder, string program, string[] arguments)
    {
        using Process server = bed.Start("srv", Path.Combine(folder, "knot.log"), program, arguments);
        NetworkNamespace.Run(bed.NamespaceOf("cli"), () =>
        {
            SideBySide.WaitUntilServing(program, folder, $"host15.{Workload.Origin}");
            return 0;
        });
        long bytes = CpuMeter.ResidentBytes(server.Id);
        server.Kill();
        server.WaitForExit();
        return bytes;
    }
}
