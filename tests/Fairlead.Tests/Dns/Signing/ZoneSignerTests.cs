using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Tests.Dns.Signing;

/// <summary>What a signed zone holds, and what is made anew when something changes.</summary>
public class ZoneSignerTests
{
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly SigningOptions Options = new();

    [Fact]
    public void Every_set_of_the_zone_is_signed_and_nothing_that_is_delegated()
    {
        Zone zone = Sign(Signer(Start)).Zone;
        ReadOnlySpan<byte> key = zone.Find(zone.Origin, RecordType.Dnskey)![0][4..];
        foreach (RRset set in zone.Sets)
        {
            bool delegated = set.Owner.ToString().EndsWith("sub.example.com.", StringComparison.Ordinal)
                && set.Type is RecordType.Ns or RecordType.A or RecordType.Aaaa && set.Owner != zone.Origin
                && set.Owner.IsWithin(DnsName.Parse("sub.example.com"));
            Assert.Equal(delegated ? 0 : 1, set.SignatureCount);
            if (!delegated) Assert.True(Signature.Verifies(set.Signature(0), set, key), set.Owner.ToString());
        }
    }

    [Fact]
    public void The_chain_goes_through_every_name_once_and_back_to_the_apex()
    {
        Zone zone = Sign(Signer(Start), new SteeredOwner(DnsName.Parse("q.example.com"), [RecordType.A])).Zone;
        var seen = new List<DnsName>();
        for (DnsName at = zone.Origin; seen.Count == 0 || at != zone.Origin;)
        {
            seen.Add(at);
            RRset nsec = zone.Find(at, RecordType.Nsec)!;
            Assert.Equal(zone.NegativeTtlSeconds, nsec.TtlSeconds);
            ReadOnlySpan<byte> next = nsec[0];
            Assert.True(DnsName.TryFromWire(next[..NameHash.LengthOf(next, out _)], out at));
            Assert.True(seen.Count < 1000);
        }

        IEnumerable<DnsName> signed = zone.Owners
            .Where(owner => owner == zone.Origin || !owner.IsWithin(DnsName.Parse("ns.sub.example.com")));
        Assert.Equal(signed, seen);
        Assert.Contains(DnsName.Parse("q.example.com"), seen);
        Assert.Equal([RecordType.Ns, RecordType.Ds, RecordType.Rrsig, RecordType.Nsec], Types(zone, "sub.example.com"));
        Assert.Equal([RecordType.A, RecordType.Rrsig, RecordType.Nsec], Types(zone, "q.example.com"));
        Assert.Contains(RecordType.Dnskey, Types(zone, "example.com"));
    }

    [Fact]
    public void A_steered_name_has_a_proof_for_each_type_that_a_region_may_lack()
    {
        DnsName owner = DnsName.Parse("q.example.com");
        RecordType[] types = [RecordType.A, RecordType.Aaaa, RecordType.Cname];
        Zone zone = Sign(Signer(Start), new SteeredOwner(owner, [.. types])).Zone;
        SteeredDenial denial = zone.Denials![owner];
        ReadOnlySpan<byte> key = zone.Find(zone.Origin, RecordType.Dnskey)![0][4..];
        foreach (RecordType type in (RecordType[])[.. types[..2], RecordType.Mx])
        {
            RRset nsec = denial.Denying(type);
            Assert.False(TypeBitmap.Has(Bitmap(nsec), type));
            Assert.False(TypeBitmap.Has(Bitmap(nsec), RecordType.Cname));
            Assert.True(Signature.Verifies(nsec.Signature(0), nsec, key));
        }

        Assert.True(TypeBitmap.Has(Bitmap(denial.Denying(RecordType.A)), RecordType.Aaaa));
        foreach (RecordType type in types) Assert.True(TypeBitmap.Has(Bitmap(denial.Cover), type));
    }

    [Fact]
    public void A_change_signs_what_changed_and_no_change_gives_the_same_zone()
    {
        KeySet keys = Keys(Start);
        SignedZone first = Sign(Signer(Start, keys));
        Assert.Same(first, ZoneSigner.Sign(DnsTestBed.Zone, Signer(Start.AddHours(1), keys), [], first));

        Zone changed = DnsTestBed.Load("example.com", DnsTestBed.ZoneText.Replace("192.0.2.80", "192.0.2.83"));
        SetSigner signer = Signer(Start.AddHours(1), keys);
        ZoneSigner.Sign(changed, signer, [], first);
        Assert.Equal(1, signer.SignaturesMade);

        Zone added = DnsTestBed.Load("example.com", DnsTestBed.ZoneText + "\nzzz A 192.0.2.1\n");
        signer = Signer(Start.AddHours(1), keys);
        ZoneSigner.Sign(added, signer, [], first);
        // The new name, its NSEC, and the NSEC before it.
        Assert.Equal(3, signer.SignaturesMade);
    }

