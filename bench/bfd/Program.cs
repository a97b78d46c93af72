// Whether BFD at 3 x 50 ms flaps, between a node and BIRD:
// - under load: DNS queries that keep a core of the node busy, and a full collection in the node's process each second;
// - at the start: the node starts while twenty others do, which keeps both cores busy.
// A flap is a session that either side takes down after it was first up. Ends with 1 where there was one.
//   bench/bfd/run [seconds of load [starts [PROGRAM]]]
#pragma warning disable CA1849 // Lines of text are written between measurements, not in them.
using System.Globalization;
using Fairlead.Bench.Bfd;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int seconds = args.Length > 0 ? int.Parse(args[0]) : 600;
int starts = args.Length > 1 ? int.Parse(args[1]) : 3;
string program = Path.GetFullPath(
    args.Length > 2 ? args[2] : Path.Combine(AppContext.BaseDirectory, "../../Fairlead/release/fairlead"));
DateTime date = DateTime.UtcNow;
var text = new StringWriter();
text.WriteLine($"# bench/bfd/run {seconds} {starts}: {date:yyyy-MM-dd HH:mm} UTC, {Environment.ProcessorCount} cores, "
    + $"load {File.ReadAllText("/proc/loadavg").Split(' ')[0]} at the start; BFD 3 x 50 ms over IPv4 and IPv6, BIRD");
bool held = true;
if (seconds > 0) Note(Trial.UnderLoad(program, TimeSpan.FromSeconds(seconds)));
for (int start = 0; start < starts; start++) Note(Trial.AtTheStart(program));
text.WriteLine(held ? "no flap" : "IT FLAPPED");
Console.Write(text);
string root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
File.WriteAllText(Path.Combine(root, "bench", "results", $"bfd-{date:yyyy-MM-dd}.txt"), text.ToString());
return held ? 0 : 1;

void Note(Verdict verdict)
{
    text.WriteLine(verdict.Text);
    Console.Error.WriteLine(verdict.Text);
    held &= verdict.Flaps == 0;
}
