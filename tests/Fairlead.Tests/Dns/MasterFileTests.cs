using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Tests.Dns;

public class MasterFileTests
{
    private const string Start = "$TTL 300\n@ SOA ns.example.net. host 1 2 3 4 5\n@ NS ns.example.net.\n";

    private static MasterFileResult Read(string text) => MasterFile.Read("x.zone", DnsName.Parse("example.com"), text);

    private static string Problem(string lines) => Assert.Single(Read(Start + lines).Problems).ToString();

    /// <summary>RFC 2181 §5.2 and RFC 2181 §10.1 are among the faults: TTLs of a set, data beside a CNAME.</summary>
    [Theory]
    [InlineData("www A 192.0.2.300", "x.zone:4:7: '192.0.2.300' is not an IPv4 address")]
    [InlineData("www A 192.0.2", "x.zone:4:7: '192.0.2' is not an IPv4 address")]
    [InlineData("www AAAA 192.0.2.1", "x.zone:4:10: '192.0.2.1' is not an IPv6 address")]
    [InlineData("www A", "x.zone:4:5: an address is missing")]
    [InlineData("www A 192.0.2.1 192.0.2.2", "x.zone:4:17: '192.0.2.2' is one word too many")]
    [InlineData("www.example.org. A 192.0.2.1", "x.zone:4:1: www.example.org. is outside the zone example.com.")]
    [InlineData("@ SOA a b 1 2 3 4 5", "x.zone:4:1: a second SOA; the first is in line 2")]
    [InlineData("www A 192.0.2.1\nwww CNAME x.example.net.",
        "x.zone:4:1: www.example.com. has a CNAME in line 5: no other data may stand beside it")]
    [InlineData("www CNAME a.example.net.\nwww CNAME b.example.net.",
        "x.zone:5:1: www.example.com. has a second CNAME; the first is in line 4")]
    [InlineData(
        "sub NS ns.sub", "x.zone:4:1: the name server ns.sub.example.com. lies in the zone but has no address in it")]
    [InlineData("www 60 A 192.0.2.1\nwww 61 A 192.0.2.2",
        "x.zone:5:1: TTL 61, but www.example.com. A in line 4 has TTL 60: all records of a set have one TTL")]
    [InlineData("www XYZ 1", "x.zone:4:5: 'XYZ' is not a record type")]
    [InlineData("www TYPE255 \\# 0", "x.zone:4:5: 'TYPE255' is not a record type")]
    [InlineData("www TYPE65 \\# 3 0001", "x.zone:4:17: the data has 2 bytes, its length says 3")]
    [InlineData("www A \\# 3 c00002", "x.zone:4:12: this is not A data")]
    [InlineData("www HTTPS x .", "x.zone:4:11: 'x' is not a number from 0 to 65535")]
    [InlineData("a..b A 192.0.2.1", "x.zone:4:1: 'a..b' is not a domain name")]
    [InlineData("www MX ten mail", "x.zone:4:8: 'ten' is not a number from 0 to 65535")]
    [InlineData("www 99999999999 A 192.0.2.1", "x.zone:4:5: '99999999999' is not a TTL")]
    [InlineData("$INCLUDE", "x.zone:4:1: $INCLUDE needs a value")]
    [InlineData("$INCLUDED other", "x.zone:4:1: $INCLUDED is not supported")]
    [InlineData("www TXT \"open", "x.zone:4:9: this string is not closed on its line")]
    [InlineData("www TXT ( a", "x.zone:4:9: this parenthesis is never closed")]
    [InlineData("www TXT a )", "x.zone:4:11: this parenthesis was never opened")]
    [InlineData("www DNAME x\nwww DNAME y", "x.zone:5:1: www.example.com. has a second DNAME; the first is in line 4")]
    public void A_fault_is_reported_where_it_stands(string lines, string problem) =>
        Assert.Equal(problem.Split('|').Order(), Read(Start + lines).Problems.Select(p => p.ToString()).Order());

    [Fact]
    public void A_byte_order_mark_at_the_beginning_is_no_part_of_the_zone() =>
        Assert.Empty(MasterFile.Read("z", DnsName.Parse("example.com"),
            "\ufeff@ 60 SOA ns h 1 60 60 600 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n").Problems);

