namespace Fairlead.Dns.Wire;

/// <summary>RFC 6895 §2.3. Values above 15 travel partly in the OPT record (RFC 6891 §6.1.3).</summary>
public enum Rcode
{
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    NotAuth = 9,
    BadVers = 16,
    BadCookie = 23,
}

/// <summary>RFC 6895 §2.2.</summary>
public enum Opcode
{
    Query = 0,
    Status = 2,
    Notify = 4,
    Update = 5,
    Dso = 6,
}

/// <summary>RFC 6895 §3.2.</summary>
public enum RecordClass : ushort
{
    Internet = 1,
    Chaos = 3,
    Any = 255,
}

/// <summary>
/// The types that the server treats in some way of their own; every other number is a type too (RFC 3597).
/// </summary>
public enum RecordType : ushort
{
    A = 1,
    Ns = 2,
    Cname = 5,
    Soa = 6,
    Ptr = 12,
    Mx = 15,
    Txt = 16,
    Aaaa = 28,
    Srv = 33,
    Dname = 39,
    Opt = 41,
    Ds = 43,
    Rrsig = 46,
    Nsec = 47,
    Dnskey = 48,
    Nsec3 = 50,
    Nsec3Param = 51,
    Cds = 59,
    Cdnskey = 60,
    Svcb = 64,
    Https = 65,
    Tsig = 250,
    Ixfr = 251,
    Axfr = 252,
    MailB = 253,
    MailA = 254,
    Any = 255,
    Caa = 257,
}
