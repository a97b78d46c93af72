using Fairlead.Dns.Steering;
using Fairlead.Fleet.Spec;
using Fairlead.Fleet.Steer;
using Fairlead.Import;
using Fairlead.Node;

namespace Fairlead.Tests.Import;

public sealed class GdnsdImportTests : IDisposable
{
    private const string Config = """
        options => { listen => [ 127.0.0.1 ], dns_port => 5311, zones_default_ttl => 3600 }
        service_types => { # what is asked
          web => { plugin => http_status, port => 8080, url_path => "/check", vhost => www.example.com,
            up_thresh => 3, ok_thresh => 2, down_thresh => 4, interval => 5, timeout => 2 } ; as in a zone
        }
        plugins => {
          $include{plugins.cfg}
          multifo => { pool => { service_types = web lb1 = 192.0.2.1 lb2 = 192.0.2.2 lb3 = 192.0.2.3 } }
          simplefo => { fo => { primary => 192.0.2.61, secondary => 192.0.2.62 } }
          weighted => { w => { lb01 => [ 192.0.2.41, 45 ], lb02 => [ 192.0.2.42, 15 ] }, cn => { a => [ a.example.net.,
              3 ] } }
          static => { s => 192.0.2.71, c => c.example.net. }
        }
        """;

    private const string Plugins = """
        metafo => { resources => { m => { datacenters => [ dc-02, DC_01 ],
          dcmap => { DC_01 => %weighted!w, dc-02 => 192.0.2.22 } } } }
        geoip => {
          maps => { prod => { datacenters => [DC_01, dc-02, dc-03], nets => nets.cfg,
            auto_dc_coords => { DC_01 => [ 38.9, -77 ], dc-02 => [ 50.1, 8.7 ], dc-03 => [1.3, 103.9] },
            map => { EU => { default => [dc-02, DC_01], DE => dc-03 }, AS => auto,
              NA => { US => { default => DC_01, TX => { Dallas => [dc-02] } } } } } }
          resources => {
            www => { map => prod, dcmap => { DC_01 => 192.0.2.11, dc-02 => [192.0.2.12, 192.0.2.13],
                dc-03 => 192.0.2.14 } }
            second => { map => prod, skip_first => true, dcmap => { DC_01 => 192.0.2.11, dc-02 => 192.0.2.12,
                dc-03 => 192.0.2.13 } }
            cdn => { map => prod, dcmap => { DC_01 => us.example.net., dc-02 => eu.example.net.,
                dc-03 => as.example.net. } }
          }
        }
        """;

