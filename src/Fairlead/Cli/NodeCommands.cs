using System.CommandLine;
using Fairlead.Api;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Node;
using Spectre.Console;

namespace Fairlead.Cli;

/// <summary>Running a node, and looking at one.</summary>
internal static class NodeCommands
{
    public const string DefaultSocket = "/run/fairlead/control.sock";

    public static IEnumerable<Command> All() => [Node(), Status()];

    public static Option<string> ControlSocket() =>
        CommandLine.WithDefault("--control", DefaultSocket, "the node's control socket");

    private static Command Node()
    {
        Option<string> fleet = CommandLine.WithDefault("--fleet", "/etc/fairlead/fleet.yaml", "the fleet file");
        Option<string> pop = CommandLine.Required("--pop", "the pop this machine belongs to");
        Option<string> node = CommandLine.Required("--node", "this machine's name in the fleet file");
        Option<string> state = CommandLine.WithDefault("--state", "/var/lib/fairlead", "where the last plan is kept");
        Option<string> control = ControlSocket();
        Option<string> pins = CommandLine.WithDefault(
            "--pins", NodeOptions.DefaultPins, "where the balancer outlives the process");
        var command = new Command("node", "Runs a node until SIGTERM; SIGHUP reads the fleet file again.")
        {
            fleet, pop, node, state, control, pins,
        };
        command.SetAction(async (parsed, _) =>
        {
            var options = new NodeOptions
            {
                FleetFile = parsed.GetValue(fleet)!,
                Pop = parsed.GetValue(pop)!,
                Node = parsed.GetValue(node)!,
                StateFolder = parsed.GetValue(state)!,
                ControlSocket = parsed.GetValue(control)!,
                Pins = parsed.GetValue(pins)!,
            };
            if (FileCommands.Load(options.FleetFile, sign: true) is not { } loaded) return ExitCode.InvalidFile;
            if (loaded.Spec.Pop(options.Pop) is not { } ours)
            {
                string hint = NearestName.Hint(options.Pop, loaded.Spec.Pops.Select(p => p.Name));
                return Output.Fault(ExitCode.Usage, $"unknown pop \"{options.Pop}\"{hint}");
            }

            if (ours.Node(options.Node) is null)
            {
                string hint = NearestName.Hint(options.Node, ours.Nodes.Select(n => n.Name));
                return Output.Fault(ExitCode.Usage, $"pop {ours.Name} has no node \"{options.Node}\"{hint}");
            }

            using var logs = new LineLog();
            await new FairleadNode(options, loaded, logs).RunAsync();
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command Status()
    {
        Option<string> control = ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("status", "Shows a node: the plan, its sessions, its checks.") { control, format };
        command.SetAction(async (parsed, stop) =>
        {
            using var client = new ApiClient(parsed.GetValue(control)!);
            StatusView status = await client.StatusAsync(stop);
            if (parsed.GetValue(format) == "json") Output.Json(status);
            else Print(status);
            return ExitCode.Ok;
        });
        return command;
    }

    private static void Print(StatusView status)
    {
        IAnsiConsole console = Output.Terminal();
        string store = status.Store.Connected
            ? $"followed, {status.Store.SilentSeconds:0.0} s old"
            : $"out of reach: {status.Store.Fault}";
        console.MarkupLineInterpolated(
            $"[bold]{status.Node}[/] in {status.Pop} of {status.Fleet}, generation {status.Generation}, store {store}");
        var pops = new Table().Title("pops").AddColumns("pop", "state", "routes", "in DNS", "rescued", "why");
        foreach (PopPlan pop in status.Plan.Pops)
            pops.AddRow(pop.Pop, pop.State.ToString(), pop.Aggregates.ToString(), YesNo(pop.InDns), YesNo(pop.Rescued),
                Markup.Escape(pop.Why));
        console.Write(pops);
        var services = new Table().Title("services").AddColumns("service", "up, IPv4", "up, IPv6", "held");
        foreach (ServicePlan service in status.Plan.Services)
            services.AddRow(service.Service, string.Join(' ', service.UpIPv4), string.Join(' ', service.UpIPv6),
                YesNo(service.Held));
        console.Write(services);
        foreach (Intent intent in status.Intents)
            console.MarkupLineInterpolated($"intent {intent.Id} until {intent.Until:u}: {intent.Reason}");
        var peers = new Table().Title("BGP").AddColumns("peer", "state", "since", "BFD", "announced", "last error");
        foreach (PeerView peer in status.Peers)
            peers.AddRow(peer.Name, peer.State, $"{peer.SinceSeconds:0} s", peer.Bfd ?? "-", $"{peer.Announced}",
                Markup.Escape(peer.LastError));
        console.Write(peers);
        var checks = new Table().Title("checks").AddColumns("check", "state", "last answer");
        foreach (CheckView check in status.Checks)
            checks.AddRow(check.Id, !check.Known ? "unknown" : check.Up ? "up" : "down", Markup.Escape(check.Detail));
        console.Write(checks);
        if (status.Rpki is { } rpki)
        {
            string invalid = string.Join(' ', rpki.Invalid.DefaultIfEmpty("none"));
            console.MarkupLineInterpolated($"RPKI: {rpki.State}, {rpki.Payloads} payloads, invalid: {invalid}");
        }

        if (status.GuardRefusals > 0)
            console.MarkupLineInterpolated($"[red]guard: {status.GuardRefusals} announcements refused[/]");
    }

    private static string YesNo(bool value) => value ? "yes" : "no";
}
