using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Fairlead.Control.Etcd;
using Fairlead.Lab;
using static Fairlead.InteropTests.Bgp.BirdRouter;

namespace Fairlead.InteropTests.Control;

/// <summary>Real etcd members on free loopback ports, each with a data folder of its own.</summary>
internal sealed class EtcdCluster : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-etcd").FullName;
    private readonly Process?[] members;
    private readonly int[] ports;

    public EtcdCluster(int size)
    {
        members = new Process?[size];
        ports = FreePorts(2 * size);
        for (int i = 0; i < size; i++) Start(i);
        for (int i = 0; i < size; i++) AwaitHealthy(i);
    }

    public Uri Endpoint(int member) => new(Client(member));

    public void Start(int member)
    {
        string Peer(int i) => $"http://127.0.0.1:{ports[(2 * i) + 1]}";
        string all = string.Join(',', members.Select((_, i) => $"m{i}={Peer(i)}"));
        string log = Path.Combine(folder, $"m{member}.log");
        // The shell only joins the streams and then becomes etcd, so the pid is etcd's own.
        members[member] = Process.Start(new ProcessStartInfo("sh",
        [
            "-c", "exec \"$@\" >>\"$0\" 2>&1", log, "etcd", "--name", $"m{member}",
            "--data-dir", Path.Combine(folder, $"m{member}"), "--heartbeat-interval", "50", "--election-timeout", "500",
            "--listen-client-urls", Client(member), "--advertise-client-urls", Client(member),
            "--listen-peer-urls", Peer(member), "--initial-advertise-peer-urls", Peer(member),
            "--initial-cluster", all, "--initial-cluster-token", Path.GetFileName(folder),
            "--initial-cluster-state", "new", "--log-level", "warn",
        ]));
    }

    public void Kill(int member)
    {
        members[member]!.Kill();
        members[member]!.WaitForExit();
    }

    /// <summary>Takes a dead member's data away: it will begin anew, with the smallest revision there is.</summary>
    public void Wipe(int member) => Directory.Delete(Path.Combine(folder, $"m{member}"), recursive: true);

    public void Signal(int member, string signal) => Command.Run("kill", $"-{signal}", $"{members[member]!.Id}");

    public void AwaitHealthy(int member) => Eventually(() => IsHealthy(member), $"member {member} is healthy", 30);

    public string Ctl(int member, params string[] arguments) =>
        Command.Run("etcdctl", [$"--endpoints={Client(member)}", .. arguments]);

    public EtcdStore Store(params int[] followed)
    {
        var store = new EtcdStore([.. followed.Select(Endpoint)], "/fairlead/test/", TimeProvider.System, 1);
        store.Start();
        return store;
    }

    public void Dispose()
    {
        foreach (Process? member in members)
        {
            if (member is { HasExited: false }) member.Kill();
            member?.WaitForExit();
            member?.Dispose();
        }

        Directory.Delete(folder, recursive: true);
    }

    // Not Uri's way of writing it: etcd takes no slash at the end.
    private string Client(int member) => $"http://127.0.0.1:{ports[2 * member]}";

    private bool IsHealthy(int member) => Command.Try(
        "etcdctl", TimeSpan.FromSeconds(5), null, $"--endpoints={Client(member)}", "endpoint", "health").Exit == 0;

    /// <summary>Free at this moment; etcd wants its ports named beforehand.</summary>
    private static int[] FreePorts(int count)
    {
        TcpListener[] held = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener one in held) one.Start();
        int[] ports = [.. held.Select(one => ((IPEndPoint)one.LocalEndpoint).Port)];
        foreach (TcpListener one in held) one.Dispose();
        return ports;
    }
}
