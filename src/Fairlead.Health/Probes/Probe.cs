using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Fairlead.Health.Probes;

/// <summary>What one try saw. Detail is for people: the status, or why it failed.</summary>
public readonly record struct ProbeResult(bool Success, string Detail);

/// <summary>
/// Asks a backend once. Every failure is a result; only cancellation of the caller's token is thrown on.
/// </summary>
internal sealed class Prober(TimeProvider time) : IDisposable
{
    private static readonly HttpRequestOptionsKey<IPEndPoint> TargetKey = new("fairlead.target");
    private readonly HttpMessageInvoker verifying = Client(verify: true);
    private readonly HttpMessageInvoker trusting = Client(verify: false);

    public async Task<ProbeResult> AskAsync(Check check, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(check.Spec.EffectiveTimeout);
        try
        {
            return check.Spec.Kind switch
            {
                CheckKind.None => new ProbeResult(true, "not checked"),
                CheckKind.Tcp => await ConnectAsync(check.Target, limit.Token),
                CheckKind.Tls => await HandshakeAsync(check, limit.Token),
                CheckKind.Dns => await DnsProbe.AskAsync(check.Target, check.Spec, limit.Token),
                _ => await GetAsync(check, limit.Token),
            };
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return new ProbeResult(false, $"no answer within {check.Spec.EffectiveTimeout.TotalMilliseconds:0} ms");
        }
        catch (Exception fault) when (fault is SocketException or HttpRequestException or IOException
            or UriFormatException or NotSupportedException or AuthenticationException)
        {
            return new ProbeResult(false, (fault.InnerException ?? fault).Message);
        }
    }

    public void Dispose()
    {
        verifying.Dispose();
        trusting.Dispose();
    }

    private static async Task<ProbeResult> ConnectAsync(IPEndPoint target, CancellationToken stop)
    {
        using Socket socket = NewSocket(target);
        await socket.ConnectAsync(target, stop);
        return new ProbeResult(true, "connected");
    }

    private async Task<ProbeResult> HandshakeAsync(Check check, CancellationToken stop)
    {
        using Socket socket = NewSocket(check.Target);
        await socket.ConnectAsync(check.Target, stop);
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = check.Spec.Host ?? check.Target.Address.ToString(),
                RemoteCertificateValidationCallback = check.Spec.VerifyCertificate ? null : (_, _, _, _) => true,
            }, stop);
        using var certificate = new X509Certificate2(tls.RemoteCertificate!);
        double days = (certificate.NotAfter.ToUniversalTime() - time.GetUtcNow()).TotalDays;
        return new ProbeResult(days >= check.Spec.DaysMin, $"{tls.SslProtocol}, certificate for {days:0} more days");
    }

    private async Task<ProbeResult> GetAsync(Check check, CancellationToken stop)
    {
        string scheme = check.Spec.Kind == CheckKind.Https ? "https" : "http";
        var address = new UriBuilder(scheme, check.Spec.Host ?? check.Target.Address.ToString(), check.Target.Port);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address.Uri, check.Spec.Path));
        request.Options.Set(TargetKey, check.Target);
        request.Headers.ConnectionClose = true;
        HttpMessageInvoker client = check.Spec.VerifyCertificate ? verifying : trusting;
        using HttpResponseMessage response = await client.SendAsync(request, stop);
        int status = (int)response.StatusCode;
        bool healthy = check.Spec.Status is { } wanted ? status == wanted : status is >= 200 and < 400;
        return new ProbeResult(healthy, $"status {status}");
    }

    private static HttpMessageInvoker Client(bool verify) => new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        PooledConnectionLifetime = TimeSpan.Zero,
        MaxResponseHeadersLength = 64,
        ConnectCallback = async (context, stop) =>
        {
            // The URI names the host that is asked for; the packets go to the one backend under test.
            context.InitialRequestMessage.Options.TryGetValue(TargetKey, out IPEndPoint? target);
            Socket socket = NewSocket(target!);
            try
            {
                await socket.ConnectAsync(target!, stop);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = verify ? null : (_, _, _, _) => true,
        },
    });

    // Linger zero: a closed probe leaves no TIME_WAIT behind, of which a busy checker would gather thousands.
    private static Socket NewSocket(IPEndPoint target) =>
        new(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            LingerState = new LingerOption(true, 0),
        };
}
