using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Fairlead.Lab.Running;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Addresses;
using static Fairlead.Lab.Scenarios.ScenarioLine;

namespace Fairlead.Lab.Scenarios;

/// <summary>What a scenario does to the lab, and asks routers and nodes: from outside, as an operator.</summary>
internal sealed class Acts(LabRun lab, Timeline timeline)
{
    public void Run(ScenarioLine act, CancellationToken cancellation)
    {
        switch (act)
        {
            case Kill kill:
                KillPop(kill.Pop);
                break;
            case Restore restore:
                RestorePop(restore.Pop, cancellation);
                break;
            case Stop stop:
                foreach (string host in stop.Hosts) lab.Kill(host);
                break;
            case Start start:
                RestartAll(start.Hosts, cancellation);
                break;
            case Sicken sicken:
                foreach (HostSpec backend in Running(sicken.Pop, "backend")) File.WriteAllText(SickFile(backend), "");
                break;
            case Heal heal:
                foreach (HostSpec backend in Running(heal.Pop, "backend")) File.Delete(SickFile(backend));
                break;
            case Drain drain:
                Fairlead("drain", drain.Pop, "--reason", "scenario", "--control", ControlOf(drain.At));
                break;
            case Undrain undrain:
                Fairlead("undrain", undrain.Pop, "--control", ControlOf(undrain.At));
                break;
            case Poison poison:
                Etcdctl(poison.At, "put", KeyOf(poison.Pop, poison.Prefix), PoisonJson(poison));
                break;
            case Cleanse cleanse:
                Etcdctl(cleanse.At, "del", KeyOf(cleanse.Pop, cleanse.Prefix));
                break;
            case Rogue rogue:
                StartRogue(rogue);
                break;
            case EndRogue rogue:
                lab.RestartHost(rogue.Host, cancellation);
                break;
            default:
                throw new InvalidOperationException($"no act: {act.Text}");
        }
    }

    /// <summary>
    /// How many announcements the node's guard has refused so far; one that does not answer says none. Not by our
    /// command, which takes seconds to start where a whole lab shares few cores: what is measured is the node.
    /// </summary>
    public long GuardRefusals(string node)
    {
        using HttpClient client = LocalHttpClient.Of(ControlOf(node), TimeSpan.FromSeconds(2));
        try
        {
            string answer = client.GetStringAsync(new Uri(client.BaseAddress!, "v1/status")).GetAwaiter().GetResult();
            using JsonDocument status = JsonDocument.Parse(answer);
            return status.RootElement.GetProperty("guardRefusals").GetInt64();
        }
        catch (Exception fault) when (fault is HttpRequestException or TaskCanceledException)
        {
            timeline.Note($"{node}: {fault.Message}");
            return 0;
        }
    }

    /// <summary>How many routes from the host the router's import filter has dropped.</summary>
    public long FilteredFrom(string router, string host)
    {
        string[] addresses = [.. Host(host).Addresses.Select(address => address.ToString())];
        long sum = 0;
        bool its = false;
        foreach (string line in lab.Birdc(router, "show protocols all").Split('\n'))
        {
            string[] words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (line.Length > 0 && !char.IsWhiteSpace(line[0])) its = false;
            if (words is ["Neighbor", "address:", var neighbor, ..]) its = addresses.Contains(neighbor.Split('%')[0]);
            // Import updates: received, rejected, filtered, ignored, accepted.
            if (its && words is ["Import", "updates:", _, _, var filtered, ..])
                sum += long.Parse(filtered, CultureInfo.InvariantCulture);
        }

        return sum;
    }

    /// <summary>Where in the lab a route to one of these prefixes stands.</summary>
    public ImmutableArray<string> RoutesTo(ImmutableArray<Prefix> prefixes, out int routers)
    {
        HostSpec[] all = [.. lab.Topology.Hosts.Where(host => host.Asn is not null)];
        routers = all.Length;
        return
        [
            .. from router in all
               from prefix in prefixes
               where Birdc(router.Name, "show", "route", $"{prefix}", "all").Contains("BGP", StringComparison.Ordinal)
               select $"{prefix} in {router.Name}",
        ];
    }

    private string Program => lab.State.Fairlead;

    /// <summary>What birdc prints, also when it exits with 1: "Network not found" is an answer.</summary>
    private string Birdc(string router, params string[] command)
    {
        (_, string output, string error) = Command.Try(
            "birdc", TimeSpan.FromSeconds(5), null, ["-s", Path.Combine(HomeOf(router), "bird.ctl"), .. command]);
        bool spoke = output.Contains("ready", StringComparison.Ordinal);
        return spoke ? output : throw new IOException($"birdc {router}: {output}{error}");
    }

