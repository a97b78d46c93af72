using System.Diagnostics;
using System.Globalization;
using Fairlead.Lab;

namespace Fairlead.InteropTests.Node;

/// <summary>Knot as the secondary of a node, and as the hidden primary of one, all with TSIG.</summary>
public class NodeTransferTests
{
    private const string Secret = "c2VjcmV0LW9mLXRoZS10cmFuc2ZlcnM=";
    private const string NodeAddress = "10.0.0.2";
    private const string KnotAddress = "10.0.0.6";
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const string Primary = """
        fleet: bed
        geo: {map: places.csv}
        pops:
          here: {place: {latitude: 51.5, longitude: -0.1}, nodes: {n1: {addresses: [10.0.0.2]}}}
          there: {place: {latitude: 40.7, longitude: -74.0}}
        dns:
          keys: {xfr.example.: {algorithm: hmac-sha256, secretFile: xfr.key}}
          transfer: [{zone: example.com, from: [10.0.0.0/24], keys: [xfr.example.]}]
          notify: [{to: "10.0.0.6:53", key: xfr.example., source: 10.0.0.2}]
        services:
          web:
            ports: [tcp/80]
            check: {kind: http, path: /health, status: 200, interval: 200ms, fall: 2, rise: 2}
            backends: {here: [10.0.0.5], there: [10.0.0.6]}
        zones:
          example.com: {file: example.com.zone, steer: {www: {service: web, answer: backends, ttl: 1s}}}
        """;

    private const string Secondary = """
        fleet: bed
        pops: {here: {nodes: {n1: {addresses: [10.0.0.2]}}}}
        dns: {keys: {xfr.example.: {algorithm: hmac-sha256, secretFile: xfr.key}}}
        zones:
          example.net: {primaries: [{address: "10.0.0.6:53", key: xfr.example., source: 10.0.0.2}]}
        """;

    [InteropFact("ip", "knotd", "kdig")]
    public void Knot_follows_a_node_through_a_plan_its_files_a_restart_and_a_kill()
    {
        using NodeBed bed = NewBed(Primary);
        File.WriteAllText(bed.InFolder("example.com.zone"), ZoneText("example.com", 5, 1209600, "$INCLUDE more.zone"));
        File.WriteAllText(bed.InFolder("more.zone"), "more TXT \"one\"\n");
        bed.StartBackends();
        Process node = bed.StartNode();
        bed.Until(() => Ask(bed, NodeAddress, "www.example.com", "A").Length > 0, "the node answers", 30);
        string log = StartKnot(bed, $"""
            acl:
              - id: peers
                address: [{NodeAddress}, {KnotAddress}]
                key: xfr.example.
                action: [notify, transfer]
            zone:
              - domain: example.com
                storage: {bed.InFolder("knot")}
                master: node
                acl: peers
            """, out _);
        Follows(bed, log);
        string before = Ask(bed, KnotAddress, "www.example.com", "A");
        uint serial = Serial(bed, KnotAddress);

        // The plan moves the default, and NOTIFY brings it: the refresh is an hour away.
        bed.Sicken(before.Contains("10.0.0.5", StringComparison.Ordinal) ? "b1" : "b2");
        Changes(bed, log, () => Ask(bed, KnotAddress, "www.example.com", "A") is { Length: > 0 } now && now != before);
        Assert.True(Serial(bed, KnotAddress) > serial);
        Assert.Contains("IXFR, incoming", File.ReadAllText(log), StringComparison.Ordinal);
        // A changed file, and then one that it includes, whose change moves no serial in any file.
        File.WriteAllText(bed.InFolder("example.com.zone"),
            ZoneText("example.com", 100, 1209600, "new TXT \"there\"\n$INCLUDE more.zone"));
        Changes(bed, log, () => Ask(bed, KnotAddress, "new.example.com", "TXT").Length > 0);
        Assert.True(Serial(bed, KnotAddress) >= 100);
        File.WriteAllText(bed.InFolder("more.zone"), "more TXT \"two or more\"\n");
        Changes(bed, log, () => Ask(bed, KnotAddress, "more.example.com", "TXT") == "\"two or more\"\n");
        // One AXFR at the start, and differences ever since.
        Assert.Equal(1, Count(log, "AXFR, incoming", "finished"));

        Assert.Contains("REFUSED", Axfr(bed, NodeAddress), StringComparison.Ordinal);
        Assert.Contains("BADSIG", Axfr(bed, NodeAddress, "-y", "hmac-sha256:xfr.example:b3RoZXI="),
            StringComparison.Ordinal);
        Assert.Contains("BADKEY", Axfr(bed, NodeAddress, "-y", $"hmac-sha256:who:{Secret}"), StringComparison.Ordinal);
        Assert.Matches(@"example\.com\. +primary steered +10[1-9] +\d+ +- +-", Zones(bed));

        // A served serial never goes back: neither over a stop, nor over a kill before the disk had the last one.
        serial = Serial(bed, NodeAddress);
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        node = bed.StartNode();
        bed.Until(() => Serial(bed, NodeAddress) > 0, "the node is back", 30);
        Assert.InRange(Serial(bed, NodeAddress), serial, serial + 50);
        Follows(bed, log);
        node.Kill();
        NodeBed.AwaitExit(node, 5);
        bed.StartNode();
        bed.Until(() => Serial(bed, NodeAddress) > 0, "the node is back again", 30);
        Assert.True(Serial(bed, NodeAddress) > serial + 50);
        Follows(bed, log);
        Assert.DoesNotContain("   at ", bed.LogText, StringComparison.Ordinal);
    }

