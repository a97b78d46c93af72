using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Spec;
using Fairlead.Import;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Node;
using Fairlead.Tests.Dns;
using Fairlead.Tests.Import;
using Xunit.Abstractions;

namespace Fairlead.InteropTests.Dns;

/// <summary>What named answers, our server answers with the imported configuration.</summary>
public class BindTests(ITestOutputHelper output)
{
    private static readonly IPEndPoint Named = new(IPAddress.Loopback, 5321);
    private static readonly string[] Types = ["A", "NS", "SOA", "CNAME", "MX", "DS", "HTTPS", "TYPE64999"];

    [InteropFact("named", "named-checkconf", "ip")]
    public async Task An_imported_named_conf_answers_as_named_did()
    {
        using var bed = new Bed("fltbind");
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-bind").FullName;
        var zone = new GeneratedZone(3);
        // named wants digests of their type's length.
        WriteConf(folder, Regex.Replace(zone.Text, "13 2 [AB]+", $"13 2 {new string('A', 64)}"));
        string conf = Path.Combine(folder, "named.conf");
        bed.Run("srv", "named-checkconf", "-z", conf);

        ImportedFleet imported = BindImport.Read(conf);
        imported.Write(Path.Combine(folder, "fairlead"));
        string file = Path.Combine(folder, "fairlead/fleet.yaml");
        BindFleets.KeepWhatIsRead(file);
        LoadedFleet? fleet = LoadedFleet.Read(file, out IReadOnlyList<SpecProblem> problems);
        Assert.True(fleet is not null, string.Join('\n', problems));
        Assert.Equal($"{Named}", $"{Assert.Single(fleet.Spec.Dns.Listen)}");

        bed.Start("srv", Path.Combine(folder, "named.log"), "named", "-g", "-n", "1", "-c", conf);
        var table = new Snapshot<DnsTable>(DnsTable.Create(
            1, fleet.Zones, RegionMap.Empty, SteeringTable.Empty, ""));
        await using var server = new DnsServer(
            new DnsServerOptions { Listen = [ReferenceServers.Ours], RateLimit = null }, table);
        NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            return 0;
        });
        using UdpClient client = NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
            new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)));
        await ReferenceServers.UntilServesAsync(client, Named, Path.Combine(folder, "named.log"));
        await CompareAsync(client, [.. zone.Names(), "example.net.", "a.b.wild.example.net.", "deep.sub.example.net."]);
        Directory.Delete(folder, recursive: true);
    }

    private async Task CompareAsync(UdpClient client, string[] names)
    {
        (int asked, int accepted) = (0, 0);
        var differences = new List<string>();
        foreach (string name in names)
        {
            foreach (string type in Types)
            {
                Assert.True(RecordTypes.TryParse(type, out RecordType number));
                byte[] query = DnsTestBed.Query(name, number, 1232);
                Reply ours = await ReferenceServers.AskAsync(client, ReferenceServers.Ours, query);
                Reply theirs = await ReferenceServers.AskAsync(client, Named, query);
                asked++;
                if (AgreementTests.Text(theirs) == AgreementTests.Text(ours)) continue;
                if (AcceptedDifferences.Explain("named", type, ours, theirs) is not null) accepted++;
                else differences.Add(
                    $"{name} {type}\n named: {AgreementTests.Text(theirs)}\n ours: {AgreementTests.Text(ours)}");
            }
        }

        output.WriteLine($"{asked} questions, {accepted} explained differences");
        Assert.True(asked > 500, $"{asked} questions");
        Assert.True(differences.Count == 0,
            $"{differences.Count} of {asked}:\n{string.Join('\n', differences.Take(20))}");
    }

    private static void WriteConf(string folder, string zone)
    {
        Directory.CreateDirectory(Path.Combine(folder, "zones"));
        File.WriteAllText(Path.Combine(folder, "zones/com.db"), zone);
        File.WriteAllText(Path.Combine(folder, "zones/net.db"), """
            $TTL 5m
            @ SOA ns1 hostmaster 7 7200 900 1209600 60
              NS ns1
            ns1 A 192.0.2.1
            $ORIGIN sub.example.net.
            $INCLUDE sub.inc deep
            *.wild.example.net. TXT "any"

            """);
        File.WriteAllText(Path.Combine(folder, "zones/sub.inc"), "@ 60 A 192.0.2.7\n$GENERATE 1-5 h$ A 192.0.2.$\n");
        File.WriteAllText(Path.Combine(folder, "keys.conf"),
            "key xfr.example. { algorithm hmac-sha256; secret \"c2VjcmV0LXNlY3JldC1zZWNyZXQ=\"; };\n");
        File.WriteAllText(Path.Combine(folder, "named.conf"), $$"""
            include "{{folder}}/keys.conf";
            acl friends { 127.0.0.1; !10.0.0.9; 10/8; };
            options {
              directory "{{folder}}/zones";
              listen-on port {{Named.Port}} { 127.0.0.1; };
              listen-on-v6 { none; };
              pid-file none; session-keyfile none; managed-keys-directory "{{folder}}";
              recursion no; dnssec-validation no; minimal-responses no-auth;
              zero-no-soa-ttl no; check-integrity no; check-names primary ignore;
              allow-transfer { friends; key xfr.example.; }; notify no;
            };
            controls { };
            zone "example.com" { type primary; file "com.db"; };
            zone "example.net" { type primary; file "net.db"; };
            """);
    }
}
