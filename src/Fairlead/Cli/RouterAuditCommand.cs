using System.Collections.Immutable;
using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Bmp;
using Fairlead.Fleet;
using Fairlead.Fleet.Routers;
using Fairlead.Fleet.Spec;
using Fairlead.Node;
using Spectre.Console;

namespace Fairlead.Cli;

/// <summary>Hears from routers by BMP what they take and tell, and holds it against the fleet file.</summary>
internal static class RouterAuditCommand
{
    private sealed record Named(PopSpec Pop, RouterSpec Router);

    /// <summary>A router's part of the output.</summary>
    private sealed record AuditedRouter(
        string Router, string? From, string? Description, ImmutableArray<AuditFinding> Findings,
        ImmutableArray<string> Open, bool IsWhole);

    public static Command RouterAudit()
    {
        Option<string> fleet = CommandLine.Required("--fleet", "the fleet file");
        var router = new Option<string?>("--router") { Description = "only this router; default: every one" };
        Option<string> listen = CommandLine.WithDefault("--listen", "[::]:1790", "where routers connect to with BMP");
        Option<string> within = CommandLine.WithDefault("--within", "30s", "how long to wait for what is to come");
        var from = new Option<string?>("--from") { Description = "a saved BMP stream of --router: no listening" };
        var control = new Option<string?>("--control")
        {
            Description = "a node's control socket: with it, routes of services that are up are looked for too",
        };
        Option<string> format = CommandLine.OutputFormat();
        var command = new Command("router-audit",
            "Says what routers take that they should not, and lack that they should have. Exits with 0, 2 when there "
            + "are findings, or 75 when not all has come.")
        {
            fleet, router, listen, within, from, control, format,
        };
        command.SetAction(async (parsed, stop) =>
        {
            if (FileCommands.Load(parsed.GetValue(fleet)!) is not { } loaded) return ExitCode.InvalidFile;
            if (!IPEndPoint.TryParse(parsed.GetValue(listen)!, out IPEndPoint? at)
                || !Durations.TryParse(parsed.GetValue(within)!, out TimeSpan limit))
                return Output.Fault(
                    ExitCode.Usage, "--listen expects an address and port, --within a time such as 30s");
            Named[] named = Routers(loaded.Spec, parsed.GetValue(router));
            if (named.Length == 0)
                return Output.Fault(ExitCode.Usage, $"no router \"{parsed.GetValue(router)}\"" + NearestName.Hint(
                    parsed.GetValue(router) ?? "", Routers(loaded.Spec, null).Select(one => one.Router.Name)));
            if (parsed.GetValue(from) is { } file && named.Length > 1)
                return Output.Fault(ExitCode.Usage, "--from: say with --router whose stream it is");
            Plan? plan = null;
            if (parsed.GetValue(control) is { } socket)
            {
                using var client = new ApiClient(socket);
                plan = (await client.StatusAsync(stop)).Plan;
            }

            try
            {
                AuditedRouter[] audited = parsed.GetValue(from) is { } saved
                    ? [Audit(loaded, named[0], await ReplayAsync(saved, stop), plan)]
                    : await ListenAsync(loaded, named, at, limit, plan, stop);
                return Show(audited, parsed.GetValue(format) == "json");
            }
            catch (ArgumentException cannot)
            {
                return Output.Fault(ExitCode.InvalidFile, cannot.Message);
            }
            catch (SocketException cannot)
            {
                return Output.Fault(ExitCode.Unavailable, $"{at}: {cannot.Message}");
            }
        });
        return command;
    }

    private static Named[] Routers(FleetSpec fleet, string? name) =>
    [
        .. fleet.Pops.SelectMany(pop => pop.Routers.Select(router => new Named(pop, router)))
            .Where(one => name is null || one.Router.Name == name),
    ];

    private static async Task<BmpRouter> ReplayAsync(string file, CancellationToken stop)
    {
        var router = new BmpRouter(new IPEndPoint(IPAddress.None, 0), new BmpOptions(new IPEndPoint(0, 0)).RoutesMax);
        byte[] stream = await File.ReadAllBytesAsync(file, stop);
        string? end = router.TakeAll(stream, out int used);
        if (end is not null) Output.Say($"{file}: {end}");
        else if (used < stream.Length) Output.Say($"{file}: ends in the middle of a message");
        return router;
    }

