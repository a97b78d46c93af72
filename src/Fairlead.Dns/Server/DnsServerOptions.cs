using System.Collections.Immutable;
using System.Net;
using System.Numerics;
using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Server;

/// <summary>Where the server listens and what it lends to its clients.</summary>
public sealed record DnsServerOptions
{
    /// <summary>UDP and TCP on each. A wildcard answers from the address that was asked; :: is IPv6 alone.</summary>
    public required ImmutableArray<IPEndPoint> Listen { get; init; }

    /// <summary>DNS over TLS (RFC 7858) on each, with the certificate of the two files; usually port 853.</summary>
    public ImmutableArray<IPEndPoint> ListenTls { get; init; } = [];

    /// <summary>PEM: the certificate and those between it and its root. Read again when it has changed.</summary>
    public string? TlsCertificateFile { get; init; }

    /// <summary>PEM, its private key.</summary>
    public string? TlsKeyFile { get; init; }

    /// <summary>Threads for each of Listen; the kernel spreads the clients over them (SO_REUSEPORT).</summary>
    public int UdpThreads { get; init; } = 1;

    /// <summary>The kernel's queue of each UDP socket; it caps it at net.core.rmem_max.</summary>
    public int UdpKernelBufferBytes { get; init; } = 4 << 20;

    /// <summary>
    /// RFC 7873 and RFC 9018: all servers of one address share the secrets. Null: no cookies. The default is a secret
    /// of chance, good for a single server.
    /// </summary>
    public ServerCookies? Cookies { get; init; } = ServerCookies.OfChance();

    /// <summary>The unix socket of a dnstap collector; null: none.</summary>
    public string? TapSocket { get; init; }

    /// <summary>What waits for the collector, of each thread; more is dropped and counted.</summary>
    public int TapQueueBytes { get; init; } = 1 << 20;

    /// <summary>Transfers, NOTIFY and UPDATE; null: they are refused.</summary>
    public IMessageHandler? Handler { get; init; }

    /// <summary>
    /// Ready answers of 256 bytes that each UDP thread keeps: a power of two, or 0 for none.
    /// </summary>
    public int AnswerCacheSlots { get; init; } = 32_768;

    /// <summary>Null: nobody is limited.</summary>
    public RateLimitOptions? RateLimit { get; init; } = new();

    public int TcpConnectionsMax { get; init; } = 1024;

    /// <summary>Connections of one address (IPv4) or one /64 (IPv6).</summary>
    public int TcpConnectionsPerClientMax { get; init; } = 64;

    /// <summary>
    /// A connection that completes no query in this time, or takes no answer, is closed (RFC 7766 §6.2.3).
    /// </summary>
    public TimeSpan TcpIdle { get; init; } = TimeSpan.FromSeconds(10);

    public IEnumerable<string> Problems()
    {
        if (Listen.IsDefaultOrEmpty) yield return "listen: no address";
        if (!ListenTls.IsDefaultOrEmpty && (TlsCertificateFile is null || TlsKeyFile is null))
            yield return "listenTls: needs tlsCertificateFile and tlsKeyFile";
        if (UdpThreads is < 1 or > 256) yield return "udpThreads: from 1 to 256";
        if (AnswerCacheSlots != 0 && (AnswerCacheSlots is < 2 or > 1 << 22 || !BitOperations.IsPow2(AnswerCacheSlots)))
            yield return "answerCacheSlots: 0, or a power of two up to 4194304";
        foreach (string problem in RateLimit?.Problems() ?? []) yield return problem;
        if (TapQueueBytes is < 65_536 or > 1 << 28) yield return "tapQueueBytes: from 65536 to 268435456";
        if (TcpConnectionsMax is < 1 or > 60_000) yield return "tcpConnectionsMax: from 1 to 60000";
        if (TcpConnectionsPerClientMax < 1) yield return "tcpConnectionsPerClientMax: at least 1";
        if (TcpIdle < TimeSpan.FromMilliseconds(100)) yield return "tcpIdle: at least 100 ms";
    }
}
