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
Say("# packets that are a second of that core. Of TX: as a part of what XDP_TX alone does. Its bar is twice Katran's packets:");
Say("# where XDP_TX did 5.25 million a second and Katran 2.47, 1.71 and 1.25 (IPIP), 1.46, 1.05 and 0.98 (GUE), it added 214,");
Say("# 394, 610 and 494, 762, 830 ns to XDP_TX's 190; here it would add them to what XDP_TX takes here.");
Say($"{"",-36} {"flows",7} {"way",5} {"end",4} {"M/s",6} {"of TX",6} {"bar",5} {"x nft",6} {"bar",4}");
var packets = new Packets();
foreach ((int flows, double ip, double gue) in new[] { (1, 2.47, 1.46), (1 << 16, 1.71, 1.05), (1 << 19, 1.25, 0.98) })
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
    // One after the other, and all of it again: what slows the machine down for a while slows down all of them.
    Wire.Cost[] least = [.. Enumerable.Range(0, Turns).Select(_ => rows.ConvertAll(row => row.Measure()))
        .Aggregate((one, other) => [.. one.Zip(other, Wire.Less)])];
    for (int i = 0; i < rows.Count; i++)
        Row(rows[i].Name, flows, least[i], least[0], rows[i].Katran, translates ? least[2].All : 0);
}

packets.Dispose();
Say("# TCP: 64 clients, connect, 64 bytes and back, reset");
Say($"{"",-34} {"conn/s",7} {"core",6} {"a core's second",16} {"x",6} {"bar",4}");
Connections.Cost proxied = Connections.Proxied(Seconds);
Tcp("HAProxy, TCP, one thread", proxied, proxied);
Tcp("Fairlead, L2", Connections.Balanced(DeliveryMode.L2, Seconds), proxied);

string root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
File.WriteAllText(Path.Combine(root, "bench", "results", $"path-{date:yyyy-MM-dd}.txt"), text.ToString());
return missed ? 1 : 0;

void Row(string what, int flows, Wire.Cost cost, Wire.Cost turned, double katran, double translated)
{
    double part = turned.All / cost.All, times = translated / cost.All;
    string line = $"{what,-36} {flows,7} {cost.Way,5:0} {cost.End,4:0} {1000 / cost.All,6:0.00} {part,6:0.00}";
    if (katran > 0)
    {
        double added = (1000 / katran) - (1000 / 5.25), bar = 2 * turned.All / (turned.All + added);
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
