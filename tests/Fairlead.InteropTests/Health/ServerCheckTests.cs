using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Fairlead.Health;
using Fairlead.Net.Linux;
using Fairlead.Tests.Health;

namespace Fairlead.InteropTests.Health;

/// <summary>Checks of the servers that people run, on loopback: nginx and openssl's s_server.</summary>
public sealed class ServerCheckTests : IDisposable
{
    private const int SIGSTOP = 19;
    private const int SIGCONT = 18;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-servers").FullName;
    private readonly List<Process> processes = [];

    private static CheckSpec Quick(CheckKind kind) => new()
    {
        Kind = kind,
        Interval = TimeSpan.FromMilliseconds(300),
        Timeout = TimeSpan.FromMilliseconds(300),
        Fall = 1,
        Rise = 1,
    };

    public void Dispose()
    {
        foreach (Process process in processes)
        {
            _ = Libc.Kill(process.Id, SIGCONT);
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            process.Dispose();
        }

        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("nginx")]
    public async Task Nginx_is_asked_over_http_1_and_2_and_by_who_may_ask()
    {
        (int plain, int tls) = StartNginx();
        CheckSpec patient = CheckBed.Patient;
        CheckSpec https = patient with
        {
            Kind = CheckKind.Https,
            Host = "www.example.com",
            Authority = "server.pem",
            Certificate = "client.pem",
            Key = "client.key",
            DaysMin = 5,
        };

        CheckSpec http = patient with { Kind = CheckKind.Http, Path = "/health" };
        CheckSpec health = https with { Path = "/health" };
        await AssertAsync(plain, http, true, "status 200");
        await AssertAsync(plain, http with { Body = "^1.1 127.0.0.1" }, true, "body match");
        await AssertAsync(plain, http with { Path = "/missing" }, false, "status 404");
        await AssertAsync(plain, http with { Path = "/chunked", Body = "aaa$" }, true, "status");
        await AssertAsync(tls, health with { Body = "^1.1 www" }, true, "certificate for 10 more days");
        await AssertAsync(tls, health with { Body = "^2.0 www", Version = CheckHttpVersion.Http2 }, true, "status 200");
        await AssertAsync(tls, health with { Certificate = null, Key = null }, false, "status 400");
        await AssertAsync(tls, health with { DaysMin = 20 }, false, "certificate for 10 more days");
        await AssertAsync(tls, https with { Kind = CheckKind.Tls }, true, "Tls12, certificate for 10 more days");
        // The other language on each port.
        await AssertAsync(plain, health, false, "");
        await AssertAsync(tls, http, false, "status 400");
    }

    [InteropFact("nginx")]
    public async Task A_stopped_nginx_is_down_within_the_timeout_and_up_again_when_it_goes_on()
    {
        (int plain, int tls) = StartNginx();
        CheckSpec https = Quick(CheckKind.Https) with { VerifyCertificate = false, Host = "www.example.com" };
        CheckSpec[] specs =
        [
            Quick(CheckKind.Http) with { Path = "/health" },
            https with { Certificate = "client.pem", Key = "client.key", Path = "/health" },
            https with { Kind = CheckKind.Tls },
        ];
        await using var engine = new CheckEngine(TimeProvider.System, 1, _ => { }, folder);
        engine.Apply(new CheckSet([.. specs.Select((spec, i) =>
            new Check($"{i}", new IPEndPoint(IPAddress.Loopback, spec.Kind == CheckKind.Http ? plain : tls), spec))]));
        bool All(bool up) => engine.Status().All(status => status.State.Known && status.State.Up == up);
        await CheckBed.UntilAsync(() => All(true));

        foreach (int process in WithChildren(processes[0].Id)) _ = Libc.Kill(process, SIGSTOP);
        long stopped = TimeProvider.System.GetTimestamp();
        await CheckBed.UntilAsync(() => All(false));
        TimeSpan seen = TimeProvider.System.GetElapsedTime(stopped);
        Assert.All(engine.Status(), status => Assert.Equal("no answer within 300 ms", status.Detail));
        // Interval, timeout, and what a busy machine adds.
        Assert.True(seen < TimeSpan.FromMilliseconds(2_000), $"{seen}");

        foreach (int process in WithChildren(processes[0].Id)) _ = Libc.Kill(process, SIGCONT);
        await CheckBed.UntilAsync(() => All(true));
    }

