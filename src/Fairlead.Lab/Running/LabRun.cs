using System.Diagnostics;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.Lab.Running;

/// <summary>
/// A lab that stands: namespaces, cables, programs. `Up` makes it, `Attach` finds one that another process made, `Down`
/// takes it away. Whoever brought it up and does not call `Leave` takes it down by Dispose. Faults are in LabRun.Hosts.
/// Its methods may be called from several threads.
/// </summary>
public sealed partial class LabRun : IDisposable
{
    private readonly LabOptions options;
    private readonly NetworkPlan plan;
    private readonly ProgramText text;
    private readonly Lock gate = new();
    private LabLock? held;
    private LabState state;
    private bool isOwner;

    private LabRun(LabOptions options, Topology topology, LabState state, LabLock? held)
    {
        this.options = options;
        this.state = state;
        this.held = held;
        isOwner = held is not null;
        Topology = topology;
        RunFolder = Path.Combine(options.RunRoot, topology.Name);
        plan = new NetworkPlan(topology, options.Prefix);
        text = new ProgramText(topology, RunFolder, options.Fairlead, options.FleetFile);
    }

    public Topology Topology { get; }

    /// <summary>State, configurations and logs; gone after Down.</summary>
    public string RunFolder { get; }

    public LabState State => state;

    /// <summary>
    /// Brings the topology up and waits until every program is ready. What a dead run left behind is cleaned first.
    /// LabException when it cannot be; then, and when the token is cancelled, nothing is left behind.
    /// </summary>
    public static LabRun Up(LabOptions options, CancellationToken cancellation)
    {
        RequireRoot();
        Topology topology = TopologyReader.Read(options.TopologyFile);
        LabLock held = LabLock.Take(options.RunRoot, options.Prefix);
        LabRun? run = null;
        try
        {
            CleanLeftovers(options);
            var state = new LabState
            {
                Name = topology.Name,
                Prefix = options.Prefix,
                TopologyFile = Path.GetFullPath(options.TopologyFile),
                FleetFile = options.FleetFile is null ? null : Path.GetFullPath(options.FleetFile),
                Fairlead = options.Fairlead,
                Namespaces = [.. topology.Hosts.Select(host => $"{options.Prefix}-{host.Name}")],
            };
            run = new LabRun(options, topology, state, held);
            long start = options.Time.GetTimestamp();
            run.MakeNetwork(cancellation);
            options.Progress($"{topology.Hosts.Length} hosts, {topology.Links.Length} links: "
                + $"{options.Time.GetElapsedTime(start).TotalSeconds:F1} s");
            run.StartPrograms(topology.Hosts, cancellation);
            options.Progress($"{run.state.Processes.Length} programs ready: "
                + $"{options.Time.GetElapsedTime(start).TotalSeconds:F1} s");
            return run;
        }
        catch
        {
            if (run is not null) run.Dispose();
            else held.Dispose();
            throw;
        }
    }

    /// <summary>The lab of this prefix that stands or runs. LabException(Unknown) when there is none.</summary>
    public static LabRun Attach(LabOptions options)
    {
        RequireRoot();
        (_, LabState state) = States(options).FirstOrDefault();
        if (state is null) throw new LabException(LabFault.Unknown, "no lab is up: fairlead lab up");
        LabOptions its = options with
        {
            TopologyFile = state.TopologyFile,
            FleetFile = state.FleetFile,
            Fairlead = state.Fairlead,
        };
        return new LabRun(its, TopologyReader.Read(its.TopologyFile), state, null);
    }

    /// <summary>
    /// Takes away whatever lab of this prefix there is, its topology file present or not. LabException(Busy) while
    /// another process runs it. Gives the number of processes and namespaces that went; zeros: there was no lab.
    /// </summary>
    public static (int Processes, int Namespaces) Down(LabOptions options)
    {
        RequireRoot();
        using var held = LabLock.Take(options.RunRoot, options.Prefix);
        (int processes, int namespaces) = (0, 0);
        foreach ((string folder, LabState state) in States(options))
        {
            processes += state.Processes.Count(process => process.IsAlive);
            namespaces += state.Namespaces.Count(HostProcesses.Exists);
            Remove(folder, state);
        }

        return (processes, namespaces);
    }

    /// <summary>Takes this lab away.</summary>
    public void Down()
    {
        lock (gate) Remove(RunFolder, state);
        isOwner = false;
        held?.Dispose();
        held = null;
    }

    /// <summary>Lets the lab stand after this process ends.</summary>
    public void Leave()
    {
        lock (gate)
        {
            state = state with { Stands = true };
            state.Save(RunFolder);
        }

        isOwner = false;
        held?.Dispose();
        held = null;
    }

    /// <summary>Down, unless it was left standing or belongs to another process.</summary>
    public void Dispose()
    {
        if (isOwner) Down();
    }

