using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Failover;

internal enum Contender
{
    Fairlead,
    Exabgp,

    /// <summary>anycast_healthchecker's way: a loop checks, writes BIRD's prefix list, and has it read again.</summary>
    BirdScript,
}

internal enum Death
{
    Service,
    Announcer,
    Silence50,
    Silence10,
    Frozen50,
    Frozen10,
}

/// <summary>The topology: user - router - two announcers of one address, of which the first is on trial.</summary>
internal sealed partial class Course : IDisposable
{
    private const int Port = 8080;
    private const int SIGCONT = 18, SIGSTOP = 19;
    private static readonly IPAddress Vip = IPAddress.Parse("192.0.2.10");
    private static readonly IPAddress First = IPAddress.Parse("10.0.1.2");
    private static readonly IPAddress Second = IPAddress.Parse("10.0.2.2");

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-failover").FullName;
    private readonly Bed bed = new($"flfo{Environment.ProcessId}");
    private readonly Contender contender;
    private readonly int bfdMilliseconds;
    private readonly Random random = new(1);
    private Process? service;
    private Process? announcer;
    private readonly Valve? valve;

    private Course(Contender contender, Death death)
    {
        this.contender = contender;
        bfdMilliseconds = death switch { Death.Silence50 or Death.Frozen50 => 50, Death.Silence10 or Death.Frozen10 => 10, _ => 0 };
        foreach (string host in new[] { "user", "router", "first", "second" }) bed.AddHost(host, host == "router");
        foreach ((string host, int subnet) in new[] { ("user", 0), ("first", 1), ("second", 2) })
        {
            bed.AddLink(host, "eth0", "router", $"eth{subnet}");
            bed.AddAddress(host, "eth0", $"10.0.{subnet}.2/24");
            bed.AddAddress("router", $"eth{subnet}", $"10.0.{subnet}.1/24");
            bed.Ip(host, "route", "add", "default", "via", $"10.0.{subnet}.1");
        }

        foreach (string host in new[] { "first", "second" }) bed.AddAddress(host, "lo", $"{Vip}/32");
        if (death is Death.Silence50 or Death.Silence10) valve = new Valve(bed, ("first", "eth0"), ("router", "eth1"));
        Bird("router", $$"""
            log stderr all;
            router id 10.0.0.1;
            protocol device {}
            protocol bfd { accept direct; }
            protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
            template bgp announcer {
              local as 64500; graceful restart off; connect delay time 1; connect retry time 1; error wait time 1, 1;
              hold time 9;
              ipv4 { import where net = {{Vip}}/32; export none; };
            }
            protocol bgp the_first from announcer { neighbor 10.0.1.2 as 64501;{{Bfd()}} }
            protocol bgp the_second from announcer { neighbor 10.0.2.2 as 64502; }
            """);
        Bird("second", $$"""
            log stderr all;
            router id 10.0.2.2;
            protocol device {}
            protocol static { ipv4; route {{Vip}}/32 unreachable; }
            protocol bgp the_router {
              local as 64502; neighbor 10.0.2.1 as 64500; connect delay time 1;
              ipv4 { import none; export filter { bgp_path.prepend(64502); bgp_path.prepend(64502); accept; }; };
            }
            """);
        Serve("second");
    }

    public static List<(double Fib, double User)> Measure(Contender contender, Death death, int rounds)
    {
        using var course = new Course(contender, death);
        var measured = new List<(double, double)>();
        course.service = course.Serve("first");
        course.announcer = course.Announce();
        course.AwaitFirst();
        // The second one's route must be at hand before the first one dies.
        while (!Command.Run("birdc", "-s", Path.Combine(course.folder, "router.ctl"), "show", "route")
            .Contains($"via {Second}", StringComparison.Ordinal)) Thread.Sleep(50);
        for (int round = 0; round < rounds; round++) measured.Add(course.Round(death));
        return measured;
    }

