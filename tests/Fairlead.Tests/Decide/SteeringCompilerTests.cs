using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;
using Fairlead.Tests.Dns;
using Fairlead.Tests.Dns.Signing;
using Fairlead.Tests.Lab;

namespace Fairlead.Tests.Decide;

/// <summary>A table that is made from the one before it, and what is signed before a plan comes.</summary>
public class SteeringCompilerTests
{
    private static readonly string[] Clients = ["10.1.0.1", "10.3.0.1", "10.4.0.1", "192.0.2.9"];
    private static readonly string[] Patterns =
        ["*/nyc", "web/lon", "www.example.com/tyo", "n*.example.com/lon", "n1.example.com/*", "cdn*/nyc"];

    private static readonly FleetSpec Fleet = ThreeCities.Read(
        File.ReadAllText(ThreeCities.FleetFile)
        + """
              n0: {service: web, ttl: 5s, policy: [up, geo, {shed: {lon: 10%, tyo: 2%}}]}
              n1: {service: web, ttl: 5s, policy: [up, geo, {multi: 2}]}
              n2: {service: web, ttl: {min: 1s, max: 20s}, policy: [up, {failover: [nyc, tyo, lon]}]}
              n3: {service: web, ttl: 5s, policy: [up, {min: 2}, {weighted: {nyc: 3, lon: 1, tyo: 2}}]}
              n4: {service: web, ttl: 5s, policy: [up, spread]}
              n5: {service: web, answer: backends, ttl: {min: 1s, max: 9s}}
              n6: {service: dns, ttl: 5s}
              n7: {service: web, ttl: 5s}
              N8: {service: web, ttl: 5s}
              n9: {service: web, ttl: 4s, policy: [up, geo, {skip: 1}]}
              also: {alias: n5, ttl: 3s}
              mirror: {reflect: true}
        """);

    private static readonly ClientViews Views = new(Fleet, Geography.Of(
    [
        (Prefix.Parse("10.1.0.0/16"), new Place("AS", "JP", 34.7, 135.5)),
        (Prefix.Parse("10.3.0.0/16"), new Place("EU", "FR", 48.9, 2.4)),
        (Prefix.Parse("10.4.0.0/16"), new Place("NA", "US", 42.4, -71.1)),
    ]));

    private static readonly Zone Plain = DnsTestBed.Load("example.com",
        File.ReadAllText(Path.Combine(Fixture.Repository, "lab", "topologies", "example.com.zone")));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_table_made_from_the_one_before_it_is_what_it_would_be_from_nothing(bool isSigned) =>
        Property.Holds(10, random =>
        {
            SetSigner? signer = isSigned ? Signer(new SignatureCache(100_000)) : null;
            var compiler = new SteeringCompiler(Fleet, Views);
            Zone[] zones = [Plain];
            DnsTable before = DnsTable.Empty;
            Plan plan = new();
            for (int step = 0; step < 12; step++)
            {
                if (random.Next(5) > 0) plan = Changed(plan, random);
                // A fleet file that is read again has another compiler, which says the same.
                if (random.Next(6) == 0) compiler = new SteeringCompiler(Fleet, Views);
                SteeringTable made = compiler.Of(plan, signer is null ? null : SignerOf, before.Steering);
                SteeringTable anew = Steering.Of(Fleet, plan, Views, null, signer is null ? null : SignerOf);
                DnsTable next = DnsTable.Create(step, zones, RegionMap.Empty, made, "node-1", before);
                DnsTable other = DnsTable.Create(step, zones, RegionMap.Empty, anew, "node-1");
                Assert.Equal(Text(anew), Text(made));
                Assert.Equal(Answers(other), Answers(next));
                before = next;
            }

            SetSigner? SignerOf(DnsName owner) => owner.LabelCount > 2 ? signer : null;
        });

    [Fact]
    public void What_a_plan_does_not_change_is_taken_over_as_it_is()
    {
        var compiler = new SteeringCompiler(Fleet, Views);
        Plan up = new Situation(Fleet).Plan();
        SteeringTable first = compiler.Of(up);
        SteeringTable same = compiler.Of(up with { Extra = [] }, null, first);
        Assert.All(Enumerable.Range(0, first.Names.Length).Where(i => first.Names[i].ReflectsRegions is null),
            i => Assert.Same(first[i], same[i]));

        // dns goes down in tyo: the names of web are none of its business.
        SteeringTable next = compiler.Of(new Situation(Fleet).Fails("dns", "tyo").Plan(), null, same);
        string[] changed =
        [
            .. Enumerable.Range(0, next.Names.Length)
                .Where(i => next.Names[i].ReflectsRegions is null && !ReferenceEquals(next[i], same[i]))
                .Select(i => next.Names[i].Owner.ToString()),
        ];
        Assert.Equal(["n6.example.com."], changed);
    }

    [Fact]
    public void What_is_likely_is_signed_before_it_comes()
    {
        var cache = new SignatureCache(100_000);
        var compiler = new SteeringCompiler(Fleet, Views);
        Plan up = new Situation(Fleet).Plan();
        LookAhead(compiler, cache, up);

        Assert.All(
            (Situation[])
            [
                new(Fleet), new Situation(Fleet).Silent("nyc", 60), new Situation(Fleet).Silent("lon", 60),
                new Situation(Fleet).Drains("tyo", 1), new Situation(Fleet).Fails("web", "tyo"),
                new Situation(Fleet).Fails("dns", "nyc"), new Situation(Fleet).BackendFails("tyo", "2001:db8:3::b1"),
            ],
            likely => Assert.Equal(0, Made(likely.Plan())));
        // Two at once is not likely, until one of them has happened.
        LookAhead(compiler, cache, new Situation(Fleet).Silent("nyc", 60).Plan());
        Assert.Equal(0, Made(new Situation(Fleet).Silent("nyc", 60).Silent("lon", 60).Plan()));
        // What nobody thought of is signed when it comes.
        cache = new SignatureCache(100_000);
        Assert.NotEqual(0, Made(up));
        Assert.Equal(0, Made(up));

        int Made(Plan plan)
        {
            SetSigner signer = Signer(cache);
            SteeringTable table = compiler.Of(plan, _ => signer);
            for (int i = 0; i < table.Names.Length; i++) Assert.All(table[i].Signed!, AssertSigned);
            return signer.SignaturesMade;
        }
    }