    private HostSpec Host(string name) =>
        lab.Topology.Host(name) ?? throw new LabException(LabFault.Unknown, $"the topology has no host \"{name}\"");

    private HostSpec[] HostsOf(string pop)
    {
        HostSpec[] hosts = [.. lab.Topology.Hosts.Where(host => host.Network == pop)];
        if (hosts.Length == 0) throw new LabException(LabFault.Unknown, $"the topology has no pop \"{pop}\"");
        return hosts;
    }

    private IEnumerable<HostSpec> Running(string pop, string program) =>
        HostsOf(pop).Where(host => host.Programs.Contains(program));

    private string HomeOf(string host) => Path.Combine(lab.RunFolder, host);

    private string ControlOf(string node) => Path.Combine(HomeOf(node), "control.sock");

    private string SickFile(HostSpec backend) => Path.Combine(HomeOf(backend.Name), "sick");

    /// <summary>The power goes: cables first, so that nobody can say goodbye, then every process.</summary>
    private void KillPop(string pop)
    {
        HostSpec router = HostsOf(pop).First(host => host.Asn is not null);
        lab.CutLinks(router.Name);
        foreach (HostSpec host in HostsOf(pop)) lab.Kill(host.Name);
    }

    private void RestorePop(string pop, CancellationToken cancellation)
    {
        HostSpec router = HostsOf(pop).First(host => host.Asn is not null);
        lab.RestartHost(router.Name, cancellation);
        RestartAll(HostsOf(pop).Where(host => host != router).Select(host => host.Name), cancellation);
    }

    /// <summary>All at once: some are ready only when the others are (the members of a store).</summary>
    private void RestartAll(IEnumerable<string> hosts, CancellationToken cancellation)
    {
        Task[] starting = [.. hosts.Select(host => Task.Run(() => lab.RestartHost(host, cancellation)))];
        Task.WaitAll(starting, CancellationToken.None);
    }

    private void Fairlead(params string[] arguments)
    {
        var start = new ProcessStartInfo(Program, arguments) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        while (process.StandardError.ReadLine() is { } line) timeline.Note(line.Trim());
        process.WaitForExit();
        if (process.ExitCode != 0) timeline.Note($"fairlead {arguments[0]}: exit {process.ExitCode}");
    }

    private string KeyOf(string pop, Prefix prefix) =>
        $"/fairlead/{lab.Topology.Name}/intents/announce-{pop}-{prefix.ToString().Replace('/', '_')}";

    private static string PoisonJson(Poison poison) => JsonSerializer.Serialize(new
    {
        id = "poison",
        kind = "announce",
        pop = poison.Pop,
        prefix = poison.Prefix.ToString(),
        reason = "written behind the API's back",
        at = "2026-01-01T00:00:00Z",
        until = "2999-01-01T00:00:00Z",
    });

    private void Etcdctl(string host, params string[] arguments)
    {
        string endpoint = $"--endpoints=http://{Host(host).Address(AddressFamily.InterNetwork)}:2379";
        (int exit, _, string error) = lab.Exec(host, "etcdctl", [endpoint, .. arguments]);
        if (exit != 0) throw new LabException(LabFault.Program, $"etcdctl on {host}: {error.Trim()}");
    }

    private void StartRogue(Rogue rogue)
    {
        HostSpec host = Host(rogue.Host);
        HostSpec router = Host(lab.Topology.Network(host.Network)!.Router);
        string home = HomeOf(host.Name);
        string text = File.ReadAllText(Path.Combine(lab.Topology.Folder, rogue.Template))
            .Replace("{ipv4}", $"{host.Address(AddressFamily.InterNetwork)}", StringComparison.Ordinal)
            .Replace("{ipv6}", $"{host.Address(AddressFamily.InterNetworkV6)}", StringComparison.Ordinal)
            .Replace("{router4}", $"{router.Address(AddressFamily.InterNetwork)}", StringComparison.Ordinal)
            .Replace("{router6}", $"{router.Address(AddressFamily.InterNetworkV6)}", StringComparison.Ordinal);
        string file = Path.Combine(home, "rogue.conf");
        File.WriteAllText(file, text);
        lab.Kill(host.Name);
        lab.StartProcess(host.Name, "bird", "-f", "-c", file, "-s", Path.Combine(home, "rogue.ctl"));
    }
}