    private static void RequireRoot()
    {
        if (!Environment.IsPrivilegedProcess)
            throw new LabException(LabFault.NotRoot, "the lab makes network namespaces and needs root: use sudo");
    }

    private static IEnumerable<(string Folder, LabState State)> States(LabOptions options)
    {
        if (!Directory.Exists(options.RunRoot)) yield break;
        foreach (string folder in Directory.EnumerateDirectories(options.RunRoot).Order())
        {
            if (LabState.Load(folder) is { } state && state.Prefix == options.Prefix) yield return (folder, state);
        }
    }

    private static void CleanLeftovers(LabOptions options)
    {
        foreach ((string folder, LabState old) in States(options).ToList())
        {
            int alive = old.Processes.Count(process => process.IsAlive);
            int namespaces = old.Namespaces.Count(HostProcesses.Exists);
            if (old.Stands && namespaces > 0)
                throw new LabException(LabFault.Busy, $"the lab {old.Name} is up: fairlead lab down takes it away");
            options.Progress($"cleaned what a dead run of {old.Name} left: {alive} processes, {namespaces} namespaces");
            Remove(folder, old);
        }
    }

    private static void Remove(string folder, LabState state)
    {
        HostProcesses.Kill(state.Namespaces, state.Processes);
        Batch([], state.Namespaces.Where(HostProcesses.Exists).Select(name => $"netns delete {name}"));
        foreach (string name in state.Namespaces) File.Delete(PinOf(name));
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    private void MakeNetwork(CancellationToken cancellation)
    {
        if (state.Namespaces.FirstOrDefault(HostProcesses.Exists) is { } taken)
        {
            throw new LabException(
                LabFault.Busy, $"namespace {taken} exists and is not this lab's: ip netns delete {taken}");
        }

        Directory.CreateDirectory(RunFolder);
        state.Save(RunFolder);
        Batch([], plan.NamespaceLines());
        foreach (HostSpec host in Topology.Hosts)
        {
            NetworkNamespace.Run(plan.NamespaceOf(host.Name), () =>
            {
                foreach ((string path, string value) in plan.SettingsOf(host))
                    File.WriteAllText($"/proc/sys/net/{path}", value);
                return 0;
            });
        }

        cancellation.ThrowIfCancellationRequested();
        Batch([], plan.CableLines());
        // One after the other: `ip` needs some 5 ms a host, and the kernel has one lock for all of it anyway.
        foreach (HostSpec host in Topology.Hosts)
        {
            cancellation.ThrowIfCancellationRequested();
            MendNetwork(host);
        }

        MakeWires(cancellation);
    }

    private void MendNetwork(HostSpec host) => Batch(["-n", plan.NamespaceOf(host.Name)], plan.HostLines(host));

    /// <summary>Runs lines of `ip`; IOException with the first line that fails.</summary>
    private static void Batch(string[] where, IEnumerable<string> lines)
    {
        string input = string.Join('\n', lines);
        if (input.Length == 0) return;
        (int exit, _, string error) = Command.Try(
            "ip", TimeSpan.FromSeconds(30), input + "\n", [.. where, "-batch", "-"]);
        if (exit == 0) return;
        string[] all = input.Split('\n');
        throw new IOException(
            $"ip {string.Join(' ', where)} -batch: {error.Trim()} (of {all.Length} lines from '{all[0]}')");
    }

    private void Remember(LabProcess process)
    {
        lock (gate)
        {
            // Processes that have ended are dropped here, so that the file does not grow with each restart.
            state = state with { Processes = [.. state.Processes.Where(p => p.IsAlive), process] };
            state.Save(RunFolder);
        }
    }

    private LabProcess Launch(string host, string program, string file, IEnumerable<string> arguments)
    {
        string log = LogOf(host, program);
        Directory.CreateDirectory(Path.GetDirectoryName(log)!);
        // ip, setsid and sh each become the next one, so the id stays the program's own. A session of its own keeps
        // the terminal's Ctrl-C away: the lab decides in which order things end.
        string[] wrapped =
        [
            "netns", "exec", plan.NamespaceOf(host), "setsid", "sh", "-c", "exec \"$@\" >>\"$0\" 2>&1 </dev/null", log,
            file, .. arguments,
        ];
        using Process started = Process.Start(new ProcessStartInfo("ip", wrapped))
            ?? throw new LabException(LabFault.Program, $"{host}: {file} does not start");
        // One that has ended already has no start time: it is remembered as dead, and its log says why.
        var process = new LabProcess(host, program, started.Id, LabProcess.StartTimeOf(started.Id) ?? 0);
        Remember(process);
        return process;
    }

    private string LogOf(string host, string program) => Path.Combine(RunFolder, host, $"{program}.log");
}
