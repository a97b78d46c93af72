using System.Net;
using Fairlead.Dns.Server;
using Fairlead.Net.Addresses;
using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The part of the fleet file's declaration that is about the DNS server itself.</summary>
internal static class DnsShapes
{
    private static readonly ListOf<IPEndPoint> EndPoints = new(Scalars.EndPoint);

    private static readonly ObjectOf<TlsSpec> Tls = new("tls", f => new TlsSpec(
        f.Required("listen", EndPoints, "addresses and ports"),
        f.Required("certificate", Text, "PEM: the certificate and those up to its root; read again when it changes"),
        f.Required("key", Text, "PEM: its private key")));

    private static readonly ObjectOf<RateLimitOptions> RateLimit = new("rateLimit", f => new RateLimitOptions
    {
        AnswersPerSecond = f.Optional("answers", Number(0, 1_000_000), 1000, "answers a second to one neighbourhood"),
        NxDomainsPerSecond = f.Optional("nxdomains", Number(0, 1_000_000), 500, "names that are not there, a second"),
        ErrorsPerSecond = f.Optional("errors", Number(0, 1_000_000), 100, "REFUSED, FORMERR and the like, a second"),
        Slip = f.Optional("slip", Number(0, 100), 2, "every so many-th query over the rate gets a small answer"),
        Ipv4Length = f.Optional("ipv4Length", Number(1, 32), 24, "what counts as one neighbourhood"),
        Ipv6Length = f.Optional("ipv6Length", Number(1, 64), 56, "what counts as one neighbourhood"),
        Exempt = f.Optional("exempt", new ListOf<Prefix>(Scalars.Prefix), [], "addresses that are never limited"),
    });

    private static readonly ObjectOf<TcpSpec> Tcp = new("tcp", f => new TcpSpec
    {
        Connections = f.Optional("connections", Number(1, 60_000), 1024, "connections in all"),
        PerClient = f.Optional("perClient", Number(1, 60_000), 64, "connections of one address, or one IPv6 /64"),
        Idle = f.Optional("idle", Duration, TimeSpan.FromSeconds(10), "time without a whole query that ends one"),
    });

    private static readonly ObjectOf<DnssecSpec> Dnssec = new("dnssec", f => new DnssecSpec
    {
        Keys = f.Required("keys", Text, "the folder with the keys: zones that have some there are signed"),
        Validity = f.Optional("validity", Duration, TimeSpan.FromDays(14), "how long a signature holds"),
    });

    public static readonly ObjectOf<DnsSpec> Dns = new("dns", f => new DnsSpec
    {
        Listen = f.Optional("listen", EndPoints, new DnsSpec().Listen, "default 0.0.0.0:53 and [::]:53"),
        UdpThreads =
            f.Optional("udpThreads", Number(1, 64), 1, "threads that answer UDP, each with a socket of its own"),
        Tls = f.Optional<TlsSpec?>("tls", Tls!, null, "DNS over TLS, usually port 853"),
        Https = f.Optional<TlsSpec?>("https", Tls!, null, "DNS over HTTPS at /dns-query, usually port 443"),
        CookieSecrets = f.Optional("cookieSecrets", new ListOf<string>(HexKey), [],
            "for DNS cookies: the first makes them, the others are still taken; the same on all nodes of an address"),
        RateLimit = f.Optional("rateLimit", RateLimit, new RateLimitOptions(), "limits against being used as a weapon"),
        Tcp = f.Optional("tcp", Tcp, new TcpSpec(), "limits of TCP and TLS"),
        Tap = f.Optional<string?>("tap", Text!, null, "dnstap: the Unix socket of a collector"),
        Keys = f.Optional("keys", TransferShapes.Keys, [], "TSIG keys by name") is { IsDefault: false } keys
            ? keys
            : [],
        Transfer = f.Optional("transfer", TransferShapes.Transfers, [], "who may take zones; by default nobody"),
        Notify = f.Optional("notify", TransferShapes.Notify, [], "whom to tell of new versions"),
        Dnssec = f.Optional<DnssecSpec?>("dnssec", Dnssec!, null, "signing"),
    });
}
