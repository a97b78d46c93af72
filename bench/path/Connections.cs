using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Bench.Path;

/// <summary>
/// TCP connections that a core's second carries: 64 clients connect, say 64 bytes, hear them again and break off. Around a
/// bridge are client, lb and four servers; what is on lb's way is on core 1, all else on core 0.
/// </summary>
internal sealed class Connections : IDisposable
{
    private const int Servers = 4, Clients = 64, Said = 64;
    private readonly Bed bed = new($"flconn{Environment.ProcessId}");
    private readonly CancellationTokenSource stop = new();
    private readonly List<Socket> listeners = [];
    private readonly List<BpfObject> links = [];
    private readonly BpfObject pass = XdpPass.Load();

    private Connections()
    {
        bed.AddHost("lan");
        bed.Ip("lan", "link", "add", "br0", "type", "bridge");
        bed.Ip("lan", "link", "set", "br0", "up");
        Join("client", "10.0.0.1");
        Join("lb", "10.0.0.2");
        for (int i = 1; i <= Servers; i++)
        {
            Join($"s{i}", $"10.0.0.{10 + i}");
            Serve($"s{i}");
        }

        bed.Ip("client", "route", "add", $"{Packets.Vip}/32", "via", "10.0.0.2");
    }

    public readonly record struct Cost(double PerSecond, double PerBusySecond, double Busy);

    public static Cost Proxied(double seconds)
    {
        using var course = new Connections();
        course.bed.AddAddress("lb", "lo", $"{Packets.Vip}/32");
        string folder = Directory.CreateTempSubdirectory("fairlead-path").FullName;
        try
        {
            string servers = string.Concat(Enumerable.Range(1, Servers).Select(i => $"  server s{i} 10.0.0.{10 + i}:80\n"));
            File.WriteAllText($"{folder}/haproxy.cfg", "global\n  nbthread 1\n  maxconn 4096\n"
                + "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
                + $"listen vip\n  bind {Packets.Vip}:80\n  balance roundrobin\n{servers}");
            _ = course.bed.Start("lb", $"{folder}/log", "taskset", "-c", "1", "haproxy", "-db", "-f", $"{folder}/haproxy.cfg");
            return course.Load(seconds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public static Cost Balanced(DeliveryMode mode, double seconds)
    {
        using var course = new Connections();
        for (int i = 1; i <= Servers; i++)
        {
            foreach (string setting in (string[])["arp_ignore=1", "arp_announce=2"])
                course.bed.Run($"s{i}", "sysctl", "-qw", $"net.ipv4.conf.all.{setting}");
            course.bed.AddAddress($"s{i}", "lo", $"{Packets.Vip}/32");
        }

        using XdpBalancer balancer = Packets.Balance(course.bed.Prefix, "eth0", course.In, mode,
            [.. Enumerable.Range(1, Servers).Select(i => $"10.0.0.{10 + i}")], 6);
        try
        {
            return course.Load(seconds);
        }
        finally
        {
            balancer.Remove();
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        foreach (Socket listener in listeners) listener.Dispose();
        foreach (BpfObject link in links) link.Dispose();
        pass.Dispose();
        bed.Dispose();
        stop.Dispose();
    }

    private T In<T>(string host, Func<T> work) => NetworkNamespace.Run(bed.NamespaceOf(host), work);

    /// <summary>A host on the bridge. Each end of its wire has a thread for what comes in.</summary>
    private void Join(string host, string address)
    {
        bed.AddHost(host);
        bed.AddLink(host, "eth0", "lan", $"to{host}");
        bed.AddAddress(host, "eth0", $"{address}/24");
        bed.Ip("lan", "link", "set", $"to{host}", "master", "br0");
        // Who computes no checksum has nothing for XDP to send on.
        bed.Run(host, "ethtool", "-K", "eth0", "tx", "off", "gro", "on");
        bed.Run("lan", "ethtool", "-K", $"to{host}", "tx", "off", "gro", "on");
        // The bridge takes what XDP sends only where a program is.
        if (host == "lb")
        {
            links.Add(In("lan", () => XdpPass.Attach(pass, $"to{host}")));
        }

        Cores.Pin(bed, host, "eth0", host == "lb" ? 1 : 0);
        Cores.Pin(bed, "lan", $"to{host}", 0);
    }

    private void Serve(string host)
    {
        Socket listener = In(host, () =>
        {
            var made = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            made.Bind(new IPEndPoint(IPAddress.Any, 80));
            made.Listen(4096);
            return made;
        });
        listeners.Add(listener);
        for (int i = 0; i < Clients; i++) new Thread(() => Echo(listener)) { IsBackground = true }.Start();
    }

    private static void Echo(Socket listener)
    {
        byte[] heard = new byte[Said];
        while (true)
        {
            try
            {
                using Socket client = listener.Accept();
                for (int length; (length = client.Receive(heard)) > 0;) client.Send(heard.AsSpan(0, length));
            }
            catch (SocketException fault) when (fault.SocketErrorCode is SocketError.ConnectionReset)
            {
                // It breaks off when it has heard all.
            }
            catch (Exception over) when (over is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private Cost Load(double seconds)
    {
        long done = 0, failed = 0;
        Thread[] clients = [.. Enumerable.Range(0, Clients).Select(_ => new Thread(() => In("client", () =>
        {
            byte[] said = new byte[Said];
            while (!stop.IsCancellationRequested)
                Interlocked.Increment(ref Connect(said) ? ref done : ref failed);
            return 0;
        })) { IsBackground = true })];
        foreach (Thread client in clients) client.Start();
        while (Interlocked.Read(ref done) < 2_000) Thread.Sleep(10);
        double busy = Cores.Busy(1);
        long begin = Environment.TickCount64, before = Interlocked.Read(ref done), lost = Interlocked.Read(ref failed);
        Thread.Sleep(TimeSpan.FromSeconds(seconds));
        double took = (Environment.TickCount64 - begin) / 1000.0;
        long count = Interlocked.Read(ref done) - before;
        busy = Cores.Busy(1) - busy;
        lost = Interlocked.Read(ref failed) - lost;
        stop.Cancel();
        foreach (Thread client in clients) client.Join();
        // What the core does while nobody connects is not theirs.
        double idle = Cores.Busy(1);
        Thread.Sleep(2_000);
        idle = (Cores.Busy(1) - idle) / 2 * took;
        if (lost > count / 1000) throw new IOException($"{lost} of {count + lost} connections failed");
        return new Cost(count / took, count / Math.Max(0.01, busy - idle), busy / took);
    }

    private static bool Connect(byte[] said)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            SendTimeout = 5000,
            ReceiveTimeout = 5000,
            NoDelay = true,
            LingerState = new LingerOption(true, 0),
        };
        try
        {
            socket.Connect(new IPEndPoint(Packets.Vip, 80));
            socket.Send(said);
            for (int heard = 0, part; heard < Said; heard += part)
                if ((part = socket.Receive(said)) == 0) return false;
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
