// How long zones take to load and what they cost in memory: ./run beside this file compares with Knot.
//   Fairlead.ZoneBench folder DIR    every zone of a folder
//   Fairlead.ZoneBench zone ORIGIN FILE
#pragma warning disable RS0030 // A bench prints, and reads the clock of the machine.
using System.Diagnostics;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

var clock = Stopwatch.StartNew();
IReadOnlyList<Zone> zones;
IReadOnlyList<ZoneProblem> problems;
if (args is ["folder", var folder])
{
    ZoneFolderResult read = ZoneFolder.Read(folder);
    (zones, problems) = (read.Zones, read.Problems);
}
else if (args is ["zone", var origin, var file])
{
    MasterFileResult read = MasterFile.ReadFile(file, DnsName.Parse(origin));
    (zones, problems) = (read.Zone is null ? [] : [read.Zone], read.Problems);
}
else
{
    Console.Error.WriteLine("usage: Fairlead.ZoneBench folder DIR | zone ORIGIN FILE");
    return 64;
}

TimeSpan loaded = clock.Elapsed;
foreach (ZoneProblem problem in problems.Take(20)) Console.Error.WriteLine(problem);
long Rss() => long.Parse(File.ReadLines("/proc/self/status")
    .First(line => line.StartsWith("VmRSS", StringComparison.Ordinal))
    .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
long before = Rss();
// What a server does once after a large load: the reader's garbage goes back to the system.
GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
long after = Rss();
clock.Restart();
GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
TimeSpan pause = clock.Elapsed;
Console.WriteLine($"zones {zones.Count} records {zones.Sum(zone => (long)zone.RecordCount)} load_ms "
    + $"{loaded.TotalMilliseconds:F0} rss_after_load_kb {before} rss_kb {after} "
    + $"full_gc_ms {pause.TotalMilliseconds:F1} problems {problems.Count}");
GC.KeepAlive(zones);
return problems.Count == 0 ? 0 : 65;
