using Fairlead.Bgp.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Health;
using Fairlead.Import;

namespace Fairlead.Tests.Import;

/// <summary>Those who come from ExaBGP, or from anycast_healthchecker beside BIRD.</summary>
public sealed class AnnouncerImportTests : IDisposable
{
    private const string Bird = """
        router id 10.52.12.9; # as documented for anycast_healthchecker
        include "anycast-prefixes.conf";
        define MYAS = 65001;
        filter out { if net ~ ACAST_PS_ADVERTISE then { bgp_med = 5; accept; } reject; }
        template bgp tor { local 10.0.0.2 as MYAS; hold time 30; bfd { interval 50 ms; multiplier 3; };
          graceful restart on; password "s;x"; ipv4 { export filter out; import none; }; }
        protocol device {}
        protocol bgp tor1 from tor { neighbor 10.0.0.1 as 65000; }
        protocol bgp tor2 from tor { neighbor 10.0.0.3 as 65000; ttl security on; multihop 2; }
        protocol ospf v2 core { area 0 {}; }
        """;

    private const string Healthchecker = """
        [DEFAULT]
        interface = lo
        check_disabled = false
        site = /opt/checks
        [daemon]
        pidfile = /run/anycast-healthchecker/anycast-healthchecker.pid
        bird_conf = /etc/bird.d/anycast-prefixes.conf
        log_file = /var/log/anycast-healthchecker.log
        """;

    private const string Services = """
        [foo.bar.com]
        check_cmd = %(site)s/web --url
            'http://10.52.12.1/a b' 100%%
        check_interval = 0.5
        check_timeout = 2
        check_rise: 3
        ip_prefix = 10.52.12.1/32
        [off.bar.com]
        check_cmd = check_off
        check_disabled = true
        on_disabled = advertise
        ip_prefix = 10.53.12.1
        custom_bird_reconfigure_cmd = /bin/true
        [foo6.bar.com]
        check_cmd = /bin/true
        ip_prefix = fd12:aba6:57db:ffff::1/128
        [again.bar.com]
        check_cmd = /bin/true
        ip_prefix = 10.52.12.1
        [wide.bar.com]
        check_cmd = /bin/true
        ip_prefix = 10.52.0.0/16
        """;