    public void Dispose()
    {
        valve?.Dispose();
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private (double Fib, double User) Round(Death death)
    {
        RouteWatch? opened = null;
        using var user = new User(bed.NamespaceOf("user"), Vip, Port);
        NetworkNamespace.Run(bed.NamespaceOf("router"), () =>
        {
            opened = new RouteWatch();
            return 0;
        });
        using RouteWatch watch = opened!;
        // Deaths come at any moment of a check's interval.
        Thread.Sleep(500 + random.Next(1000));
        long begin = Stopwatch.GetTimestamp();
        switch (death)
        {
            case Death.Service:
                service!.Kill();
                break;
            case Death.Announcer:
                announcer!.Kill();
                break;
            case Death.Frozen50 or Death.Frozen10:
                _ = Kill(announcer!.Id, SIGSTOP);
                break;
            default:
                valve!.IsCut = true;
                break;
        }

        double fib = Stopwatch.GetElapsedTime(begin, watch.Await(Vip, Second)).TotalMilliseconds;
        double served = Stopwatch.GetElapsedTime(begin, user.AwaitServed(begin)).TotalMilliseconds;
        Mend(death);
        return (fib, served);
    }

    private void Mend(Death death)
    {
        switch (death)
        {
            case Death.Service:
                service!.WaitForExit();
                service = Serve("first");
                break;
            case Death.Announcer:
                announcer!.WaitForExit();
                announcer = Announce();
                break;
            case Death.Frozen50 or Death.Frozen10:
                _ = Kill(announcer!.Id, SIGCONT);
                break;
            default:
                valve!.IsCut = false;
                break;
        }

        AwaitFirst();
    }

    private void AwaitFirst()
    {
        var clock = Stopwatch.StartNew();
        while (!bed.Ip("router", "route", "show", $"{Vip}").Contains($"via {First}", StringComparison.Ordinal))
        {
            if (clock.Elapsed > TimeSpan.FromSeconds(60))
                throw new TimeoutException($"{contender} does not announce:\n" + string.Concat(
                    Directory.GetFiles(folder, "*.log").Select(log => $"{log}\n{File.ReadAllText(log)}\n")));
            Thread.Sleep(50);
        }
    }

    private Process Serve(string host) => bed.Start(
        host, Path.Combine(folder, "service.log"), Environment.ProcessPath!, "serve", $"{Port}");

    private Process Announce() => contender switch
    {
        Contender.Fairlead => Fairlead(),
        Contender.Exabgp => Exabgp(),
        _ => BirdScript(),
    };

    private Process Fairlead()
    {
        string fleet = Path.Combine(folder, "fleet.yaml");
        string router = "{addresses: [10.0.1.1]"
            + (bfdMilliseconds > 0 ? $", bfd: {{interval: {bfdMilliseconds}ms, multiplier: 3, strict: true}}" : "") + "}";
        File.WriteAllText(fleet, $$"""
            fleet: failover
            asn: 64500
            anycast: {subnets: [192.0.2.0/24], cover: [192.0.2.0/24]}
            pops:
              one:
                nodes: {first: {asn: 64501, addresses: [{{First}}]} }
                routers: {router: {{router}} }
            services:
              web:
                host: "::a"
                ports: [tcp/{{Port}}]
                check: {kind: tcp, interval: 100ms, timeout: 100ms, fall: 3, rise: 1}
                onNodes: true
            """);
        string program = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../Fairlead/release/fairlead"));
        return bed.Start("first", Path.Combine(folder, "fairlead.log"), program, "node", "--fleet", fleet,
            "--pop", "one", "--node", "first", "--state", Path.Combine(folder, "state"),
            "--control", Path.Combine(folder, "control.sock"));
    }

    /// <summary>
    /// With its healthcheck, which waits for an answer to each thing it says: exabgp.api.ack must stay on, or it be
    /// told --no-ack, or its first word is its last.
    /// </summary>
    private Process Exabgp()
    {
        string check = Write("check", $"#!/bin/bash\nexec timeout 1 bash -c '</dev/tcp/{First}/{Port}'\n", isProgram: true);
        string file = Write("exabgp.conf", $$"""
            process check {
              run /usr/bin/exabgp-healthcheck --cmd {{check}} --ip {{Vip}}/32 --interval 0.1 --fast-interval 0.1 --rise 1 --fall 3 --timeout 1 --withdraw-on-down --no-ip-setup --next-hop {{First}} --no-syslog;
              encoder text;
            }
            neighbor 10.0.1.1 {
              router-id {{First}}; local-address {{First}}; local-as 64501; peer-as 64500; hold-time 9;
              family { ipv4 unicast; }
              api { processes [ check ]; }
            }
            """);
        return bed.Start("first", Path.Combine(folder, "exabgp.log"), "env", "exabgp.daemon.user=root",
            "exabgp.daemon.drop=false", "exabgp.log.destination=stdout", "exabgp.api.cli=false", "PYTHONUNBUFFERED=1",
            "exabgp", file);
    }

    /// <summary>BIRD is what is killed or frozen; the loop beside it goes on, as a cron-like checker would.</summary>
    private Process BirdScript()
    {
        string list = Path.Combine(folder, "list.conf"), control = Path.Combine(folder, "first.ctl");
        File.WriteAllText(list, $"define ADVERTISE = [{Vip}/32];\n");
        Process bird = Bird("first", $$"""
            log stderr all;
            include "{{list}}";
            router id {{First}};
            protocol device {}
            protocol bfd { accept direct; }
            protocol direct { ipv4; interface "lo"; }
            protocol bgp the_router {
              local as 64501; neighbor 10.0.1.1 as 64500; graceful restart off; hold time 9;
              connect delay time 1; connect retry time 1; error wait time 1, 1;{{Bfd()}}
              ipv4 { import none; export where net ~ ADVERTISE; };
            }
            """);
        string loop = Write("loop", $$"""
            #!/bin/bash
            # Three failures in a row take the address out, one success brings it back.
            failures=0 is=up
            while kill -0 {{bird.Id}} 2>/dev/null; do
              if timeout 0.1 bash -c '</dev/tcp/{{First}}/{{Port}}' 2>/dev/null; then failures=0; else failures=$((failures + 1)); fi
              now=$is
              [ $failures = 0 ] && now=up
              [ $failures -ge 3 ] && now=down
              if [ $now != $is ]; then
                if [ $now = up ]; then a={{Vip}}; else a=10.255.255.255; fi
                echo "define ADVERTISE = [$a/32];" >{{list}}.new && mv {{list}}.new {{list}}
                birdc -s {{control}} configure >/dev/null
                is=$now
              fi
              sleep 0.1
            done
            """, isProgram: true);
        bed.Start("first", Path.Combine(folder, "loop.log"), "bash", loop);
        return bird;
    }

    private string Bfd() =>
        bfdMilliseconds > 0 ? $" bfd {{ interval {bfdMilliseconds} ms; multiplier 3; }};" : "";

    private Process Bird(string host, string configuration)
    {
        string file = Write($"{host}.conf", configuration);
        // In real time: a router's BFD does not wait for a busy machine, and BIRD on trial has the same as we ask for.
        return bed.Start(host, Path.Combine(folder, $"{host}.log"), "chrt", "--rr", "5", "bird", "-f", "-c", file,
            "-s", Path.Combine(folder, $"{host}.ctl"), "-P", Path.Combine(folder, $"{host}.pid"));
    }

    [System.Runtime.InteropServices.LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);

    private string Write(string name, string text, bool isProgram = false)
    {
        string path = Path.Combine(folder, name);
        File.Delete(path); // A program that still runs cannot be written to.
        File.WriteAllText(path, text);
        if (isProgram) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}

/// <summary>A user who connects again and again, a new connection each two milliseconds, and notes who served when.</summary>
internal sealed class User : IDisposable
{
    private readonly Thread thread;
    private readonly List<long> served = [];
    private readonly Lock gate = new();
    private volatile bool stopping;

    public User(string space, IPAddress vip, int port)
    {
        thread = new Thread(() => NetworkNamespace.Run(space, () =>
        {
            while (!stopping) Ask(vip, port);
            return 0;
        }))
        { IsBackground = true };
        thread.Start();
    }

    /// <summary>When a connection that was begun after this moment was served.</summary>
    public long AwaitServed(long after)
    {
        while (true)
        {
            lock (gate)
            {
                int at = served.FindIndex(begun => begun > after);
                if (at >= 0) return Stopwatch.GetTimestamp();
            }

            Thread.Sleep(1);
        }
    }

    public void Dispose()
    {
        stopping = true;
        thread.Join();
    }

    private void Ask(IPAddress vip, int port)
    {
        long begun = Stopwatch.GetTimestamp();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
        try
        {
            socket.Connect(new IPEndPoint(vip, port));
        }
        catch (SocketException pending) when (pending.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            // Waits for the answer below: twenty milliseconds are long here.
        }
        catch (SocketException)
        {
            Thread.Sleep(2);
            return;
        }

        if (socket.Poll(20_000, SelectMode.SelectRead) && socket.Available > 0)
        {
            lock (gate) served.Add(begun);
        }

        Thread.Sleep(2);
    }
}
