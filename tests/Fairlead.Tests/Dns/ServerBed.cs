using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Fairlead.Tests.Dns;

/// <summary>
/// What tests of a running server need: a free port, framing, patience with an end, and certificates.
/// </summary>
public static class ServerBed
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // Sockets of the tests ask for a free port; another program could take it in between, but not often.
    public static IPEndPoint Free(IPAddress address)
    {
        using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(address, 0));
        return (IPEndPoint)probe.LocalEndPoint!;
    }

    public static byte[] Framed(params byte[][] queries) =>
        [.. queries.SelectMany(query => (byte[])[(byte)(query.Length >> 8), (byte)query.Length, .. query])];

    public static async Task<byte[]> ReadFramedAsync(Stream stream)
    {
        using var deadline = new CancellationTokenSource(Patience);
        byte[] length = new byte[2];
        await stream.ReadExactlyAsync(length, deadline.Token);
        byte[] message = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
        await stream.ReadExactlyAsync(message, deadline.Token);
        return message;
    }

    /// <summary>Whether the other side has ended the connection, and sent nothing more before that.</summary>
    public static async Task<bool> IsClosedAsync(Stream stream)
    {
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            return await stream.ReadAsync(new byte[1], deadline.Token) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(
                TimeProvider.System.GetElapsedTime(started) < Patience, "the condition did not come true in time");
            await Task.Delay(10);
        }
    }

    /// <summary>A self-signed certificate for the name and its key, written over the two files.</summary>
    public static void WriteCertificate(string name, string chainFile, string keyFile)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        File.WriteAllText(chainFile, certificate.ExportCertificatePem());
        File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>A TLS client that takes any certificate and tells whose it was.</summary>
    public static async Task<SslStream> TlsAsync(IPEndPoint server, List<string>? subjects = null)
    {
        var client = new TcpClient();
        await client.ConnectAsync(server);
        var tls = new SslStream(client.GetStream(), false, (_, certificate, _, _) =>
        {
            subjects?.Add(certificate!.Subject);
            return true;
        });
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "dns.example.com",
            ApplicationProtocols = [new SslApplicationProtocol("dot")],
        });
        return tls;
    }
}
