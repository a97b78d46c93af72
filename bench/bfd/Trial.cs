using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Bfd;

internal sealed record Verdict(int Flaps, string Text);

/// <summary>A node, BIRD as its router, and a user who asks DNS queries: three hosts of one bed.</summary>
internal sealed partial class Trial : IDisposable
{
    private const int Others = 20;
    private static readonly TimeSpan UpWithin = TimeSpan.FromSeconds(150);
    private static readonly TimeSpan WatchedAfterStart = TimeSpan.FromSeconds(20);

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-bfd").FullName;
    private readonly Bed bed = new($"flbfd{Environment.ProcessId}");
    private readonly string program;
    private Process? node;

    private Trial(string program)
    {
        this.program = program;
        foreach (string host in new[] { "node", "router", "user" }) bed.AddHost(host);
        bed.AddLink("node", "eth0", "router", "eth0");
        bed.AddLink("node", "eth1", "user", "eth0");
        foreach ((string host, string device, string address) in new[]
        {
            ("node", "eth0", "10.0.0.2/24"), ("router", "eth0", "10.0.0.1/24"),
            ("node", "eth0", "2001:db8:1::2/64"), ("router", "eth0", "2001:db8:1::1/64"),
            ("node", "eth1", "10.0.1.2/24"), ("user", "eth0", "10.0.1.1/24"),
        }) bed.AddAddress(host, device, address);
        Write("bird.conf", """
            log stderr all;
            router id 10.0.0.1;
            protocol device {}
            protocol bfd { debug { events }; interface "*" { interval 50 ms; multiplier 3; }; }
            template bgp nodes {
              local as 64500; bfd on; connect delay time 1; connect retry time 1; error wait time 1, 1;
            }
            protocol bgp v4 from nodes { neighbor 10.0.0.2 as 64501; ipv4 { import all; export none; }; }
            protocol bgp v6 from nodes { neighbor 2001:db8:1::2 as 64501; ipv6 { import all; export none; }; }
            """);
        Write("example.com.zone", """
            $TTL 1h
            @   IN SOA ns1 hostmaster ( 1 1h 15m 2w 30s )
                IN NS  ns1
            ns1 IN A   10.0.1.2
            www IN A   192.0.2.1
            """);
        Fleet("fleet.yaml", """
                nodes: {n1: {asn: 64501, addresses: [10.0.0.2, "2001:db8:1::2"]}}
                routers:
                  r1: {addresses: [10.0.0.1, "2001:db8:1::1"], bfd: {interval: 50ms, multiplier: 3}}
            """, "dns: {listen: [10.0.1.2:53], udpThreads: 1, rateLimit: {answers: 0}}\nzones: {example.com: {file: example.com.zone}}");
        // A router's BFD does not wait for a busy machine either.
        bed.Start("router", InFolder("bird.log"), "chrt", "--rr", "10", "bird", "-f", "-c", InFolder("bird.conf"), "-s",
            InFolder("bird.ctl"), "-P", InFolder("bird.pid"));
    }

    public static Verdict UnderLoad(string program, TimeSpan time)
    {
        using var trial = new Trial(program);
        trial.node = trial.Start("node", "fleet", "n1");
        trial.AwaitUp();
        using var user = new User(trial.bed.NamespaceOf("user"), IPAddress.Parse("10.0.1.2"));
        trial.node.Refresh();
        TimeSpan used = trial.node.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        int collections = 0;
        while (clock.Elapsed < time)
        {
            Thread.Sleep(TimeSpan.FromSeconds(1));
            if (Collections.Force(trial.node.Id)) collections++;
        }

        trial.node.Refresh();
        double cores = (trial.node.TotalProcessorTime - used) / clock.Elapsed;
        int flaps = trial.Flaps();
        return new Verdict(flaps, $"load, {clock.Elapsed.TotalSeconds:F0} s: {flaps} flaps, {trial.Lateness()}; "
            + $"{user.Answers / clock.Elapsed.TotalSeconds:F0} answers/s, node {cores:F2} cores, "
            + $"{collections} full collections");
    }

