using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// Two zones with one of everything, example.com unsigned and signed.test signed here, and steered names of every kind
/// in both.
/// </summary>
internal static class FuzzTable
{
    private const string ZoneText = """
        $TTL 1h
        @       IN SOA ns1 hostmaster ( 2026010101 2h 15m 2w 5m )
                   NS  ns1
                   NS  ns2
                   MX  10 mail
                   TXT "v=spf1 -all" "second; string"
                   CAA 0 issue "ca.example.net"
                   HTTPS 1 . alpn="h2"
        ns1        A   192.0.2.1
                   AAAA 2001:db8::1
        ns2        A   192.0.2.2
        mail       A   192.0.2.25
        www        A   192.0.2.80
                   A   192.0.2.81
        alias      CNAME www
        chain1     CNAME chain2
        chain2     CNAME alias
        loop1      CNAME loop2
        loop2      CNAME loop1
        away       CNAME www.example.net.
        a.b.c.ent  A   192.0.2.90
        *.wild     A   192.0.2.99
        there.wild MX  5 mail
        *.wcname   CNAME www
        *.wloop    CNAME x.wloop
        sub        NS  ns.sub
        sub        NS  ns.other.example.net.
        sub        DS  1 13 2 00000000000000000000000000000000000000000000000000000000000000aa
        ns.sub     A   192.0.2.53
        unsigned   NS  ns.unsigned
        ns.unsigned AAAA 2001:db8::53
        intosub    CNAME deep.sub
        old        DNAME new
        target.new A   192.0.2.91
        olds       DNAME olds.old
        _sip._tcp  SRV 0 5 5060 mail
        typed      TYPE65280 \# 3 000100
        steeralias CNAME steered
        big        TXT
        """;

    /// <summary>Labels of the zones, and some of none.</summary>
    public static IReadOnlyList<string> Labels { get; } =
    [
        "com", "example", "test", "signed", "www", "alias", "chain1", "loop1", "away", "ent", "wild", "there", "wcname",
        "wloop", "sub", "deep", "unsigned", "old", "olds", "new", "target", "_sip", "_tcp", "typed", "big", "steered",
        "cdn", "edge", "weighted", "spread", "empty", "reflect", "v4only", "id", "server", "hostname", "bind", "WwW",
    ];

    public static DnsTable Make()
    {
        DateTimeOffset now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        DnsName signedOrigin = DnsName.Parse("signed.test");
        var key = new ZoneKey(
            DnssecKey.Generate(signedOrigin, KeyRole.Csk),
            KeyRollover.First(KeyRole.Csk, now.AddDays(-30), new KeyTiming { TtlMax = TimeSpan.FromHours(1) }));
        var signer = new SetSigner(
            KeySet.At(signedOrigin, [key], now), new SigningOptions(), new SignatureCache(10_000), now);
        SteeredName[] signedNames = [.. Names("signed.test", reflects: false)];
        Zone signed = ZoneSigner.Sign(Load("signed.test"), signer, signedNames.Select(SteeredOwner.Of)).Zone;
        var steering = new SteeringTable(
            [.. Names("example.com", reflects: true), .. signedNames],
            owner => owner.IsWithin(signedOrigin) ? signer : null);
        RegionMap regions = Regions();
        return DnsTable.Create(1, [Load("example.com"), signed], regions, steering, "fuzz-1");
    }

    private static RegionMap Regions() => RegionMap.Compile(
    [
        (Prefix.Parse("198.51.100.0/24"), 1), (Prefix.Parse("2001:db8:1::/48"), 1), (Prefix.Parse("203.0.113.0/24"), 2),
    ]);

    private static IEnumerable<SteeredName> Names(string zone, bool reflects)
    {
        SteeredName Name(string label, params ImmutableArray<SteeredRegion> byRegion) => new()
        {
            Owner = DnsName.Parse($"{label}.{zone}"),
            TtlSeconds = 30,
            Regions = Regions(),
            ByRegion = byRegion,
        };
        SteeredAnswer one = Addresses(1), two = Addresses(2), many = Addresses([.. Enumerable.Range(10, 32)]);
        yield return Name("steered", one, two, many);
        yield return Name("*.cdn", Alias($"www.{zone}"), Alias($"steered.{zone}"), Alias("edge.example.net"));
        yield return Name("edge", Alias($"x.old.{zone}"), one, new SteeredAnswer());
        yield return Name("v4only", new SteeredAnswer { A = [IPAddress.Parse("192.0.2.110")] });
        yield return Name("empty", new SteeredAnswer());
        ImmutableArray<SteeredShare> shares = [new(one, 3), new(two, 1)];
        SteeredSplit weighted = new([shares]);
        yield return Name("weighted", new SteeredRegion { A = weighted, Aaaa = weighted });
        SteeredSplit spread = new(
            [[new(one, 1)], shares], [.. Enumerable.Range(0, SteeredSplit.SlotCount).Select(slot => (byte)(slot & 1))]);
        yield return Name("spread", new SteeredRegion { A = spread, Aaaa = SteeredSplit.One(many) }, one);
        if (!reflects) yield break;
        yield return Name("reflect") with { ReflectsRegions = ["elsewhere", "one", "two"], TtlSeconds = 0 };
    }

    private static SteeredAnswer Addresses(params int[] hosts) => new()
    {
        A = [.. hosts.Select(host => IPAddress.Parse($"192.0.2.{100 + host}"))],
        Aaaa = [.. hosts.Select(host => IPAddress.Parse($"2001:db8::{host}"))],
    };

    private static SteeredAnswer Alias(string target) => new() { Cname = DnsName.Parse(target) };

    private static Zone Load(string origin)
    {
        // More than a datagram holds, so that answers are cut.
        string big = string.Concat(Enumerable.Repeat($" \"{new string('x', 250)}\"", 8));
        MasterFileResult result = MasterFile.Read(origin, DnsName.Parse(origin), ZoneText.TrimEnd() + big + "\n");
        return result.Zone ?? throw new InvalidOperationException(string.Join('\n', result.Problems));
    }
}
