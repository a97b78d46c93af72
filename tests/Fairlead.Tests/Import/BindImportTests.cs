using System.Text.RegularExpressions;
using Fairlead.Fleet.Spec;
using Fairlead.Import;
using Fairlead.Node;

namespace Fairlead.Tests.Import;

/// <summary>What a named.conf becomes. BIND 9.18.49's named-checkconf takes the ones without faults.</summary>
public sealed partial class BindImportTests : IDisposable
{
    private const string Conf = """
        /* A server with
           a bit of everything. */
        acl office { 192.0.2/24; !198.51.100.7; 198.51.100.4/30; 2001:db8::/32; };
        include "keys.conf";   // of this folder
        primaries upstream port 5300 { 203.0.113.1 key xfr.example; 2001:db8:5::1; };
        tls front { cert-file "/etc/bind/front.pem"; key-file "/etc/bind/front.key"; };
        options {
          directory "zones";
          listen-on port 5354 { 127.0.0.1; };
          listen-on-v6 { any; };
          listen-on port 853 tls front { 127.0.0.1; };
          listen-on tls front http default { 127.0.0.1; };
          recursion no;
          allow-query { any; };
          allow-transfer { office; key xfr.example; };
          also-notify { 192.0.2.5; 192.0.2.6 port 5353 key xfr.example; };
          notify explicit; notify-source 192.0.2.1;
          rate-limit { responses-per-second 20; slip 3; exempt-clients { 192.0.2.0/24; }; window 5; };
          tcp-clients 300; tcp-idle-timeout 50; cookie-secret "000102030405060708090a0b0c0d0e0f";
          version "none";
        };
        logging { channel q { file "q.log" versions 3 size 5m; }; category queries { q; }; };
        controls { inet 127.0.0.1 port 953 allow { 127.0.0.1; } keys { rndc-key; }; };
        server 203.0.113.9 { keys { xfr.example; }; transfers 5; };
        zone "example.com" { type primary; file "example.com.db"; };
        zone "Example.ORG" IN {
          type master; file "org.db"; # the old words
          allow-transfer { none; };
          allow-update { key xfr.example; };
          dnssec-policy default;
        };
        zone "example.net" { type slave; file "net.bak"; masters { upstream; 203.0.113.9; }; };
        zone "." { type hint; file "/usr/share/dns/root.hints"; };
        zone "lost.example" { type primary; file "lost.db"; };
        """;

    private const string Golden = """
        fleet: imported
        dns:
          keys: {"xfr.example.": {algorithm: hmac-sha256, secret: "c2VjcmV0LXNlY3JldC1zZWNyZXQ="}}
          listen: ["127.0.0.1:5354", "[::]:53"]
          tls: {listen: ["127.0.0.1:853"], certificate: "/etc/bind/front.pem", key: "/etc/bind/front.key"}
          https: {listen: ["127.0.0.1:443"], certificate: "/etc/bind/front.pem", key: "/etc/bind/front.key"}
          rateLimit: {answers: 20, nxdomains: 20, errors: 20, slip: 3, exempt: ["192.0.2.0/24"]}
          tcp: {connections: 300, idle: 5000ms}
          cookieSecrets: ["000102030405060708090a0b0c0d0e0f"]
          transfer:
            - {zone: "example.com", from: ["192.0.2.0/24", "198.51.100.4/31", "198.51.100.6/32", "2001:db8::/32"]}
            - {zone: "example.com", keys: ["xfr.example."]}
            - {zone: "example.net", from: ["192.0.2.0/24", "198.51.100.4/31", "198.51.100.6/32", "2001:db8::/32"]}
            - {zone: "example.net", keys: ["xfr.example."]}
          notify:
            - {to: "192.0.2.5:53", source: "192.0.2.1"}
            - {to: "192.0.2.6:5353", key: "xfr.example.", source: "192.0.2.1"}
          dnssec: {keys: keys/}
        pops:
          home:
            nodes: {node1: {addresses: ["127.0.0.1"]}}
        zones:
          dir: zones/
          "example.net":
            primaries:
              - {address: "203.0.113.1:5300", key: "xfr.example."}
              - {address: "[2001:db8:5::1]:5300"}
              - {address: "203.0.113.9:53", key: "xfr.example."}

        """;

