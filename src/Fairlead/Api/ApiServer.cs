using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Fairlead.Bgp.Session;
using Fairlead.Control;
using Fairlead.Dns.Server;
using Fairlead.Fleet;
using Fairlead.Fleet.Decide;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Fairlead.Net.Addresses;
using Fairlead.Node;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Fairlead.Api;

/// <summary>
/// The HTTP API, on a Unix socket that root and the socket's group may open. It translates, and decides nothing.
/// </summary>
public sealed class ApiServer(
    NodeOptions options, ReconcileLoop loop, IStore store, CheckEngine checks, BgpSpeaker? speaker, DnsServer? dns,
    FleetReload reload, TimeProvider time, ILogger log, ZoneTransfers? transfers = null, OriginGuard? origins = null,
    Balancing? balancing = null)
    : IAsyncDisposable
{
    private const int BodyBytesMax = 64 * 1024;
    private static readonly TimeSpan LongestIntent = TimeSpan.FromDays(30);
    private LocalHttp? server;

    /// <summary>IOException when the socket cannot be had.</summary>
    public async Task StartAsync()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(options.ControlSocket))!);
        DeleteLeftSocket(options.ControlSocket);
        server = new LocalHttp(Path.GetFullPath(options.ControlSocket), BodyBytesMax, log, AnswerAsync);
        server.Start();
        File.SetUnixFileMode(options.ControlSocket,
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
    }

    /// <summary>A killed process leaves its socket file behind. One that still answers is another node's.</summary>
    private static void DeleteLeftSocket(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException)
        {
            File.Delete(path);
            return;
        }

        throw new IOException($"{path}: another node answers there; give this one its own --control and --state");
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null) await server.DisposeAsync();
    }

    /// <summary>What this node is and does now; null before its first turn.</summary>
    public StatusView? Status()
    {
        if (loop.View is not { } view) return null;
        DateTimeOffset now = time.GetUtcNow();
        StoreSight sight = store.Sight;
        return new StatusView
        {
            Fleet = loop.Fleet.Spec.Name,
            Pop = options.Pop,
            Node = options.Node,
            Version = typeof(ApiServer).Assembly.GetName().Version!.ToString(3),
            Generation = view.Generation,
            Store = new StoreView(sight.LiveSince is not null, (now - sight.ProvenAt)?.TotalSeconds, store.Fault),
            Plan = view.Plan,
            Intents = view.World.Intents,
            Checks =
            [
                .. checks.Status().OrderBy(c => c.Check.Id)
                    .Select(CheckView.Of),
            ],
            Peers =
            [
                .. (speaker?.Status() ?? []).Select(peer => PeerView.Of(peer, now) with
                {
                    RestartForbidden = Forbidden(loop.Fleet.Spec, peer),
                }),
            ],
            Announcements = [.. view.Routes.Routes.Select(route => route.Prefix.ToString())],
            ReloadRefused = [.. reload.Refused],
            GuardRefusals = speaker?.Counters.RefusedTotal ?? 0,
            Bfd = speaker is null
                ? null
                : new BfdRunView(
                    speaker.BfdWorstLateness.TotalSeconds, speaker.Counters.BfdDeaths, speaker.BfdUrgency.ToString()),
            Rpki = origins?.View,
            Balancer = balancing is null ? null : BalancerView.Of(balancing),
            Dns = dns is null ? null : DnsViews.Of(dns),
            Transfers = transfers is null ? null : TransferViews.Of(transfers),
            Memory = new MemoryView(Environment.WorkingSet, GC.GetTotalMemory(forceFullCollection: false)),
        };
    }

    private ImmutableArray<string> Forbidden(FleetSpec fleet, PeerStatus peer)
    {
        PopSpec pop = fleet.Pop(options.Pop)!;
        return pop.Router(peer.Name.Split('/')[0]) is { Restart: not null }
            ? Survival.Mortal(fleet, pop, peer.Address.AddressFamily)
            : [];
    }

    private async Task AnswerAsync(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "/";
        const string Intents = "/v1/intents/";
        Task answering = (context.Request.Method, path) switch
        {
            ("GET", "/v1/status") => SendAsync(context, 200, Status()),
            ("GET", "/v1/why/dns") => DnsQuestions.WhyAsync(context, loop, SendAsync),
            ("GET", "/v1/why/route") => BgpQuestions.WhyRouteAsync(context, loop, speaker, SendAsync),
            ("GET", "/v1/why/flow") => BalancerQuestions.WhyAsync(context, balancing, SendAsync),
            ("GET", "/v1/balancer") => BalancerQuestions.LookAsync(context, balancing, SendAsync),
            ("POST", "/v1/balancer/watch") => PacketQuestions.WatchAsync(context, balancing, log, SendAsync),
            ("GET", "/v1/balancer/samples") => PacketQuestions.SamplesAsync(context, balancing, SendAsync),
            ("GET", "/v1/lg") => BgpQuestions.LookAsync(context, speaker, SendAsync),
            ("GET", "/v1/bfd") => BgpQuestions.BfdAsync(context, speaker, SendAsync),
            ("GET", "/v1/why/backend") => HealthQuestions.WhyAsync(context, checks, SendAsync),
            ("POST", "/v1/checks/report") => HealthQuestions.ReportAsync(context, checks, SendAsync),
            ("GET", "/v1/dns/ttl") => SendAsync(context, 200, new OldAnswers(loop.TtlDebt.At(time.GetUtcNow()))),
            ("GET", "/v1/dns/zones") => SendAsync(context, 200, TransferViews.Zones(loop, transfers, reload.Refused)),
            ("GET", "/metrics") => SendMetricsAsync(context),
            ("POST", "/v1/intents") => AddIntentAsync(context),
            ("DELETE", _) when path.StartsWith(Intents, StringComparison.Ordinal) =>
                EndIntentAsync(context, Uri.UnescapeDataString(path[Intents.Length..])),
            _ => SendAsync(context, 404, new Refusal("not-found", [$"no {context.Request.Method} {path} here"])),
        };
        await answering;
    }

    private async Task AddIntentAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        if (FleetJson.Read<IntentRequest>(body.ToArray()) is not { } asked || loop.View is not { } view)
        {
            await SendAsync(context, 400, new Refusal("bad-request", ["expected {kind, pop, reason, forSeconds}"]));
            return;
        }

        DateTimeOffset now = time.GetUtcNow();
        Prefix? prefix = Prefix.TryParse(asked.Prefix, out Prefix read) ? read : null;
        IPAddress? backend = IPAddress.TryParse(asked.Backend, out IPAddress? server) ? server : null;
        bool endless = !(asked.ForSeconds > 0) || asked.ForSeconds > LongestIntent.TotalSeconds;
        bool ahead = asked.InSeconds >= 0 && asked.InSeconds <= LongestIntent.TotalSeconds;
        if (endless || !ahead || string.IsNullOrWhiteSpace(asked.Reason))
        {
            await SendAsync(
                context, 400, new Refusal("bad-request", ["an intent needs a reason, and an end within 30 days"]));
            return;
        }

        var intent = new Intent
        {
            Id = IdOf(asked.Kind, asked.Pop, asked.Pattern ?? asked.Prefix ?? backend?.ToString()),
            Kind = asked.Kind,
            Pop = asked.Pop,
            Prefix = prefix,
            Backend = backend,
            Pattern = asked.Pattern,
            Up = asked.Up,
            Reason = asked.Reason,
            SaidAt = now,
            At = now + TimeSpan.FromSeconds(asked.InSeconds),
            Until = now + TimeSpan.FromSeconds(asked.InSeconds + asked.ForSeconds),
        };
        ImmutableArray<string> refusals =
            [.. IntentRules.Refusals(loop.Fleet.Spec, view.World with { Previous = view.Plan }, intent, now)];
        if (refusals.Length > 0)
        {
            await SendAsync(context, 409, new Refusal("refused", refusals));
            return;
        }

        await SwapAsync(context, intent.Id, FleetJson.Write(intent), intent);
    }

    private Task EndIntentAsync(HttpContext context, string id) =>
        store.Entries.ContainsKey(Observer.IntentsFolder + id)
            ? SwapAsync(context, id, null, new { id })
            : SendAsync(context, 404, new Refusal("not-found", [$"there is no intent {id}"]));

    /// <summary>
    /// Compare-and-swap at the revision that the decision was made on: of two operators, one is told.
    /// </summary>
    private async Task SwapAsync(HttpContext context, string id, ReadOnlyMemory<byte>? value, object answer)
    {
        // Not byte[]?: a null one would become an empty value, and the intent would be overwritten, not deleted.
        string key = Observer.IntentsFolder + id;
        long revision = store.Entries.TryGetValue(key, out StoreEntry? entry) ? entry.Revision : 0;
        try
        {
            bool won = await store.CompareAndSwapAsync(key, revision, value, context.RequestAborted);
            await (won
                ? SendAsync(context, 200, answer)
                : SendAsync(context, 409,
                    new Refusal("conflict", [$"{id} was changed by somebody else just now: look again"])));
        }
        catch (IOException fault)
        {
            await SendAsync(context, 503, new Refusal("store", [$"the store cannot be reached: {fault.Message}"]));
        }
    }

    internal static string IdOf(IntentKind kind, string pop, string? subject) => kind switch
    {
        IntentKind.Drain => $"drain-{pop}",
        IntentKind.DrainBackend => $"backend-{subject}",
        IntentKind.Override => $"override-{subject?.Replace('/', '_')}",
        IntentKind.Blackhole => $"blackhole-{(pop.Length > 0 ? pop : "everywhere")}-{subject?.Replace('/', '_')}",
        _ => $"announce-{pop}-{subject?.Replace('/', '_')}",
    };

    private async Task SendMetricsAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await context.Response.WriteAsync(Status() is { } status ? Metrics.Write(status, time.GetUtcNow()) : "");
    }

    private static async Task SendAsync<T>(HttpContext context, int code, T body)
    {
        context.Response.StatusCode = body is null ? 503 : code;
        context.Response.ContentType = "application/json";
        if (body is not null)
            await context.Response.Body.WriteAsync(FleetJson.Write<object>(body), context.RequestAborted);
    }
}