    [Fact]
    public void All_faults_come_in_one_pass()
    {
        MasterFileResult result = Read("www A 1\nmail MX\n@ NS ns\n  300 AAAA ::zz\n");
        Assert.Null(result.Zone);
        Assert.Equal(
            [
                "1:1: the zone has no SOA record: example.com. must have one",
                    "1:5: no TTL: write one here, or a $TTL line above",
                "1:7: '1' is not an IPv4 address", "2:6: a number is missing",
                    "2:6: no TTL: write one here, or a $TTL line above",
                "3:1: the name server ns.example.com. lies in the zone but has no address in it",
                "3:3: no TTL: write one here, or a $TTL line above", "4:12: '::zz' is not an IPv6 address",
            ],
            result.Problems.Select(p => $"{p.Line}:{p.Column}: {p.Message}").Order(StringComparer.Ordinal));
    }

    /// <summary>RFC 1035 §5.1: the format of master files.</summary>
    [Fact]
    public void The_forms_of_the_format_are_read()
    {
        Zone zone = DnsTestBed.Load("example.com", """
            ; a comment
            $TTL 1h30m
            @ IN SOA ns1 host.master ( 1 ; serial
                2h 15m
                2w 1d )
              NS ns1 ; the same owner
            $ORIGIN sub.example.com.
            a 60 IN A 192.0.2.1
            b IN 1M A 192.0.2.2
            c.example.com. A 192.0.2.3
              A 192.0.2.3
            t TXT "a;b \"c\" \065" plain "" ( x
              "y" )
            $ORIGIN example.com.
            ns1 AAAA 2001:db8::1
            caa CAA 128 issue "a b"
            weird\.dot A \# 4 C0 00 02 04
            """);
        uint Ttl(string name) => Assert.Single(zone.SetsAt(DnsName.Parse(name))).TtlSeconds;
        Assert.Equal(5400u, Ttl("ns1.example.com"));
        Assert.Equal(60u, Ttl("a.sub.example.com"));
        Assert.Equal(60u, Ttl("b.sub.example.com"));
        Assert.Equal(1, zone.Find(DnsName.Parse("c.example.com"), RecordType.A)!.Count);
        Assert.Equal("\u0009a;b \"c\" A\u0005plain\0\u0001x\u0001y"u8.ToArray(),
            zone.Find(DnsName.Parse("t.sub.example.com"), RecordType.Txt)![0].ToArray());
        Assert.Equal("\u0080\u0005issuea b"u8.ToArray()[2..],
            zone.Find(DnsName.Parse("caa.example.com"), RecordType.Caa)![0].ToArray()[1..]);
        Assert.Equal([192, 0, 2, 4], zone.Find(DnsName.Parse(@"weird\.dot.example.com"), RecordType.A)![0].ToArray());
        Assert.Equal(5400u, zone.NegativeTtlSeconds);
        Assert.Equal(1u, zone.Serial);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("300", 300)]
    [InlineData("1h30m", 5400)]
    [InlineData("1W2D", 777600)]
    [InlineData("2147483647", 2147483647)]
    public void Times_are_read(string text, uint seconds)
    {
        Assert.Equal("", Problem($"www {text} A 192.0.2.1\nbad A x") is var p && p.Contains(":5:") ? "" : p);
        Zone zone = DnsTestBed.Load("example.com", $"{Start}www {text} A 192.0.2.1");
        Assert.Equal(seconds, zone.Find(DnsName.Parse("www.example.com"), RecordType.A)!.TtlSeconds);
    }

    [Fact]
    public void Damaged_files_give_problems_and_never_throw() => Property.Holds(2000, random =>
    {
        char[] text = DnsTestBed.ZoneText.ToCharArray();
        for (int i = random.Next(1, 6); i > 0; i--)
            text[random.Next(text.Length)] = "\n \t()\";\\@$.0aA\u00e9\ud800"[random.Next(16)];
        MasterFileResult result =
            Read(new string(text, 0, random.Next(2) == 0 ? text.Length : random.Next(text.Length)));
        Assert.Equal(result.Zone is null, result.Problems.Count > 0);
        Assert.All(result.Problems, problem => Assert.True(problem.Line > 0 && problem.Column > 0));
    });
}
