using System.Net;
using System.Net.Sockets;

namespace Fairlead.Health;

public enum CheckKind
{
    /// <summary>A TCP connection, and what is said on it when Send or Expect is given.</summary>
    Tcp,
    Http,
    Https,

    /// <summary>A TLS handshake.</summary>
    Tls,

    /// <summary>A question over UDP.</summary>
    Dns,

    /// <summary>A datagram, and an answer to it.</summary>
    Udp,

    /// <summary>grpc.health.v1.Health/Check.</summary>
    Grpc,

    /// <summary>An ICMP or ICMPv6 echo.</summary>
    Icmp,

    /// <summary>A program with Nagios' exit codes.</summary>
    Command,

    /// <summary>Nothing is asked: the service reports itself.</summary>
    Push,

    /// <summary>As many of its parts as are needed.</summary>
    Composite,

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

public enum CheckHttpVersion
{
    Http11,
    Http2,
}

/// <summary>What a check counts as before its first result.</summary>
public enum WhileUnknown
{
    /// <summary>Neither: whoever leans on it waits.</summary>
    Wait,
    Up,
    Down,
}

/// <summary>HTTP statuses from First to Last.</summary>
public readonly record struct StatusRange(int First, int Last)
{
    public static StatusRange Of(int status) => new(status, status);

    public bool Contains(int status) => status >= First && status <= Last;
}

public readonly record struct HeaderLine(string Name, string Value);

/// <summary>One of a composite's parts.</summary>
public sealed record CheckPart(string Name, CheckSpec Spec);

/// <summary>What is asked of a backend, how often, and which results turn its state.</summary>
public sealed record CheckSpec
{
    public const int WindowMax = 128;

    public CheckKind Kind { get; init; }

    /// <summary>Who is asked; null: the backend. For parts of a composite that lean on something else.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>The port to ask; null: the service's first TCP port, for DNS and UDP its first UDP port.</summary>
    public int? Port { get; init; }

    /// <summary>Our own addresses, at most one a family; none: the kernel chooses.</summary>
    public ValueList<IPAddress> Source { get; init; }

    public string Path { get; init; } = "/";

    /// <summary>The Host header, and the server name in TLS; null: the backend's address.</summary>
    public string? Host { get; init; }

    public CheckHttpVersion Version { get; init; }

    public ValueList<HeaderLine> Headers { get; init; }

    /// <summary>The HTTP statuses that mean healthy; none: any of 200 to 399.</summary>
    public ValueList<StatusRange> Status { get; init; }

    /// <summary>HTTP: a regular expression that the body must match; null: the body is not read.</summary>
    public string? Body { get; init; }

    /// <summary>gRPC: whether it is spoken in TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>TLS: the server name (SNI) that the certificate must be valid for; null: Host.</summary>
    public string? ServerName { get; init; }

    /// <summary>TLS: whether the certificate must be valid for the server name.</summary>
    public bool VerifyCertificate { get; init; } = true;

    /// <summary>TLS: a PEM file with the authorities that count; null: the system's.</summary>
    public string? Authority { get; init; }

    /// <summary>TLS: PEM files of our own certificate; null: we show none.</summary>
    public string? Certificate { get; init; }

    public string? Key { get; init; }

    /// <summary>TLS: the days that the certificate must still be valid.</summary>
    public int DaysMin { get; init; }

    /// <summary>TCP, UDP: what is sent, a byte a character.</summary>
    public string? Send { get; init; }

    /// <summary>TCP, UDP: a regular expression that the answer must match, a byte a character.</summary>
    public string? Expect { get; init; }

    /// <summary>DNS: what is asked for; "." is the root.</summary>
    public string Name { get; init; } = ".";

    public CheckRecordType Type { get; init; } = CheckRecordType.NS;

    /// <summary>DNS, A and AAAA: an address that must be in the answer; null: any record will do.</summary>
    public IPAddress? Answer { get; init; }

    /// <summary>gRPC: the service that is asked about; empty: the server as a whole.</summary>
    public string Service { get; init; } = "";

    /// <summary>Command: a program and its arguments, in which {address} and {port} stand for the target.</summary>
    public ValueList<string> Command { get; init; }

    /// <summary>Composite.</summary>
    public ValueList<CheckPart> Parts { get; init; }

    /// <summary>Composite: how many parts must be up; 0: all.</summary>
    public int Need { get; init; }

    /// <summary>Push: how long a report counts that does not say so itself.</summary>
    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The interval while results speak against the state; null: the same.</summary>
    public TimeSpan? Recheck { get; init; }

    /// <summary>How long one try may take; null: half the interval, at least 100 ms.</summary>
    public TimeSpan? Timeout { get; init; }

    public int Fall { get; init; } = 3;

    public int Rise { get; init; } = 2;

    /// <summary>How many of the last results FailPercent is of; 0: only results in a row count.</summary>
    public int Window { get; init; }

    public int FailPercent { get; init; } = 10;

    /// <summary>How long it stays down at least; each further fall doubles it, up to HoldDownMax.</summary>
    public TimeSpan HoldDown { get; init; }

    /// <summary>Also how long it must have been up for its falls to be forgotten.</summary>
    public TimeSpan HoldDownMax { get; init; } = TimeSpan.FromMinutes(5);

    public WhileUnknown WhileUnknown { get; init; }

    public TimeSpan EffectiveTimeout =>
        Timeout ?? TimeSpan.FromTicks(Math.Max(Interval.Ticks / 2, TimeSpan.FromMilliseconds(100).Ticks));

    public IPAddress? SourceOf(AddressFamily family) =>
        Source.FirstOrDefault(source => source.AddressFamily == family);
}

/// <summary>One backend's check; Id names it in reports ("web/192.0.2.5"). Parts are a composite's.</summary>
public sealed record Check(string Id, IPEndPoint Target, CheckSpec Spec)
{
    public ValueList<Check> Parts { get; init; }
}

/// <summary>The input table of the health engine.</summary>
public sealed record CheckSet(IReadOnlyList<Check> Checks)
{
    public static readonly CheckSet Empty = new([]);
}
