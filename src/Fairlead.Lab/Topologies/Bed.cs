using System.Diagnostics;
using Fairlead.Net.Linux;

namespace Fairlead.Lab.Topologies;

/// <summary>
/// Network namespaces and the processes in them, all named with one prefix and all gone after Dispose. The interop
/// tests and the lab stand on it. It only ever touches what carries its prefix. A bed that nobody disposed of, as when
/// what stands on it failed while it was set up, goes with the process.
/// </summary>
public sealed class Bed : IDisposable
{
    private readonly string prefix;
    private readonly List<string> hosts = [];
    private readonly List<Process> processes = [];
    private readonly Lock gate = new();

    public Bed(string prefix)
    {
        this.prefix = prefix;
        AppDomain.CurrentDomain.ProcessExit += AtExit;
    }

    public string Prefix => prefix;

    public IReadOnlyList<string> Hosts => hosts;

    /// <summary>The namespace's name as `ip netns` knows it.</summary>
    public string NamespaceOf(string host) => $"{prefix}-{host}";

    /// <summary>Makes a host: a namespace with loopback up, forwarding as asked, without waiting for DAD.</summary>
    public void AddHost(string host, bool forwards = false)
    {
        string name = NamespaceOf(host);
        Command.Run("ip", "netns", "add", name);
        hosts.Add(host);
        NetworkNamespace.Run(name, () =>
        {
            // Waiting for DAD would cost every topology a second; the addresses are ours alone.
            File.WriteAllText("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
            File.WriteAllText("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
            File.WriteAllText("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
            File.WriteAllText("/proc/sys/net/ipv4/conf/default/send_redirects", "0");
            File.WriteAllText("/proc/sys/net/ipv4/ip_forward", forwards ? "1" : "0");
            File.WriteAllText("/proc/sys/net/ipv6/conf/all/forwarding", forwards ? "1" : "0");
            return 0;
        });
        Ip(host, "link", "set", "lo", "up");
    }

    /// <summary>A veth pair between two hosts, both ends up.</summary>
    public void AddLink(string one, string oneInterface, string other, string otherInterface)
    {
        Command.Run("ip", "link", "add", oneInterface, "netns", NamespaceOf(one),
            "type", "veth", "peer", "name", otherInterface, "netns", NamespaceOf(other));
        Ip(one, "link", "set", oneInterface, "up");
        Ip(other, "link", "set", otherInterface, "up");
    }

    public void AddAddress(string host, string device, string addressAndLength) =>
        Ip(host, "address", "add", addressAndLength, "dev", device);

    /// <summary>Runs `ip` inside the host.</summary>
    public string Ip(string host, params string[] arguments) =>
        Command.Run("ip", ["-n", NamespaceOf(host), .. arguments]);

    /// <summary>Runs a command inside the host to its end.</summary>
    public string Run(string host, string file, params string[] arguments) =>
        Command.Run("ip", ["netns", "exec", NamespaceOf(host), file, .. arguments]);

    /// <summary>
    /// Starts a process inside the host; what it prints goes to the log file. It is the bed's own: killed at Dispose.
    /// </summary>
    public Process Start(string host, string logFile, string file, params string[] arguments)
    {
        // The shell only joins the streams and then becomes the program, so the pid is the program's own.
        string[] wrapped = ["netns", "exec", NamespaceOf(host), "sh", "-c", "exec \"$@\" >>\"$0\" 2>&1", logFile, file,
            .. arguments];
        Process process = Process.Start(new ProcessStartInfo("ip", wrapped))
            ?? throw new IOException($"{file} does not start in {host}");
        lock (gate) processes.Add(process);
        return process;
    }

    /// <summary>Kills what was started (newest first) and deletes the namespaces.</summary>
    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= AtExit;
        lock (gate)
        {
            foreach (Process process in Enumerable.Reverse(processes))
            {
                try
                {
                    if (!process.HasExited) process.Kill();
                    process.WaitForExit(TimeSpan.FromSeconds(5));
                }
                catch (InvalidOperationException)
                {
                    // It ended between the question and the kill.
                }

                process.Dispose();
            }

            processes.Clear();
        }

        foreach (string host in hosts)
            _ = Command.Try("ip", TimeSpan.FromSeconds(10), null, "netns", "delete", NamespaceOf(host));
        hosts.Clear();
    }

    private void AtExit(object? sender, EventArgs arguments) => Dispose();
}
