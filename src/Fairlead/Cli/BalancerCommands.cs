using System.CommandLine;
using System.Globalization;
using Fairlead.Api;
using Fairlead.Fleet.Spec;
using Fairlead.Node;
using Spectre.Console;

namespace Fairlead.Cli;

/// <summary>Looking at the balancer in the kernel, asking about a flow, and being a backend.</summary>
internal static class BalancerCommands
{
    public static IEnumerable<Command> All() => [Balancer(), Backend(), PacketCommands.Capture()];

    /// <summary>`fairlead why flow`.</summary>
    public static Command WhyFlow()
    {
        var from = new Argument<string>("from") { Description = "the client's ADDRESS:PORT, IPv6 as [ADDRESS]:PORT" };
        var to = new Argument<string>("to") { Description = "the VIP's ADDRESS:PORT/tcp or /udp; no protocol: tcp" };
        var quicId = new Option<string?>("--quic-id") { Description = "the QUIC connection id of its packets, in hex" };
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("flow", "Explains which backend a flow goes to, and why that one.")
        {
            from, to, quicId, control, format,
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            string[] target = parsed.GetValue(to)!.Split('/');
            FlowWhy why = await client.WhyFlowAsync(
                parsed.GetValue(from)!, target[0], target.Length == 2 ? target[1] : "tcp",
                parsed.GetValue(quicId), stop);
            if (parsed.GetValue(format) == "json") Output.Json(why);
            else Output.Data(Show(why));
            return ExitCode.Ok;
        }));
        return command;
    }

    private static string Show(FlowWhy why)
    {
        string[] lines =
        [
            $"service     {why.Service}", $"slot        {why.Slot}, {why.SlotState} (hash {why.Hash})",
            $"owner       {why.Owner ?? "nobody"}",
            $"before      {why.Former ?? "nobody else"}{why.Third?.Insert(0, ", and before that ")}",
            why.Remembered is { } remembered
                ? $"remembered  {remembered}, {why.RememberedSeconds} s ago"
                : "remembered  no",
        ];
        string? byId = why.QuicId is null ? null : $"quic id     {why.QuicId}\n";
        return $"{string.Join('\n', lines)}\n{byId}goes to     {why.Goes ?? "nobody: dropped"}\n";
    }

    private static Command Balancer()
    {
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("balancer", "Shows the balancer in the kernel: what came for VIPs, and who got it.")
        {
            control, format, PacketCommands.Watch(),
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            BalancerView balancer = await client.BalancerAsync(stop);
            if (parsed.GetValue(format) == "json") Output.Json(balancer);
            else Show(balancer);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static void Show(BalancerView balancer)
    {
        IAnsiConsole console = Output.Terminal();
        string devices = string.Join(' ', balancer.Devices.Select(device => $"{device.Name} ({device.How})"));
        console.MarkupLineInterpolated($"on {devices}{balancer.Fault?.Insert(0, ": ")}");
        if (!balancer.Unreachable.IsDefaultOrEmpty)
            console.MarkupLineInterpolated($"[red]no way is known to {string.Join(' ', balancer.Unreachable)}[/]");
        var vips = new Table().Border(TableBorder.None)
            .AddColumns("VIP", "packets", "bytes", "new flows", "what became of them");
        foreach (VipView vip in balancer.Vips)
        {
            string reasons = string.Join(' ', vip.Reasons.Select(pair => $"{pair.Key}={pair.Value}"));
            vips.AddRow(Markup.Escape(vip.Vip), Number(vip.Packets), Number(vip.Bytes), Number(vip.NewFlows), reasons);
        }

        console.Write(vips);
        var backends = new Table().Border(TableBorder.None)
            .AddColumns("service", "backend", "weight", "packets", "bytes", "new flows");
        foreach (BalancedView one in balancer.Backends)
        {
            string backend = one.Elsewhere ? $"{one.Backend} (spill: another pop)" : one.Backend;
            backends.AddRow(one.Service, backend, $"{one.Weight}", Number(one.Packets), Number(one.Bytes),
                Number(one.NewFlows));
        }

        console.Write(backends);
    }

    private static Command Backend()
    {
        Option<string> fleet = CommandLine.WithDefault("--fleet", "/etc/fairlead/fleet.yaml", "the fleet file");
        Option<string[]> device = new("--device")
        {
            Description = "where the balancers' tunnels come in; again for more",
            DefaultValueFactory = _ => ["eth0"],
        };
        Option<string> pins = CommandLine.WithDefault(
            "--pins", "/sys/fs/bpf/fairlead-backend", "where it outlives the process");
        var command = new Command("backend",
            "Makes this machine a backend until SIGTERM: holds the VIPs, opens the balancers' tunnels.")
        {
            fleet, device, pins,
        };
        command.SetAction(parsed =>
        {
            string file = parsed.GetValue(fleet)!;
            // The file alone: zones and databases are not for backends.
            FleetFile? read = FleetReader.Read(file, File.ReadAllText(file), out IReadOnlyList<SpecProblem> problems);
            foreach (SpecProblem problem in problems) Output.Say(problem.ToString());
            if (read is null) return ExitCode.InvalidFile;
            using var logs = new LineLog();
            using var stop = new CancellationTokenSource();
            using var news = new AutoResetEvent(false);
            using var signals = new StopAndReload(stop.Cancel, () => news.Set());
            new BackendMachine(file, parsed.GetValue(device)!, parsed.GetValue(pins)!, logs.CreateLogger("backend"))
                .Run(news, stop.Token);
            return ExitCode.Ok;
        });
        return command;
    }

    private static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
