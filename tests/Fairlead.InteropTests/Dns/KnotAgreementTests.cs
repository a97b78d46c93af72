using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Steering;
using Fairlead.Dns.Wire;
using Fairlead.Lab.Topologies;
using Fairlead.Net;
using Fairlead.Net.Linux;
using Fairlead.Tests.Dns;

namespace Fairlead.InteropTests.Dns;

/// <summary>The same zone, served by Knot and by us, asked the same questions.</summary>
public class KnotAgreementTests
{
    private static readonly IPEndPoint Knot = new(IPAddress.Loopback, 5301);
    private static readonly IPEndPoint Ours = new(IPAddress.Loopback, 5302);

    private static readonly RecordType[] Types =
    [
        RecordType.A, RecordType.Aaaa, RecordType.Ns, RecordType.Soa, RecordType.Cname, RecordType.Mx, RecordType.Txt,
        RecordType.Srv, RecordType.Ptr, RecordType.Caa, RecordType.Ds, (RecordType)65, (RecordType)64999,
    ];

    [InteropFact("knotd", "ip")]
    public async Task Knot_and_we_give_the_same_answers()
    {
        using var bed = new Bed("fltdnsk");
        bed.AddHost("srv");
        string folder = Directory.CreateTempSubdirectory("fairlead-knot").FullName;
        StartKnot(bed, folder);
        var table =
            new Snapshot<DnsTable>(DnsTable.Create(1, [DnsTestBed.Zone], RegionMap.Empty, SteeringTable.Empty, ""));
        await using var server = new DnsServer(new DnsServerOptions { Listen = [Ours] }, table);
        NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
        {
            server.Start();
            return 0;
        });
        using UdpClient client = NetworkNamespace.Run(bed.NamespaceOf("srv"), () =>
            new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)));
        await UntilKnotServesAsync(client);

        var differences = new List<string>();
        int asked = 0;
        foreach (string name in Names())
        {
            foreach (RecordType type in Types)
            {
                byte[] query = DnsTestBed.Query(name, type, 1232);
                Reply knot = await AskAsync(client, Knot, query), ours = await AskAsync(client, Ours, query);
                asked++;
                if (Text(knot) != Text(ours))
                    differences.Add($"{name} {type}\n knot: {Text(knot)}\n ours: {Text(ours)}");
            }
        }

        Directory.Delete(folder, recursive: true);
        Assert.True(asked > 500, $"{asked} questions");
        Assert.True(
            differences.Count == 0, $"{differences.Count} of {asked}:\n" + string.Join('\n', differences.Take(20)));
    }

    // Every name of the zone, one below it, one beside it, and the empty ones between.
    private static IEnumerable<string> Names()
    {
        var names = new HashSet<DnsName>();
        foreach (DnsName owner in DnsTestBed.Zone.Owners)
        {
            for (DnsName name = owner; name.IsWithin(DnsTestBed.Zone.Origin); name = name.Parent)
            {
                names.Add(name);
                names.Add(name.Prepend("Below"));
                names.Add(name.Prepend("two").Prepend("more"));
                names.Add(name.Prepend("*"));
                if (name.IsRoot) break;
            }
        }

        names.Add(DnsName.Parse("example.org"));
        names.Add(DnsName.Parse("com"));
        return names.Select(name => name.ToString());
    }

    private static string Text(Reply reply)
    {
        static string Sorted(IEnumerable<string> records) =>
            string.Join(", ", records.Select(record => record.ToLowerInvariant()).Order());
        return $"{reply.Rcode} aa={reply.Authoritative} tc={reply.Truncated} "
            + $"[{Sorted(reply.Answers)}] [{Sorted(reply.Authorities)}] "
            + $"[{Sorted(reply.Additionals)}]";
    }

    private static void StartKnot(Bed bed, string folder)
    {
        File.WriteAllText(Path.Combine(folder, "example.com.zone"), DnsTestBed.ZoneText + "\n");
        File.WriteAllText(Path.Combine(folder, "knot.conf"), $"""
            server:
                rundir: {folder}
                listen: {Knot.Address}@{Knot.Port}
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            database:
                storage: {folder}
            log:
              - target: stderr
                any: info
            zone:
              - domain: example.com
                storage: {folder}
                file: example.com.zone
                journal-content: none
                zonefile-load: whole
                semantic-checks: off

            """);
        bed.Start("srv", Path.Combine(folder, "knot.log"), "knotd", "-c", Path.Combine(folder, "knot.conf"));
    }

    private static async Task UntilKnotServesAsync(UdpClient client)
    {
        for (int i = 0; i < 100; i++)
        {
            byte[] query = DnsTestBed.Query("example.com", RecordType.Soa);
            await client.SendAsync(query, Knot);
            using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
            try
            {
                if (new Reply((await client.ReceiveAsync(deadline.Token)).Buffer).Answers.Count == 1) return;
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // It has not opened its socket yet.
            }

            await Task.Delay(50);
        }

        Assert.Fail("knotd did not serve the zone");
    }

    private static async Task<Reply> AskAsync(UdpClient client, IPEndPoint server, byte[] query)
    {
        await client.SendAsync(query, server);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        int question = query.Length - QueryMessage.HeaderBytes - 11; // Without the OPT at the end.
        while (true)
        {
            UdpReceiveResult got = await client.ReceiveAsync(deadline.Token);
            // A late answer to an earlier question is not this one's.
            bool isOurs = got.RemoteEndPoint.Equals(server)
                && got.Buffer.AsSpan(QueryMessage.HeaderBytes, question).SequenceEqual(
                    query.AsSpan(QueryMessage.HeaderBytes, question));
            if (isOurs) return new Reply(got.Buffer);
        }
    }
}
