// Side by side in one run: Fairlead, Knot with mod-geoip, gdnsd with its geoip plugin, and NSD serve the same zone on
// the same veth pair, one after the other, on one core; the generator has the other. Printed is what one answered
// query costs the server's processor, as a ratio to the best peer.
//   bench/dns/run answer: what a query costs between two system calls
//   bench/dns/run million: a million records, their memory and their reload
//   bench/dns/run [seconds a run] [rounds] [only these servers, joined by a comma]
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Fairlead.Bench.Dns;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Net;

switch (args)
{
    case ["serve", ..]:
        await ServeAsync();
        return 0;
    case ["answer"]:
        InProcess.Run();
        return 0;
    case ["million"]:
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        MillionRecords.Run();
        return 0;
    case ["million", var folder]:
        await ServeMillionAsync(folder);
        return 0;
    default:
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        SideBySide.Run(Number(0, 6), Number(1, 3), args.ElementAtOrDefault(2));
        return 0;
}

int Number(int index, int fallback) =>
    args.Length > index && int.TryParse(args[index], CultureInfo.InvariantCulture, out int number) ? number : fallback;

static async Task ServeAsync()
{
    // All questions come from one address: its rate is not what is measured here; the peers' limits are off as well.
    var options = new DnsServerOptions { Listen = [new(IPAddress.Any, 53)], RateLimit = null };
    await using var server = new DnsServer(options, new Snapshot<DnsTable>(Workload.Table()));
    server.Start();
    throw await server.Failure;
}

static async Task ServeMillionAsync(string folder)
{
    var table = new Snapshot<DnsTable>(MillionRecords.Load(folder, null));
    GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true); // What reading left behind.
    var options = new DnsServerOptions { Listen = [new(IPAddress.Any, 53)], RateLimit = null };
    await using var server = new DnsServer(options, table);
    server.Start();
    using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        signal.Cancel = true;
        long begin = System.Diagnostics.Stopwatch.GetTimestamp();
        server.Hurry(true);
        table.Publish(MillionRecords.Load(folder, table.Current));
        server.Hurry(false);
        double seconds = System.Diagnostics.Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Console.WriteLine($"read again in {seconds:F1} s, serial {table.Current.Generation}");
    });
    throw await server.Failure;
}
