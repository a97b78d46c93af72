using System.CommandLine;
using Fairlead.Api;
using Fairlead.Balancer.Maps;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;

namespace Fairlead.Cli;

/// <summary>`fairlead capture` and `fairlead balancer watch`: packets that tcpdump does not see.</summary>
internal static class PacketCommands
{
    private const string Standard = "-";

    public static Command Capture()
    {
        var vip = new Argument<string>("vip")
        {
            Description = "what the packets are for: ADDRESS, ADDRESS:PORT or ADDRESS:PORT/tcp (or udp)",
        };
        Option<string?> write = new("--write")
        {
            Description = "the pcapng file, - for standard output; without it a line a packet is shown",
        };
        Option<int> snap = new("--snap")
        {
            Description = $"so many bytes of each frame, at most {Layout.Snap}",
            DefaultValueFactory = _ => 256,
        };
        Option<int> oneIn = OneIn();
        (Option<long> count, Option<string> lasting) = Bounds(10_000, "30s");
        Option<string> reason = Reason();
        Option<string> control = NodeCommands.ControlSocket();
        var command = new Command("capture",
            "Captures what comes in for a VIP of the balancer, each packet with what was decided; ends by itself.")
        {
            vip, write, snap, oneIn, count, lasting, reason, control,
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            if (!Durations.TryParse(parsed.GetValue(lasting)!, out TimeSpan holds))
                return Output.Fault(ExitCode.Usage, "--for expects a time such as 30s or 5m");
            string? file = parsed.GetValue(write);
            if (file == Standard && !Output.IsRedirected)
            {
                return Output.Fault(
                    ExitCode.Usage, "--write -: pcapng is not for a terminal: pipe it into wireshark -k -i -");
            }

            var asked = new WatchRequest
            {
                Vip = parsed.GetValue(vip)!,
                OneIn = parsed.GetValue(oneIn),
                SnapBytes = file is null ? 0 : parsed.GetValue(snap),
                Count = parsed.GetValue(count),
                ForSeconds = holds.TotalSeconds,
                Reason = parsed.GetValue(reason)!,
            };
            if (file is null) return await FollowAsync(client, asked, _ => { }, Show, stop);
            return await WriteAsync(client, asked, file, stop);
        }));
        return command;
    }

    private static async Task<int> WriteAsync(
        ApiClient client, WatchRequest asked, string file, CancellationToken stop)
    {
        // Made when the node has agreed: a capture that is refused leaves no file, nor an old one empty.
        Stream? target = null;
        Pcapng? pcapng = null;
        try
        {
            return await FollowAsync(client, asked, Begin, packet => pcapng!.Write(packet.Device,
                packet.UnixNanoseconds, packet.Frame ?? [], packet.Length, packet.Decision()), stop);
        }
        finally
        {
            if (target is not null) await target.DisposeAsync();
        }

        void Begin(IEnumerable<string> devices)
        {
            pcapng = new Pcapng(target = Open(file));
            pcapng.Begin(devices, asked.SnapBytes);
        }
    }

    public static Command Watch()
    {
        Option<string?> vip = new("--vip")
        {
            Description = "packets for this VIP alone: ADDRESS, ADDRESS:PORT or ADDRESS:PORT/tcp (or udp)",
        };
        Option<int> oneIn = OneIn();
        (Option<long> count, Option<string> lasting) = Bounds(1000, "10s");
        Option<bool> kept = new("--kept") { Description = "what balancer.sample has kept, and no more" };
        Option<string> reason = Reason();
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("watch", "Shows what the balancer decides, a line a packet; ends by itself.")
        {
            vip, oneIn, count, lasting, kept, reason, control, format,
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            if (!Durations.TryParse(parsed.GetValue(lasting)!, out TimeSpan holds))
                return Output.Fault(ExitCode.Usage, "--for expects a time such as 10s or 5m");
            Action<PacketView> show = parsed.GetValue(format) == "json" ? ShowJson : Show;
            if (parsed.GetValue(kept))
            {
                foreach (PacketView packet in await client.SamplesAsync(stop)) show(packet);
                return ExitCode.Ok;
            }

            var asked = new WatchRequest
            {
                Vip = parsed.GetValue(vip),
                OneIn = parsed.GetValue(oneIn),
                Count = parsed.GetValue(count),
                ForSeconds = holds.TotalSeconds,
                Reason = parsed.GetValue(reason)!,
            };
            return await FollowAsync(client, asked, _ => { }, show, stop);
        }));
        return command;
    }

    private static Option<int> OneIn() => new("--one-in")
    {
        Description = "one in so many packets, by chance",
        DefaultValueFactory = _ => 1,
    };

    private static (Option<long> Count, Option<string> Lasting) Bounds(long count, string lasting) =>
        (new Option<long>("--count")
        {
            Description = "ends after so many packets",
            DefaultValueFactory = _ => count,
        }, CommandLine.WithDefault("--for", lasting, "ends after this time, at most 1h"));

    private static Option<string> Reason() =>
        CommandLine.WithDefault("--reason", "troubleshooting", "why, for the node's log");

    /// <summary>Packet after packet, until there are enough, the time is over, or Ctrl-C.</summary>
    private static async Task<int> FollowAsync(
        ApiClient client, WatchRequest asked, Action<IEnumerable<string>> begin, Action<PacketView> show,
        CancellationToken stop)
    {
        long shown = 0;
        ulong lost = 0;
        bool hasBegun = false;
        try
        {
            await foreach (WatchLine line in client.WatchAsync(asked, stop))
            {
                if (!hasBegun) begin(line.Devices);
                hasBegun = true;
                lost = line.Lost;
                if (line.Packet is not { } packet) continue;
                show(packet);
                shown++;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Ctrl-C: what has come is whole.
        }

        Output.Say($"{shown} packets, {lost} lost{(lost > 0 ? " (they came faster than they could be taken)" : "")}");
        return ExitCode.Ok;
    }

    private static void ShowJson(PacketView packet) =>
        Output.Data(System.Text.Encoding.UTF8.GetString(FleetJson.Write(packet)));

    /// <summary>"12:04:01.123456 tcp 203.0.113.9:40000 > 192.0.2.1:80 forwarded to 10.0.0.11: BySlot ..."</summary>
    private static void Show(PacketView packet)
    {
        string time = packet.Time["2026-01-01T".Length.."2026-01-01T12:00:00.000000".Length];
        string flow = packet.To is null ? "not IP" : $"{packet.Protocol} {packet.From} > {packet.To}";
        Output.Data($"{time} {packet.Device} {flow} {packet.Decision()}");
    }

    private static Stream Open(string file) => file == Standard ? Output.Bytes() : new FileStream(file,
        new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            // Who reads along, and who kills us, finds whole packets.
            BufferSize = 0,
            // Users' data: nobody else's to read.
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
}
