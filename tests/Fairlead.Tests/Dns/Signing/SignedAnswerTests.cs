using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Dns.Signing;

/// <summary>What a signed answer holds, and where; that it validates, validators say in the interop tests.</summary>
public class SignedAnswerTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    private static readonly SteeredName[] Names =
    [
        new()
        {
            Owner = DnsName.Parse("steered.example.com"),
            TtlSeconds = 300,
            ByRegion =
            [
                SteeredRegion.Of(DnsTestBed.Addresses("192.0.2.100", "2001:db8::100")) with { TtlSeconds = 20 },
                SteeredRegion.Of(DnsTestBed.Addresses("192.0.2.101", "2001:db8::101")),
            ],
        },
        new()
        {
            Owner = DnsName.Parse("v4only.example.com"),
            TtlSeconds = 30,
            ByRegion = [SteeredRegion.Of(new SteeredAnswer { A = [IPAddress.Parse("192.0.2.110")] })],
        },
    ];

    private static readonly DnsTable Table = MakeTable();

    [Fact]
    public void Without_do_an_answer_is_the_same_signed_or_not()
    {
        DnsTable plain = DnsTable.Create(1, [DnsTestBed.Zone], DnsTestBed.Regions, new SteeringTable(Names), "node-1");
        string[] names = ["www", "nothing", "x.wild", "sub", "chain1", "steered", "v4only", "a.b.c.ent"];
        foreach (string name in names)
        {
            foreach (RecordType type in (RecordType[])[RecordType.A, RecordType.Aaaa, RecordType.Mx, RecordType.Any])
            {
                byte[] query = DnsTestBed.Query($"{name}.example.com", type, 1232);
                Assert.Equal(DnsTestBed.Ask(query, table: plain), DnsTestBed.Ask(query, table: Table));
            }
        }
    }

    [Fact]
    public void A_steered_answer_may_live_shorter_than_what_was_signed()
    {
        Reply reply = Ask("steered", RecordType.A);
        Assert.Equal("steered.example.com. 20 A 192.0.2.100", reply.Answers[0]);
        Assert.StartsWith("steered.example.com. 20 RRSIG 00010d030000012c", reply.Answers[1], StringComparison.Ordinal);
        Reply other = Ask("steered", RecordType.A, "198.51.100.7");
        Assert.StartsWith("steered.example.com. 300 RRSIG 00010d03", other.Answers[1], StringComparison.Ordinal);
        Assert.NotEqual(reply.Answers[1][30..], other.Answers[1][30..]);
    }

    [Fact]
    public void A_denied_family_is_proven_for_no_longer_than_the_answer_may_live()
    {
        Reply reply = Ask("v4only", RecordType.Aaaa);
        Assert.Empty(reply.Answers);
        Assert.Equal(["SOA", "RRSIG", "NSEC", "RRSIG"], Types(reply.Authorities));
        Assert.All(reply.Authorities, record => Assert.Equal("30", record.Split(' ')[1]));
    }

    /// <summary>RFC 4035 §3.1.1: signatures go along, or TC is set.</summary>
    [Fact]
    public void Proofs_stand_in_the_authority_and_before_what_is_only_useful()
    {
        Reply wildcard = Ask("x.wild", RecordType.A);
        Assert.Equal(["A", "RRSIG"], Types(wildcard.Answers));
        Assert.Equal(["NSEC", "RRSIG"], Types(wildcard.Authorities));
        Reply absent = Ask("nothing", RecordType.A);
        Assert.Equal(Rcode.NxDomain, absent.Rcode);
        Assert.Equal(["SOA", "RRSIG", "NSEC", "RRSIG", "NSEC", "RRSIG"], Types(absent.Authorities));
        Reply referral = Ask("deep.sub", RecordType.A);
        Assert.Equal(["NS", "NS", "DS", "RRSIG"], Types(referral.Authorities));
        Assert.Equal(["A", "AAAA"], Types(referral.Additionals));
        Reply mail = Ask("", RecordType.Mx);
        Assert.Equal(["A", "RRSIG"], Types(mail.Additionals));
    }

    [Fact]
    public void Signatures_and_chains_can_be_asked_for_by_anybody()
    {
        Reply signatures = new(DnsTestBed.Ask(DnsTestBed.Query("www.example.com", RecordType.Rrsig), table: Table));
        Assert.Equal(["RRSIG"], Types(signatures.Answers));
        Reply atAlias = new(DnsTestBed.Ask(DnsTestBed.Query("alias.example.com", RecordType.Nsec), table: Table));
        Assert.Equal(["NSEC"], Types(atAlias.Answers));
        Assert.Equal(["RRSIG", "DNSKEY"], Types(Ask("", RecordType.Dnskey).Answers).Order().Reverse());
    }

    [Fact]
    public void What_does_not_fit_with_its_signatures_is_truncated_and_a_stream_has_it_whole()
    {
        foreach ((string label, int records) in ((string, int)[])
            [("chain1", 9), (new string('x', 60) + ".nothing", 6)])
        {
            byte[] query = Query(label, RecordType.A, 512);
            Reply cut = new(DnsTestBed.Ask(query, table: Table));
            Assert.True(cut.Truncated);
            Assert.Empty(cut.Answers.Concat(cut.Authorities));
            Reply whole = new(DnsTestBed.Ask(query, stream: true, table: Table));
            Assert.False(whole.Truncated);
            Assert.Equal(records, whole.Answers.Count + whole.Authorities.Count);
        }
    }

    [Fact]
    public void An_answer_with_signatures_allocates_nothing()
    {
        byte[][] queries =
        [
            Query("www", RecordType.A), Query("steered", RecordType.A), Query("v4only", RecordType.Aaaa),
            Query("x.wild", RecordType.A), Query("nothing", RecordType.A), Query("sub", RecordType.A),
        ];
        byte[] response = new byte[1232];
        UInt128 client = Prefix.BitsOf(IPAddress.Parse("192.0.2.200"));
        foreach (byte[] query in queries) Answerer.Answer(Table, query, client, false, response);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            foreach (byte[] query in queries) Answerer.Answer(Table, query, client, false, response);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_steered_name_needs_its_zones_keys_where_the_zone_comes_signed()
    {
        Zone signed = ZoneSigner.Sign(DnsTestBed.Zone, Signer(), []).Zone;
        ArgumentException fault = Assert.Throws<ArgumentException>(
            () => DnsTable.Create(1, [signed], DnsTestBed.Regions, new SteeringTable(Names), ""));
        Assert.Contains("comes signed", fault.Message, StringComparison.Ordinal);
    }

    private static DnsTable MakeTable()
    {
        SetSigner signer = Signer();
        Zone zone = ZoneSigner.Sign(DnsTestBed.Zone, signer, Names.Select(SteeredOwner.Of)).Zone;
        return DnsTable.Create(1, [zone], DnsTestBed.Regions, new SteeringTable(Names, _ => signer), "node-1");
    }

    private static SetSigner Signer() =>
        new(ZoneSignerTests.Keys(Now), new SigningOptions(), new SignatureCache(1000), Now);

    private static Reply Ask(string label, RecordType type, string client = "192.0.2.200") =>
        new(DnsTestBed.Ask(Query(label, type), client, table: Table));

    private static byte[] Query(string label, RecordType type, int size = 1232)
    {
        byte[] query = DnsTestBed.Query(label.Length == 0 ? "example.com" : $"{label}.example.com", type, size);
        query[^4] = 0x80; // DO.
        return query;
    }

    private static IEnumerable<string> Types(IEnumerable<string> records) => records.Select(one => one.Split(' ')[2]);
}
