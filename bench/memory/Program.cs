// What an announcer keeps in memory, with its BFD process: alone (one router, one service, BFD), and with a hundred
// peers that announce a thousand routes each, which the looking glass keeps. Node and BFD are what each process has
// resident (Rss), with the pages of its files. Together counts each page of memory once (/proc/PID/pagemap says which
// they are), however many map it: Pss would hide what another .NET program on the machine maps too.
// Ends with 1 where a bar is missed: 80 MB alone, 250 MB with the peers, together.
//   bench/memory/run [PROGRAM]
#pragma warning disable CA1849 // Lines of text are written between measurements, not in them.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Session;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;
using Fairlead.Net.Linux;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string program = Path.GetFullPath(
    args.Length > 0 ? args[0] : Path.Combine(AppContext.BaseDirectory, "../../Fairlead/release/fairlead"));
DateTime date = DateTime.UtcNow;
var text = new StringWriter();
text.WriteLine($"# bench/memory/run: {date:yyyy-MM-dd HH:mm} UTC; megabytes (10^6 bytes)");
text.WriteLine($"{"case",-28} {"node",8} {"BFD",8} {"together",10} {"bar",6} {"written",9}");
const string BirdConfiguration = """
    log stderr all;
    router id 10.0.1.1;
    protocol device {}
    protocol bfd { interface "*" { interval 50 ms; multiplier 3; }; }
    protocol bgp p0 {
      local 10.0.1.1 as 64500;
      neighbor 10.0.0.2 as 64501;
      connect delay time 1; connect retry time 1; error wait time 1, 2;
      bfd on;
      ipv4 { import all; export none; };
    }
    """;
bool held = Measure("alone, BFD 3 x 50 ms", peers: 1, routes: 0, bar: 80);
held &= Measure("100 peers x 1,000 routes", peers: 100, routes: 1000, bar: 250);
text.WriteLine(held ? "within the bars" : "OVER A BAR");
Console.Write(text);
string root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
File.WriteAllText(Path.Combine(root, "bench", "results", $"memory-{date:yyyy-MM-dd}.txt"), text.ToString());
return held ? 0 : 1;

bool Measure(string what, int peers, int routes, double bar)
{
    string folder = Directory.CreateTempSubdirectory("fairlead-memory").FullName;
    using var bed = new Bed($"flmem{Environment.ProcessId}");
    foreach (string host in new[] { "node", "router" }) bed.AddHost(host);
    bed.AddLink("node", "eth0", "router", "eth0");
    bed.AddAddress("node", "eth0", "10.0.0.2/16");
    for (int i = 0; i < peers; i++) bed.AddAddress("router", "eth0", $"10.0.1.{i + 1}/16");
    string bird = Path.Combine(folder, "bird.conf"), fleet = Path.Combine(folder, "fleet.yaml");
    File.WriteAllText(fleet, FleetFile(peers));
    BgpSpeaker[] routers = [];
    if (peers == 1)
    {
        File.WriteAllText(bird, BirdConfiguration);
        bed.Start("router", Path.Combine(folder, "bird.log"), "bird", "-f", "-c", bird, "-s",
            Path.Combine(folder, "bird.ctl"), "-P", Path.Combine(folder, "bird.pid"));
    }
    else
    {
        // One BIRD has one session with an address, from however many of its own.
        routers = NetworkNamespace.Run(bed.NamespaceOf("router"), () => Routers(peers, routes));
    }

    Process node = bed.Start("node", Path.Combine(folder, "node.log"), program, "node", "--fleet", fleet, "--pop", "here",
        "--node", "n1", "--state", Path.Combine(folder, "state"), "--control", Path.Combine(folder, "node.sock"));
    string log = Path.Combine(folder, "node.log");
    var clock = Stopwatch.StartNew();
    while (File.Exists(log) is false || File.ReadAllText(log).Split("PeerUp").Length - 1 < peers)
    {
        if (clock.Elapsed > TimeSpan.FromMinutes(2)) throw new TimeoutException(File.ReadAllText(log));
        Thread.Sleep(100);
    }

    // Routes come, the compiler is done with what runs often, and the collector has seen it once.
    Thread.Sleep(TimeSpan.FromSeconds(20));
    int[] processes = [node.Id, .. Children(node.Id)];
    double[] resident = [.. processes.Select(process => Kibibytes(process, "Rss:") * 1024 / 1e6)];
    double written = processes.Sum(process => Kibibytes(process, "Private_Dirty:") * 1024 / 1e6);
    double together = Pages(processes) * Environment.SystemPageSize / 1e6;
    string line = $"{what,-28} {resident[0],8:F1} {resident[1..].Sum(),8:F1} {together,10:F1} {bar,6:F0} {written,9:F1}";
    text.WriteLine(line);
    Console.Error.WriteLine(line);
    foreach (BgpSpeaker router in routers) router.StopAsync("measured").Wait();
    return together <= bar;
}

