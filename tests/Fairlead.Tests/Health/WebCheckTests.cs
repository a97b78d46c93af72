using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Fairlead.Health;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Fairlead.Tests.Health;

/// <summary>HTTP, TLS and gRPC against a Kestrel of the test's own.</summary>
public sealed class WebCheckTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-checks").FullName;
    private readonly ConcurrentQueue<string> connections = new();

    private static CheckSpec Spec(CheckKind kind) => CheckBed.Patient with { Kind = kind };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(CheckHttpVersion.Http11, "HTTP/1.1")]
    [InlineData(CheckHttpVersion.Http2, "HTTP/2")]
    public async Task The_version_the_host_and_the_headers_are_those_that_were_declared(
        CheckHttpVersion version, string protocol)
    {
        HttpRequest? seen = null;
        (string Protocol, string Host, string Agent, string Token) heard = default;
        await using WebApplication server = await StartAsync(isTls: false, async context =>
        {
            seen = context.Request;
            heard = (seen.Protocol, seen.Host.Value!, seen.Headers.UserAgent.ToString(),
                seen.Headers["X-Token"].ToString());
            await context.Response.WriteAsync("ok");
        }, version == CheckHttpVersion.Http2);
        IPEndPoint address = AddressOf(server);
        CheckSpec spec = Spec(CheckKind.Http) with { Version = version, Host = "shop.example.com", Path = "/a?b=c" };

        CheckStatus status = await CheckBed.FirstAsync(
            address, spec with { Headers = [new("X-Token", "s3cret"), new("User-Agent", "probe/1")] });

        Assert.Equal((true, "status 200", 200), (status.State.Up, status.Detail, status.Last!.Code));
        Assert.Equal((protocol, $"shop.example.com:{address.Port}", "probe/1", "s3cret"), heard);
        await CheckBed.FirstAsync(address, spec);
        Assert.Equal("fairlead", heard.Agent);
    }

    [Theory]
    [InlineData(CheckHttpVersion.Http11)]
    [InlineData(CheckHttpVersion.Http2)]
    public async Task Each_try_makes_a_connection_of_its_own(CheckHttpVersion version)
    {
        await using WebApplication server = await StartAsync(
            isTls: false, context => context.Response.WriteAsync("ok"), version == CheckHttpVersion.Http2);
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { });
        CheckSpec spec = Spec(CheckKind.Http) with { Version = version };
        engine.Apply(new CheckSet([new Check("it", AddressOf(server), spec)]));

        await CheckBed.UntilAsync(() => engine.Status()[0].Tries >= 4);

        Assert.True(connections.Distinct().Count() >= 4, $"{connections.Distinct().Count()} connections");
    }

    [Fact]
    public async Task Two_backends_behind_one_host_name_are_never_taken_for_each_other()
    {
        await using WebApplication good = await StartAsync(isTls: false, context => context.Response.WriteAsync("ok"));
        await using WebApplication bad = await StartAsync(isTls: false, async context =>
        {
            context.Response.StatusCode = 503;
            await context.Response.WriteAsync("no");
        });
        CheckSpec spec = Spec(CheckKind.Http) with { Host = "shop.example.com", Fall = 1, Rise = 1 };
        var told = new ConcurrentQueue<CheckStatus>();
        await using var engine = new CheckEngine(TimeProvider.System, 1, told.Enqueue);
        engine.Apply(new CheckSet([.. Enumerable.Range(0, 40).Select(
            i => new Check($"{i}", AddressOf(i % 2 == 0 ? good : bad), spec.Apart(i)))]));

        await CheckBed.UntilAsync(() => engine.Status().All(status => status.Tries >= 5));

        Assert.Equal(40, told.Count);
        Assert.All(told, status => Assert.Equal(
            status.Check.Target.Port == AddressOf(good).Port, status.State.Up));
    }

    [Theory]
    [InlineData("\"state\": *\"green\"", true, "status 200, body matches")]
    [InlineData("red", false, "status 200, no \"red\" in the first 17 bytes of body")]
    public async Task A_body_must_match_its_pattern(string pattern, bool up, string detail)
    {
        await using WebApplication server = await StartAsync(
            isTls: false, context => context.Response.WriteAsync("{\"state\":\"green\"}"));

        CheckStatus status = await CheckBed.FirstAsync(
            AddressOf(server), Spec(CheckKind.Http) with { Body = pattern });

        Assert.Equal(up, status.State.Up);
        Assert.StartsWith(detail, status.Detail, StringComparison.Ordinal);
        Assert.StartsWith("{\"state\"", Encoding.UTF8.GetString([.. status.Last!.Bytes]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_huge_body_is_read_to_a_limit_and_one_that_drips_to_the_timeout()
    {
        await using WebApplication server = await StartAsync(isTls: false, async context =>
        {
            byte[] part = new byte[context.Request.Path == "/huge" ? 65_536 : 1];
            try
            {
                while (!context.RequestAborted.IsCancellationRequested)
                {
                    await context.Response.Body.WriteAsync(part, context.RequestAborted);
                    await context.Response.Body.FlushAsync(context.RequestAborted);
                    if (part.Length == 1) await Task.Delay(20, context.RequestAborted);
                }
            }
            catch (OperationCanceledException)
            {
                // The check has heard enough.
            }
        });
        CheckSpec spec = Spec(CheckKind.Http) with { Body = "never" };

        CheckStatus huge = await CheckBed.FirstAsync(AddressOf(server), spec with { Path = "/huge" });
        CheckStatus drip = await CheckBed.FirstAsync(
            AddressOf(server), spec with { Path = "/drip", Timeout = TimeSpan.FromMilliseconds(1500) });

        Assert.Equal("status 200, no \"never\" in the first 65536 bytes of body", huge.Detail);
        Assert.Equal((Outcome.Failure, "no answer within 1500 ms"), (drip.Last!.Outcome, drip.Detail));
    }

    [Theory]
    [InlineData("", "SERVING", true)]
    [InlineData("shop", "NOT_SERVING", false)]
    [InlineData("nobody", "grpc-status 5: unknown service", false)]
    public async Task Grpc_asks_the_server_for_its_own_word(string service, string detail, bool up)
    {
        await using WebApplication server = await StartAsync(isTls: false, GrpcHealthAsync, isHttp2: true);

        CheckStatus status = await CheckBed.FirstAsync(
            AddressOf(server), Spec(CheckKind.Grpc) with { Service = service });

        Assert.Equal((up, detail), (status.State.Up, status.Detail));
    }

    [Fact]
    public async Task Grpc_in_tls_and_what_is_no_grpc()
    {
        Write("server", "localhost", TimeSpan.FromDays(30));
        await using WebApplication server = await StartAsync(isTls: true, GrpcHealthAsync, isHttp2: true);
        await using WebApplication other = await StartAsync(
            isTls: false, context => context.Response.WriteAsync("hello"), isHttp2: true);
        CheckSpec spec = Spec(CheckKind.Grpc) with { Tls = true, Host = "localhost", Authority = "server.pem" };

        CheckStatus status = await CheckBed.FirstAsync(AddressOf(server), spec, folder);
        CheckStatus web = await CheckBed.FirstAsync(AddressOf(other), Spec(CheckKind.Grpc));

        Assert.Equal((true, "SERVING, certificate for 30 more days"), (status.State.Up, status.Detail));
        Assert.Equal((false, "grpc-status missing"), (web.State.Up, web.Detail));
    }

    [Fact]
    public async Task Https_shows_a_certificate_trusts_an_authority_and_names_the_server()
    {
        Write("server", "inner.example.com", TimeSpan.FromDays(10));
        Write("client", "fairlead-check", TimeSpan.FromDays(10));
        Write("other", "somebody-else", TimeSpan.FromDays(10));
        string? host = null;
        await using WebApplication server = await StartAsync(isTls: true, context =>
        {
            host = context.Request.Host.Host;
            return context.Response.WriteAsync(context.Connection.ClientCertificate?.Subject ?? "nobody");
        }, wantsCertificate: true);
        CheckSpec spec = Spec(CheckKind.Https) with
        {
            Host = "www.example.com",
            ServerName = "inner.example.com",
            Authority = "server.pem",
            Body = "^CN=fairlead-check$",
        };

        async Task<CheckStatus> AskAsync(CheckSpec one) =>
            await CheckBed.FirstAsync(AddressOf(server), one, folder);

        CheckStatus known = await AskAsync(spec with { Certificate = "client.pem", Key = "client.key" });
        Assert.True(known.State.Up, known.Detail);
        Assert.EndsWith("certificate for 10 more days", known.Detail, StringComparison.Ordinal);
        Assert.Equal("www.example.com", host);
        Assert.Contains("no \"^CN=", (await AskAsync(spec)).Detail, StringComparison.Ordinal);
        Assert.False((await AskAsync(spec with { Body = null, ServerName = null })).State.Up);
        Assert.False((await AskAsync(spec with { Body = null, Authority = "other.pem" })).State.Up);
        Assert.False((await AskAsync(spec with { Body = null, Authority = null })).State.Up);
        Assert.False((await AskAsync(spec with { Body = null, DaysMin = 11 })).State.Up);
        Assert.True((await AskAsync(spec with { Body = null, DaysMin = 9 })).State.Up);
        foreach (CheckSpec broken in new[]
        {
            spec with { Certificate = "missing.pem" },
            spec with { Certificate = "client.pem", Key = "other.key" },
            spec with { Authority = "missing.pem" },
            spec with { Authority = "client.key" },
        })
        {
            CheckStatus ours = await AskAsync(broken with { Body = null });
            Assert.True(ours.Last!.Outcome == Outcome.Unknown || broken.Authority == "client.key", ours.Detail);
            Assert.False(ours.State.Up);
        }
    }

    [Fact]
    public async Task A_renewed_certificate_of_ours_is_taken_while_the_check_runs()
    {
        Write("server", "localhost", TimeSpan.FromDays(10));
        Write("client", "first", TimeSpan.FromDays(10));
        string? subject = null;
        await using WebApplication server = await StartAsync(isTls: true, context =>
        {
            Volatile.Write(ref subject, context.Connection.ClientCertificate?.Subject);
            return context.Response.WriteAsync("ok");
        }, wantsCertificate: true);
        CheckSpec spec = Spec(CheckKind.Https) with
        {
            Host = "localhost",
            Authority = "server.pem",
            Certificate = "client.pem",
            Key = "client.key",
        };
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { }, folder);
        engine.Apply(new CheckSet([new Check("it", AddressOf(server), spec)]));
        await CheckBed.UntilAsync(() => Volatile.Read(ref subject) == "CN=first");

        Write("client", "second", TimeSpan.FromDays(10));

        await CheckBed.UntilAsync(() => Volatile.Read(ref subject) == "CN=second");
    }

    private static IPEndPoint AddressOf(WebApplication server) =>
        IPEndPoint.Parse(new Uri(server.Urls.Single()).Authority);

    private static async Task GrpcHealthAsync(HttpContext context)
    {
        byte[] asked = new byte[256];
        int length = await context.Request.Body.ReadAtLeastAsync(asked, 5, throwOnEndOfStream: false);
        string service = length > 7 ? Encoding.UTF8.GetString(asked, 7, asked[6]) : "";
        context.Response.ContentType = "application/grpc";
        if (service is not ("" or "shop"))
        {
            context.Response.Headers["grpc-status"] = "5";
            context.Response.Headers["grpc-message"] = "unknown service";
            return;
        }

        await context.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 2, 8, (byte)(service.Length == 0 ? 1 : 2) });
        context.Response.AppendTrailer("grpc-status", "0");
    }

    private async Task<WebApplication> StartAsync(
        bool isTls, RequestDelegate answer, bool isHttp2 = false, bool wantsCertificate = false)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = isHttp2 ? HttpProtocols.Http2 : HttpProtocols.Http1;
            if (isTls)
            {
                listen.UseHttps(new HttpsConnectionAdapterOptions
                {
                    ServerCertificate = X509Certificate2.CreateFromPemFile(FileOf("server.pem"), FileOf("server.key")),
                    ClientCertificateMode = wantsCertificate
                        ? ClientCertificateMode.AllowCertificate
                        : ClientCertificateMode.NoCertificate,
                    ClientCertificateValidation = (_, _, _) => true,
                });
            }
        }));
        WebApplication server = builder.Build();
        server.Run(async context =>
        {
            connections.Enqueue(context.Connection.Id);
            await answer(context);
        });
        await server.StartAsync();
        return server;
    }

    private string FileOf(string name) => Path.Combine(folder, name);

    private void Write(string file, string name, TimeSpan valid) =>
        CheckCertificates.Write(folder, file, name, valid);
}
