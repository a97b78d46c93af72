using Fairlead.Dns.Answering;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Tests.Dns;

public class ZoneStorageTests
{
    private static RRset Soa(DnsName origin) => new(origin, RecordType.Soa, 300,
        [[.. DnsName.Parse("ns").Wire, .. DnsName.Parse("host").Wire, .. new byte[20]]]);

    private static RRset A(DnsName owner, params byte[] last) =>
        new(owner, RecordType.A, 300, last.Select(b => new byte[] { 192, 0, 2, b }));

    private static DnsName Any(Random random, DnsName origin)
    {
        DnsName name = origin;
        for (int labels = random.Next(0, 4); labels > 0; labels--)
        {
            byte[] label = new byte[random.Next(1, 12)];
            for (int i = 0; i < label.Length; i++) label[i] = (byte)"\0\u0001\u0002aAbB*-09z\u007f~"[random.Next(14)];
            name = name.Prepend(label);
        }

        return name;
    }

    [Fact]
    public void A_zone_gives_back_the_sets_that_it_was_made_of() => Property.Holds(200, random =>
    {
        DnsName origin = DnsName.Parse("example");
        var sets = new Dictionary<(DnsName, RecordType), RRset> { [(origin, RecordType.Soa)] = Soa(origin) };
        for (int i = random.Next(60); i > 0; i--)
        {
            DnsName owner = Any(random, origin);
            sets[(owner, RecordType.A)] = A(owner, (byte)random.Next(3), (byte)random.Next(3));
            if (random.Next(3) == 0)
                sets[(owner, RecordType.Mx)] = new(owner, RecordType.Mx, 60, [[0, 1, .. Any(random, origin).Wire]]);
        }

        RRset[] given = [.. sets.Values];
        random.Shuffle(given);
        var zone = new Zone(origin, given);

        DnsName[] owners = [.. sets.Keys.Select(key => key.Item1).Distinct().Order()];
        Assert.Equal(owners, zone.Owners);
        Assert.Equal(sets.Count, zone.SetCount);
        Assert.Equal(sets.Keys.Order(), zone.Sets.Select(set => (set.Owner, set.Type)).Order());
        foreach (((DnsName owner, RecordType type), RRset set) in sets)
        {
            RRset found = zone.Find(owner, type)!;
            Assert.Equal(Records(set), Records(found));
            Assert.Equal(set.TtlSeconds, found.TtlSeconds);
        }

        for (int i = 0; i < 50; i++)
        {
            DnsName name = Any(random, origin);
            Assert.Equal(owners.Last(owner => owner <= name), zone.PreviousOwner(name));
            Assert.Equal(owners.FirstOrDefault(owner => owner > name) ?? origin, zone.NextOwner(name));
            Assert.Equal(owners.Any(owner => owner.IsWithin(name)), zone.Exists(name));
        }
    });

    [Fact]
    public void The_order_of_names_is_the_same_whichever_way_it_is_made() => Property.Holds(2000, random =>
    {
        DnsName one = Any(random, DnsName.Root), other = Any(random, DnsName.Root);
        Assert.Equal(Math.Sign(one.CompareTo(other)), Math.Sign(CanonicalOrder.Compare(one.Wire, other.Wire)));
    });

    [Fact]
    public void Signatures_stand_with_the_set_that_they_cover()
    {
        Zone zone = DnsTestBed.Load("example.com", DnsTestBed.ZoneText + """

            signed A 192.0.2.7
            signed TXT "x"
            signed RRSIG \# 21 0001 0d 03 00000e10 00000000 00000000 1234 00 aabb
            signed RRSIG \# 21 0010 0d 03 00000e10 00000000 00000000 1234 00 ccdd
            signed RRSIG \# 21 0001 0d 03 00000e10 00000000 00000000 1235 00 eeff
            """);
        DnsName owner = DnsName.Parse("signed.example.com");
        Assert.Equal([RecordType.A, RecordType.Txt], zone.SetsAt(owner).Select(set => set.Type));
        RRset set = zone.Find(owner, RecordType.A)!;
        Assert.Equal(2, set.SignatureCount);
        Assert.Equal("EEFF", Convert.ToHexString(set.Signature(1))[^4..]);
        Assert.Equal(1, zone.Find(owner, RecordType.Txt)!.SignatureCount);
        Assert.Equal(2, new Zone(zone.Origin, zone.Sets).Find(owner, RecordType.A)!.SignatureCount);
    }

    [Fact]
    public void A_signature_needs_what_it_covers()
    {
        MasterFileResult result = MasterFile.Read("x.zone", DnsName.Parse("example.com"), DnsTestBed.ZoneText
            + "\nwww RRSIG \\# 21 0010 0d 03 00000e10 00000000 00000000 1234 00 aabb");
        Assert.Contains("has no TXT for this RRSIG to cover", Assert.Single(result.Problems).Message);
    }

    [Fact]
    public void Another_steering_table_leaves_the_zones_alone()
    {
        DnsTable before = DnsTestBed.Table;
        SteeringTable other = new(before.Steering.Names.Select(name => name with { TtlSeconds = 7 }));
        DnsTable after = DnsTable.Create(8, before.Zones, before.Regions, other, "", before);
        Assert.Equal(7u, after.Steering.Names[0].TtlSeconds);
        Assert.Contains(" 7 A ", DnsTestBed.Ask("steered.example.com", RecordType.A, table: after).Answers[0]);
        Assert.Equal(Rcode.NxDomain, DnsTestBed.Ask(
            "steered.example.com", RecordType.A,
            table: DnsTable.Create(9, before.Zones, before.Regions, SteeringTable.Empty, "", after)).Rcode);
    }

    [Fact]
    public void The_memory_of_a_record_is_bounded()
    {
        DnsName origin = DnsName.Parse("example");
        IEnumerable<RRset> hosts = Enumerable.Range(0, 20_000).Select(i => A(origin.Prepend($"host{i:D6}"), (byte)i));
        var zone = new Zone(origin, [Soa(origin), .. hosts]);
        Assert.Equal(20_001, zone.RecordCount);
        Assert.True(zone.Data.Bytes < 20_000 * 100, $"{zone.Data.Bytes / 20_000} bytes a record");
    }

    private static List<string> Records(RRset set) =>
        [.. Enumerable.Range(0, set.Count).Select(i => Convert.ToHexString(set[i])).Order()];
}