    private const string Zone = """
        @ SOA ns1 hostmaster (
          1 7200 30M 3D 900 )
          NS ns1
        ns1 A 127.0.0.1
        @ 300/30 DYNA geoip!www
        www 300 DYNA geoip!www ; the next line is www's too
           MX 10 mail
        mail A 192.0.2.99
        direct 600 IN DYNA geoip!www/dc-02
        second DYNA geoip!second
        cdn 300/60 DYNC geoip!cdn
        meta DYNA metafo!m
        pool DYNA multifo!pool
        fo DYNA simplefo!fo
        s 30 DYNA static!s
        c 30 DYNC static!c
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-import").FullName;

    public GdnsdImportTests()
    {
        Directory.CreateDirectory(From("zones"));
        Directory.CreateDirectory(From("geoip"));
        File.WriteAllText(From("config"), Config);
        File.WriteAllText(From("plugins.cfg"), Plugins);
        File.WriteAllText(From("geoip/nets.cfg"), "10.0.0.0/8 => [dc-02, DC_01], ::192.0.2.0/120 => dc-03");
        File.WriteAllText(From("zones/example.com"), Zone);
    }

    private string Into => Path.Combine(folder, "into");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_an_import_writes_has_no_fault_and_what_it_leaves_is_named_where_it_stands()
    {
        (FleetSpec fleet, ImportedFleet imported) = Import();
        Assert.Equal(["dc-01", "dc-02", "dc-03"], fleet.Pops.Select(pop => pop.Name));
        SpecProblem only = Assert.Single(imported.NotTaken);
        Assert.Equal((From("config"), 4, 21), (only.File, only.Line, only.Column));
        Assert.Contains("ok_thresh", only.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dynamic_record_becomes_a_steered_name_with_its_ttls()
    {
        (FleetSpec fleet, _) = Import();
        SteerSpec apex = Named(fleet, "@");
        Assert.Equal(new TtlSpec(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(300)), apex.Ttl);
        Assert.Equal(["up", "map prod"], apex.Policy.Select(step => step.Text));
        Assert.Equal(["failover dc-02"], Named(fleet, "direct").Policy.Select(step => step.Text));
        Assert.Equal(["map prod", "skip 1", "up"], Named(fleet, "second").Policy.Select(step => step.Text));
        Assert.Equal("eu.example.net.", Named(fleet, "cdn").Cname["dc-02"]);
        Assert.Equal(["up", "failover dc-02 dc-01"], Named(fleet, "meta").Policy.Select(step => step.Text));
    }

    [Fact]
    public void A_resource_becomes_a_service_with_its_check_and_its_pick()
    {
        (FleetSpec fleet, _) = Import();
        ServiceSpec pool = fleet.Service("multifo-pool")!;
        Assert.Equal((8080, "/check", 3, 4, 200), (pool.Ports[0].Port, pool.Check.Path, pool.Check.Rise,
            pool.Check.Fall,
            pool.Check.Status[0].First));
        Assert.Equal(new Quota(2), pool.MinHealthy);
        Assert.Equal(BackendPick.First, fleet.Service("simplefo-fo")!.Pick);
        Assert.Equal([15, 45], fleet.Service("metafo-m")!.Weights.Values.Order());
    }

    [Fact]
    public void A_record_keeps_its_owner_when_the_line_that_named_it_went()
    {
        _ = Import();
        string zone = File.ReadAllText(Path.Combine(Into, "zones/example.com.zone"));
        Assert.Contains("www.example.com. MX 10 mail", zone, StringComparison.Ordinal);
        Assert.Contains("s.example.com. 30 A 192.0.2.71", zone, StringComparison.Ordinal);
        Assert.DoesNotContain("DYN", zone, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("EU", "FR", null, null, "dc-02 dc-01")]
    [InlineData("EU", "DE", null, null, "dc-03")]
    [InlineData("NA", "US", "TX", "Dallas", "dc-02")]
    [InlineData("NA", "US", "TX", "Austin", "dc-01")]
    [InlineData("NA", "CA", null, null, "dc-01 dc-02 dc-03")]
    [InlineData("AS", "SG", null, null, "dc-01 dc-02 dc-03")]
    public void The_map_orders_pops_as_the_tree_did(
        string continent, string country, string? part, string? city, string order)
    {
        (FleetSpec fleet, _) = Import();
        var view = new ClientView(fleet, byDistance: false, fleet.Geo.MapNamed("prod"));
        // In Washington: whatever is steered by distance comes to dc-01 first.
        int region = view.RegionOf(new Place(continent, country, 38, -77) { Subdivision = part, City = city });
        Assert.Equal(order, string.Join(' ', view.Regions[region].ByMap));
    }

    [Fact]
    public void An_unknown_resource_takes_its_name_out_and_says_so()
    {
        File.AppendAllText(From("zones/example.com"), "\nlost 10 DYNA geoip!nothing\ncn 10 DYNC weighted!cn\n");
        (FleetSpec fleet, ImportedFleet imported) = Import();
        Assert.DoesNotContain(fleet.Zones[0].Steer, steer => steer.Name is "lost" or "cn");
        Assert.Contains(imported.NotTaken, one => one.Line == 17 && one.Message.StartsWith("lost.",
            StringComparison.Ordinal));
        Assert.Contains(imported.NotTaken, one => one.Line == 18 && one.Message.StartsWith("cn.",
            StringComparison.Ordinal));
    }

    [Fact]
    public void Halves_with_one_list_below_an_entry_of_their_own_are_named_since_gdnsd_forgets_one()
    {
        File.WriteAllText(From("geoip/nets.cfg"), """
            26.0.0.0/10 => [dc-02, dc-03], 26.0.0.0/11 => [dc-02, DC_01], 26.32.0.0/12 => [dc-02, DC_01]
            26.48.0.0/12 => [dc-02, DC_01], 10.0.0.0/9 => dc-03, 10.128.0.0/9 => dc-03
            """);
        (FleetSpec fleet, ImportedFleet imported) = Import();
        SpecProblem named = Assert.Single(imported.NotTaken, one => one.File == From("geoip/nets.cfg"));
        Assert.StartsWith("both halves of 26.0.0.0/10 have [dc-02, dc-01]", named.Message, StringComparison.Ordinal);
        Assert.Equal(6, fleet.Geo.MapNamed("prod")!.Networks.Length);
    }

    [Theory]
    [InlineData("a => { b => c", "1:7: this hash is never closed")]
    [InlineData("a => [ b, c", "1:7: this array is never closed")]
    [InlineData("a b", "1:3: expected \"=>\" after \"a\"")]
    [InlineData("a = \"b", "1:5: this text is never closed")]
    [InlineData("a = 1\na = 2", "2:1: \"a\" stands here twice")]
    [InlineData("a = \\300", "1:5: expected three digits up to 255 after \"\\\"")]
    public void Faults_of_the_configuration_language_say_where(string text, string fault) =>
        Assert.Equal($"x:{fault}", Assert.Throws<ImportException>(() => Vscf.Read("x", text)).Message);

    [Fact]
    public void Texts_are_read_with_their_escapes()
    {
        VscfValue read = Vscf.Read("x", "a=\"b c\\\"\" \"d;\" => ex\\097mple, e=[]");
        Assert.Equal("b c\"", read["a"]!.Text);
        Assert.Equal("example", read["d;"]!.Text);
    }

    private static SteerSpec Named(FleetSpec fleet,
        string name) => fleet.Zones[0].Steer.Single(steer => steer.Name == name);

    private string From(string file) => Path.Combine(folder, file);

    private (FleetSpec Fleet, ImportedFleet Imported) Import()
    {
        ImportedFleet imported = GdnsdImport.Read(folder);
        imported.Write(Into);
        LoadedFleet? loaded = LoadedFleet.Read(Path.Combine(Into, "fleet.yaml"),
            out IReadOnlyList<SpecProblem> problems);
        Tidy.Tree.AssertNone(problems.Select(problem => problem.ToString()));
        return (loaded!.Spec, imported);
    }
}