    [Fact]
    public void Signatures_are_renewed_before_a_quarter_of_their_time_is_left_and_not_all_at_once()
    {
        KeySet keys = Keys(Start);
        SignedZone zone = Sign(Signer(Start, keys));
        int all = zone.Zone.Sets.Sum(set => set.SignatureCount), rounds = 0, made = 0;
        DateTimeOffset end = Start + Options.Validity;
        while (zone.NextRenewal < end)
        {
            DateTimeOffset now = zone.NextRenewal;
            SetSigner signer = Signer(now, keys);
            zone = ZoneSigner.Sign(DnsTestBed.Zone, signer, [], zone);
            Assert.True(zone.NextRenewal > now);
            made += signer.SignaturesMade;
            rounds++;
            foreach (RRset set in zone.Zone.Sets.Where(set => set.SignatureCount > 0))
                Assert.True(Signature.Expiration(set.Signature(0), now) - now > Options.Validity / 4.1);
        }

        Assert.InRange(rounds, 5, 30);
        Assert.Equal(all, made);
    }

    [Fact]
    public void A_steered_answer_that_comes_back_costs_no_signature()
    {
        KeySet keys = Keys(Start);
        var cache = new SignatureCache(100);
        RRset Answer(int host) => new(DnsName.Parse("q.example.com"), RecordType.A, 60, [[192, 0, 2, (byte)host]]);
        var first = new SetSigner(keys, Options, cache, Start);
        RRset up = first.Sign(Answer(1));
        first.Sign(Answer(2));
        Assert.Equal(2, first.SignaturesMade);
        var second = new SetSigner(keys, Options, cache, Start.AddDays(3));
        Assert.Equal(up.Signature(0), second.Sign(Answer(1)).Signature(0));
        Assert.Equal(0, second.SignaturesMade);
        var late = new SetSigner(keys, Options, cache, Start.AddDays(13));
        late.Sign(Answer(1));
        Assert.Equal(1, late.SignaturesMade);
        Assert.True(late.NextRenewal > Start.AddDays(20));
        for (int host = 0; host < 250; host++) late.Sign(Answer(host));
        Assert.InRange(cache.Count, 40, 101);
    }

    [Fact]
    public void Both_csks_of_a_roll_sign_everything_and_the_old_ones_signatures_go_with_it()
    {
        KeyTiming timing = new() { TtlMax = TimeSpan.FromHours(1) };
        ZoneKey old = Made(Start), next = Made(Start.AddDays(9));
        List<ZoneKey> both = [old with { Times = old.Times with { DsSeen = Start } }, next];
        SignedZone one = Sign(Signer(Start, KeySet.At(DnsTestBed.Zone.Origin, [old], Start)));
        SetSigner during = Signer(Start.AddDays(9), KeySet.At(DnsTestBed.Zone.Origin, both, Start.AddDays(9)));
        SignedZone two = ZoneSigner.Sign(DnsTestBed.Zone, during, [], one);
        Assert.Equal(2, two.Zone.Soa.SignatureCount);
        Assert.Equal(2, two.Zone.Find(two.Zone.Origin, RecordType.Dnskey)!.SignatureCount);

        IReadOnlyList<ZoneKey> seen =
            KeyRollover.ParentHasDs(DnsTestBed.Zone.Origin, both, next.Key.Tag, Start.AddDays(10), timing);
        SetSigner after = Signer(Start.AddDays(12), KeySet.At(DnsTestBed.Zone.Origin, seen, Start.AddDays(12)));
        SignedZone end = ZoneSigner.Sign(DnsTestBed.Zone, after, [], two);
        Assert.Equal(next.Key.Tag, Signature.KeyTag(end.Zone.Soa.Signature(0)));
        Assert.Equal(1, end.Zone.Soa.SignatureCount);
        // Only the DNSKEY set changed, with CDS and CDNSKEY, which ask for the new key now.
        Assert.InRange(after.SignaturesMade, 1, 4);
    }

    [Fact]
    public void A_zone_that_comes_signed_is_not_signed_again() =>
        Assert.Throws<ArgumentException>(() => ZoneSigner.Sign(Sign(Signer(Start)).Zone, Signer(Start), []));

    internal static KeySet Keys(DateTimeOffset now) =>
        KeySet.At(DnsTestBed.Zone.Origin, [Made(now.AddDays(-30))], now);

    private static ZoneKey Made(DateTimeOffset now) => new(
        DnssecKey.Generate(DnsTestBed.Zone.Origin, KeyRole.Csk),
        KeyRollover.First(KeyRole.Csk, now, new KeyTiming { TtlMax = TimeSpan.FromHours(1) }));

    private static SetSigner Signer(DateTimeOffset now, KeySet? keys = null) =>
        new(keys ?? Keys(now), Options, new SignatureCache(1000), now);

    private static SignedZone Sign(SetSigner signer, params SteeredOwner[] steered) =>
        ZoneSigner.Sign(DnsTestBed.Zone, signer, steered);

    private static byte[] Bitmap(RRset nsec) => nsec[0][NameHash.LengthOf(nsec[0], out _)..].ToArray();

    private static IEnumerable<RecordType> Types(Zone zone, string owner) =>
        TypeBitmap.TypesIn(Bitmap(zone.Find(DnsName.Parse(owner), RecordType.Nsec)!));
}
