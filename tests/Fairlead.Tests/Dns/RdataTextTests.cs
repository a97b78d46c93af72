using System.Text;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Tests.Dns;

public class RdataTextTests
{
    private static readonly DnsName Origin = DnsName.Parse("example.com");

    internal static RecordType Type(string name) =>
        RecordTypes.TryParse(name, out RecordType type) ? type : throw new ArgumentException(name);

    private static string Hex(string type, string text)
    {
        Assert.True(RdataText.TryRead(Type(type), text, Origin, out byte[] rdata, out string problem), problem);
        return Convert.ToHexStringLower(rdata);
    }

    /// <summary>One text or more of every type, in the form that Print gives.</summary>
    public static TheoryData<string, string> Printed { get; } = new()
    {
        { "A", "192.0.2.1" }, { "AAAA", "2001:db8::1" }, { "NS", "ns.example.com." }, { "CNAME", "." },
        { "DNAME", "d.example.com." }, { "PTR", @"a\.b.example.com." }, { "MX", "10 mail.example.com." },
        { "TXT", "\"a b\" \"\" \"\\\"\\\\\\007\\255\"" }, { "SPF", "\"v=spf1 -all\"" },
        { "SRV", "0 5 5060 sip.example.com." }, { "SOA", "ns.a. host.b. 4294967295 7200 900 1209600 300" },
        { "CAA", "128 issue \"ca.example.net; a=b\"" },
        { "NAPTR", "100 10 \"U\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" ." },
        { "SSHFP", "2 1 123456789ABCDEF67890123456789ABCDEF67890" },
        { "TLSA", "3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B9" },
        { "SMIMEA", "3 0 0 AB" }, { "LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m" },
        { "LOC", "0 0 0.000 N 180 0 0.000 W -100000.00m 1.00m 90000000.00m 0.05m" },
        { "DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118" }, { "CDS", "0 0 0 00" },
        { "DNSKEY", "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0d" }, { "CDNSKEY", "0 3 0 AA==" },
        { "RRSIG", "A 13 3 3600 20260101000000 20251201000000 12345 example.com. AQID" },
        { "RRSIG", "TYPE1234 13 3 3600 21060207062815 19700101000000 12345 example.com. AQID" },
        { "NSEC", "host.example.com. A MX RRSIG NSEC TYPE1234" }, { "NSEC", "." },
        { "NSEC3", "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG" },
        { "NSEC3", "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR" }, { "NSEC3PARAM", "1 0 0 -" },
        { "URI", "10 1 \"ftp://ftp1.example.com/public\"" }, { "HINFO", "\"PC\" \"Linux 6.1\"" },
        { "RP", "louie.trantor.umd.edu. lam1.people.umd.edu." }, { "AFSDB", "1 db.example.com." },
        { "OPENPGPKEY", "AQID" }, { "CERT", "1 12345 8 AQID" },
        { "DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=" },
        { "EUI48", "00-00-5E-00-53-2A" }, { "EUI64", "00-00-5E-EF-10-00-00-2A" }, { "CSYNC", "66 3 A NS AAAA" },
        { "ZONEMD", "2018031500 1 1 FEBE3D4CE2EC2FFA4BA99D46CD69D6D29711E55217057BEE" },
        { "KX", "1 kx.example.com." }, { "L32", "10 10.1.2.0" }, { "APL", "\\# 4 00010203" },
        { "TYPE65280", "\\# 0" }, { "TYPE731", "\\# 3 abcdef" },
        { "SVCB", "0 foo.example.com." }, { "HTTPS", "1 ." }, { "SVCB", "16 foo.example.com. port=53" },
        { "SVCB", "1 foo.example.com. key667=\"hello\\210qoo\"" },
        { "SVCB", "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1" },
        { "SVCB", "16 foo.example.org. mandatory=alpn,ipv4hint alpn=\"h2,h3-19\" ipv4hint=192.0.2.1" },
        { "HTTPS", "1 . alpn=\"h2\" no-default-alpn ech=AQID dohpath=\"/dns-query{?dns}\" key65000" },
        { "SVCB", "16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"" },
    };

    [Theory]
    [MemberData(nameof(Printed))]
    public void Text_reads_and_prints_as_it_was(string type, string text)
    {
        Assert.True(RdataText.TryRead(Type(type), text, DnsName.Root, out byte[] rdata, out string problem), problem);
        Assert.True(RdataText.IsValid(Type(type), rdata));
        Assert.Equal(text, RdataText.Print(Type(type), rdata));
        string generic = $"\\# {rdata.Length} {Convert.ToHexString(rdata)}";
        Assert.True(RdataText.TryRead(Type(type), generic, DnsName.Root, out byte[] again, out problem), problem);
        Assert.Equal(rdata, again);
    }

    [Theory]
    // RFC 9460 Appendix D.2, in the order there.
    [InlineData("HTTPS", "0 foo.example.com.", "000003666f6f076578616d706c6503636f6d00")]
    [InlineData("SVCB", "1 .", "000100")]
    [InlineData("SVCB", "16 foo.example.com. port=53", "001003666f6f076578616d706c6503636f6d00000300020035")]
    [InlineData("SVCB", "1 foo.example.com. key667=hello", "000103666f6f076578616d706c6503636f6d00029b000568656c6c6f")]
    [InlineData("SVCB", "1 foo.example.com. key667=\"hello\\210qoo\"",
        "000103666f6f076578616d706c6503636f6d00029b000968656c6c6fd2716f6f")]
    [InlineData("SVCB", "1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
        "000103666f6f076578616d706c6503636f6d0000060020"
        + "20010db800000000000000000000000120010db8000000000000000000530001")]
    [InlineData("SVCB", "1 example.com. ipv6hint=\"2001:db8:122:344::192.0.2.33\"",
        "0001076578616d706c6503636f6d0000060010" + "20010db8012203440000" + "0000c0000221")]
    [InlineData("SVCB", "16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
        "001003666f6f076578616d706c65036f7267000000000400010004000100090268320568332d3139000400" + "04c0000201")]
    [InlineData("SVCB", "16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
        "001003666f6f076578616d706c65036f726700000100" + "0c08665c6f6f2c626172026832")]
    [InlineData("SVCB", "16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
        "001003666f6f076578616d706c65036f726700000100" + "0c08665c6f6f2c626172026832")]
    // RFC 1876 §4: what is left out.
    [InlineData("LOC", "42 21 54 N 71 06 18 W -24m 30m", "003316138917" + "2d" + "d070be15f000988d20")]
    [InlineData("NSEC", "host A MX RRSIG NSEC TYPE1234",
        "04686f7374076578616d706c6503636f6d000006400100000003"
        + "041b000000000000000000000000000000000000000000000000000020")]
    [InlineData("SOA", "@ host 1 1h 1d 1w 60", "076578616d706c6503636f6d0004686f7374076578616d706c6503636f6d00"
        + "0000000100000e100001518000093a800000003c")]
    [InlineData("DNSKEY", "257 3 ECDSAP256SHA256 AQ ID", "0101030d010203")]
    [InlineData("TXT", "plain \"quo ted\" \\255", "05706c61696e0771756f2074656401ff")]
    public void Text_becomes_the_bytes_that_the_rfc_gives(string type, string text, string hex) =>
        Assert.Equal(hex, Hex(type, text));

    [Theory]
    [InlineData("SVCB", "1 foo alpn=h2 alpn=h3", "alpn is there twice")]
    [InlineData("SVCB", "1 foo mandatory=alpn", "alpn is mandatory but is not there")]
    [InlineData("SVCB", "1 foo mandatory=mandatory", "'mandatory' is not a value for mandatory")]
    [InlineData("SVCB", "1 foo mandatory=key123,key123 key123=x", "'key123,key123' is not a value for mandatory")]
    [InlineData("SVCB", "1 foo no-default-alpn", "no-default-alpn needs alpn")]
    [InlineData("SVCB", "1 foo no-default-alpn=x alpn=h2", "'x' is not a value for no-default-alpn")]
    [InlineData("SVCB", "1 foo alpn", "alpn needs a value")]
    [InlineData("SVCB", "1 foo port", "port needs a value")]
    [InlineData("SVCB", "1 foo port=65536", "'65536' is not a value for port")]
    [InlineData("SVCB", "1 foo ipv4hint=1.2.3", "'1.2.3' is not a value for ipv4hint")]
    [InlineData("SVCB", "1 foo ipv6hint=1.2.3.4", "'1.2.3.4' is not a value for ipv6hint")]
    [InlineData("SVCB", "1 foo key065=x", "'key065' is not the name of a parameter")]
    [InlineData("SVCB", "1 foo key65535=x", "'key65535' is not the name of a parameter")]
    [InlineData("SVCB", "1 foo key3=x", "'x' is not a value for key3")]
    [InlineData("SVCB", "1 foo dohpath=dns", "'dns' is not a value for dohpath")]
    [InlineData("SVCB", "1", "a domain name is missing")]
    [InlineData("LOC", "91 N 0 E 0m", "'91' is not degrees up to 90")]
    [InlineData("LOC", "90 0 0.001 N 0 E 0m", "degrees up to 90 and one of N S belong here")]
    [InlineData("LOC", "42 60 N 0 E 0m", "'60' is not a number below 60")]
    [InlineData("LOC", "42 N 0 E", "the altitude is missing")]
    [InlineData("LOC", "42 N 0 E 1m 2m 3m 4m 5m", "'5m' is one word too many")]
    [InlineData("DS", "1 2 3", "the data is missing")]
    [InlineData("DS", "1 NONE 3 AA", "'NONE' is not the name or number of an algorithm")]
    [InlineData("DNSKEY", "1 3 13 A", "the data is not base64")]
    [InlineData("EUI48", "00-00-5e-00-53", "'00-00-5e-00-53' is not 6 pairs of hex digits with hyphens between them")]
    [InlineData("NSEC3", "1 0 0 - W A", "'W' is not a hash in base32hex")]
    [InlineData("RRSIG", "A 13 3 60 20261301000000 0 1 . AA==",
        "'20261301000000' is not a date: YYYYMMDDHHmmSS, or seconds since 1970")]
    [InlineData("CAA", "0 is-sue \"x\"", "a CAA tag is letters and digits")]
    [InlineData("A", "1.2.3.04", "'1.2.3.04' is not an IPv4 address")]
    [InlineData("AAAA", "fe80::1%1", "'fe80::1%1' is not an IPv6 address")]
    [InlineData("AAAA", "[::1]", "'[::1]' is not an IPv6 address")]
    [InlineData("APL", "1:10.0.0.0/8", "write APL data as \\# LENGTH HEX (RFC 3597)")]
    public void What_is_wrong_is_said(string type, string text, string problem)
    {
        Assert.False(RdataText.TryRead(Type(type), text, Origin, out _, out string said));
        Assert.Equal(problem, said);
    }

    [Fact]
    public void Any_bytes_print_to_text_that_reads_back() => Property.Holds(20_000, random =>
    {
        object[] row = Printed.ElementAt(random.Next(Printed.Count));
        (RecordType type, string text) = (Type((string)row[0]), (string)row[1]);
        _ = RdataText.TryRead(type, text, DnsName.Root, out byte[] rdata, out _);
        for (int i = random.Next(4); i > 0 && rdata.Length > 0; i--)
            rdata[random.Next(rdata.Length)] = (byte)random.Next(256);
        if (!RdataText.IsValid(type, rdata)) return;
        string printed = RdataText.Print(type, rdata);
        bool readable = RdataText.TryRead(type, printed, Origin, out byte[] read, out string problem);
        Assert.True(readable, $"{printed}: {problem}");
        Assert.Equal(rdata, read);
    });

    [Fact]
    public void Damaged_text_is_refused_and_never_throws() => Property.Holds(20_000, random =>
    {
        object[] row = Printed.ElementAt(random.Next(Printed.Count));
        var text = new StringBuilder((string)row[1]);
        for (int i = random.Next(1, 4); i > 0; i--)
            text[random.Next(text.Length)] = " \"\\=,-.:0zA@$()\n\u00e9\0"[random.Next(18)];
        if (!RdataText.TryRead(Type((string)row[0]), text.ToString(), Origin, out byte[] rdata, out string problem))
            Assert.NotEmpty(problem);
        else
            Assert.True(RdataText.IsValid(Type((string)row[0]), rdata));
    });
}
