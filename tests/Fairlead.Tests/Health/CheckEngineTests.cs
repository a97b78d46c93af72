using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Fairlead.Health;

namespace Fairlead.Tests.Health;

/// <summary>The engine against real sockets on loopback.</summary>
public class CheckEngineTests
{
    private static readonly CheckSpec Tcp = new()
    {
        Interval = TimeSpan.FromMilliseconds(100),
        Timeout = TimeSpan.FromMilliseconds(100),
        Fall = 2,
        Rise = 2,
    };

    // A first HTTPS try on a busy machine needs more than 100 ms; a timeout is only waited for where it is the point.
    private static readonly CheckSpec Http = Tcp with { Kind = CheckKind.Http, Timeout = TimeSpan.FromSeconds(5) };

    public static TheoryData<string, bool, string> Answers => new()
    {
        { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, "status 200" },
        { "HTTP/1.1 204 No Content\r\n\r\n", true, "status 204" },
        { "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", true, "status 302" },
        { "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, "status 404" },
        { "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", false, "status 503" },
        { "HTTP/1.1 200 OK\r\nContent-Le", false, "" }, // Cut off in the middle of the head.
        { "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf", true, "status 200" }, // The status is what is asked.
        { "", false, "" },
        { "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", false, "" },
        { "\0\u0001\u0002\u00ff\u00fe\r\n\r\n", false, "" },
        { "HTTP/1.1 999999 What\r\n\r\n", false, "" },
        { $"HTTP/1.1 200 OK\r\nX-Large: {new string('x', 200_000)}\r\n\r\n", false, "" },
        { $"HTTP/1.1 200 OK\r\n{string.Concat(Enumerable.Range(0, 9_000).Select(i => $"X-{i}: y\r\n"))}\r\n", false,
            "" },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Http_is_judged_by_its_status_and_nothing_a_server_says_ends_the_check(
        string answer, bool up, string detail)
    {
        await using HandmadeServer server = HandmadeServer.Answering(answer);

        CheckStatus status = await FirstResultAsync(server.Address, Http);

        Assert.Equal(up, status.State.Up);
        if (detail.Length > 0) Assert.Equal(detail, status.Detail);
        Assert.NotEmpty(status.Detail);
    }

    [Fact]
    public async Task What_nobody_checks_counts_as_up_and_nobody_asks_it()
    {
        // Nobody listens on port 1: whoever asked it would fail.
        CheckStatus status = await FirstResultAsync(
            new IPEndPoint(IPAddress.Loopback, 1), Tcp with { Kind = CheckKind.None });

        Assert.True(status.State.Up);
        Assert.Equal("not checked", status.Detail);
    }

    [Theory]
    [InlineData(200, 204, false)]
    [InlineData(204, 204, true)]
    [InlineData(503, 503, true)]
    public async Task A_wanted_status_is_the_only_healthy_one(int given, int wanted, bool up)
    {
        await using HandmadeServer server =
            HandmadeServer.Answering($"HTTP/1.1 {given} X\r\nContent-Length: 0\r\n\r\n");

        CheckSpec spec = Http with { Status = [StatusRange.Of(wanted)] };
        Assert.Equal(up, (await FirstResultAsync(server.Address, spec)).State.Up);
    }

    [Fact]
    public async Task The_request_names_the_host_and_path_that_were_declared_and_goes_to_the_backend()
    {
        var heads = new ConcurrentQueue<string>();
        await using var server = new HandmadeServer(
            async (stream, token) =>
            {
                heads.Enqueue(await HandmadeServer.ReadHeadAsync(stream, token));
                await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), token);
            }, IPAddress.IPv6Loopback);

        CheckSpec named = Http with { Host = "shop.example.com", Path = "/health?deep=1" };
        Assert.True((await FirstResultAsync(server.Address, named)).State.Up);
        heads.TryDequeue(out string? head);
        Assert.StartsWith("GET /health?deep=1 HTTP/1.1\r\n", head, StringComparison.Ordinal);
        Assert.Contains($"Host: shop.example.com:{server.Address.Port}\r\n", head, StringComparison.Ordinal);

        heads.Clear();
        Assert.True((await FirstResultAsync(server.Address, Http)).State.Up);
        heads.TryDequeue(out head);
        Assert.Contains($"Host: [::1]:{server.Address.Port}\r\n", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_or_path_that_makes_no_address_is_a_failure_with_its_reason()
    {
        await using HandmadeServer server = HandmadeServer.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

        CheckStatus status = await FirstResultAsync(server.Address, Http with { Host = "not a host" });

        Assert.False(status.State.Up);
        Assert.NotEqual("not asked yet", status.Detail);
    }

    [Fact]
    public async Task A_server_that_is_slower_than_the_timeout_is_down()
    {
        await using var silent = new HandmadeServer((_, token) => Task.Delay(Timeout.Infinite, token));

        CheckStatus status = await FirstResultAsync(
            silent.Address, Http with { Timeout = TimeSpan.FromMilliseconds(100) });

        Assert.Equal((false, "no answer within 100 ms"), (status.State.Up, status.Detail));
    }

    [Fact]
    public async Task Tcp_is_up_when_somebody_accepts_and_down_when_the_port_is_closed()
    {
        IPEndPoint closed;
        await using (HandmadeServer server = HandmadeServer.Answering(""))
        {
            closed = server.Address;
            Assert.Equal("connected", (await FirstResultAsync(server.Address, Tcp)).Detail);
        }

        CheckStatus refused = await FirstResultAsync(closed, Tcp);
        Assert.False(refused.State.Up);
        Assert.Contains("refused", refused.Detail, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_self_signed_certificate_is_refused_unless_it_need_not_be_valid()
    {
        using X509Certificate2 certificate = SelfSigned();
        await using var server = new HandmadeServer(async (stream, token) =>
        {
            await using var tls = new SslStream(stream);
            await tls.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions { ServerCertificate = certificate }, token);
            await HandmadeServer.ReadHeadAsync(tls, token);
            await tls.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), token);
        });
        CheckSpec https = Http with { Kind = CheckKind.Https, Host = "localhost" };

        CheckStatus refused = await FirstResultAsync(server.Address, https);
        Assert.False(refused.State.Up);
        Assert.Contains("certificate", refused.Detail, StringComparison.OrdinalIgnoreCase);
        Assert.True((await FirstResultAsync(server.Address, https with { VerifyCertificate = false })).State.Up);
    }

    [Fact]
    public async Task Tls_is_a_handshake_and_a_certificate_that_lasts()
    {
        using X509Certificate2 certificate = SelfSigned();
        await using var server = new HandmadeServer(async (stream, token) =>
        {
            await using var tls = new SslStream(stream);
            await tls.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions { ServerCertificate = certificate }, token);
        });
        await using HandmadeServer other = HandmadeServer.Answering("220 mail.example.com\r\n");
        CheckSpec tls = Http with { Kind = CheckKind.Tls, Host = "localhost", VerifyCertificate = false };

        Assert.True((await FirstResultAsync(server.Address, tls)).State.Up);
        Assert.False((await FirstResultAsync(server.Address, tls with { VerifyCertificate = true })).State.Up);
        Assert.False((await FirstResultAsync(other.Address, tls)).State.Up);
        CheckStatus soon = await FirstResultAsync(server.Address, tls with { DaysMin = 2 });
        Assert.False(soon.State.Up);
        Assert.EndsWith("certificate for 1 more days", soon.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_turn_is_told_once_and_only_after_fall_or_rise_results()
    {
        int failing = 0;
        var told = new ConcurrentQueue<CheckStatus>();
        await using var server = new HandmadeServer(async (stream, token) =>
        {
            await HandmadeServer.ReadHeadAsync(stream, token);
            string status = Volatile.Read(ref failing) == 1 ? "503 No" : "200 OK";
            byte[] answer = System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            await stream.WriteAsync(answer, token);
        });
        await using var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        engine.Apply(new CheckSet([new Check("a", server.Address, Http)]));

        await UntilAsync(() => told.Count == 1);
        Volatile.Write(ref failing, 1);
        int asked = server.Connections;
        await UntilAsync(() => told.Count == 2);
        Assert.True(server.Connections - asked >= 2, "fall is 2");
        Volatile.Write(ref failing, 0);
        asked = server.Connections;
        await UntilAsync(() => told.Count == 3);
        Assert.True(server.Connections - asked >= 2, "rise is 2");
        asked = server.Connections;
        await UntilAsync(() => server.Connections >= asked + 3);

        Assert.Equal([true, false, true], told.Select(status => status.State.Up));
        Assert.All(told, status => Assert.Equal(status.LastTry, status.ChangedAt));
    }

    [Fact]
    public async Task Apply_keeps_the_state_of_unchanged_checks_and_ends_those_that_are_gone_or_changed()
    {
        await using HandmadeServer one = HandmadeServer.Answering(""), other = HandmadeServer.Answering("");
        Check kept = new("kept", one.Address, Tcp), gone = new("gone", other.Address, Tcp);
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        engine.Apply(new CheckSet([kept, gone]));
        await UntilAsync(() => engine.Status().All(status => status.State.Known));
        DateTimeOffset? since = engine.Status().Single(status => status.Check.Id == "kept").ChangedAt;

        Check again = new("kept", one.Address, Tcp with { }), added = new("new", one.Address, Tcp);
        engine.Apply(new CheckSet([again, added]));

        Assert.Equal(["kept", "new"], engine.Status().Select(status => status.Check.Id).Order());
        Assert.Equal(since, engine.Status().Single(status => status.Check.Id == "kept").ChangedAt);
        await UntilAsync(() => engine.Status().All(status => status.State.Known));
        int asked = other.Connections, pace = one.Connections;
        await UntilAsync(() => one.Connections >= pace + 6);
        Assert.True(other.Connections <= asked + 1, "a check that is gone asks on");

        engine.Apply(new CheckSet([kept with { Target = other.Address }]));
        Assert.False(Assert.Single(engine.Status()).State.Known); // Another target: nothing is known of it.
    }

    [Fact]
    public async Task What_is_asked_alike_is_asked_once_and_told_to_each()
    {
        await using HandmadeServer server = HandmadeServer.Answering("");
        var told = new ConcurrentQueue<string>();
        await using var engine = new CheckEngine(TimeProvider.System, 1, status => told.Enqueue(status.Check.Id));
        Check first = new("a/here", server.Address, Tcp), alike = new("b/here", server.Address, Tcp with { });
        Check other = new("c/here", server.Address, Tcp with { Fall = 9 });
        CheckStatus Of(Check check) => engine.Status().Single(status => status.Check == check);
        engine.Apply(new CheckSet([first, alike, other]));
        await UntilAsync(() => told.Count == 3);
        Assert.Equal(["a/here", "b/here", "c/here"], told.Order());

        // Who asked first goes, who asked with it goes on where they were, and who comes knows at once.
        DateTimeOffset? since = Of(first).ChangedAt;
        Check late = new("d/here", server.Address, Tcp);
        engine.Apply(new CheckSet([alike, late]));
        Assert.Equal([since, since], new[] { Of(alike), Of(late) }.Select(status => status.ChangedAt));
        (long tries, int connections) = (Of(alike).Tries, server.Connections);
        await UntilAsync(() => Of(alike).Tries >= tries + 5);
        // A connection a try; the one check that ended may have had one on its way.
        Assert.InRange(server.Connections - connections, 4, 7);

        told.Clear();
        await server.DisposeAsync();
        await UntilAsync(() => told.Count == 2);
        Assert.Equal(["b/here", "d/here"], told.Order());
    }

    [Fact]
    public async Task Reports_of_services_that_speak_for_themselves_are_each_their_own()
    {
        CheckSpec push = new() { Kind = CheckKind.Push };
        var nobody = new IPEndPoint(IPAddress.Loopback, 9);
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        engine.Apply(new CheckSet([new Check("a/here", nobody, push), new Check("b/here", nobody, push)]));

        Assert.True(engine.Report("b/here", up: true, "well"));

        await UntilAsync(() => engine.Status().Count(status => status.State.Known) == 1);
        Assert.True(engine.Status().Single(status => status.Check.Id == "b/here").State.Up);
    }

    [Fact]
    public async Task Dispose_ends_everything_also_a_try_that_waits()
    {
        await using var silent = new HandmadeServer((_, token) => Task.Delay(Timeout.Infinite, token));
        var told = new ConcurrentQueue<CheckStatus>();
        var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        CheckSpec patient = Http with { Timeout = TimeSpan.FromMinutes(1) };
        engine.Apply(new CheckSet(
            [.. Enumerable.Range(0, 20).Select(i => new Check($"{i}", silent.Address, patient.Apart(i)))]));
        await UntilAsync(() => silent.Connections == 20);

        await engine.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5));

        Assert.Empty(told);
    }

    private static async Task<CheckStatus> FirstResultAsync(IPEndPoint target, CheckSpec spec)
    {
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        engine.Apply(new CheckSet([new Check("it", target, spec)]));
        await UntilAsync(() => engine.Status()[0].State.Known);
        return engine.Status()[0];
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!holds()) await Task.Delay(5, limit.Token);
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(
            "CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