    public static Verdict AtTheStart(string program)
    {
        using var trial = new Trial(program);
        trial.Fleet("others.yaml", "    nodes: {n1: {asn: 64501, addresses: [10.0.0.9]}}", "");
        // In the user's namespace they disturb nobody but by what they compute.
        for (int i = 0; i < Others / 2; i++) trial.Start("user", "others", "n1", $"-before{i}");
        trial.node = trial.Start("node", "fleet", "n1");
        for (int i = 0; i < Others / 2; i++) trial.Start("user", "others", "n1", $"-after{i}");
        TimeSpan up = trial.AwaitUp();
        Thread.Sleep(WatchedAfterStart);
        int flaps = trial.Flaps();
        return new Verdict(flaps,
            $"start among {Others}: up after {up.TotalSeconds:F1} s, then {flaps} flaps, {trial.Lateness()}");
    }

    public void Dispose()
    {
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private TimeSpan AwaitUp()
    {
        var clock = Stopwatch.StartNew();
        while (Ups().Count(Read("bird.log")) < 2)
        {
            if (clock.Elapsed > UpWithin)
                throw new TimeoutException($"BFD is not up:\n{Read("bird.log")}\n{Read("fleet.log")}");
            Thread.Sleep(20);
        }

        return clock.Elapsed;
    }

    private int Flaps() => Downs().Count(Read("bird.log")) + OurDowns().Count(Read("fleet.log"));

    private string Lateness()
    {
        try
        {
            string metrics = Command.Run("curl", "-s", "--unix-socket", InFolder("fleet.sock"), "http://node/metrics");
            Match late = LatenessMetric().Match(metrics);
            return late.Success
                ? $"BFD at worst {double.Parse(late.Groups[1].Value, CultureInfo.InvariantCulture) * 1000:F1} ms late"
                : "lateness unknown";
        }
        catch (IOException)
        {
            return "lateness unknown";
        }
    }

    private void Fleet(string name, string pop, string more) => Write(name, $$"""
        fleet: bench
        asn: 64500
        anycast: {subnets: [192.0.2.0/24, "2001:db8:f00::/44"], cover: [192.0.2.0/24, "2001:db8:f00::/44"]}
        pops:
          here:
        {{pop}}
        services:
          web:
            host: "::a"
            ports: [tcp/80]
            check: {kind: tcp, interval: 1s}
            onNodes: true
        {{more}}
        """);

    private Process Start(string host, string fleet, string name, string suffix = "") =>
        bed.Start(host, InFolder($"{fleet}{suffix}.log"), program, "node", "--fleet", InFolder($"{fleet}.yaml"),
            "--pop", "here", "--node", name, "--state", InFolder($"{fleet}{suffix}.state"),
            "--control", InFolder($"{fleet}{suffix}.sock"));

    private string InFolder(string name) => Path.Combine(folder, name);

    private void Write(string name, string text) => File.WriteAllText(InFolder(name), text);

    private string Read(string name) => File.Exists(InFolder(name)) ? File.ReadAllText(InFolder(name)) : "";

    [GeneratedRegex("changed state from .* to Up")]
    private static partial Regex Ups();

    [GeneratedRegex("changed state from Up to")]
    private static partial Regex Downs();

    [GeneratedRegex("BfdChanged .*State = Down")]
    private static partial Regex OurDowns();

    [GeneratedRegex(@"fairlead_bfd_worst_lateness_seconds ([0-9.eE-]+)")]
    private static partial Regex LatenessMetric();
}

/// <summary>Asks as fast as the node answers: so many queries are always on their way.</summary>
internal sealed class User : IDisposable
{
    private const int Window = 64;

    // www.example.com A.
    private static readonly byte[] Query = Convert.FromHexString(
        "000100000001000000000000037777770765" + "78616d706c6503636f6d0000010001");

    private readonly Thread thread;
    private volatile bool stopping;
    private long answers;

    public User(string space, IPAddress server)
    {
        thread = new Thread(() => NetworkNamespace.Run(space, () =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(server, 53);
            socket.ReceiveTimeout = 20;
            while (!stopping) Round(socket);
            return 0;
        }))
        { IsBackground = true };
        thread.Start();
    }

    public long Answers => Interlocked.Read(ref answers);

    public void Dispose()
    {
        stopping = true;
        thread.Join();
    }

    private void Round(Socket socket)
    {
        Span<byte> answer = stackalloc byte[512];
        for (int i = 0; i < Window; i++) socket.Send(Query);
        try
        {
            for (int i = 0; i < Window; i++)
            {
                socket.Receive(answer);
                Interlocked.Increment(ref answers);
            }
        }
        catch (SocketException)
        {
            // Some were dropped: the next round.
        }
    }
}
