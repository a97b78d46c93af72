using System.Net;
using Fairlead.Bgp.Bmp;
using Fairlead.InteropTests.Bgp;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Bmp;

/// <summary>Our station beside an FRR that hears routes of a BIRD: what one announces, the other tells.</summary>
public sealed class FrrBmpTests : IDisposable
{
    private static int count;
    private readonly Bed bed = new($"fltbmp{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-bmp").FullName;

    public void Dispose()
    {
        bed.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [InteropFact("ip", "bird", "bgpd")]
    public async Task What_frr_hears_of_its_peer_is_seen_as_it_comes_and_goes()
    {
        bed.AddHost("frr");
        bed.AddHost("bird");
        bed.AddLink("frr", "eth0", "bird", "eth0");
        bed.AddAddress("frr", "eth0", "10.9.0.1/24");
        bed.AddAddress("bird", "eth0", "10.9.0.2/24");
        await using BmpListener listener = NetworkNamespace.Run(
            bed.NamespaceOf("frr"), () => new BmpListener(new BmpOptions(new IPEndPoint(IPAddress.Loopback, 5000))));
        listener.Start();
        using var bird = new BirdRouter(bed, "bird", """
            router id 10.9.0.2; log stderr all;
            protocol device {}
            protocol static few { ipv4; route 198.18.0.0/24 blackhole; route 198.18.1.0/24 blackhole; }
            protocol static more { disabled; ipv4; route 198.18.2.0/24 blackhole; }
            protocol bgp frr { local 10.9.0.2 as 65002; neighbor 10.9.0.1 as 65001; connect retry time 1;
              ipv4 { import all; export filter { bgp_community.add((65002,7)); bgp_med = 5; accept; }; }; }

            """);
        StartFrr();

        BirdRouter.Eventually(() => Prefixes(listener, BmpView.InPrePolicy) is ["198.18.0.0/24", "198.18.1.0/24"],
            "both routes", seconds: 30);
        BmpRouter router = listener.Routers.Single();
        BmpPeerUp peer = Assert.Single(router.Status().PeersUp);
        Assert.Equal((IPAddress.Parse("10.9.0.2"), 65002u, true), (peer.Peer.Address, peer.Asn.Value, peer.External));
        Assert.Equal("audited", router.Status().Name);
        BmpPath path = router.Routes(peer.Peer, BmpView.InPrePolicy)[0].Path;
        Assert.Equal((5u, 65002u, (65002u << 16) | 7u), (path.Med, path.AsPath[^1].Value, path.Communities.Single()));
        BirdRouter.Eventually(
            () => Prefixes(listener, BmpView.InPostPolicy) is ["198.18.0.0/24", "198.18.1.0/24"], "what was taken");
        BirdRouter.Eventually(() => router.Statistics(peer.Peer).Count > 0, "statistics");

        bird.Ask("enable more");
        BirdRouter.Eventually(() => Prefixes(listener, BmpView.InPrePolicy).Length == 3, "a third route");
        bird.Ask("disable few");
        BirdRouter.Eventually(() => Prefixes(listener, BmpView.InPrePolicy) is ["198.18.2.0/24"], "two are withdrawn");
        bird.Ask("disable frr");
        BirdRouter.Eventually(() => router.Status().PeersUp.IsEmpty, "the peer goes down");
        Assert.Empty(router.Status().Tables);
        Assert.StartsWith("10.9.0.2: ", router.Status().LastPeerDown, StringComparison.Ordinal);
        Assert.DoesNotContain(router.Status().Counters.Keys, name =>
            name.StartsWith("Rejected", StringComparison.Ordinal) || name is "Unreadable" or "UnknownPeer");
    }

    private static string[] Prefixes(BmpListener listener, BmpView view) =>
        listener.Routers.SingleOrDefault() is { } router && router.Status().PeersUp is [{ Peer: BmpPeer peer }]
            ? [.. router.Routes(peer, view).Select(route => route.Prefix.ToString())]
            : [];

    private void StartFrr()
    {
        string file = Path.Combine(folder, "bgpd.conf");
        File.WriteAllText(file, """
            hostname audited
            router bgp 65001
             bgp router-id 10.9.0.1
             no bgp ebgp-requires-policy
             neighbor 10.9.0.2 remote-as 65002
             neighbor 10.9.0.2 timers connect 1
             address-family ipv4 unicast
              neighbor 10.9.0.2 soft-reconfiguration inbound
             exit-address-family
             bmp targets audit
              bmp connect 127.0.0.1 port 5000 min-retry 100 max-retry 200
              bmp monitor ipv4 unicast pre-policy
              bmp monitor ipv4 unicast post-policy
              bmp stats interval 500

            """);
        // Without zebra and without privileges given up: a BGP speaker, no router.
        bed.Start("frr", Path.Combine(folder, "log"), "/usr/lib/frr/bgpd", "-M", "bmp", "-f", file, "-i",
            Path.Combine(folder, "pid"), "-Z", "-S", "--vty_socket", folder, "-P", "0");
    }
}