    private const string Master = """
        $TTL 1h
        @ SOA ns1 hostmaster 1 7200 900 1209600 300
        @ NS ns1
        ns1 A 192.0.2.1

        """;

    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-import").FullName;

    public BindImportTests()
    {
        Directory.CreateDirectory(From("zones/inc"));
        File.WriteAllText(From("keys.conf"), """
            key "xfr.example" { algorithm hmac-sha256; secret "c2VjcmV0LXNlY3JldC1zZWNyZXQ="; };
            key rndc-key { algorithm hmac-md5; secret "c2VjcmV0LXNlY3JldC1zZWNyZXQ="; };
            """);
        File.WriteAllText(From("zones/example.com.db"),
            $"{Master}$INCLUDE inc/hosts sub ; theirs\nwww A 192.0.2.2\n$INCLUDE \"inc/hosts\"\n");
        File.WriteAllText(From("zones/inc/hosts"), "host A 192.0.2.3\n");
        File.WriteAllText(From("zones/org.db"), Master);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_named_conf_becomes_a_fleet()
    {
        ImportedFleet imported = Import(Conf);
        Assert.Equal(Golden, imported.FleetText());
        FleetSpec fleet = Read(imported);
        Assert.Equal(2, LoadedZones);
        Assert.Equal((300, 5, 20), (fleet.Dns.Tcp.Connections, fleet.Dns.Tcp.Idle.TotalSeconds,
            fleet.Dns.RateLimit.NxDomainsPerSecond));
    }

    [Fact]
    public void What_has_no_counterpart_is_named_where_it_stands_and_nothing_else_is() => Assert.Equal(
        [
            "keys.conf:2:1: the key rndc-key is left out",
            "named.conf:18:83: rate-limit: window 5 has no counterpart",
            "named.conf:20:3: version none has no counterpart",
            "named.conf:22:1: logging has no counterpart",
            "named.conf:23:1: controls has no counterpart",
            "named.conf:24:45: server 203.0.113.9: transfers 5 has no counterpart",
            "named.conf:29:3: zone Example.ORG: allow-update {...} has no counterpart",
            "named.conf:30:3: zone Example.ORG, dnssec-policy default",
            "named.conf:33:1: zone . (hint) is left out",
            "named.conf:34:1: zone lost.example is left out",
        ],
        Named(Import(Conf)));

    [Fact]
    public void Included_master_files_are_brought_along()
    {
        ImportedFleet imported = Import(Conf);
        _ = Read(imported);
        string zone = File.ReadAllText(From("into/zones/example.com.zone"));
        Assert.Contains("$INCLUDE \"example.com.zone.d/1\" sub ; theirs\n", zone, StringComparison.Ordinal);
        Assert.Equal("host A 192.0.2.3\n", File.ReadAllText(From("into/zones/example.com.zone.d/2")));
    }

    [Fact]
    public void A_file_with_secrets_is_its_owners_alone()
    {
        Import(Conf).Write(From("into"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(From("into/fleet.yaml")));
    }

    [Theory]
    [InlineData("any;", "from: [\"0.0.0.0/0\", \"::/0\"]")]
    [InlineData("none;", "")]
    [InlineData("10/8; !10.0.0.1; key xfr.example;", "from: [\"10.0.0.0/8\"] | keys: [\"xfr.example.\"]")]
    [InlineData("!10.1.0.0/16; 10.1/16; 10.0.0.0/15;", "from: [\"10.0.0.0/16\"]")]
    [InlineData("!{ !10.0.0.0/8; any; }; key xfr.example;", "from: [\"10.0.0.0/8\"], keys: [\"xfr.example.\"]")]
    [InlineData("{ !192.0.2.1; 192.0.2.0/31; }; 192.0.2.1;", "from: [\"192.0.2.0/32\", \"192.0.2.1/32\"]")]
    public void An_address_match_list_allows_whom_it_did(string list, string rules)
    {
        ImportedFleet imported = Import($$"""
            include "keys.conf";
            options { directory "zones"; notify no; allow-transfer { {{list}} }; };
            zone "example.org" { type primary; file "org.db"; };
            """);
        IEnumerable<string> lines = imported.Dns.Where(line => line.StartsWith("  - ", StringComparison.Ordinal));
        Assert.Equal(rules, string.Join(" | ", lines.Select(line => line[5..^1])));
    }

    [Fact]
    public void What_is_otherwise_by_default_is_said_once()
    {
        string[] named = Named(Import("""
            options { directory "zones"; };
            zone "example.org" { type primary; file "org.db"; };
            zone "example.com" { type primary; file "example.com.db"; };
            """));
        Assert.Equal(2, named.Length);
        Assert.StartsWith("named.conf:1:1: allow-transfer is not given", named[0], StringComparison.Ordinal);
        Assert.StartsWith("named.conf:1:1: notify: named tells the name servers", named[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("options { directory \"a\" }", "1:25: expected \";\" after \"a\"")]
    [InlineData("options {\n  recursion no;\n", "1:9: this block is never closed")]
    [InlineData("options { recursion no; }\nzone \"a\" { type hint; };", "2:1: expected \";\" after the block")]
    [InlineData("/* a\n", "1:1: this comment is never closed")]
    [InlineData("acl \"a { any; };\n", "1:5: this text is never closed")]
    [InlineData("acl a { any; }; };", "1:17: expected a statement, found \"}\"")]
    [InlineData(";", "1:1: expected a statement, found \";\"")]
    [InlineData("option { };", "1:1: expected a statement such as options, zone or view; found \"option\"")]
    [InlineData("zone { type primary; };", "1:1: expected a name and a block: zone \"NAME\" { ... };")]
    [InlineData("zone \"a\" { file \"x\"; };", "1:10: expected a type for the zone a")]
    [InlineData("zone \"a\" { type prim; };", "1:17: expected a type such as primary or secondary, found \"prim\"")]
    [InlineData("zone \"a\" { type secondary; };", "1:10: expected primaries for the zone a")]
    [InlineData("zone \"a\" { type slave; masters { b; }; };",
        "1:34: expected an address or the name of a list, found \"b\"")]
    [InlineData("options { port 0; };", "1:16: port: expected a number from 1 to 65535")]
    [InlineData("include \"nothing.conf\";", "1:1: *nothing.conf cannot be read: *")]
    public void Faults_say_where_and_what_was_expected(string text, string fault)
    {
        string message = Assert.Throws<ImportException>(() => Import(text)).Message;
        string pattern = Regex.Escape($"{From("named.conf")}:{fault}").Replace("\\*", ".*", StringComparison.Ordinal);
        Assert.Matches($"^{pattern}$", message);
    }

    private int LoadedZones { get; set; }

    private string From(string file) => Path.Combine(folder, file);

    private ImportedFleet Import(string conf)
    {
        File.WriteAllText(From("named.conf"), conf);
        return BindImport.Read(From("named.conf"));
    }

    private string[] Named(ImportedFleet imported) =>
        [
            .. imported.NotTaken.Select(one => $"{one}".Replace($"{folder}/", "", StringComparison.Ordinal))
                .Select(line => UpToAdvice().Match(line).Value),
        ];

    private FleetSpec Read(ImportedFleet imported)
    {
        imported.Write(From("into"));
        BindFleets.KeepWhatIsRead(From("into/fleet.yaml"));
        LoadedFleet? loaded = LoadedFleet.Read(From("into/fleet.yaml"), out IReadOnlyList<SpecProblem> problems);
        Tidy.Tree.AssertNone(problems.Select(problem => problem.ToString()));
        LoadedZones = loaded!.Zones.Length;
        return loaded.Spec;
    }

    // Up to the second colon behind the place, or the first of what to do.
    [GeneratedRegex(@"^\S+:\d+:\d+: ((rate-limit|zone \S+|server \S+|notify): )?[^:]*")]
    private static partial Regex UpToAdvice();
}

/// <summary>Fleet files that an import wrote, for a reader of fleet files.</summary>
public static partial class BindFleets
{
    /// <summary>Takes out the keys of transfers while the reader of fleet files does not know them.</summary>
    public static void KeepWhatIsRead(string file)
    {
        if (FleetReader.Schema()["properties"]!["dns"]!["properties"]!["transfer"] is not null) return;
        File.WriteAllText(file, Transfers().Replace(File.ReadAllText(file), ""));
    }

    [GeneratedRegex("(?m)^  (keys: .*|(transfer|notify):(\n    - .*)*|\"[^\"]*\":\n    primaries:(\n      - .*)*)\n")]
    private static partial Regex Transfers();
}
