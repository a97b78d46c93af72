// The balancer end to end beside what else could do its work, in one run: how many packets of 60 bytes a core carries from
// veth to veth (XDP that only turns a frame around, or writes one header; the balancer; nftables' DNAT to as many
// backends), what a flood's SYN costs that is answered with a cookie (the backend, its kernel), and how many TCP connections
// a second of a core carries (the balancer, HAProxy).
//   bench/path/run
#pragma warning disable CA1849 // Lines of text are written between measurements, not in them.
using System.Globalization;
using Fairlead.Balancer;
using Fairlead.Bench.Path;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const double Seconds = 4;
const int Turns = 3, TurnsMax = 10;
const double News = 0.98;
const string Turned = "XDP_TX alone", Translated = "nftables, DNAT over 100";
DateTime date = DateTime.UtcNow;
var text = new StringWriter();
bool missed = false;
try
{
    Measure();
}
catch (IOException fault)
{
    Console.Error.WriteLine($"bench/path: {fault.Message}");
    return 2;
}

string root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
File.WriteAllText(Path.Combine(root, "bench", "results", $"path-{date:yyyy-MM-dd}.txt"), text.ToString());
return missed ? 1 : 0;

void Measure()
{
    Say($"# bench/path/run: {date:yyyy-MM-dd HH:mm} UTC, load "
        + $"{File.ReadAllText("/proc/loadavg").Split(' ')[0]} at the start");
    Say("# Nanoseconds of a core for each packet, from veth to veth, without making it: on its way, and where it ends; million");
    Say("# packets that are a second of that core. Of TX: as a part of what XDP_TX alone does. Its bar: twice the packets that it");
    Say("# would be with Katran's program, which took 148, 232 and 316 ns (IPIP), 378, 468 and 570 ns (GUE) of such a machine's");
    Say("# core, net of its harness (UDP, where there is a figure; else TCP, which is less), instead of ours.");
    Say($"# Each row is the least of {Turns} to {TurnsMax} turns through all of them: until one has nothing new to say.");
    Say($"{"",-36} {"flows",7} {"way",5} {"end",4} {"M/s",6} {"of TX",6} {"bar",5} {"x nft",6} {"bar",4}");
    using var packets = new Packets();
    List<(string Name, int Flows, Func<Wire.Cost> Measure, double Katran)> rows = [];
    foreach ((int flows, double ip, double gue) in new[] { (1, 148d, 378d), (1 << 16, 232, 468), (1 << 19, 316, 570) })
    {
        rows.Add((Turned, flows, () => packets.By("turn", flows), 0));
        rows.Add(("XDP_TX with one outer header for all", flows, () => packets.By("wrap", flows), 0));
        // Half a million flows do not fit into its connection table as it is by default.
        if (flows <= 1 << 16) rows.Add((Translated, flows, () => packets.Translated(flows), 0));
        rows.Add(("Fairlead, L2", flows, () => packets.Balanced(DeliveryMode.L2, flows), ip));
        rows.Add(("Fairlead, IP in IPv4", flows, () => packets.Balanced(DeliveryMode.Ip, flows), ip));
        rows.Add(("Fairlead, GUE over IPv4", flows, () => packets.Balanced(DeliveryMode.Gue, flows), gue));
    }

    int forwarded = rows.Count;
    rows.Add(("the kernel's own", 0, () => packets.Cookie(isAhead: false), 0));
    rows.Add(("Fairlead", 0, () => packets.Cookie(isAhead: true), 0));
    Wire.Cost[] least = Least([.. rows.Select(row => row.Measure)]);
    double Of(string name, int flows) => least[rows.FindIndex(row => row.Name == name && row.Flows == flows)].All;
    for (int i = 0; i < forwarded; i++)
    {
        (string name, int flows, _, double katran) = rows[i];
        Row(name, flows, least[i], Of(Turned, flows), katran, flows <= 1 << 16 ? Of(Translated, flows) : 0);
    }

    Say("# SYNs of a flood, answered with cookies by the backend: in its kernel's own stack, and ahead of it (synCookies: 0)");
    Say($"{"",-44} {"way",5} {"end",4} {"M/s",6} {"x",6}");
    for (int i = forwarded; i < rows.Count; i++)
        Say($"{rows[i].Name,-44} {least[i].Way,5:0} {least[i].End,4:0} {1000 / least[i].All,6:0.00} "
            + $"{least[forwarded].All / least[i].All,6:0.0}");
    Say("# TCP: 64 clients, connect, 64 bytes and back, reset");
    Say($"{"",-34} {"conn/s",7} {"core",6} {"a core's second",16} {"x",6} {"bar",4}");
    Connections.Cost proxied = Connections.Proxied(Seconds);
    Tcp("HAProxy, TCP, one thread", proxied, proxied);
    Tcp("Fairlead, L2", Connections.Balanced(DeliveryMode.L2, Seconds), proxied);
}

// One after the other, and all of it again, until a turn has nothing new to say: what shares the machine's processors makes
// all of it slower for seconds or minutes.
static Wire.Cost[] Least(params Func<Wire.Cost>[] rows)
{
    Wire.Cost[] least = Array.ConvertAll(rows, row => row());
    for (int turn = 2; turn <= TurnsMax; turn++)
    {
        Wire.Cost[] before = least;
        least = [.. least.Zip(rows, (one, row) => Wire.Less(one, row()))];
        bool isNews = before.Zip(least).Any(pair => pair.Second.All < pair.First.All * News);
        if (turn >= Turns && !isNews) break;
    }

    return least;
}

void Row(string what, int flows, Wire.Cost cost, double turned, double katran, double translated)
{
    double part = turned / cost.All, times = translated / cost.All;
    string line = $"{what,-36} {flows,7} {cost.Way,5:0} {cost.End,4:0} {1000 / cost.All,6:0.00} {part,6:0.00}";
    if (katran > 0)
    {
        double bar = 2 * turned / (turned + katran);
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