static BgpSpeaker[] Routers(int peers, int routes)
{
    var table = new RouteSet(1, [.. Enumerable.Range(0, routes).Select(i =>
        new Route { Prefix = Prefix.Parse($"100.64.{i / 256}.{i % 256}/32") })]);
    BgpSpeaker[] speakers = [.. Enumerable.Range(0, peers).Select(i => new BgpSpeaker(
        [new PeerOptions
        {
            Name = "node",
            Address = IPAddress.Parse("10.0.0.2"),
            LocalAddress = IPAddress.Parse($"10.0.1.{i + 1}"),
            LocalAs = new Asn(64500),
            PeerAs = new Asn(64501),
            RouterId = (uint)(0x0a000101 + i),
            Export = ExportPolicy.Plain,
        }],
        new Guard([Prefix.Parse("100.64.0.0/10")]), TimeProvider.System, new Random(i), _ => { }))];
    foreach (BgpSpeaker speaker in speakers)
    {
        speaker.Apply(table);
        speaker.Start();
    }

    return speakers;
}

string FleetFile(int peers) => $$$"""
    fleet: bench
    asn: 64500
    anycast: {subnets: [192.0.2.0/24], cover: [192.0.2.0/24]}
    pops:
      here:
        nodes: {n1: {asn: 64501, addresses: [10.0.0.2]}}
        routers:
    {{{RoutersOf(peers)}}}
    services:
      resolver:
        host: "::53"
        ports: [udp/53, tcp/53]
        check: {kind: tcp, port: 179, interval: 500ms, fall: 2, rise: 2}
        onNodes: true
    """;

string RoutersOf(int peers) => string.Join('\n', Enumerable.Range(0, peers).Select(i =>
    $"      r{i}: {{addresses: [10.0.1.{i + 1}]{(peers == 1 ? ", bfd: {interval: 50ms, multiplier: 3}" : "")}}}"));

static IEnumerable<int> Children(int process) =>
    File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Concat(Directory.GetDirectories($"/proc/{process}/task").SelectMany(task =>
            File.ReadAllText($"{task}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)))
        .Distinct().Select(int.Parse);

static double Kibibytes(int process, string field) => double.Parse(
    File.ReadLines($"/proc/{process}/smaps_rollup").First(line => line.StartsWith(field, StringComparison.Ordinal))
        .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);

// Documentation/admin-guide/mm/pagemap.rst: eight bytes a page, its frame in the low 55 bits, the highest: it is there.
static int Pages(int[] processes)
{
    var frames = new HashSet<ulong>();
    foreach (int process in processes)
    {
        using FileStream map = File.OpenRead($"/proc/{process}/pagemap");
        foreach (string mapping in File.ReadLines($"/proc/{process}/maps"))
        {
            string[] words = mapping.Split(' ');
            ulong[] ends = [.. words[0].Split('-').Select(end => ulong.Parse(end, NumberStyles.HexNumber))];
            // The collector's reserve of hundreds of gigabytes, where nothing can be; and the kernel's page of calls.
            if (words[1].StartsWith("---", StringComparison.Ordinal) || ends[0] > long.MaxValue) continue;
            ulong pageSize = (ulong)Environment.SystemPageSize;
            byte[] entries = new byte[(ends[1] - ends[0]) / pageSize * sizeof(ulong)];
            map.Position = (long)(ends[0] / pageSize * sizeof(ulong));
            int read = map.ReadAtLeast(entries, entries.Length, throwOnEndOfStream: false);
            foreach (ulong entry in MemoryMarshal.Cast<byte, ulong>(entries.AsSpan(0, read)))
            {
                if (entry >> 63 != 0) frames.Add(entry & ((1ul << 55) - 1));
            }
        }
    }

    return frames.Count;
}