    [InteropFact("openssl")]
    public async Task S_server_is_asked_for_the_name_and_wants_a_certificate()
    {
        CheckCertificates.Write(folder, "server", "mail.example.com", TimeSpan.FromDays(10));
        CheckCertificates.Write(folder, "client", "fairlead", TimeSpan.FromDays(10));
        int port = FreePort();
        Start("openssl", "s_server", "-accept", $"127.0.0.1:{port}", "-cert", "server.pem", "-key", "server.key",
            "-Verify", "1", "-CAfile", "client.pem", "-verify_return_error", "-tls1_2", "-quiet");
        await AwaitAsync(port);
        CheckSpec tls = CheckBed.Patient with
        {
            Kind = CheckKind.Tls,
            ServerName = "mail.example.com",
            Authority = "server.pem",
        };

        await AssertAsync(port, tls with { Certificate = "client.pem", Key = "client.key" }, true,
            "Tls12, certificate for 10 more days");
        await AssertAsync(port, tls, false, "");
        await AssertAsync(port, tls with
        {
            Certificate = "client.pem",
            Key = "client.key",
            ServerName = "www.example.com",
        }, false, "certificate");
    }

    private async Task AssertAsync(int port, CheckSpec spec, bool up, string says)
    {
        CheckStatus status = await CheckBed.FirstAsync(new IPEndPoint(IPAddress.Loopback, port), spec, folder);

        Assert.True(up == status.State.Up, $"{spec.Kind} {spec.Path}: {status.Detail}");
        Assert.Contains(says, status.Detail, StringComparison.Ordinal);
    }

    private (int Plain, int Tls) StartNginx()
    {
        CheckCertificates.Write(folder, "server", "www.example.com", TimeSpan.FromDays(10));
        CheckCertificates.Write(folder, "client", "fairlead", TimeSpan.FromDays(10));
        (int plain, int tls) = (FreePort(), FreePort());
        File.WriteAllText(Path.Combine(folder, "chunked"), new string('a', 30_000));
        File.WriteAllText(Path.Combine(folder, "nginx.conf"), $$"""
            daemon off;
            user root;
            worker_processes 1;
            pid {{folder}}/nginx.pid;
            error_log {{folder}}/error.log;
            events {}
            http {
              access_log off;
              client_body_temp_path {{folder}}/body;
              proxy_temp_path {{folder}}/proxy;
              fastcgi_temp_path {{folder}}/fastcgi;
              uwsgi_temp_path {{folder}}/uwsgi;
              scgi_temp_path {{folder}}/scgi;
              log_format version $server_protocol;
              map $server_protocol $version { "HTTP/1.1" "1.1"; "HTTP/2.0" "2.0"; default "?"; }
              gzip on;
              server {
                listen 127.0.0.1:{{plain}};
                location /health { return 200 "$version $host\n"; }
                location /chunked { root {{folder}}; ssi on; ssi_types *; }
                location / { return 404; }
              }
              server {
                listen 127.0.0.1:{{tls}} ssl http2;
                ssl_certificate {{folder}}/server.pem;
                ssl_certificate_key {{folder}}/server.key;
                ssl_client_certificate {{folder}}/client.pem;
                ssl_verify_client on;
                location /health { return 200 "$version $host\n"; }
              }
            }

            """);
        Start("nginx", "-p", folder, "-c", Path.Combine(folder, "nginx.conf"));
        AwaitAsync(tls).GetAwaiter().GetResult();
        return (plain, tls);
    }

    private void Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("sh", ["-c", "exec \"$@\" >>\"$0\" 2>&1 </dev/null",
            Path.Combine(folder, "log"), program, .. arguments])
        { WorkingDirectory = folder };
        start.Environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
        File.WriteAllText(Path.Combine(folder, "log"), "");
        processes.Add(Process.Start(start)!);
    }

    private async Task AwaitAsync(int port)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (true)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, limit.Token);
                return;
            }
            catch (SocketException)
            {
                Assert.False(processes[^1].HasExited, File.ReadAllText(Path.Combine(folder, "log")));
                await Task.Delay(20, limit.Token);
            }
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static IEnumerable<int> WithChildren(int process) =>
        File.ReadAllText($"/proc/{process}/task/{process}/children")
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(child => int.Parse(child, CultureInfo.InvariantCulture)).Prepend(process);
}
