using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Fairlead.Health.Probes;

/// <summary>
/// Connects, and shakes hands: the one place where a check's source address, server name, own certificate, trusted
/// authorities and the end of the backend's certificate are looked at.
/// </summary>
internal sealed class TlsDoor(TimeProvider time, string folder)
{
    private readonly ConcurrentDictionary<(string, string?), Loaded> files = new();

    private sealed record Loaded(DateTime Stamp, X509Certificate2Collection Certificates);

    public static async Task<Socket> ConnectAsync(Check check, CancellationToken stop)
    {
        var socket = new Socket(check.Target.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            // A closed probe leaves no TIME_WAIT behind, of which a busy checker would gather thousands.
            LingerState = new LingerOption(true, 0),
        };
        try
        {
            if (check.Spec.SourceOf(check.Target.AddressFamily) is { } source) Bind(socket, source);
            await socket.ConnectAsync(check.Target, stop);
            return socket;
        }
        catch (SocketException fault) when (fault.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            socket.Dispose();
            throw new OwnFault("no local port is left", fault);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async Task<ProbeResult> ShakeHandsAsync(Check check, CancellationToken stop)
    {
        await using SslStream stream = await OpenAsync(check, [], stop);
        (string detail, bool lasts) = Lasting(check, stream);
        return ProbeResult.Of(lasts, $"{stream.SslProtocol}, {detail}");
    }

    /// <summary>A connection in TLS. AuthenticationException when the backend's certificate will not do.</summary>
    public async Task<SslStream> OpenAsync(
        Check check, List<SslApplicationProtocol> protocols, CancellationToken stop)
    {
        CheckSpec spec = check.Spec;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = spec.ServerName ?? spec.Host ?? check.Target.Address.ToString(),
            ApplicationProtocols = protocols,
            RemoteCertificateValidationCallback = spec.VerifyCertificate ? null : (_, _, _, _) => true,
            CertificateChainPolicy = Policy(spec),
            ClientCertificateContext = spec.Certificate is { } certificate ? Own(certificate, spec.Key) : null,
        };
        Socket socket = await ConnectAsync(check, stop);
        var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        try
        {
            await stream.AuthenticateAsClientAsync(options, stop);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>How long the backend's certificate is still valid, and whether that is enough.</summary>
    public (string Detail, bool Lasts) Lasting(Check check, SslStream stream)
    {
        using var certificate = new X509Certificate2(stream.RemoteCertificate!);
        double days = (certificate.NotAfter.ToUniversalTime() - time.GetUtcNow()).TotalDays;
        return ($"certificate for {days:0} more days", days >= check.Spec.DaysMin);
    }

    private static void Bind(Socket socket, System.Net.IPAddress source)
    {
        try
        {
            socket.Bind(new System.Net.IPEndPoint(source, 0));
        }
        catch (SocketException fault)
        {
            throw new OwnFault($"source {source}: {fault.Message}", fault);
        }
    }

    // A backend's certificate may name places to fetch others from: a check fetches nothing.
    private X509ChainPolicy Policy(CheckSpec spec)
    {
        var policy = new X509ChainPolicy
        {
            DisableCertificateDownloads = true,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        if (spec.Authority is not { } authority) return policy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.AddRange(Read((authority, null), path =>
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(path);
            return all;
        }));
        return policy;
    }

    private SslStreamCertificateContext Own(string certificate, string? key)
    {
        X509Certificate2Collection all = Read((certificate, key), path =>
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(path);
            chain[0] = X509Certificate2.CreateFromPemFile(path, key is null ? path : Path.Combine(folder, key));
            return chain;
        });
        return SslStreamCertificateContext.Create(all[0], [.. all.Skip(1)], offline: true);
    }

    /// <summary>Read again when the file has changed: certificates are renewed while checks run.</summary>
    private X509Certificate2Collection Read(
        (string File, string? Key) name, Func<string, X509Certificate2Collection> read)
    {
        string path = Path.Combine(folder, name.File);
        try
        {
            DateTime stamp = File.GetLastWriteTimeUtc(path);
            if (files.TryGetValue(name, out Loaded? loaded) && loaded.Stamp == stamp) return loaded.Certificates;
            X509Certificate2Collection fresh = read(path);
            files[name] = new Loaded(stamp, fresh);
            return fresh;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException
            or ArgumentException)
        {
            throw new OwnFault($"{name.File}: {fault.Message}", fault);
        }
    }
}
