using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;
using Fairlead.Lab.Topologies;
using Fairlead.Tests.Dns;

namespace Fairlead.InteropTests.Dns;

/// <summary>Knot and NSD with one zone in a namespace, and a client that asks any server there.</summary>
internal static class ReferenceServers
{
    public static readonly IPEndPoint Knot = new(IPAddress.Loopback, 5301);
    public static readonly IPEndPoint Ours = new(IPAddress.Loopback, 5302);
    public static readonly IPEndPoint Nsd = new(IPAddress.Loopback, 5303);

    public static void StartKnot(Bed bed, string folder)
    {
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
              - domain: {GeneratedZone.Origin}
                storage: {folder}
                file: zone
                journal-content: none
                zonefile-load: whole
                semantic-checks: off

            """);
        bed.Start("srv", Path.Combine(folder, "knot.log"), "knotd", "-c", Path.Combine(folder, "knot.conf"));
    }

    public static void StartNsd(Bed bed, string folder)
    {
        // Its rate limit would take most of the answers away; the NS of the apex in every answer is nobody's need.
        File.WriteAllText(Path.Combine(folder, "nsd.conf"), $"""
            server:
                ip-address: {Nsd.Address}@{Nsd.Port}
                server-count: 1
                username: ""
                zonesdir: "{folder}"
                database: ""
                zonelistfile: "{folder}/zone.list"
                xfrdfile: "{folder}/xfrd.state"
                xfrdir: "{folder}"
                pidfile: "{folder}/nsd.pid"
                rrl-ratelimit: 0
                rrl-whitelist-ratelimit: 0
                minimal-responses: yes
            remote-control:
                control-enable: no
            zone:
                name: {GeneratedZone.Origin}
                zonefile: zone

            """);
        bed.Start("srv", Path.Combine(folder, "nsd.log"), "nsd", "-d", "-c", Path.Combine(folder, "nsd.conf"));
    }

    public static async Task UntilServesAsync(UdpClient client, IPEndPoint server, string log)
    {
        byte[] query = DnsTestBed.Query(GeneratedZone.Origin, RecordType.Soa);
        for (int i = 0; i < 100; i++)
        {
            try
            {
                if ((await AskAsync(client, server, query, TimeSpan.FromMilliseconds(200))).Answers.Count == 1) return;
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException)
            {
                // It has not opened its socket yet.
            }

            await Task.Delay(50);
        }

        Assert.Fail($"{server} did not serve the zone:\n{File.ReadAllText(log)}");
    }

    public static async Task<Reply> AskAsync(UdpClient client, IPEndPoint server, byte[] query, TimeSpan? within = null)
    {
        await client.SendAsync(query, server);
        using var deadline = new CancellationTokenSource(within ?? TimeSpan.FromSeconds(3));
        int question = NameEnd(query) + 4 - QueryMessage.HeaderBytes;
        while (true)
        {
            UdpReceiveResult got = await client.ReceiveAsync(deadline.Token);
            // A late answer to an earlier question is not this one's.
            bool same = got.RemoteEndPoint.Equals(server) && got.Buffer.Length >= QueryMessage.HeaderBytes + question
                && got.Buffer.AsSpan(QueryMessage.HeaderBytes, question).SequenceEqual(
                    query.AsSpan(QueryMessage.HeaderBytes, question));
            if (same) return new Reply(got.Buffer);
        }
    }

    private static int NameEnd(byte[] query)
    {
        int at = QueryMessage.HeaderBytes;
        while (query[at] != 0) at += query[at] + 1;
        return at + 1;
    }
}
