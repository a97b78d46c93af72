using System.Diagnostics;
using System.Globalization;
using System.Net;
using Fairlead.Bench.Checks;
using Fairlead.Health;

if (args is ["serve", ..]) return await Backends.ServeAsync();
string kind = args.Length > 0 ? args[0] : "tcp";
int checks = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 10_000;
int seconds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 20;
var second = new CheckSpec { Interval = TimeSpan.FromSeconds(1), Timeout = TimeSpan.FromMilliseconds(500) };
(CheckSpec spec, int port) = kind switch
{
    "tcp" => (second, Backends.Tcp),
    "tcp-expect" => (second with { Send = "PING\r\n", Expect = "^\\+PONG" }, Backends.Tcp),
    "udp" => (second with { Kind = CheckKind.Udp, Send = "ping" }, Backends.Udp),
    "http" => (second with { Kind = CheckKind.Http }, Backends.Http),
    "http-body" => (second with { Kind = CheckKind.Http, Body = "^ok" }, Backends.Http),
    "silent" => (second with { Expect = "^220" }, Backends.Tcp),
    _ => throw new ArgumentException($"no kind {kind}"),
};
await Backends.AwaitAsync();
long turns = 0;
bool held = true;
await using var engine = new CheckEngine(TimeProvider.System, 1, _ => Interlocked.Increment(ref turns));
// A /24 of loopback addresses, as a pool of that many servers would be; but UDP is answered from the first alone.
// What is asked alike would be asked once: each has something of its own.
engine.Apply(new CheckSet([.. Enumerable.Range(0, checks).Select(i => new Check(
    $"web/{i}", new IPEndPoint(new IPAddress([127, 0, 0, (byte)(kind == "udp" ? 1 : 1 + (i % 250))]), port),
    spec with { HoldDownMax = TimeSpan.FromSeconds(300 + i) }))]));
using Process self = Process.GetCurrentProcess();
for (int round = 0; round < 3; round++)
{
    // The first round warms up: code is compiled, and every check has its phase.
    await Task.Delay(TimeSpan.FromSeconds(round == 0 ? 5 : seconds));
    if (round == 0) Meter.Start(engine, self);
    else held &= Meter.Print(kind, checks, engine, self, Interlocked.Read(ref turns));
}

return held ? 0 : 1;
