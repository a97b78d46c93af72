// The balancer end to end beside what else could do its work, in one run: how many packets of 60 bytes a core carries from
// veth to veth (XDP that only turns a frame around, or writes one header; the balancer; nftables' DNAT to as many
// backends), and how many TCP connections a second of a core carries (the balancer, HAProxy).
//   bench/path/run
#pragma warning disable CA1849 // Lines of text are written between measurements, not in them.
using System.Globalization;
using Fairlead.Balancer;
using Fairlead.Bench.Path;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const double Seconds = 4;
const int Turns = 3;
DateTime date = DateTime.UtcNow;
var text = new StringWriter();
bool missed = false;
Say($"# bench/path/run: {date:yyyy-MM-dd HH:mm} UTC, load "
    + $"{File.ReadAllText("/proc/loadavg").Split(' ')[0]} at the start");
Say("# Nanoseconds of a core for each packet, from veth to veth, without making it: on its way, and where it ends; million");
Say("# packets that are a second of that core. Of TX: as a part of what XDP_TX alone does. Its bar: twice the packets that it");
Say("# would be with Katran's program, which took 148, 232 and 316 ns (IPIP), 378, 468 and 570 ns (GUE) of such a machine's");
Say("# core, net of its harness (UDP, where there is a figure; else TCP, which is less), instead of ours.");
Say($"# Each row is the least of {Turns} turns through all of them.");
Say($"{"",-36} {"flows",7} {"way",5} {"end",4} {"M/s",6} {"of TX",6} {"bar",5} {"x nft",6} {"bar",4}");
var packets = new Packets();
foreach ((int flows, double ip, double gue) in new[] { (1, 148d, 378d), (1 << 16, 232, 468), (1 << 19, 316, 570) })
{
    List<(string Name, Func<Wire.Cost> Measure, double Katran)> rows =
    [
        ("XDP_TX alone", () => packets.By("turn", flows), 0),
        ("XDP_TX with one outer header for all", () => packets.By("wrap", flows), 0),
        ("Fairlead, L2", () => packets.Balanced(DeliveryMode.L2, flows), ip),
        ("Fairlead, IP in IPv4", () => packets.Balanced(DeliveryMode.Ip, flows), ip),
        ("Fairlead, GUE over IPv4", () => packets.Balanced(DeliveryMode.Gue, flows), gue),
    ];
    // Half a million flows do not fit into its connection table as it is by default.
    bool translates = flows <= 1 << 16;
    if (translates) rows.Insert(2, ("nftables, DNAT over 100", () => packets.Translated(flows), 0));
    Wire.Cost[] least = Least([.. rows.Select(row => row.Measure)]);
    for (int i = 0; i < rows.Count; i++)
        Row(rows[i].Name, flows, least[i], least[0], rows[i].Katran, translates ? least[2].All : 0);
}

Say("# SYNs of a flood, answered with cookies by the backend: in its kernel's own stack, and ahead of it (synCookies: 0)");
Say($"{"",-44} {"way",5} {"end",4} {"M/s",6} {"x",6}");
Wire.Cost[] cookies = Least(() => packets.Cookie(isAhead: false), () => packets.Cookie(isAhead: true));
foreach ((string what, Wire.Cost cost) in new[] { "the kernel's own", "Fairlead" }.Zip(cookies))
    Say($"{what,-44} {cost.Way,5:0} {cost.End,4:0} {1000 / cost.All,6:0.00} {cookies[0].All / cost.All,6:0.0}");
packets.Dispose();
Say("# TCP: 64 clients, connect, 64 bytes and back, reset");
Say($"{"",-34} {"conn/s",7} {"core",6} {"a core's second",16} {"x",6} {"bar",4}");
Connections.Cost proxied = Connections.Proxied(Seconds);
Tcp("HAProxy, TCP, one thread", proxied, proxied);
Tcp("Fairlead, L2", Connections.Balanced(DeliveryMode.L2, Seconds), proxied);

string root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
File.WriteAllText(Path.Combine(root, "bench", "results", $"path-{date:yyyy-MM-dd}.txt"), text.ToString());
return missed ? 1 : 0;

// One after the other, and all of it again: what slows the machine down for a while slows down all of them.
static Wire.Cost[] Least(params Func<Wire.Cost>[] rows) => [.. Enumerable.Range(0, Turns)
    .Select(_ => Array.ConvertAll(rows, row => row()))
    .Aggregate((one, other) => [.. one.Zip(other, Wire.Less)])];

void Row(string what, int flows, Wire.Cost cost, Wire.Cost turned, double katran, double translated)
{
    double part = turned.All / cost.All, times = translated / cost.All;
    string line = $"{what,-36} {flows,7} {cost.Way,5:0} {cost.End,4:0} {1000 / cost.All,6:0.00} {part,6:0.00}";
    if (katran > 0)
    {
        double bar = 2 * turned.All / (turned.All + katran);
        line += $" {bar,5:0.00}";
        if (translated > 0) line += $" {times,6:0.0} {4,4}";
        if (part < bar || (translated > 0 && times < 4)) line += Missed();
    }

    Say(line);
}

void Tcp(string what, Connections.Cost cost, Connections.Cost proxied)
{
    double times = cost.PerBusySecond / proxied.PerBusySecond;
    string line = $"{what,-34} {cost.PerSecond,7:0} {cost.Busy,6:0%} {cost.PerBusySecond,16:0} {times,6:0.0}";
    if (cost != proxied) line += $" {3,4}" + (times < 3 ? Missed() : "");
    Say(line);
}

string Missed()
{
    missed = true;
    return " MISSED";
}

void Say(string line)
{
    text.WriteLine(line);
    Console.WriteLine(line);
}
