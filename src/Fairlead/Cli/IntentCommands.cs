using System.CommandLine;
using System.Diagnostics;
using System.Net;
using Fairlead.Api;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;

namespace Fairlead.Cli;

/// <summary>What an operator says: drains and announcements. Each has a reason and an end.</summary>
internal static class IntentCommands
{
    public static IEnumerable<Command> All() =>
    [
        Drain(), Undrain(), DrainBackend(), UndrainBackend(), Announce(), Unannounce(), Blackhole(), Unblackhole(),
        Override(),
    ];

    private static Command Drain()
    {
        var pop = new Argument<string>("pop") { Description = "the pop to take out" };
        Option<string> reason = CommandLine.WithDefault("--reason", "maintenance", "why, for the others");
        Option<string> lasting = Lasting("1h");
        Option<string> later = CommandLine.WithDefault(
            "--in", "0s", "when it begins: until then DNS lowers its TTLs, so that it goes faster");
        (Option<string> control, Option<string> within, Option<bool> noWait) = Following();
        var command = new Command("drain",
            "Takes a pop out with nothing lost: exits with 0 when it is drained, 73 when refused.")
        {
            pop, reason, lasting, later, control, within, noWait,
        };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, async client =>
        {
            if (!Durations.TryParse(parsed.GetValue(lasting)!, out TimeSpan holds)
                || !Durations.TryParse(parsed.GetValue(later)!, out TimeSpan ahead)
                || !Durations.TryParse(parsed.GetValue(within)!, out TimeSpan limit))
                return Output.Fault(ExitCode.Usage, "--for, --in and --within expect a time such as 30m or 2h");
            string name = parsed.GetValue(pop)!;
            await client.AddAsync(
                new IntentRequest
                {
                    Kind = IntentKind.Drain,
                    Pop = name,
                    Reason = parsed.GetValue(reason)!,
                    ForSeconds = holds.TotalSeconds,
                    InSeconds = ahead.TotalSeconds,
                }, stop);
            return parsed.GetValue(noWait)
                ? ExitCode.Ok
                : await FollowAsync(client, name, PopState.Drained, limit + ahead, stop);
        }));
        return command;
    }

    private static Command Undrain()
    {
        var pop = new Argument<string>("pop") { Description = "the pop to put back" };
        (Option<string> control, Option<string> within, Option<bool> noWait) = Following();
        var command = new Command("undrain",
            "Puts a drained pop back: exits with 0 when its users are sent to it again.")
        {
            pop, control, within, noWait,
        };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, async client =>
        {
            if (!Durations.TryParse(parsed.GetValue(within)!, out TimeSpan limit))
                return Output.Fault(ExitCode.Usage, "--within expects a time such as 2m");
            string name = parsed.GetValue(pop)!;
            await client.EndAsync(ApiServer.IdOf(IntentKind.Drain, name, null), stop);
            return parsed.GetValue(noWait) ? ExitCode.Ok : await FollowAsync(client, name, PopState.Up, limit, stop);
        }));
        return command;
    }

    private static Command DrainBackend()
    {
        Argument<IPAddress> backend = BackendAddress("the server to empty, in every service that it serves");
        Option<string> reason = CommandLine.WithDefault("--reason", "maintenance", "why, for the others");
        Option<string> lasting = Lasting("1h");
        Option<string> control = NodeCommands.ControlSocket();
        var command = new Command("drain-backend",
            "Gives a server no new flow and lets those end that it has; exits with 73 when refused.")
        {
            backend, reason, lasting, control,
        };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, client => SayAsync(
            client, parsed.GetValue(lasting)!, seconds => new IntentRequest
            {
                Kind = IntentKind.DrainBackend,
                Pop = "",
                Backend = $"{parsed.GetValue(backend)}",
                Reason = parsed.GetValue(reason)!,
                ForSeconds = seconds,
            }, stop)));
        return command;
    }

    private static Command UndrainBackend()
    {
        Argument<IPAddress> backend = BackendAddress("the server to use again");
        Option<string> control = NodeCommands.ControlSocket();
        var command = new Command("undrain-backend", "Puts a drained server back.") { backend, control };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, async client =>
        {
            await client.EndAsync(ApiServer.IdOf(IntentKind.DrainBackend, "", $"{parsed.GetValue(backend)}"), stop);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Argument<IPAddress> BackendAddress(string what) => new("address")
    {
        Description = what,
        CustomParser = result =>
        {
            if (IPAddress.TryParse(result.Tokens[0].Value, out IPAddress? address)) return address;
            result.AddError($"\"{result.Tokens[0].Value}\" is not an IP address");
            return null;
        },
    };

    private static Command Announce() => Asking(
        "announce", "Announces a prefix beside what the fleet file says; exits with 73 when refused.",
        IntentKind.Announce, "what to announce, inside the anycast subnets",
        CommandLine.Required("--pop", "from which pop's nodes"), "10m");

    private static Command Unannounce() => Ending(
        "unannounce", "Ends an announcement made with announce.", IntentKind.Announce, "what was announced",
        CommandLine.Required("--pop", "from which pop's nodes"));

    private static Command Blackhole() => Asking(
        "blackhole",
        "Has the routers that take BLACKHOLE throw away what is sent to a prefix; exits with 73 when refused.",
        IntentKind.Blackhole, "what is attacked, inside the anycast subnets",
        CommandLine.WithDefault("--pop", "", "from which pop's nodes; default: every pop's"), "30m");

    private static Command Unblackhole() => Ending(
        "unblackhole", "Ends a blackhole before its time.", IntentKind.Blackhole, "what was thrown away",
        CommandLine.WithDefault("--pop", "", "as it was given to blackhole"));

    /// <summary>An intent about a prefix.</summary>
    private static Command Asking(
        string name, string what, IntentKind kind, string subject, Option<string> pop, string holdsFor)
    {
        var prefix = new Argument<string>("prefix") { Description = subject };
        Option<string> reason = CommandLine.Required("--reason", "why, for the others");
        Option<string> lasting = Lasting(holdsFor);
        Option<string> control = NodeCommands.ControlSocket();
        var command = new Command(name, what) { prefix, pop, reason, lasting, control };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, client => SayAsync(
            client, parsed.GetValue(lasting)!, seconds => new IntentRequest
            {
                Kind = kind,
                Pop = parsed.GetValue(pop)!,
                Prefix = parsed.GetValue(prefix)!,
                Reason = parsed.GetValue(reason)!,
                ForSeconds = seconds,
            }, stop)));
        return command;
    }

    /// <summary>Its end, before its time.</summary>
    private static Command Ending(string name, string what, IntentKind kind, string subject, Option<string> pop)
    {
        var prefix = new Argument<string>("prefix") { Description = subject };
        Option<string> control = NodeCommands.ControlSocket();
        var command = new Command(name, what) { prefix, pop, control };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, async client =>
        {
            await client.EndAsync(ApiServer.IdOf(kind, parsed.GetValue(pop)!, parsed.GetValue(prefix)!), stop);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command Override()
    {
        var pattern = new Argument<string>("pattern")
        {
            Description = "a steered name or service, a slash and a pop; * stands for anything: \"*/lon\"",
        };
        var state = new Argument<string>("state") { Description = "down, up, or clear: the checks count again" };
        state.AcceptOnlyFromAmong("down", "up", "clear");
        Option<string> reason = CommandLine.WithDefault("--reason", "", "why, for the others; needed unless cleared");
        Option<string> lasting = Lasting("30m");
        Option<string> control = NodeCommands.ControlSocket();
        var command = new Command("override",
            "Makes DNS count pops as down or up, whatever the checks say; exits with 73 when refused.")
        {
            pattern, state, reason, lasting, control,
        };
        command.SetAction((parsed, stop) => ActAsync(parsed.GetValue(control)!, async client =>
        {
            string asked = parsed.GetValue(pattern)!;
            if (parsed.GetValue(state) == "clear")
            {
                await client.EndAsync(ApiServer.IdOf(IntentKind.Override, "", asked), stop);
                return ExitCode.Ok;
            }

            if (string.IsNullOrWhiteSpace(parsed.GetValue(reason)))
                return Output.Fault(ExitCode.Usage, "--reason: say why, for the others");
            return await SayAsync(client, parsed.GetValue(lasting)!, seconds => new IntentRequest
            {
                Kind = IntentKind.Override,
                Pop = "",
                Pattern = asked,
                Up = parsed.GetValue(state) == "up",
                Reason = parsed.GetValue(reason)!,
                ForSeconds = seconds,
            }, stop);
        }));
        return command;
    }

    private static Option<string> Lasting(string holdsFor) =>
        CommandLine.WithDefault("--for", holdsFor, "how long it holds; then it ends by itself");

    /// <summary>Says an intent for so many seconds as `lasting` is, and prints until when it holds.</summary>
    private static async Task<int> SayAsync(
        ApiClient client, string lasting, Func<double, IntentRequest> request, CancellationToken stop)
    {
        if (!Durations.TryParse(lasting, out TimeSpan holds))
            return Output.Fault(ExitCode.Usage, "--for expects a time such as 30m or 2h");
        Intent intent = await client.AddAsync(request(holds.TotalSeconds), stop);
        Output.Say($"{intent.Id}: until {intent.Until:u}");
        return ExitCode.Ok;
    }

    private static (Option<string> Control, Option<string> Within, Option<bool> NoWait) Following() =>
        (NodeCommands.ControlSocket(),
            CommandLine.WithDefault("--within", "10m", "how long to follow before giving up with 75"),
            new Option<bool>("--no-wait") { Description = "do not follow: the fleet goes on by itself" });

    internal static async Task<int> ActAsync(string socket, Func<ApiClient, Task<int>> act)
    {
        using var client = new ApiClient(socket);
        try
        {
            return await act(client);
        }
        catch (ApiRefusedException refused)
        {
            foreach (string message in refused.Refusal.Messages) Output.Say($"refused: {message}");
            return refused.Refusal.Code == "store" ? ExitCode.Unavailable : ExitCode.Refused;
        }
    }

    /// <summary>Prints each stage as it comes, until the pop is in the wanted state.</summary>
    private static async Task<int> FollowAsync(
        ApiClient client, string pop, PopState wanted, TimeSpan limit, CancellationToken stop)
    {
        var clock = Stopwatch.StartNew();
        string shown = "";
        while (clock.Elapsed < limit)
        {
            StatusView status = await client.StatusAsync(stop);
            PopPlan plan = status.Plan.Pop(pop) ?? throw new IOException($"the node knows no pop {pop}");
            string stage = $"{pop}: {plan.State}, {plan.Why}";
            if (stage != shown) Output.Say($"{clock.Elapsed.TotalSeconds,6:0.0} s  {shown = stage}");
            if (plan.State == wanted) return ExitCode.Ok;
            await Task.Delay(TimeSpan.FromMilliseconds(100), stop);
        }

        return Output.Fault(ExitCode.NotConverged,
            $"{pop} is not {wanted} after {limit.TotalSeconds:0} s; it goes on: see fairlead status");
    }
}
