using System.Net;

namespace Fairlead.Health;

public enum CheckKind
{
    Tcp,
    Http,
    Https,

    /// <summary>A TLS handshake.</summary>
    Tls,

    /// <summary>A question over UDP.</summary>
    Dns,

    /// <summary>Nothing is asked: it counts as up.</summary>
    None,
}

/// <summary>What a DNS check may ask for, with its number (RFC 1035 §3.2.2, RFC 3596 §2.1).</summary>
public enum CheckRecordType
{
    A = 1,
    NS = 2,
    CNAME = 5,
    SOA = 6,
    PTR = 12,
    MX = 15,
    TXT = 16,
    AAAA = 28,
}

/// <summary>What is asked of a backend, how often, and how many results in a row turn its state.</summary>
public sealed record CheckSpec
{
    public CheckKind Kind { get; init; }

    /// <summary>The port to ask; null: the service's first TCP port, for DNS its first UDP port.</summary>
    public int? Port { get; init; }

    public string Path { get; init; } = "/";

    /// <summary>The Host header, and the server name in TLS; null: the backend's address.</summary>
    public string? Host { get; init; }

    /// <summary>The HTTP status that means healthy; null: any of 200 to 399.</summary>
    public int? Status { get; init; }

    /// <summary>TLS: whether the certificate must be valid for Host.</summary>
    public bool VerifyCertificate { get; init; } = true;

    /// <summary>TLS: the days that the certificate must still be valid.</summary>
    public int DaysMin { get; init; }

    /// <summary>DNS: what is asked for; "." is the root.</summary>
    public string Name { get; init; } = ".";

    public CheckRecordType Type { get; init; } = CheckRecordType.NS;

    /// <summary>DNS, A and AAAA: an address that must be in the answer; null: any record will do.</summary>
    public IPAddress? Answer { get; init; }

    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one try may take; null: half the interval, at least 100 ms.</summary>
    public TimeSpan? Timeout { get; init; }

    public int Fall { get; init; } = 3;

    public int Rise { get; init; } = 2;

    public TimeSpan EffectiveTimeout =>
        Timeout ?? TimeSpan.FromTicks(Math.Max(Interval.Ticks / 2, TimeSpan.FromMilliseconds(100).Ticks));
}

/// <summary>One backend's check; Id names it in reports ("web/192.0.2.5").</summary>
public sealed record Check(string Id, IPEndPoint Target, CheckSpec Spec);

/// <summary>The input table of the health engine.</summary>
public sealed record CheckSet(IReadOnlyList<Check> Checks)
{
    public static readonly CheckSet Empty = new([]);
}
