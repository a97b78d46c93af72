using System.Net;
using System.Security.Cryptography.X509Certificates;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Doh;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Fairlead.InteropTests.Dns;

/// <summary>TLS, HTTPS, cookies and EDNS as kdig speaks them; cookies beside NSD.</summary>
public class TransportTests
{
    private static readonly byte[] Secret = Convert.FromHexString("e5e973e5a6b2a43f48e7dc849e37bfcf");

    private static string Dig(Bed bed, params string[] arguments) =>
        bed.Run("srv", "kdig", ["@127.0.0.1", "+retry=0", "+timeout=5", .. arguments]);

    private static async Task WithServerAsync(string prefix, Action<Bed, DnsServer, string> test)
    {
        using var bed = new Bed(prefix);
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-dot").FullName;
        (string chain, string key) = (Path.Combine(folder, "chain.pem"), Path.Combine(folder, "key.pem"));
        ServerBed.WriteCertificate("dns.example.com", chain, key);
        await using var server = new DnsServer(new DnsServerOptions
        {
            Listen = [new(IPAddress.Loopback, 53)],
            ListenTls = [new(IPAddress.Loopback, 853)],
            TlsCertificateFile = chain,
            TlsKeyFile = key,
            Cookies = new ServerCookies([.. Secret]),
        }, new Snapshot<DnsTable>(DnsTestBed.Table));
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 443, listen =>
            {
                listen.Protocols = HttpProtocols.Http2;
                listen.UseHttps(X509Certificate2.CreateFromPemFile(chain, key));
            }));
        await using WebApplication app = builder.Build();
        app.Map(DohEndpoint.Path, new DohEndpoint(server.OpenDoor()).HandleAsync);
        Task started = NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            return app.StartAsync();
        });
        await started;
        test(bed, server, folder);
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("kdig", "ip")]
    public Task Kdig_is_answered_over_tls_and_https() => WithServerAsync("fltdnst1", (bed, server, folder) =>
    {
        string ca = $"+tls-ca={folder}/chain.pem";
        string tls = Dig(bed, "+tls", ca, "+tls-hostname=dns.example.com", "+padding", "www.example.com", "A");
        Assert.Contains("192.0.2.80", tls);
        Assert.Contains("TLS session", tls);
        Assert.Contains("468 B", tls);
        Assert.Contains("192.0.2.80", Dig(bed, "+https", "+tls-hostname=dns.example.com", ca, "www.example.com", "A"));
        Assert.Contains("192.0.2.80", Dig(
            bed, "+https-get", "+tls-hostname=dns.example.com", ca, "www.example.com", "A"));
        Assert.Equal(1, server.Counters[DnsCounter.TlsQueries]);
        Assert.Equal(2, server.Counters[DnsCounter.HttpsQueries]);
    });

    [InteropFact("kdig", "ip")]
    public Task Kdig_shows_the_options() => WithServerAsync("fltdnst2", (bed, server, _) =>
    {
        Assert.Matches("COOKIE: [0-9A-F]{48}", Dig(bed, "+cookie=0102030405060708", "www.example.com"));
        Assert.Contains("Not Authoritative", Dig(bed, "+edns", "www.example.net"));
        Assert.Contains("NXDOMAIN", Dig(bed, "+ednsopt=100:0102", "no.example.com"));
        Assert.Equal(1, server.Counters[DnsCounter.CookiesClientOnly]);
    });

    [InteropFact("kdig", "nsd", "ip")]
    public Task A_cookie_of_nsd_is_good_here_and_ours_there() => WithServerAsync("fltdnst3", (bed, server, folder) =>
    {
        File.WriteAllText($"{folder}/example.com.zone", DnsTestBed.ZoneText + "\n");
        File.WriteAllText($"{folder}/nsd.conf", $"""
            server:
                ip-address: 127.0.0.1@5353
                zonesdir: "{folder}"
                database: ""
                pidfile: "{folder}/nsd.pid"
                xfrdir: "{folder}"
                zonelistfile: "{folder}/zone.list"
                username: ""
                answer-cookie: yes
                cookie-secret: "{Convert.ToHexStringLower(Secret)}"
            remote-control:
                control-enable: no
            zone:
                name: example.com
                zonefile: example.com.zone

            """);
        bed.Start("srv", $"{folder}/log", "nsd", "-d", "-c", $"{folder}/nsd.conf");
        string CookieOf(params string[] arguments)
        {
            string output = Dig(bed, ["www.example.com", .. arguments]);
            int at = output.IndexOf("COOKIE: ", StringComparison.Ordinal);
            return at < 0 ? "" : output.Substring(at + 8, 48);
        }

        string nsd = "";
        for (int i = 0; i < 50 && nsd.Length == 0; i++)
        {
            try
            {
                nsd = CookieOf("-p", "5353", "+cookie=0102030405060708");
            }
            catch (IOException)
            {
                // It has not opened its socket yet.
            }
        }

        Assert.StartsWith("010203040506070801000000", nsd);
        _ = CookieOf($"+cookie={nsd}");
        Assert.Equal(1, server.Counters[DnsCounter.CookiesValid]);
        string ours = CookieOf("+cookie=0102030405060708");
        // NSD gives a cookie that it knows back as it is, and another for one that it does not know.
        Assert.Equal(ours, CookieOf("-p", "5353", $"+cookie={ours}"));
    });
}
