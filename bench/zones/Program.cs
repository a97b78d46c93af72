// How long zones take to load and what they cost in memory: ./run beside this file compares with Knot.
//   Fairlead.ZoneBench folder DIR    every zone of a folder
//   Fairlead.ZoneBench zone ORIGIN FILE
//   Fairlead.ZoneBench node BINARY FLEETFILE NAME    a node's start until it answers for NAME on 127.0.0.1:53535
#pragma warning disable RS0030 // A bench prints, and reads the clock of the machine.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

if (args is ["node", var binary, var fleetFile, var name]) return StartNode(binary, fleetFile, name);
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
    Console.Error.WriteLine("usage: Fairlead.ZoneBench folder DIR | zone ORIGIN FILE | node BINARY FLEETFILE NAME");
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

static int StartNode(string binary, string fleetFile, string name)
{
    DirectoryInfo state = Directory.CreateTempSubdirectory("zones-node-");
    byte[] query =
        [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. DnsName.Parse(name).Wire, 0, (byte)RecordType.A, 0, 1];
    byte[] answer = new byte[1500];
    using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    socket.Connect(IPAddress.Loopback, 53535);
    socket.ReceiveTimeout = 20;
    var clock = Stopwatch.StartNew();
    string[] command =
    [
        "node", "--fleet", fleetFile, "--pop", "here", "--node", "ns1", "--state", state.FullName,
        "--control", Path.Combine(state.FullName, "control"),
    ];
    var start = new ProcessStartInfo(binary, command) { RedirectStandardOutput = true, RedirectStandardError = true };
    using var node = Process.Start(start)!;
    // Read and thrown away, so that the node never waits for us.
    node.OutputDataReceived += (_, _) => { };
    node.ErrorDataReceived += (_, _) => { };
    node.BeginOutputReadLine();
    node.BeginErrorReadLine();
    bool answered = false;
    while (!answered && !node.HasExited && clock.Elapsed < TimeSpan.FromMinutes(2))
    {
        try
        {
            socket.Send(query);
            int length = socket.Receive(answer);
            answered = length > 12 && answer[7] > 0;
        }
        catch (SocketException)
        {
            // Nobody listens yet.
            Thread.Sleep(5);
        }
    }

    double started = clock.Elapsed.TotalMilliseconds;
    node.Refresh();
    string load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
    if (answered)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"start_ms {started:F0} cpu_ms "
            + $"{node.TotalProcessorTime.TotalMilliseconds:F0} rss_kb {node.WorkingSet64 / 1024} load {load}"));
    }

    node.Kill();
    node.WaitForExit();
    state.Delete(recursive: true);
    return answered ? 0 : 1;
}
