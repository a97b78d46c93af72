using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Fairlead.Doh;

/// <summary>DNS over HTTPS (RFC 8484) on addresses of its own, HTTP/1.1 and HTTP/2.</summary>
public sealed class DohServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly CertificateFiles certificate;

    /// <summary>IOException or InvalidDataException when the certificate cannot be used.</summary>
    public DohServer(
        ImmutableArray<IPEndPoint> listen, string certificateFile, string keyFile, AnswerDoor door, TimeProvider time)
    {
        certificate = new CertificateFiles(certificateFile, keyFile, time);
        _ = certificate.Take(); // A server that cannot speak TLS as told does not start.
        var endpoint = new DohEndpoint(door);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = ushort.MaxValue;
            kestrel.Limits.MaxConcurrentConnections = 1024;
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(100, TimeSpan.FromSeconds(5));
            foreach (IPEndPoint local in listen)
            {
                kestrel.Listen(local, options =>
                {
                    options.Protocols = HttpProtocols.Http1AndHttp2;
                    options.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        OnConnection = _ => ValueTask.FromResult(certificate.ForHandshake()),
                    });
                });
            }
        });
        builder.WebHost.UseKestrelHttpsConfiguration();
        app = builder.Build();
        app.Run(context =>
        {
            if (context.Request.Path == DohEndpoint.Path) return endpoint.HandleAsync(context);
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
    }

    /// <summary>IOException when an address cannot be had.</summary>
    public Task StartAsync() => app.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        certificate.Dispose();
    }
}
