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
DateTime date = DateTime.UtcNow;
var text = new StringWriter();
bool missed = false;
Say($"# bench/path/run: {date:yyyy-MM-dd HH:mm} UTC, load "
    + $"{File.ReadAllText("/proc/loadavg").Split(' ')[0]} at the start");
Say("# million packets a second that one core carries from veth to veth, the ends of the wire on it, too;");
Say("# of TX: as a part of what XDP_TX alone does; bar: twice Katran's part (of 5.25 2.47, 1.71 and 1.25 by IPIP, 1.46, 1.05");
Say("# and 0.98 by GUE). What writes an outer header cannot be ahead of XDP_TX with the same one for all.");
Say($"{"",-36} {"flows",7} {"M/s",6} {"of TX",6} {"bar",5} {"x nft",6} {"bar",4}");
var packets = new Packets();
foreach ((int flows, double ip, double gue) in new[] { (1, 2.47, 1.46), (1 << 16, 1.71, 1.05), (1 << 19, 1.25, 0.98) })
{
    double turned = packets.By("turn", flows);
    Row("XDP_TX alone", flows, turned, turned, 0, 0);
    Row("XDP_TX with one outer header for all", flows, packets.By("wrap", flows), turned, 0, 0);
    // Half a million flows do not fit into its connection table as it is by default.
    double translated = flows > 1 << 16 ? 0 : packets.Translated(flows);
    if (translated > 0) Row("nftables, DNAT over 100", flows, translated, turned, 0, 0);
    Row("Fairlead, L2", flows, packets.Balanced(DeliveryMode.L2, flows), turned, ip, translated);
    Row("Fairlead, IP in IPv4", flows, packets.Balanced(DeliveryMode.Ip, flows), turned, ip, translated);
    Row("Fairlead, GUE over IPv4", flows, packets.Balanced(DeliveryMode.Gue, flows), turned, gue, translated);
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

void Row(string what, int flows, double rate, double turned, double katran, double translated)
{
    double part = rate / turned, bar = 2 * katran / 5.25, times = translated > 0 ? rate / translated : 0;
    string line = $"{what,-36} {flows,7} {rate / 1e6,6:0.00} {part,6:0.00}";
    if (bar > 0)
    {
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