    [Fact]
    public void Looking_ahead_fills_no_more_than_half_of_the_cache()
    {
        var cache = new SignatureCache(40);
        Assert.Equal(20, LookAhead(new SteeringCompiler(Fleet, Views), cache, new Situation(Fleet).Plan()));
        Assert.Equal(20, cache.Count);
    }

    private static readonly KeySet Keys = ZoneSignerTests.Keys(Situation.Now);

    private static SetSigner Signer(SignatureCache cache) => new(Keys, new SigningOptions(), cache, Situation.Now);

    private static void AssertSigned(RRset set)
    {
        ReadOnlySpan<byte> key = Keys.ZoneSigners[0].PublicKey;
        Assert.Equal(1, set.SignatureCount);
        Assert.True(Signature.Verifies(set.Signature(0), set, key), $"{set.Owner} {set.Type}");
    }

    private static int LookAhead(SteeringCompiler compiler, SignatureCache cache, Plan plan)
    {
        SetSigner signer = Signer(cache);
        var ahead = new SigningAhead(_ => signer);
        return LikelyPlans.After(Fleet, plan).Sum(likely => ahead.Sign(compiler.Names(likely)).Count());
    }

    private static Plan Changed(Plan plan, Random random)
    {
        string[] pops = [.. Fleet.Pops.Select(pop => pop.Name)];
        ImmutableArray<string> Some() => [.. pops.Where(_ => random.Next(4) > 0)];
        return random.Next(3) switch
        {
            0 => plan with
            {
                Pops =
                [
                    .. pops.Where(_ => random.Next(8) > 0).Select(pop => new PopPlan(pop, (PopState)random.Next(9),
                        "", true, AggregateStance.Announce, random.Next(3) > 0, false)
                    {
                        LeavesSoon = random.Next(4) == 0,
                    }),
                ],
            },
            1 => plan with
            {
                Services =
                [
                    .. Fleet.Services.Select(service => new ServicePlan(service.Name, Some(), Some(), false, false,
                        service.Backends.ToImmutableSortedDictionary(pool => pool.Key,
                            pool => pool.Value.RemoveAll(_ => random.Next(4) == 0)))
                    {
                        Turns = Some().ToImmutableSortedDictionary(
                            pop => pop, _ => new PoolTurns(random.Next(8), random.Next(8))),
                    }),
                ],
            },
            _ => plan with
            {
                Overrides =
                [
                    .. Patterns.Where(_ => random.Next(4) == 0)
                        .Select(pattern => new OverridePlan(pattern, random.Next(2) == 0, "test")),
                ],
            },
        };
    }

    // All that an answer can come from.
    private static string Text(SteeringTable table)
    {
        var text = new StringBuilder();
        for (int i = 0; i < table.Names.Length; i++)
        {
            (SteeredName name, SteeredEntry entry) = (table.Names[i], table[i]);
            string reflects = string.Join(' ', name.ReflectsRegions ?? []);
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{name.Owner} {entry.Owner} {name.TtlSeconds} {entry.Regions?.RunCount} {reflects}");
            foreach (RecordType type in (RecordType[])
                [RecordType.A, RecordType.Aaaa, RecordType.Cname, RecordType.Txt, RecordType.Any])
            {
                if (name.ReflectsRegions is not null) continue;
                string classes = string.Join(' ', entry.Steering.ClassesOf(type).ToArray());
                text.AppendLine(CultureInfo.InvariantCulture,
                    $"  {type} {classes} {entry.Steering.IsOneForAll(type)}");
                for (int region = 0; region < name.ByRegion.Length; region++)
                {
                    CompiledSplit? split = entry.Steering[region].For(type);
                    uint ttl = entry.Steering[region].TtlSeconds;
                    text.AppendLine(CultureInfo.InvariantCulture, $"    {ttl} {split?.Key}");
                    foreach (CompiledShare share in split?.Lots.SelectMany(lot => lot) ?? [])
                    {
                        RRset? set = entry.SetOf(share);
                        string signature = set?.SignatureCount > 0 ? Convert.ToHexString(set.Signature(0)) : "";
                        text.AppendLine(CultureInfo.InvariantCulture,
                            $"      {share.Target} {share.Label} {share.Limit} {Data(set)} {signature}");
                    }
                }
            }
        }

        return text.ToString();
    }

    private static string Data(RRset? set) => set is null ? "-" : Convert.ToHexString(set.View.Bodies);

    // Names that draw have sequences of their own and are left out.
    private static string Answers(DnsTable table) => string.Join('\n',
        from name in (string[])["www", "cdn", "anycast", "n0", "n1", "n2", "n4", "n5", "n6", "n8", "also", "ns1"]
        from type in (RecordType[])[RecordType.A, RecordType.Aaaa, RecordType.Txt]
        from client in Clients
        let reply = DnsTestBed.Ask($"{name}.example.com", type, client, null, table)
        select $"{name} {type} {client}: {string.Join(", ", reply.Answers)}; {string.Join(", ", reply.Authorities)}");
}