    private const string Exabgp = """
        template { neighbor tor { local-as 65001; peer-as 65000; hold-time 30; local-address 10.0.0.2;
          router-id 10.0.0.9; group-updates false; family { ipv4 unicast; ipv4 flow; }
          capability { graceful-restart 1200; route-refresh enable; asn4 enable; }
          static { route 192.0.2.7/32 next-hop self med 20 community [ 65001:1 65001:2 ] as-path [ 65001 ];
            route 192.0.2.0/24 { next-hop 10.0.0.2; } } } }
        neighbor 10.0.0.1 { inherit tor; description "top of rack"; md5-password "secret"; api { processes [ w ]; } }
        neighbor 2001:db8::1 { local-as 65001; peer-as 65000; local-address 2001:db8::2; family { ipv6 unicast; }
          incoming-ttl 255; passive; }
        neighbor 10.0.0.4 { local-as 65009; peer-as 65000; local-address 10.0.0.2; }
        process w { run /usr/bin/python3 -m exabgp healthcheck --config /etc/exabgp/web.conf --ip 192.0.2.1/32
            --ip 192.0.2.2 --ip=2001:db8:f::1; encoder text; }
        process dns { run exabgp healthcheck --cmd "dig +short @127.0.0.1 a; test $? = 0" --ip 192.0.2.53
            --withdraw-on-down -i 1 -f 0.2 -t 1 --rise 2 --fall 2 --community "65001:53"; }
        process own { run /usr/local/bin/announce.py; encoder json; }
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-import").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Anycast_healthchecker_becomes_services_and_its_bird_the_routers()
    {
        File("bird.conf", Bird);
        File("anycast-prefixes.conf", "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.52.12.1/32,10.99.0.1/32 ];");
        File("anycast-healthchecker.d/services.conf", Services);
        AnnouncerFleet read = HealthcheckerImport.Read(File("anycast-healthchecker.conf", Healthchecker));
        FleetSpec fleet = Accepted(read);

        Assert.Equal(65001u, fleet.Asn!.Value.Value);
        RouterSpec[] routers = [.. fleet.Pops[0].Routers];
        Assert.Equal(["tor1 10.0.0.1 False", "tor2 10.0.0.3 True"],
            routers.Select(router => $"{router.Name} {router.Addresses[0]} {router.TtlSecurity}"));
        Assert.All(routers, router => Assert.Equal(
            (65000u, 30, "s;x", new BfdSpec(TimeSpan.FromMilliseconds(50), 3)),
            (router.Asn!.Value.Value, (int)router.HoldTime.TotalSeconds, router.Password, router.Bfd)));
        CheckSpec foo = fleet.Service("foo-bar-com")!.Check;
        Assert.Equal(["/bin/sh", "-c", "\"$@\" || exit 2", "check", "/opt/checks/web", "--url",
            "http://10.52.12.1/a b", "100%"], foo.Command);
        Assert.Equal((500, 500, 3, 2), ((int)foo.Interval.TotalMilliseconds,
            (int)foo.EffectiveTimeout.TotalMilliseconds, foo.Rise, foo.Fall));
        Assert.Equal(AnnounceWhen.Always, fleet.Service("off-bar-com")!.Announce.When);
        Assert.Equal(["10.52.12.1/32", "10.53.12.1/32", "fd12:aba6:57db:ffff::1/128"],
            fleet.AnycastSubnets.Select(subnet => subnet.ToString()));
        Assert.Empty(fleet.Aggregates);
        Assert.Equal(
        [
            "anycast-healthchecker.conf:8", "services.conf:5", "services.conf:13", "services.conf:14",
            "services.conf:19", "services.conf:22", "bird.conf:4", "bird.conf:6", "bird.conf:9", "bird.conf:10",
            "anycast-prefixes.conf:1",
        ], Places(read));
    }

    [Fact]
    public void Exabgp_becomes_routers_and_its_healthchecks_and_static_routes_services()
    {
        File("web.conf", "debug\nname = web\ninterval = 10\n# a comment\ncommand = curl -sf http://127.0.0.1/\n");
        AnnouncerFleet read = ExabgpImport.Read(File("exabgp.conf", Exabgp));
        FleetSpec fleet = Accepted(read);

        Assert.Equal(["top-of-rack 10.0.0.1 30 secret False", "router-2001-db8--1 2001:db8::1 180  True"],
            fleet.Pops[0].Routers.Select(one =>
                $"{one.Name} {one.Addresses[0]} {one.HoldTime.TotalSeconds} {one.Password} {one.TtlSecurity}"));
        Assert.Equal(["10.0.0.2", "2001:db8::2"], fleet.Pops[0].Nodes[0].Addresses.Select(one => $"{one}"));
        Assert.Equal(["static-192-0-2-7", "web-1", "web-2", "web-3", "dns"], fleet.Services.Select(one => one.Name));
        AnnounceSpec still = fleet.Services[0].Announce, second = fleet.Services[2].Announce;
        Assert.Equal((20, 1, "65001:1 65001:2"), (still.Med, still.Prepend,
            string.Join(' ', still.Communities.Select(Community.Format))));
        Assert.Equal((101, 1001), (second.Med, second.Failing!.Med));
        CheckSpec dns = fleet.Services[4].Check;
        Assert.Equal(["/bin/sh", "-c", "/bin/sh -c \"$0\" || exit 2", "dig +short @127.0.0.1 a; test $? = 0"],
            dns.Command);
        Assert.Equal((1000, 200), ((int)dns.Interval.TotalMilliseconds, (int)dns.Recheck!.Value.TotalMilliseconds));
        Assert.Null(fleet.Services[4].Announce.Failing);
        Assert.Equal(["192.0.2.0/24"], fleet.Cover.Select(cover => cover.ToString()));
        Assert.Equal(
        [
            "exabgp.conf:2", "exabgp.conf:2", "exabgp.conf:3", "exabgp.conf:5", "exabgp.conf:8", "exabgp.conf:9",
            "exabgp.conf:10", "exabgp.conf:14",
        ], Places(read));
    }

    [Theory]
    [InlineData("neighbor 10.0.0.1 { local-as 1;", ":1:19: this block is never closed")]
    [InlineData("neighbor 10.0.0.1 { inherit nobody; }", ":1:21: there is no template nobody")]
    [InlineData("process a { run exabgp healthcheck --ip; }", ":1:13: --ip needs a value")]
    [InlineData("process a { run exabgp healthcheck --ip 192.0.2.1 --rise x --cmd y; }",
        ":1:13: --rise: expected a number, found \"x\"")]
    [InlineData("a 'b", ":1:3: this text is never closed")]
    public void A_file_with_a_fault_is_named_by_its_place(string text, string fault)
    {
        string file = File("exabgp.conf", text);
        Assert.Equal(file + fault, Assert.Throws<ImportException>(() => ExabgpImport.Read(file)).Message);
    }

    [Fact]
    public void Damaged_files_give_faults_and_nothing_else_is_thrown() => Property.Holds(300, random =>
    {
        foreach ((string name, string text, Func<string, AnnouncerFleet> read) in
            ((string, string, Func<string, AnnouncerFleet>)[])
            [("exabgp.conf", Exabgp, ExabgpImport.Read), ("x.conf", Services, HealthcheckerImport.Read)])
        {
            char[] damaged = text.ToCharArray();
            for (int i = random.Next(5); i >= 0; i--)
                damaged[random.Next(damaged.Length)] = "{};[]\"'=%-\n a1"[random.Next(14)];
            File("bird.conf", new string(damaged));
            try
            {
                _ = read(File(name, new string(damaged[..random.Next(damaged.Length)]))).Text(name);
            }
            catch (ImportException)
            {
                // It says where and what.
            }
        }
    });

    /// <summary>What `fairlead check` says of what is printed: nothing.</summary>
    private static FleetSpec Accepted(AnnouncerFleet read)
    {
        FleetFile? file = FleetReader.Read("printed", read.Text("here"), out IReadOnlyList<SpecProblem> problems);
        Assert.Empty(problems);
        return file!.Spec;
    }

    private static IEnumerable<string> Places(AnnouncerFleet read) =>
        read.NotTaken.Select(one => $"{Path.GetFileName(one.File)}:{one.Line}");

    private string File(string name, string text)
    {
        string path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        System.IO.File.WriteAllText(path, text);
        return path;
    }
}
