using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Fairlead.Api;
using Spectre.Console;

namespace Fairlead.Cli;

/// <summary>Looking at BGP and BFD, and asking why a route is as it is.</summary>
internal static class BgpCommands
{
    public static IEnumerable<Command> All() => [Bgp(), Bfd(), LookingGlass()];

    /// <summary>What stands below `why` beside DNS.</summary>
    public static IEnumerable<Command> Why() =>
    [
        WhyRoute("route", "prefix", "Explains why this node announces a prefix, or does not, and who was told."),
        WhyRoute("vip", "address", "Explains why this node announces a service's address, or does not."),
    ];

    private static Command Bgp() => Shown("bgp", "Shows this node's BGP sessions.", async (client, asJson, stop) =>
    {
        ImmutableArray<PeerView> peers = (await client.StatusAsync(stop)).Peers;
        if (asJson)
        {
            Output.Json(peers);
            return;
        }

        var table = new Table().Border(TableBorder.None).AddColumns(
            "peer", "address", "state", "since", "hold", "without us", "announced", "received", "updates in/out",
            "malformed", "ups", "last error");
        foreach (PeerView peer in peers)
        {
            table.AddRow(peer.Name, peer.Address, peer.State, Seconds(peer.SinceSeconds),
                peer.HoldTime is { } hold ? $"{hold:0} s" : "-", Markup.Escape(WithoutUs(peer)),
                $"{peer.Announced}", $"{peer.Received}",
                $"{peer.UpdatesIn}/{peer.UpdatesOut}", $"{peer.MalformedIn}", $"{peer.Established}",
                Markup.Escape(peer.LastError));
        }

        Output.Terminal().Write(table);
    });

    /// <summary>What becomes of our routes there when this process is gone.</summary>
    private static string WithoutUs(PeerView peer) => peer switch
    {
        { KeepsRoutes: { } time } => $"kept {time:0} s",
        { RestartForbidden: { IsEmpty: false } mortal } => $"dropped: {string.Join(' ', mortal)} would not live on",
        _ => "dropped",
    };

    private static Command Bfd() => Shown("bfd", "Shows this node's BFD sessions.", async (client, asJson, stop) =>
    {
        BfdList list = await client.BfdAsync(stop);
        if (asJson)
        {
            Output.Json(list.Sessions);
            return;
        }

        var table = new Table().Border(TableBorder.None).AddColumns(
            "peer", "state", "remote", "sends every", "detects in", "discriminators", "changes", "diagnostic");
        foreach (BfdView one in list.Sessions)
        {
            table.AddRow(one.Peer, one.State.ToString(), one.Remote.ToString(), Milliseconds(one.TransmitInterval),
                one.DetectionTime > 0 ? Milliseconds(one.DetectionTime) : "-",
                $"{one.Discriminator}/{one.RemoteDiscriminator}", $"{one.Changes}", one.Diagnostic.ToString());
        }

        Output.Terminal().Write(table);
    });

    private static Command Shown(string name, string what, Func<ApiClient, bool, CancellationToken, Task> show)
    {
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command(name, what) { control, format };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            await show(client, parsed.GetValue(format) == "json", stop);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static Command LookingGlass()
    {
        var prefix = new Argument<string>("prefix") { Description = "a prefix or an address" };
        var inside = new Option<bool>("--inside") { Description = "the routes inside the prefix instead" };
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("lg", "The looking glass: who of our routers announces a prefix, and the best route.")
        {
            prefix, inside, control, format,
        };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            SeenList seen = await client.LookAsync(parsed.GetValue(prefix)!, parsed.GetValue(inside), stop);
            if (parsed.GetValue(format) == "json") Output.Json(seen);
            else Show(seen);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static void Show(SeenList seen)
    {
        if (seen.Routes.IsEmpty)
        {
            Output.Data("no router announces it\n");
            return;
        }

        var table = new Table().Border(TableBorder.None)
            .AddColumns("", "prefix", "peer", "next hop", "AS path", "communities", "");
        foreach (SeenView route in seen.Routes)
        {
            table.AddRow(route.Best ? "*" : "", route.Prefix, route.Peer, route.NextHop ?? "-", route.AsPath,
                route.Communities, route.NotUsed ?? "");
        }

        Output.Terminal().Write(table);
    }

    private static Command WhyRoute(string name, string subject, string what)
    {
        var argument = new Argument<string>(subject) { Description = $"the {subject}" };
        Option<string> control = NodeCommands.ControlSocket();
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command(name, what) { argument, control, format };
        command.SetAction((parsed, stop) => IntentCommands.ActAsync(parsed.GetValue(control)!, async client =>
        {
            Reasons why = await client.WhyRouteAsync(parsed.GetValue(argument)!, stop);
            if (parsed.GetValue(format) == "json") Output.Json(why);
            else Output.Data(string.Join('\n', why.Lines) + "\n");
            return ExitCode.Ok;
        }));
        return command;
    }

    private static string Milliseconds(double milliseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0.#} ms");

    private static string Seconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s");
}
