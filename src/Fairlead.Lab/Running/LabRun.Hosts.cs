using System.Diagnostics;
using Fairlead.Lab.Topologies;

namespace Fairlead.Lab.Running;

/// <summary>What one can do to a host of the lab, and ask of it.</summary>
public sealed partial class LabRun
{
    /// <summary>kill -9 for every process of the host. What the kernel holds (routes, addresses) stays.</summary>
    public void Kill(string host) => HostProcesses.Kill([plan.NamespaceOf(Host(host).Name)], []);

    /// <summary>Pulls every cable of the host. Programs go on running; far ends see the link go down.</summary>
    public void CutLinks(string host) =>
        Batch(["-n", plan.NamespaceOf(Host(host).Name)], plan.CutLines(Host(host)));

    /// <summary>Plugs every cable in again.</summary>
    public void RestoreLinks(string host) => MendNetwork(Host(host));

    /// <summary>
    /// As if the machine had been switched off and on: processes, service addresses and routes are gone, cables are
    /// in, and what the topology says runs there is started and waited for.
    /// </summary>
    public void RestartHost(string host, CancellationToken cancellation)
    {
        HostSpec spec = Host(host);
        string name = plan.NamespaceOf(spec.Name);
        Kill(host);
        ForgetPins(host);
        Batch(["-n", name], ["address flush dev lo scope global", "route flush proto bird"]);
        Batch(["-n", name, "-6"], ["route flush proto bird"]);
        MendNetwork(spec);
        StartPrograms([spec], cancellation);
    }

    /// <summary>Runs a command inside the host to its end (30 s at most; exit -1 then).</summary>
    public (int Exit, string Output, string Error) Exec(string host, string file, params string[] arguments) =>
        Command.Try("ip", TimeSpan.FromSeconds(30), null,
            ["netns", "exec", plan.NamespaceOf(Host(host).Name), file, .. arguments]);

    /// <summary>Runs a command inside the host with this process's own terminal, and gives its exit code.</summary>
    public int ExecAttached(string host, string file, params string[] arguments)
    {
        string[] wrapped = ["netns", "exec", plan.NamespaceOf(Host(host).Name), file, .. arguments];
        using Process process = Process.Start(new ProcessStartInfo("ip", wrapped))
            ?? throw new LabException(LabFault.Program, $"{host}: {file} does not start");
        process.WaitForExit();
        return process.ExitCode;
    }

    /// <summary>Asks the host's BIRD. IOException when it does not answer.</summary>
    public string Birdc(string host, string command) =>
        Command.Run("birdc",
            ["-s", ControlSocket(Host(host)), .. command.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

    /// <summary>Hosts, programs and BGP sessions as they are now.</summary>
    public LabStatus Status() => new(Topology.Name, [.. Topology.Hosts.Select(StatusOf)]);

    private HostStatus StatusOf(HostSpec host)
    {
        List<LabProcess> mine = [.. state.Processes.Where(process => process.Host == host.Name)];
        return new HostStatus(
            host.Name,
            [.. host.Addresses],
            [
                .. mine.Select(process => new ProcessStatus(process.Program, process.Pid, process.IsAlive)),
                .. host.Programs.Where(name => mine.All(process => process.Program != name))
                    .Select(name => new ProcessStatus(name, null, false)),
            ],
            File.Exists(ControlSocket(host)) ? Sessions(host) : []);
    }

    private System.Collections.Immutable.ImmutableArray<SessionStatus> Sessions(HostSpec host)
    {
        (int exit, string output, _) = Command.Try(
            "birdc", TimeSpan.FromSeconds(5), null, "-s", ControlSocket(host), "show", "protocols");
        return exit == 0 ? LabStatus.ReadSessions(output) : [];
    }

    private string ControlSocket(HostSpec host) => Path.Combine(text.Home(host), "bird.ctl");

    private HostSpec Host(string name) => Topology.Host(name) ?? throw new LabException(
        LabFault.Unknown,
        $"{Topology.Name} has no host '{name}'; it has {string.Join(", ", Topology.Hosts.Select(h => h.Name))}");
}