    [InteropFact("ip", "knotd", "knotc", "kdig")]
    public void A_node_follows_a_hidden_primary_and_outlives_it()
    {
        using NodeBed bed = NewBed(Secondary);
        Process node = bed.StartNode();
        // Nobody has ever given it the zone: it serves, and says so.
        bed.Until(() => Kdig(bed, NodeAddress, "example.net", "SOA").Contains("SERVFAIL", StringComparison.Ordinal),
            "the node answers SERVFAIL", 30);
        bed.Until(() => Zones(bed).Contains("never", StringComparison.Ordinal), "the zone was never there");
        WriteZone(bed, "example.net", 1, 1209600, "a A 192.0.2.1");
        WriteZone(bed, "example.org", 1, 1209600, "a A 192.0.2.9");
        string config = $"""
            acl:
              - id: transfer
                address: {NodeAddress}
                key: xfr.example.
                action: transfer
            template:
              - id: default
                storage: {bed.InFolder("knot")}
                acl: transfer
                notify: node
                zonefile-load: difference
                journal-content: changes
            zone:
              - domain: example.net
                file: example.net
              - domain: example.org
                file: example.org
            """;
        string log = StartKnot(bed, config, out Process knot);
        Changes(bed, log, () => Ask(bed, NodeAddress, "a.example.net", "A") == "192.0.2.1\n", 30);

        WriteZone(bed, "example.net", 2, 1209600, "a A 192.0.2.2");
        bed.Bed.Run("b2", "knotc", "-s", bed.InFolder("knot/knot.sock"), "zone-reload", "example.net");
        Changes(bed, log, () => Ask(bed, NodeAddress, "a.example.net", "A") == "192.0.2.2\n");
        bed.AwaitLog("zone example.net.: serial 2 taken by IXFR");
        Assert.Matches(@"example\.net\. +secondary +2 +4 +\d+ s ago +-", Zones(bed));

        // Another one comes, and goes, by SIGHUP.
        bed.WriteFleet(Secondary.TrimEnd()
            + "\n  example.org: {primaries: [{address: \"10.0.0.6:53\", key: xfr.example.}]}\n");
        NodeBed.Signal(node, "HUP");
        Changes(bed, log, () => Ask(bed, NodeAddress, "a.example.org", "A") == "192.0.2.9\n");
        bed.WriteFleet(Secondary);
        NodeBed.Signal(node, "HUP");
        bed.Until(() => Kdig(bed, NodeAddress, "a.example.org", "A").Contains("REFUSED", StringComparison.Ordinal),
            "the zone is gone", 20);

        // The primary dies, and the node is started again: the copy is served.
        knot.Kill();
        NodeBed.AwaitExit(knot, 5);
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        bed.StartNode();
        bed.Until(() => Ask(bed, NodeAddress, "a.example.net", "A") == "192.0.2.2\n", "the copy is served", 30);
        bed.Until(() => Zones(bed).Contains("Connection refused", StringComparison.Ordinal), "the primary is missed");

        // It is back for long enough to say that it is not to be believed for longer than some seconds.
        WriteZone(bed, "example.net", 3, 6, "a A 192.0.2.3");
        StartKnot(bed, config, out knot);
        Changes(bed, log, () => Ask(bed, NodeAddress, "a.example.net", "A") == "192.0.2.3\n", 30);
        knot.Kill();
        bed.Until(() => Kdig(bed, NodeAddress, "a.example.net", "A").Contains("SERVFAIL", StringComparison.Ordinal),
            "it has expired", 30);
        bed.AwaitLog("zone example.net.: expired");
        Assert.DoesNotContain("   at ", bed.LogText, StringComparison.Ordinal);
    }

