using Fairlead.Dns.Wire;

namespace Fairlead.Dns.Answering;

/// <summary>How a query came.</summary>
public enum Transport
{
    Udp,
    Tcp,

    /// <summary>DNS over TLS (RFC 7858).</summary>
    Tls,

    /// <summary>DNS over HTTPS (RFC 8484).</summary>
    Https,
}

/// <summary>Who asks: the address is in the 128-bit space, IPv4 in mapped form; the port is 0 when not known.</summary>
public readonly record struct Asker(UInt128 ClientMapped, Transport Transport, ushort Port = 0)
{
    public bool IsStream => Transport != Transport.Udp;

    public bool IsEncrypted => Transport is Transport.Tls or Transport.Https;
}

/// <summary>
/// What answering is given and what it tells beside the bytes, so that nobody has to read the answer again. One
/// thread's own.
/// </summary>
internal sealed class AnswerState
{
    /// <summary>Null: cookies are neither made nor judged.</summary>
    public ServerCookies? Cookies { get; init; }

    public AnswerCache? Cache { get; init; }

    /// <summary>Unix time, set by whoever takes queries in, once a batch.</summary>
    public uint NowSeconds { get; set; }

    /// <summary>RFC 7828: how long a stream may rest, in 100 ms; -1: we do not say.</summary>
    public int KeepaliveTenths { get; set; } = -1;

    public Opcode Opcode { get; set; }

    public RecordType Type { get; set; }

    public Rcode Rcode { get; set; }

    /// <summary>The query came with a TSIG record (RFC 8945).</summary>
    public bool HasTsig { get; set; }

    /// <summary>See Resolution.SteeredLabel.</summary>
    public int SteeredLabel { get; set; }

    public CookieState Cookie { get; set; }

    /// <summary>Answered from the cache.</summary>
    public bool WasReady { get; set; }

    /// <summary>As Begin and all that follows it, for an answer without an error that was ready.</summary>
    public void BeginReady(RecordType type, int steeredLabel, bool isFixed)
    {
        Opcode = Opcode.Query;
        Type = type;
        HasTsig = false;
        Rcode = Rcode.NoError;
        WasReady = isFixed;
        SteeredLabel = steeredLabel;
        Cookie = CookieState.None;
    }

    public void Begin(in QueryMessage asked, UInt128 clientMapped)
    {
        Opcode = (Opcode)((asked.Flags >> 11) & 0xf);
        Type = asked.Type;
        HasTsig = asked.HasTsig;
        WasReady = false;
        SteeredLabel = 0;
        Cookie = Cookies?.Judge(asked.Cookie, clientMapped, NowSeconds) ?? CookieState.None;
    }
}
