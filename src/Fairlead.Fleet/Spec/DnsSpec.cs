using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Server;

namespace Fairlead.Fleet.Spec;

/// <summary>The DNS server of every node. Paths are relative to the fleet file.</summary>
public sealed record DnsSpec
{
    public ImmutableArray<IPEndPoint> Listen { get; init; } =
        [new IPEndPoint(IPAddress.Any, 53), new IPEndPoint(IPAddress.IPv6Any, 53)];

    public int UdpThreads { get; init; } = 1;

    /// <summary>DNS over TLS (RFC 7858).</summary>
    public TlsSpec? Tls { get; init; }

    /// <summary>DNS over HTTPS (RFC 8484).</summary>
    public TlsSpec? Https { get; init; }

    /// <summary>
    /// 32 hex digits each; the first makes cookies, the others are still taken (RFC 9018 §5). None: each node has one
    /// of its own by chance.
    /// </summary>
    public ImmutableArray<string> CookieSecrets { get; init; } = [];

    public RateLimitOptions RateLimit { get; init; } = new();

    public TcpSpec Tcp { get; init; } = new();

    /// <summary>dnstap: the socket of the collector that every answer is told to.</summary>
    public string? Tap { get; init; }

    /// <summary>TSIG keys, for those who come and for those we go to.</summary>
    public ImmutableArray<TsigKeySpec> Keys { get; init; } = [];

    /// <summary>Who may take zones; by default nobody.</summary>
    public ImmutableArray<TransferSpec> Transfer { get; init; } = [];

    public ImmutableArray<NotifySpec> Notify { get; init; } = [];

    /// <summary>Zones whose keys are in its folder are signed. Null: none is signed here.</summary>
    public DnssecSpec? Dnssec { get; init; }
}

public sealed record TlsSpec(ImmutableArray<IPEndPoint> Listen, string Certificate, string Key);

public sealed record TcpSpec
{
    public int Connections { get; init; } = 1024;

    public int PerClient { get; init; } = 64;

    public TimeSpan Idle { get; init; } = TimeSpan.FromSeconds(10);
}

public sealed record DnssecSpec
{
    /// <summary>The folder with the keys of all zones.</summary>
    public required string Keys { get; init; }

    public TimeSpan Validity { get; init; } = TimeSpan.FromDays(14);
}