    /// <summary>Listens until each router has told all, or the time is over.</summary>
    private static async Task<AuditedRouter[]> ListenAsync(
        LoadedFleet loaded, Named[] named, IPEndPoint at, TimeSpan limit, Plan? plan, CancellationToken stop)
    {
        await using var listener = new BmpListener(new BmpOptions(at), Output.Say);
        listener.Start();
        Output.Say($"listening on {listener.Address} for {named.Length} routers");
        var clock = Stopwatch.StartNew();
        while (true)
        {
            AuditedRouter[] audited =
                [.. named.Select(one => Audit(loaded, one, listener.Routers.FirstOrDefault(r => Is(r, one)), plan))];
            // A session or a route that is missing may still be on its way: only what is settled ends the waiting.
            bool isSettled = audited.All(one => one.IsWhole
                && !one.Findings.Any(f => f.Fault is AuditFault.NoSession or AuditFault.Lacking));
            if (isSettled || clock.Elapsed >= limit)
            {
                foreach (BmpRouter stranger in listener.Routers.Where(r => !named.Any(one => Is(r, one))))
                    Output.Say($"{stranger.From} ({stranger.Status().Name}) is no router that is asked about");
                return audited;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), stop);
        }
    }

    /// <summary>By one of its addresses, or by the name that it gives itself.</summary>
    private static bool Is(BmpRouter heard, Named one)
    {
        IPAddress from = heard.From.Address.IsIPv4MappedToIPv6 ? heard.From.Address.MapToIPv4() : heard.From.Address;
        return one.Router.Addresses.Concat(one.Router.Backbone.Values.SelectMany(own => own)).Contains(from)
            || heard.Status().Name == one.Router.Name;
    }

    private static AuditedRouter Audit(LoadedFleet loaded, Named one, BmpRouter? heard, Plan? plan)
    {
        if (heard is null) return new AuditedRouter(one.Router.Name, null, null, [], ["it has not connected"], false);
        BmpRouterStatus status = heard.Status();
        AuditPeer[] peers =
        [
            .. status.PeersUp.Where(up => up.Peer.Kind != BmpMessage.LocalRibKind).Select(up => new AuditPeer(
                up.Peer.Address, up.Asn, up.KeepsDeadRoutes,
                [
                    .. status.Tables.Where(table => table.Peer == up.Peer).Select(table => new AuditTable(
                        table.View, table.IsComplete && table.HasEnded, heard.Routes(up.Peer, table.View))),
                ])),
        ];
        AuditReport report = Fleet.Routers.RouterAudit.Judge(
            loaded.Spec, one.Pop.Name, one.Router.Name, status.Description, peers, plan);
        return new AuditedRouter(one.Router.Name, heard.From.ToString(), status.Description, report.Findings,
            report.Open, report.IsWhole);
    }

    private static int Show(AuditedRouter[] audited, bool asJson)
    {
        AuditFinding[] findings = [.. audited.SelectMany(one => one.Findings)];
        bool isWhole = audited.All(one => one.IsWhole);
        if (asJson) Output.Json(new { ok = findings.Length == 0 && isWhole, routers = audited });
        else Table(audited, findings.Length);
        return findings.Length > 0 ? ExitCode.Findings : isWhole ? ExitCode.Ok : ExitCode.NotConverged;
    }

    private static void Table(AuditedRouter[] audited, int findings)
    {
        var table = new Table().Border(TableBorder.None).AddColumns("router", "peer", "finding", "what", "missing");
        foreach (AuditedRouter one in audited)
        {
            foreach (AuditFinding found in one.Findings)
                table.AddRow(one.Router, Markup.Escape(found.Peer), found.Fault.ToString(), Markup.Escape(found.Text),
                    Markup.Escape(found.Missing ?? "-"));
        }

        if (findings > 0) Output.Terminal().Write(table);
        foreach (AuditedRouter one in audited)
        {
            foreach (string open in one.Open) Output.Say($"{one.Router}: not judged: {open}");
            string told = one.IsWhole ? "all of it was told" : "not all of it was told";
            Output.Data($"{one.Router}: {one.Findings.Length} findings; {told}");
        }
    }
}