    private static NodeBed NewBed(string fleet)
    {
        var bed = new NodeBed(fleet);
        Directory.CreateDirectory(bed.InFolder("knot"));
        File.WriteAllText(bed.InFolder("xfr.key"), Secret + "\n");
        File.SetUnixFileMode(bed.InFolder("xfr.key"), OwnersOnly);
        return bed;
    }

    private static string ZoneText(string origin, uint serial, int expire, string records) => $"""
        $ORIGIN {origin}.
        $TTL 300
        @   SOA ns1 hostmaster {serial} 3600 1 {expire} 60
            NS  ns1
        ns1 A   {NodeAddress}
        {records}

        """;

    private static void WriteZone(NodeBed bed, string origin, uint serial, int expire, string records) =>
        File.WriteAllText(bed.InFolder($"knot/{origin}"), ZoneText(origin, serial, expire, records));

    private static string StartKnot(NodeBed bed, string zones, out Process knot)
    {
        string folder = bed.InFolder("knot"), log = bed.InFolder("knot.log"), file = Path.Combine(folder, "knot.conf");
        File.WriteAllText(file, $"""
            server:
                rundir: {folder}
                listen: {KnotAddress}@53
            control:
                listen: {folder}/knot.sock
            database:
                storage: {folder}
            log:
              - target: stderr
                any: info
            key:
              - id: xfr.example.
                algorithm: hmac-sha256
                secret: {Secret}
            remote:
              - id: node
                address: {NodeAddress}
                key: xfr.example.

            """ + zones + "\n");
        knot = bed.Bed.Start("b2", log, "knotd", "-c", file);
        return log;
    }

    private static void Follows(NodeBed bed, string log) => Changes(bed, log, () => Serial(bed, NodeAddress) is > 0 and
        var serial && Serial(bed, KnotAddress) == serial && Records(bed, NodeAddress) == Records(bed, KnotAddress));

    private static void Changes(NodeBed bed, string log, Func<bool> condition, double seconds = 20)
    {
        try
        {
            bed.Until(condition, "the change arrives", seconds);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}\n{Zones(bed)}\n{File.ReadAllText(log)}", late);
        }
    }

    private static int Count(string log, params string[] words) => File.ReadLines(log).Count(
        line => words.All(word => line.Contains(word, StringComparison.Ordinal)));

    private static uint Serial(NodeBed bed, string server) =>
        Ask(bed, server, "example.com", "SOA").Split(' ') is { Length: > 2 } words
            ? uint.Parse(words[2], CultureInfo.InvariantCulture) : 0;

    private static string Records(NodeBed bed, string server) => string.Join('\n', Axfr(
        bed, server, "+noall", "+answer", "-y", $"hmac-sha256:xfr.example:{Secret}").Split('\n')
        .Where(line => !line.StartsWith(';') && !line.Contains("TSIG", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal));

    private static string Axfr(NodeBed bed, string server, params string[] arguments) =>
        Kdig(bed, server, [.. arguments, "example.com", "AXFR"]);

    private static string Ask(NodeBed bed, string server, string name, string type) =>
        Kdig(bed, server, "+short", name, type) is var said && said.Contains(';', StringComparison.Ordinal) ? "" : said;

    // What kdig says of an error it says on the other stream.
    private static string Kdig(NodeBed bed, string server, params string[] arguments)
    {
        (int _, string output, string error) = Command.Try("ip", TimeSpan.FromSeconds(5), null,
        [
            "netns", "exec", bed.Bed.NamespaceOf(server == KnotAddress ? "b2" : "n1"), "kdig", $"@{server}", "+retry=0",
            "+timeout=2", .. arguments,
        ]);
        return output + error;
    }

    private static string Zones(NodeBed bed) =>
        Command.Try(NodeBed.Program, TimeSpan.FromSeconds(5), null, "dns", "zones", "--control", bed.Control).Output;
}
