using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Fairlead.Dns.Server;

/// <summary>
/// A certificate chain and its key from PEM files, read again when either file has changed. A pair that cannot be read
/// or does not fit together leaves the one before in use: renewals write one file after the other.
/// </summary>
public sealed class CertificateFiles(string chainFile, string keyFile, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private SslStreamCertificateContext? current;
    private X509Certificate2? leaf;
    private (DateTime Chain, DateTime Key) read;
    private long lookedAt;

    /// <summary>What was wrong with the files when they were last read; null: nothing.</summary>
    public string? Problem { get; private set; }

    /// <summary>How often a new pair came into use.</summary>
    public int Loads { get; private set; }

    /// <summary>The pair in use. IOException when there never was a good one.</summary>
    public SslStreamCertificateContext Take()
    {
        lock (gate)
        {
            long now = time.GetTimestamp();
            if (current is null || time.GetElapsedTime(lookedAt, now) >= LookAgain)
            {
                lookedAt = now;
                ReadWhenChanged();
            }

            return current ?? throw new IOException($"no certificate: {Problem}");
        }
    }

    /// <summary>The pair in use, for a server of another kind.</summary>
    public SslServerAuthenticationOptions ForHandshake() => new() { ServerCertificateContext = Take() };

    public void Dispose() => leaf?.Dispose();

    private void ReadWhenChanged()
    {
        try
        {
            (DateTime, DateTime) written = (File.GetLastWriteTimeUtc(chainFile), File.GetLastWriteTimeUtc(keyFile));
            if (written == read && Problem is null && current is not null) return;
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(chainFile);
            // CreateFromPemFile also checks that the key is the certificate's own.
            leaf = X509Certificate2.CreateFromPemFile(chainFile, keyFile);
            current = SslStreamCertificateContext.Create(leaf, [.. chain.Skip(1)], offline: true);
            (read, Problem) = (written, null);
            Loads++;
        }
        catch (Exception fault) when (fault is IOException or CryptographicException or UnauthorizedAccessException
            or ArgumentException)
        {
            Problem = $"{chainFile}, {keyFile}: {fault.Message}";
        }
    }
}
