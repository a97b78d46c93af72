using System.Net.Sockets;
using System.Text;
using Fairlead.Api;
using Fairlead.Balancer;
using Fairlead.Control;
using Fairlead.Dns.Answering;
using Fairlead.Fleet;
using Fairlead.Health;
using Fairlead.Net;
using Fairlead.Node;
using Microsoft.Extensions.Logging.Abstractions;

namespace Fairlead.Tests.Api;

/// <summary>
/// The API over its socket, with the loop behind it, for a fleet without VIPs: nothing of the machine is touched.
/// </summary>
public sealed class ApiServerTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-api").FullName;
    private readonly CancellationTokenSource stop = new();
    private readonly CheckEngine checks = new(TimeProvider.System, 1, _ => { });
    private ApiServer? server;
    private FileStore? store;
    private Task looping = Task.CompletedTask;
    private HttpClient? client;

    public async Task InitializeAsync()
    {
        string file = Path.Combine(Fixture.Repository, "examples", "geodns.yaml");
        var options = new NodeOptions
        {
            FleetFile = file,
            Pop = "here",
            Node = "ns1",
            StateFolder = folder,
            ControlSocket = Path.Combine(folder, "control.sock"),
        };
        store = new FileStore(Path.Combine(folder, "store"), TimeProvider.System);
        var loop = new ReconcileLoop(
            LoadedFleet.Read(file, out _)!, options, TimeProvider.System, NullLogger.Instance, null,
            new LastStateFile(folder), store, checks, new Snapshot<DnsTable>(DnsTable.Empty), null,
            new KernelForwarding(_ => { }));
        store.Changed = loop.Wake;
        store.Start();
        var origins = new OriginGuard(loop.Fleet.Spec, TimeProvider.System, 1, NullLogger.Instance);
        var peers = new NodePeers(options.Pop, options.Node, NullLogger.Instance);
        var reload = new FleetReload(options, loop, checks, null, peers, origins, NullLogger.Instance);
        server = new ApiServer(
            options, loop, store, checks, null, null, reload, TimeProvider.System, NullLogger.Instance);
        File.WriteAllText(options.ControlSocket, "what a killed process left");
        await server.StartAsync();
        looping = loop.RunAsync(stop.Token);
        client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(options.ControlSocket), token);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        { BaseAddress = new Uri("http://node/") };
    }

    public async Task DisposeAsync()
    {
        await stop.CancelAsync();
        await looping;
        client?.Dispose();
        if (server is not null) await server.DisposeAsync();
        await checks.DisposeAsync();
        if (store is not null) await store.DisposeAsync();
        stop.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("", 400, "bad-request", "expected {kind, pop, reason, forSeconds}")]
    [InlineData("{", 400, "bad-request", "expected {kind")]
    [InlineData("""{"kind": "drain", "pop": "here"}""", 400, "bad-request", "expected {kind")]
    [InlineData("""{"kind": "feast", "pop": "here", "reason": "x", "forSeconds": 60}""", 400, "bad-request", "")]
    [InlineData("""{"kind": "drain", "pop": null, "reason": "x", "forSeconds": 60}""", 400, "bad-request", "")]
    [InlineData("""{"kind": "drain", "pop": "here", "reason": " ", "forSeconds": 60}""", 400, "bad-request", "reason")]
    [InlineData("""{"kind": "drain", "pop": "here", "reason": "x", "forSeconds": 0}""", 400, "bad-request", "30 days")]
    [InlineData("""{"kind": "drain", "pop": "here", "reason": "x", "forSeconds": -5}""", 400, "bad-request", "30 days")]
    [InlineData("""{"kind": "drain", "pop": "here", "reason": "x", "forSeconds": 1e9}""", 400, "bad-request", "30 d")]
    [InlineData("""{"kind": "drain", "pop": "herr", "reason": "x", "forSeconds": 60}""", 409, "refused", "unknown pop")]
    [InlineData("""{"kind": "drain", "pop": "here", "reason": "x", "forSeconds": 60}""", 409, "refused", "I2: ")]
    [InlineData("""{"kind": "announce", "pop": "here", "reason": "x", "forSeconds": 60}""", 409, "refused", "a prefix")]
    [InlineData("""
        {"kind": "announce", "pop": "here", "prefix": "203.0.113.0/24", "reason": "x", "forSeconds": 60}
        """, 409, "refused", "I1: 203.0.113.0/24 is outside")]
    public async Task What_cannot_be_taken_is_refused_with_its_reason(
        string body, int code, string refusal, string message)
    {
        await ReadyAsync();
        using var content = new StringContent(body, Encoding.UTF8, "application/json");

        using HttpResponseMessage answer = await client!.PostAsync(new Uri("v1/intents", UriKind.Relative), content);

        Assert.Equal(code, (int)answer.StatusCode);
        Refusal read = FleetJson.Read<Refusal>(await answer.Content.ReadAsByteArrayAsync())!;
        Assert.Equal(refusal, read.Code);
        Assert.Contains(message, read.Messages[0], StringComparison.Ordinal);
        Assert.Empty(store!.Entries);
    }

    [Fact]
    public async Task An_intent_is_ended_by_its_id_and_one_that_is_not_there_is_not_found()
    {
        await ReadyAsync();
        Intent drain = Decide.Situation.Drain("here");
        await store!.PutAsync("intents/drain-here", FleetJson.Write(drain), default);

        using HttpResponseMessage ended = await client!.DeleteAsync(new Uri("v1/intents/drain-here", UriKind.Relative));
        using HttpResponseMessage again = await client.DeleteAsync(new Uri("v1/intents/drain-here", UriKind.Relative));

        Assert.Equal((200, 404), ((int)ended.StatusCode, (int)again.StatusCode));
        Assert.Empty(store.Entries);
    }

    [Fact]
    public async Task Zones_are_listed_as_they_are_served()
    {
        await ReadyAsync();
        ZoneList list =
            FleetJson.Read<ZoneList>(await client!.GetByteArrayAsync(new Uri("v1/dns/zones", UriKind.Relative)))!;
        ZoneView zone = Assert.Single(list.Zones);
        Assert.Equal(("example.com.", "primary", true, false), (zone.Zone, zone.Kind, zone.Steered, zone.Signed));
        Assert.True(zone is { Serial: > 0, Records: > 2, CheckedAt: null, Problem: null });
    }

    [Fact]
    public async Task A_service_reports_itself_and_why_backend_tells_of_it()
    {
        var push = new CheckSpec { Kind = CheckKind.Push };
        checks.Apply(new CheckSet(
            [new Check("job/here/192.0.2.5", new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 9), push)]));
        async Task<int> PostAsync(string body)
        {
            using var content = new StringContent(body);
            return (int)(await client!.PostAsync("v1/checks/report", content)).StatusCode;
        }

        const string Ours = "{\"id\":\"job/here/192.0.2.5\",\"up\":true,";
        Assert.Equal(200, await PostAsync(Ours + "\"detail\":\"42 jobs\"}"));
        Assert.Equal(404, await PostAsync("{\"id\":\"other\",\"up\":true}"));
        Assert.Equal(400, await PostAsync(Ours + "\"ttl\":\"soon\"}"));
        Assert.Equal(400, await PostAsync("not JSON"));
        await Health.CheckBed.UntilAsync(() => checks.Status()[0].State.Up);

        byte[] answer = await client!.GetByteArrayAsync("v1/why/backend?address=192.0.2.5");
        BackendWhy why = FleetJson.Read<BackendWhy>(answer)!;
        CheckWhy check = Assert.Single(why.Checks);
        Assert.Equal(("job/here/192.0.2.5", true, "42 jobs"), (check.Id, check.Up, check.Detail));
        Assert.Equal(404, (int)(await client.GetAsync("v1/why/backend?address=192.0.2.6")).StatusCode);
        Assert.Equal(400, (int)(await client.GetAsync("v1/why/backend?address=x")).StatusCode);
    }

    [Fact]
    public async Task Status_and_metrics_are_told_and_the_socket_is_for_root_and_its_group()
    {
        await ReadyAsync();
        StatusView status =
            FleetJson.Read<StatusView>(await client!.GetByteArrayAsync(new Uri("v1/status", UriKind.Relative)))!;
        Assert.Equal(("geodns", "here", "ns1"), (status.Fleet, status.Pop, status.Node));
        Assert.Equal(2, status.Plan.Pops.Length);
        Assert.Contains("fairlead_config_generation 1\n",
            await client.GetStringAsync(new Uri("metrics", UriKind.Relative)), StringComparison.Ordinal);
        using HttpResponseMessage nowhere = await client.GetAsync(new Uri("v1/nowhere", UriKind.Relative));
        Assert.Equal(404, (int)nowhere.StatusCode);
        const UnixFileMode ForGroup =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        Assert.Equal(ForGroup, File.GetUnixFileMode(Path.Combine(folder, "control.sock")));
    }

    private async Task ReadyAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (server!.Status() is null) await Task.Delay(5, limit.Token);
    }
}
