// Failover side by side in one topology and one run: an announcer (Fairlead, ExaBGP with its healthcheck, or BIRD with
// a loop that checks and edits its prefix list, as anycast_healthchecker does) in front of a router (BIRD), a second
// announcer behind it, and a user. Measured is until the router's FIB leads to the second one, and until the user is served there.
//   bench/failover/run [rounds [only cases whose line holds this text]]
#pragma warning disable CA1849 // Lines of text are written between measurements, not in them.
using System.Globalization;
using Fairlead.Bench.Failover;
using Fairlead.Net.Linux;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args is ["serve", var port])
{
    Service.Run(int.Parse(port));
    return 0;
}

// What is measured must not wait for the one who measures; those under test do not inherit it.
_ = UrgentThread.RaiseCurrent();
int rounds = args.Length > 0 ? int.Parse(args[0]) : 50;
var text = new StringWriter();
DateTime date = DateTime.UtcNow;
text.WriteLine($"# bench/failover/run {rounds}: {date:yyyy-MM-dd HH:mm} UTC, {Environment.ProcessorCount} cores, load "
    + $"{File.ReadAllText("/proc/loadavg").Split(' ')[0]} at the start");
text.WriteLine("# milliseconds until the router's FIB leads elsewhere, and until the user is served there");
text.WriteLine($"{"case",-58} {"FIB min",8} {"p50",8} {"p99",8} {"max",8}   {"user p50",8} {"max",8}");
foreach ((Contender contender, Death death, string what) in new[]
{
    (Contender.Fairlead, Death.Service, "service dies; Fairlead, tcp check 100 ms x 3"),
    (Contender.Exabgp, Death.Service, "service dies; ExaBGP's healthcheck 100 ms x 3"),
    (Contender.BirdScript, Death.Service, "service dies; loop 100 ms x 3 that edits BIRD's list"),
    (Contender.Fairlead, Death.Announcer, "kill -9; Fairlead"),
    (Contender.Exabgp, Death.Announcer, "kill -9; ExaBGP"),
    (Contender.BirdScript, Death.Announcer, "kill -9; BIRD"),
    (Contender.Fairlead, Death.Silence50, "link cut, BFD 3 x 50 ms; Fairlead"),
    (Contender.BirdScript, Death.Silence50, "link cut, BFD 3 x 50 ms; BIRD"),
    (Contender.Fairlead, Death.Silence10, "link cut, BFD 3 x 10 ms; Fairlead"),
    (Contender.BirdScript, Death.Silence10, "link cut, BFD 3 x 10 ms; BIRD"),
    (Contender.Fairlead, Death.Frozen50, "SIGSTOP, BFD 3 x 50 ms; Fairlead"),
    (Contender.BirdScript, Death.Frozen50, "SIGSTOP, BFD 3 x 50 ms; BIRD"),
    (Contender.Fairlead, Death.Frozen10, "SIGSTOP, BFD 3 x 10 ms; Fairlead"),
    (Contender.BirdScript, Death.Frozen10, "SIGSTOP, BFD 3 x 10 ms; BIRD"),
})
{
    if (args.Length > 1 && !what.Contains(args[1], StringComparison.Ordinal)) continue;
    List<(double Fib, double User)> measured = Course.Measure(contender, death, rounds);
    double[] fib = [.. measured.Select(one => one.Fib).Order()], user = [.. measured.Select(one => one.User).Order()];
    string line = $"{what,-58} {fib[0],8:F1} {fib[fib.Length / 2],8:F1} {fib[Math.Min(fib.Length - 1, fib.Length * 99 / 100)],8:F1} "
        + $"{fib[^1],8:F1}   {user[user.Length / 2],8:F1} {user[^1],8:F1}";
    text.WriteLine(line);
    Console.Error.WriteLine(line);
}

Console.Write(text);
string root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
File.WriteAllText(Path.Combine(root, "bench", "results", $"failover-{date:yyyy-MM-dd}.txt"), text.ToString());
return 0;
