using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace Fairlead.Health.Probes;

/// <summary>
/// One request over HTTP/2, or over HTTP/1.1 in TLS, on a connection of its own: who reuses connections does not see
/// that new ones are refused. Plain HTTP/1.1 is asked by Exchange, and its answer read by HttpAnswer.
/// </summary>
internal sealed class HttpProbe : IDisposable
{
    private static readonly HttpRequestOptionsKey<Try> TryKey = new("fairlead.try");

    // Every connection is in a pool of its own name: in a shared one the first to come up is given to whoever waits
    // longest, which may be the check of another backend behind the same host name.
    private static long count;

    private readonly HttpMessageInvoker client;
    private readonly TlsDoor tls;

    public HttpProbe(TlsDoor tls)
    {
        this.tls = tls;
        client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.Zero,
            PooledConnectionIdleTimeout = TimeSpan.Zero,
            MaxResponseHeadersLength = 64,
            ConnectCallback = ConnectAsync,
        });
    }

    /// <summary>What a request brings along: its check, and what its handshake saw.</summary>
    internal sealed class Try(Check check)
    {
        public Check Check => check;

        public (string Detail, bool Lasts)? Certificate { get; set; }
    }

    public void Dispose() => client.Dispose();

    public async Task<ProbeResult> GetAsync(Check check, CancellationToken stop)
    {
        CheckSpec spec = check.Spec;
        var one = new Try(check);
        using HttpRequestMessage request = Request(
            HttpMethod.Get, one, spec.Kind == CheckKind.Https, spec.Path,
            spec.Version == CheckHttpVersion.Http2 ? HttpVersion.Version20 : HttpVersion.Version11);
        if (spec.Headers.Any(header => header.Name.Equals("User-Agent", StringComparison.OrdinalIgnoreCase)))
            request.Headers.UserAgent.Clear();
        foreach (HeaderLine header in spec.Headers)
            request.Headers.TryAddWithoutValidation(header.Name, header.Value);

        using HttpResponseMessage response = await client.SendAsync(request, stop);
        int status = (int)response.StatusCode;
        bool hasBody = spec.Body is not null && HttpAnswer.IsHealthy(spec, status);
        ProbeResult result = HttpAnswer.Verdict(spec, status, hasBody ? await HeadOfAsync(response, stop) : default);
        return one.Certificate is not { } certificate ? result : result with
        {
            Outcome = result.Success && certificate.Lasts ? Outcome.Success : Outcome.Failure,
            Detail = $"{result.Detail}, {certificate.Detail}",
        };
    }

    /// <summary>Sends on a connection of its own; the answer's head is there, its body is still to come.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken stop) =>
        client.SendAsync(request, stop);

    public static HttpRequestMessage Request(HttpMethod method, Try one, bool isTls, string path, Version version)
    {
        // The URI only names the pool: where the packets go, and what Host says, are the check's.
        var pool = new Uri($"{(isTls ? "https" : "http")}://try-{Interlocked.Increment(ref count)}.invalid{path}");
        var request = new HttpRequestMessage(method, pool)
        {
            Version = version,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Options.Set(TryKey, one);
        request.Headers.Host = Authority(one.Check, isTls);
        if (version.Major == 1) request.Headers.ConnectionClose = true;
        request.Headers.TryAddWithoutValidation("User-Agent", "fairlead");
        return request;
    }

    public static string Authority(Check check, bool isTls)
    {
        string host = check.Spec.Host ?? (check.Target.AddressFamily == AddressFamily.InterNetworkV6
            ? $"[{check.Target.Address}]"
            : check.Target.Address.ToString());
        return check.Target.Port == (isTls ? 443 : 80) ? host : $"{host}:{check.Target.Port}";
    }

    private static async Task<byte[]> HeadOfAsync(HttpResponseMessage response, CancellationToken stop)
    {
        byte[] body = new byte[HttpAnswer.BodyBytesMax];
        int length = 0;
        await using Stream stream = await response.Content.ReadAsStreamAsync(stop);
        while (length < body.Length)
        {
            int read = await stream.ReadAsync(body.AsMemory(length), stop);
            if (read == 0) break;
            length += read;
        }

        return body[..length];
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken stop)
    {
        context.InitialRequestMessage.Options.TryGetValue(TryKey, out Try? one);
        bool isHttp2 = context.InitialRequestMessage.Version.Major == 2;
        if (context.InitialRequestMessage.RequestUri!.Scheme != Uri.UriSchemeHttps)
            return new NetworkStream(await TlsDoor.ConnectAsync(one!.Check, stop), ownsSocket: true);
        SslStream stream = await tls.OpenAsync(
            one!.Check, [isHttp2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11], stop);
        one.Certificate = tls.Lasting(one.Check, stream);
        return stream;
    }
}
